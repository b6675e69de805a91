// SPDX-License-Identifier: GPL-2.0
//! Calls on the files of both ends that are about files, not terminals.

use std::os::fd::AsRawFd;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{fallocate, posix_fadvise, FallocateFlags};
use nix::sys::stat::fstat;
use nix::unistd::{fdatasync, fsync, ftruncate};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, Request};
use crate::fixture::{pair, Fs, Pty};

cases! { "file_calls":
    no_size => "ftruncate and fsync are EINVAL, fallocate is ENODEV, sync_file_range and readahead are refused",
    advice => "fadvise is accepted, and bad advice EINVAL",
    no_mapping => "mmap is ENODEV, whatever the protection",
    positions => "every kind of seek is ESPIPE",
    owner_by_descriptor => "fchmod and fchown of a slave's file change its node, of a master's the node ptmx",
    attributes_by_descriptor => "user attributes of a descriptor are EPERM, and there is none to list",
    handles => "name_to_handle_at of nodes, and what the root says, agree on having none to open",
    file_ioctls => "ioctls on files: FIGETBSZ is 1024, FIOQSIZE, FIBMAP, FICLONE and the inode flags are refused",
    getdents_of_files => "getdents of either end is ENOTDIR",
    no_socket => "socket calls on either end are ENOTSOCK",
    statfs_by_descriptor => "fstatfs of both ends tells of the file system",
}

fn no_size(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        check_errno(ftruncate(end, 0), Errno::EINVAL, what)?;
        check_errno(fsync(end), Errno::EINVAL, what)?;
        check_errno(fdatasync(end), Errno::EINVAL, what)?;
        let space = fallocate(end, FallocateFlags::empty(), 0, 10);
        check_errno(space, Errno::ENODEV, what)?;
        // SAFETY: no pointers.
        let range = unsafe { libc::sync_file_range(end.as_raw_fd(), 0, 0, 0) };
        check_errno(Errno::result(range), Errno::ESPIPE, what)?;
        // SAFETY: no pointers.
        let ahead = unsafe { libc::readahead(end.as_raw_fd(), 0, 10) };
        check_errno(Errno::result(ahead), Errno::EINVAL, what)?;
        // SAFETY: no pointers.
        let sync = unsafe { libc::syncfs(end.as_raw_fd()) };
        check_eq!(Ok(0), Errno::result(sync), "syncfs, {what}");
    }
    Ok(())
}

fn advice(ctx: &Ctx) -> Outcome {
    use nix::fcntl::PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL;
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let accepted = posix_fadvise(end, 0, 0, POSIX_FADV_SEQUENTIAL);
        check_eq!(Ok(()), accepted, "fadvise, {what}");
        // SAFETY: no pointers.
        let bad = unsafe { libc::posix_fadvise(end.as_raw_fd(), 0, 0, 99) };
        check_eq!(Errno::EINVAL as i32, bad, "bad advice, {what}");
    }
    Ok(())
}

fn no_mapping(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        for (protection, flags) in [
            (libc::PROT_READ, libc::MAP_SHARED),
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE),
            (libc::PROT_NONE, libc::MAP_PRIVATE),
        ] {
            // SAFETY: a mapping at an address of the kernel's choice touches no other, and none is made.
            let map = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    protection,
                    flags,
                    end.as_raw_fd(),
                    0,
                )
            };
            check!(map == libc::MAP_FAILED, "{what} was mapped");
            check_eq!(Errno::ENODEV, Errno::last(), "mmap, {what}");
        }
    }
    Ok(())
}

fn positions(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        for whence in 0..=4 {
            // SAFETY: no pointers.
            let at = unsafe { libc::lseek(end.as_raw_fd(), 0, whence) };
            check_errno(Errno::result(at), Errno::ESPIPE, what)?;
        }
    }
    Ok(())
}

fn owner_by_descriptor(ctx: &Ctx) -> Outcome {
    use nix::sys::stat::{fchmod, Mode};
    let (pty, slave) = pair(ctx)?;
    let fs = Fs {
        path: pty.path.with_file_name(""),
    };
    for (name, end) in [("ptmx", &pty.master), ("0", &slave)] {
        fchmod(end, Mode::from_bits_truncate(0o1751)).context("fchmod")?;
        nix::unistd::fchown(end, Some(7.into()), Some(8.into())).context("fchown")?;
        let node = fs.stat(name)?;
        check_eq!(
            (libc::S_IFCHR | 0o1751, 7, 8),
            (node.st_mode, node.st_uid, node.st_gid),
            "mode and owner of {name}"
        );
        check_eq!(node.st_ino, fstat(end)?.st_ino, "inode");
    }
    Ok(())
}

