// SPDX-License-Identifier: GPL-2.0

//! `/proc/PID/fdinfo/FD` of an open end of a pty. See proc_pid_fdinfo(5) and rdevpts(4).

use crate::device::Device;
use crate::fields::Fields;

/// Which end of a pty a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The terminal emulator's.
    Master,
    /// The programs'.
    Slave,
}

/// One end of a pty of rdevpts, open.
#[derive(Debug, PartialEq, Eq)]
pub struct Fdinfo {
    /// Which end it is.
    pub end: End,
    /// The mount that the pty is of.
    pub mount: Device,
    /// Its index there.
    pub index: u32,
    /// What else is told; a slave tells less.
    pub fields: Fields,
}

/// Takes one file apart: lines of `key:\tvalue`. None for all files but those of rdevpts.
pub fn parse(text: &str) -> Option<Fdinfo> {
    let (mut end, mut mount, mut index) = (None, None, None);
    let mut fields = Fields::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "tty-index" => index = value.parse().ok(),
            "rdevpts-mount" => mount = value.parse().ok(),
            "rdevpts-end" => {
                end = match value {
                    "master" => Some(End::Master),
                    "slave" => Some(End::Slave),
                    _ => None,
                };
            }
            key => {
                let name = key
                    .strip_prefix("rdevpts-")
                    .map(|name| name.replace('-', "_"));
                if let Some(field) = name.and_then(|name| fields.by_name(&name)) {
                    *field = value.parse().ok();
                }
            }
        }
    }
    Some(Fdinfo {
        end: end?,
        mount: mount?,
        index: index?,
        fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "\
pos:\t0
flags:\t0100002
mnt_id:\t31
ino:\t2
tty-index:\t3
rdevpts-end:\tmaster
rdevpts-mount:\t0:45
rdevpts-opens:\t1
rdevpts-pgrp:\t200
rdevpts-session:\t199
rdevpts-output:\t1000
rdevpts-output-queued:\t100
rdevpts-output-stalls:\t10
rdevpts-input:\t50
rdevpts-input-queued:\t5
rdevpts-ring:\t65536
";

    #[test]
    fn a_master() {
        let fields = Fields {
            opens: Some(1),
            pgrp: Some(200),
            session: Some(199),
            output: Some(1000),
            output_queued: Some(100),
            output_stalls: Some(10),
            input: Some(50),
            input_queued: Some(5),
            ring: Some(65536),
        };
        let expected = Fdinfo {
            end: End::Master,
            mount: "0:45".parse().unwrap(),
            index: 3,
            fields,
        };
        assert_eq!(parse(MASTER), Some(expected));
    }

    #[test]
    fn a_slave_tells_less() {
        let text = "tty-index:\t0\nrdevpts-end:\tslave\nrdevpts-mount:\t0:9\nrdevpts-opens:\t2\nrdevpts-new-thing:\tx\n";
        let info = parse(text).unwrap();
        let fields = Fields {
            opens: Some(2),
            ..Fields::default()
        };
        assert_eq!((info.end, info.index, info.fields), (End::Slave, 0, fields));
    }

    #[test]
    fn other_files_are_none() {
        for text in [
            "",
            "pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t1\n",
            "pos:\t0\ntty-index:\t7\n",
            "\n\n:\n::\nrdevpts-end",
            "\u{fffd}",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        for broken in [
            ("tty-index:\t3", "tty-index:\t-3"),
            ("master", "both"),
            ("0:45", "045"),
            ("tty-index", "index"),
        ] {
            assert_eq!(
                parse(&MASTER.replacen(broken.0, broken.1, 1)),
                None,
                "{broken:?}"
            );
        }
        let text = MASTER.replace("\t1000", "\t1e3");
        assert_eq!(parse(&text).unwrap().fields.output, None);
    }
}
