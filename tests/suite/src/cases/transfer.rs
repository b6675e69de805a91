// SPDX-License-Identifier: GPL-2.0
//! splice, tee, vmsplice, sendfile and copy_file_range on both ends.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{copy_file_range, tee, vmsplice, SpliceFFlags};
use nix::sys::sendfile::sendfile;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::process::{child, Gate};
use crate::fixture::stream::{same, Stream};
use crate::fixture::{io, pair, raw_pair};

cases! { "transfer":
    splice_both_ways => "splice from a pipe to either end, and back into one",
    splice_lines => "splice from a slave gives a line at a time, and into it is echoed by none",
    splice_waits => "splice from an end waits for data, and is EAGAIN when the file is O_NONBLOCK",
    splice_hung_up => "splice from the master is EIO when the slave is closed, from a hung-up slave EINVAL",
    splice_errors => "splice without a pipe is EINVAL, at an offset ESPIPE, in a wrong direction EBADF",
    splice_of_nothing => "splice of no bytes is 0, and into an end from an empty pipe without writers, too",
    tee_is_refused => "tee to or from an end is EINVAL",
    vmsplice_and_splice => "pages given to a pipe go to either end",
    sendfile_to_both => "sendfile from a file to either end",
    sendfile_from_refused => "sendfile from an end is EINVAL, at an offset ESPIPE",
    sendfile_of_lines => "sendfile to a slave is output, with its post-processing",
    copy_file_range_refused => "copy_file_range to or from an end is EINVAL",
}

/// splice(2) without offsets.
fn splice(from: &OwnedFd, to: &OwnedFd, n: usize) -> nix::Result<usize> {
    nix::fcntl::splice(from, None, to, None, n, nix::fcntl::SpliceFFlags::empty())
}

fn splice_both_ways(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let (in_reader, in_writer) = nix::unistd::pipe().context("pipe")?;
        let (out_reader, out_writer) = nix::unistd::pipe().context("pipe")?;
        let bytes = Stream::new(9).bytes(2000);
        io::write_all(&in_writer, &bytes)?;
        let mut left = bytes.len();
        while left > 0 {
            left -= splice(&in_reader, to, left).context("splice into the pty")?;
        }
        let mut left = bytes.len();
        while left > 0 {
            left -= splice(from, &out_writer, left).context("splice from the pty")?;
        }
        same(&out_reader, &bytes)?;
    }
    Ok(())
}

fn sendfile_to_both(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = Stream::new(10).bytes(50_000);
    std::fs::write(ctx.work.join("file"), &bytes).context("write the file")?;
    for (to, from) in pty.directions(&slave) {
        let sender = child(|| {
            let file = std::fs::File::open(ctx.work.join("file"))?;
            let mut left = bytes.len();
            while left > 0 {
                left -= sendfile(to, &file, None, left).context("sendfile")?;
            }
            Ok(())
        })?;
        same(from, &bytes)?;
        sender.succeed()?;
    }
    Ok(())
}

fn splice_lines(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    io::write_all(&pty.master, b"one\ntwo\n")?;
    io::expect(&pty.master, b"one\r\ntwo\r\n")?;
    check_eq!(Ok(4), splice(&slave, &writer, 100), "the first line");
    check_eq!(Ok(2), splice(&slave, &writer, 2), "a part of the second");
    check_eq!(Ok(2), splice(&slave, &writer, 100), "its rest");
    io::expect(&reader, b"one\ntwo\n")?;
    io::write_all(&writer, b"out\n")?;
    check_eq!(Ok(4), splice(&reader, &slave, 4), "output");
    io::expect(&pty.master, b"out\r\n")?;
    io::write_all(&pty.master, b"\x04")?;
    check_eq!(Ok(0), splice(&slave, &writer, 100), "end of file");
    Ok(())
}

fn splice_waits(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let (reader, writer) = nix::unistd::pipe().context("pipe")?;
        io::set_nonblock(from, true)?;
        check_errno(splice(from, &writer, 9), Errno::EAGAIN, "O_NONBLOCK")?;
        io::set_nonblock(from, false)?;
        let ready = Gate::new()?;
        let waiter = child(|| {
            ready.open()?;
            check_eq!(Ok(4), splice(from, &writer, 9), "splice");
            Ok(())
        })?;
        ready.pass()?;
        waiter.asleep()?;
        io::write_all(to, b"late")?;
        waiter.succeed()?;
        io::expect(&reader, b"late")?;
    }
    Ok(())
}