fn attributes_by_descriptor(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let fd = end.as_raw_fd();
        for (name, want) in [
            (c"user.x", Errno::EPERM),
            (c"trusted.x", Errno::EOPNOTSUPP),
            (c"nonsense", Errno::EOPNOTSUPP),
        ] {
            // SAFETY: the name is NUL terminated, and the value one byte long.
            let set = unsafe { libc::fsetxattr(fd, name.as_ptr(), c"v".as_ptr().cast(), 1, 0) };
            check_errno(Errno::result(set), want, &format!("{what}: {name:?}"))?;
        }
        // SAFETY: asks for the length only.
        let list = unsafe { libc::flistxattr(fd, std::ptr::null_mut(), 0) };
        check_eq!(Ok(0), Errno::result(list), "attributes of the {what}");
    }
    Ok(())
}

fn handles(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::open(&fs)?;
    let mut results = Vec::new();
    for name in ["", "ptmx", "0"] {
        let path = std::ffi::CString::new(fs.join(name).to_string_lossy().into_owned())?;
        // struct file_handle: bytes, type, and room for the handle.
        let mut handle = [0u32; 34];
        handle[0] = 128;
        let mut mount_id = 0;
        // SAFETY: the handle says how much room it has, and all outlive the call.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_name_to_handle_at,
                libc::AT_FDCWD,
                path.as_ptr(),
                handle.as_mut_ptr(),
                &mut mount_id as *mut i32,
                0,
            )
        };
        results.push(Errno::result(ret).map(drop));
    }
    check_eq!(
        vec![Err(Errno::EOPNOTSUPP); 3],
        results,
        "name_to_handle_at"
    );
    Ok(())
}

fn file_ioctls(ctx: &Ctx) -> Outcome {
    const FIGETBSZ: Request = 2;
    const FIBMAP: Request = 1;
    const FIOQSIZE: Request = 0x5460;
    const FICLONE: Request = 0x4004_9409;
    const FS_IOC_GETFLAGS: Request = 0x8008_6601;
    const FS_IOC_FSGETXATTR: Request = 0x801c_581f;
    const FS_IOC_FIEMAP: Request = 0xc020_660b;
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        check_eq!(Ok(1024), ioctl::get(end, FIGETBSZ), "FIGETBSZ, {what}");
        let mut room = [0u8; 64];
        for (request, want) in [
            (FIBMAP, Errno::ENOTTY),
            (FIOQSIZE, Errno::ENOTTY),
            (FS_IOC_GETFLAGS, Errno::ENOTTY),
            (FS_IOC_FSGETXATTR, Errno::ENOTTY),
            (FS_IOC_FIEMAP, Errno::EOPNOTSUPP),
        ] {
            let result = ioctl::call(end, request, room.as_mut_ptr() as libc::c_ulong);
            check_errno(result, want, &format!("{what}: {request:#x}"))?;
        }
        let clone = ioctl::call(end, FICLONE, end.as_raw_fd() as libc::c_ulong);
        check_errno(clone, Errno::EINVAL, what)?;
    }
    Ok(())
}

fn getdents_of_files(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let mut room = [0u8; 256];
        // SAFETY: the room outlives the call.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                end.as_raw_fd(),
                room.as_mut_ptr(),
                room.len(),
            )
        };
        check_errno(Errno::result(ret), Errno::ENOTDIR, what)?;
        check_errno(nix::unistd::fchdir(end), Errno::ENOTDIR, what)?;
    }
    Ok(())
}

fn no_socket(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let fd = end.as_raw_fd();
        // SAFETY: lengths of 0, no addresses.
        let results = unsafe {
            [
                libc::send(fd, std::ptr::null(), 0, 0),
                libc::recv(fd, std::ptr::null_mut(), 0, 0),
                libc::listen(fd, 1) as isize,
                libc::shutdown(fd, 2) as isize,
            ]
            .map(|r| (r, Errno::last()))
        };
        for (result, _) in results {
            check_eq!(-1, result, "a socket call, {what}");
        }
        check_eq!(Errno::ENOTSOCK, results[3].1, "error, {what}");
    }
    Ok(())
}

fn statfs_by_descriptor(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let seen = nix::sys::statfs::fstatfs(end).context("fstatfs")?;
        check_eq!(0x1cd1, seen.filesystem_type().0, "type, {what}");
        check_eq!(255, seen.maximum_name_length(), "name length, {what}");
    }
    Ok(())
}
