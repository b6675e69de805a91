// SPDX-License-Identifier: GPL-2.0
//! The files of the limits.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child};

cases! { "sysctl":
    files => "max and reserve are mode 0644, nr is 0444, all owned by root, and nothing else is there",
    defaults [alone] => "max is 4096 and reserve 1024 unless someone changed them",
    write_and_read_back [alone] => "max and reserve take what is written, from 0 to the largest int",
    bad_values [alone] => "text, negative numbers and numbers beyond int are EINVAL and change nothing",
    nr_is_read_only => "nr cannot be opened for writing, by root either",
    needs_root => "a user can read all three and write none",
    text_is_a_line => "each file reads as a number and a newline",
}

fn files(ctx: &Ctx) -> Outcome {
    let mut names: Vec<_> = fs::read_dir(ctx.target.sysctl)
        .context(ctx.target.sysctl)?
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    check_eq!(
        vec!["max".to_owned(), "nr".to_owned(), "reserve".to_owned()],
        names,
        "names"
    );
    for (name, mode) in [("max", 0o644), ("reserve", 0o644), ("nr", 0o444)] {
        let meta = fs::metadata(Path::new(ctx.target.sysctl).join(name)).context(name)?;
        check_eq!(
            (mode, 0, 0),
            (meta.permissions().mode() & 0o7777, meta.uid(), meta.gid()),
            "{name}"
        );
    }
    Ok(())
}

fn defaults(ctx: &Ctx) -> Outcome {
    // A machine in use may have been configured otherwise; what is in a configuration file is not tested.
    let configured = [
        "/etc/sysctl.conf",
        "/etc/sysctl.d",
        "/run/sysctl.d",
        "/usr/lib/sysctl.d",
    ]
    .iter()
    .any(|path| {
        let mut files = vec![std::path::PathBuf::from(path)];
        files.extend(
            fs::read_dir(path)
                .into_iter()
                .flatten()
                .filter_map(|e| Some(e.ok()?.path())),
        );
        files
            .iter()
            .any(|f| fs::read_to_string(f).is_ok_and(|text| text.contains("pty")))
    });
    if !configured {
        check_eq!(
            (4096, 1024),
            (ctx.sysctl("max")?, ctx.sysctl("reserve")?),
            "max and reserve"
        );
    }
    Ok(())
}

fn write_and_read_back(ctx: &Ctx) -> Outcome {
    for name in ["max", "reserve"] {
        let before = ctx.sysctl(name)?;
        let tried = [0, 1, 77, 1_048_577, i64::from(i32::MAX)]
            .into_iter()
            .try_for_each(|value| {
                ctx.set_sysctl(name, value)
                    .with_context(|| format!("{name} = {value}"))?;
                check_eq!(value, ctx.sysctl(name)?, "{name}");
                Ok(())
            });
        ctx.set_sysctl(name, before).context("restore")?;
        tried?;
    }
    Ok(())
}

fn bad_values(ctx: &Ctx) -> Outcome {
    for name in ["max", "reserve"] {
        let before = ctx.sysctl(name)?;
        for value in [
            "-1",
            "many",
            "2147483648",
            "99999999999999999999",
            "-2147483648",
            "0x",
            "12x",
        ] {
            check_errno(
                ctx.set_sysctl(name, value),
                Errno::EINVAL,
                &format!("{name} = {value}"),
            )?;
            check_eq!(before, ctx.sysctl(name)?, "{name} after {value}");
        }
    }
    Ok(())
}

fn nr_is_read_only(ctx: &Ctx) -> Outcome {
    let path = Path::new(ctx.target.sysctl).join("nr");
    check_errno(
        open_at(&path, OFlag::O_WRONLY),
        Errno::EACCES,
        "open nr for writing",
    )?;
    check!(ctx.sysctl("nr")? >= 0, "nr is negative");
    Ok(())
}

fn needs_root(ctx: &Ctx) -> Outcome {
    child(|| {
        become_user(1000)?;
        for name in ["max", "reserve", "nr"] {
            ctx.sysctl(name)?;
            check_errno(ctx.set_sysctl(name, 5), Errno::EACCES, name)?;
        }
        Ok(())
    })?
    .succeed()
}

fn text_is_a_line(ctx: &Ctx) -> Outcome {
    for name in ["max", "reserve", "nr"] {
        let text = fs::read_to_string(Path::new(ctx.target.sysctl).join(name)).context(name)?;
        let number = text
            .strip_suffix('\n')
            .with_context(|| format!("{name} reads {text:?}"))?;
        check!(
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()),
            "{name} reads {text:?}"
        );
    }
    Ok(())
}