fn splice_hung_up(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    drop(slave);
    check_errno(splice(&pty.master, &writer, 9), Errno::EIO, "the master")?;
    let slave = pty.slave()?;
    drop(pty.master);
    // A hung-up file has no splice of its own, and none can be made up for it.
    check_errno(splice(&slave, &writer, 9), Errno::EINVAL, "the slave")?;
    io::write_all(&writer, b"x")?;
    check_errno(splice(&reader, &slave, 1), Errno::EINVAL, "into the slave")
}

fn splice_errors(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    io::write_all(&writer, b"data")?;
    let flags = SpliceFFlags::empty();
    for (to, from) in pty.directions(&slave) {
        check_errno(splice(from, to, 9), Errno::EINVAL, "end to end")?;
        let at = &mut 0;
        check_errno(
            nix::fcntl::splice(from, Some(at), &writer, None, 9, flags),
            Errno::EINVAL,
            "from an offset",
        )?;
        check_errno(
            nix::fcntl::splice(&reader, None, to, Some(at), 9, flags),
            Errno::EINVAL,
            "to an offset",
        )?;
        check_errno(
            splice(from, &reader, 9),
            Errno::EBADF,
            "into a pipe's reader",
        )?;
        check_errno(splice(&writer, to, 9), Errno::EBADF, "from a pipe's writer")?;
    }
    io::expect(&reader, b"data")
}

fn splice_of_nothing(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let (reader, writer) = nix::unistd::pipe().context("pipe")?;
        check_eq!(Ok(0), splice(from, &writer, 0), "from an end");
        check_eq!(Ok(0), splice(&reader, to, 0), "to an end");
        drop(writer);
        check_eq!(Ok(0), splice(&reader, to, 9), "from an empty pipe");
    }
    Ok(())
}

fn tee_is_refused(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    io::write_all(&writer, b"data")?;
    let flags = SpliceFFlags::empty();
    for end in [&pty.master, &slave] {
        check_errno(tee(end, &writer, 9, flags), Errno::EINVAL, "from an end")?;
        check_errno(tee(&reader, end, 9, flags), Errno::EINVAL, "to an end")?;
    }
    Ok(())
}

fn vmsplice_and_splice(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = Stream::new(11).bytes(1500);
    for (to, from) in pty.directions(&slave) {
        let (reader, writer) = nix::unistd::pipe().context("pipe")?;
        let parts = [IoSlice::new(&bytes[..700]), IoSlice::new(&bytes[700..])];
        let given = vmsplice(&writer, &parts, SpliceFFlags::empty());
        check_eq!(Ok(1500), given, "vmsplice");
        let mut left = bytes.len();
        while left > 0 {
            left -= splice(&reader, to, left).context("splice")?;
        }
        same(from, &bytes)?;
    }
    for end in [&pty.master, &slave] {
        check_errno(
            vmsplice(end, &[IoSlice::new(b"x")], SpliceFFlags::empty()),
            Errno::EBADF,
            "vmsplice to an end",
        )?;
    }
    Ok(())
}

fn sendfile_from_refused(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let file = std::fs::File::create(ctx.work.join("file")).context("create")?;
    for (to, from) in pty.directions(&slave) {
        io::write_all(to, b"data")?;
        check_errno(
            sendfile(&file, from, Some(&mut 0), 4),
            Errno::ESPIPE,
            "from an end at an offset",
        )?;
        check_errno(sendfile(&file, from, None, 4), Errno::EINVAL, "from an end")?;
        io::expect(from, b"data")?;
    }
    Ok(())
}

fn sendfile_of_lines(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    std::fs::write(ctx.work.join("file"), b"one\ntwo\n").context("write the file")?;
    let file = std::fs::File::open(ctx.work.join("file")).context("open")?;
    check_eq!(
        Ok(8),
        sendfile(&slave, &file, Some(&mut 0), 100),
        "sendfile"
    );
    io::expect(&pty.master, b"one\r\ntwo\r\n")?;
    check_eq!(Ok(4), sendfile(&slave, &file, Some(&mut 4), 100), "at 4");
    io::expect(&pty.master, b"two\r\n")
}

fn copy_file_range_refused(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    std::fs::write(ctx.work.join("file"), b"data").context("write the file")?;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(ctx.work.join("file"))
        .context("open")?;
    for (to, from) in pty.directions(&slave) {
        let into = copy_file_range(&file, None, to, None, 4);
        check_errno(into, Errno::EINVAL, "from a file")?;
        let out_of = copy_file_range(from, None, &file, None, 4);
        check_errno(out_of, Errno::EINVAL, "to a file")?;
        let between = copy_file_range(from, None, to, None, 4);
        check_errno(between, Errno::EINVAL, "between ends")?;
    }
    Ok(())
}
