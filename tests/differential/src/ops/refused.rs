// SPDX-License-Identifier: GPL-2.0
//! Calls that a terminal refuses, or that mean nothing to it.

use nix::errno::Errno;

use crate::outcome::Outcome;

const PAGE: usize = 4096;

/// A call that terminals refuse or that means nothing to them.
pub fn odd(fd: i32, which: u8) -> Outcome {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 10,
        l_pid: 0,
    };
    let mut room = [0_u8; 256];
    // SAFETY: pointers to values that outlive the calls, and as long as said.
    let ret = unsafe {
        match which % 16 {
            0 => libc::fallocate(fd, 0, 0, 10).into(),
            1 => libc::sync_file_range(fd, 0, 0, 0).into(),
            2 => libc::readahead(fd, 0, 10) as i64,
            3 => {
                return Outcome {
                    ret: -i64::from(libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_RANDOM)),
                    ..Outcome::default()
                }
            }
            4 => {
                let map = libc::mmap(
                    std::ptr::null_mut(),
                    PAGE,
                    libc::PROT_READ,
                    libc::MAP_SHARED,
                    fd,
                    0,
                );
                if map == libc::MAP_FAILED {
                    -1
                } else {
                    libc::munmap(map, PAGE).into()
                }
            }
            5 => libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK).into(),
            6 => libc::fcntl(fd, libc::F_GETLEASE).into(),
            7 => libc::fcntl(fd, libc::F_SETLK, &mut lock).into(),
            8 => libc::fcntl(fd, libc::F_GETLK, &mut lock).into(),
            9 => libc::syscall(libc::SYS_getdents64, fd, room.as_mut_ptr(), room.len()),
            10 => libc::tee(fd, fd, 10, 0) as i64,
            11 => libc::syscall(libc::SYS_copy_file_range, fd, 0, fd, 0, 10, 0),
            12 => libc::futimens(fd, std::ptr::null()).into(),
            13 => libc::fdatasync(fd).into(),
            14 => libc::isatty(fd).into(),
            _ => libc::fcntl(fd, libc::F_GETPIPE_SZ).into(),
        }
    };
    if which % 16 == 14 && ret == 0 {
        return Outcome::from_result(Err(Errno::last()));
    }
    Outcome::from_ret(ret)
}

/// A call with a path that is not mapped.
pub fn bad_path(which: u8) -> Outcome {
    let nowhere: *const u8 = std::ptr::without_provenance(1);
    // SAFETY: the kernel finds that the path is not mapped.
    let ret = unsafe {
        match which % 6 {
            0 => libc::syscall(libc::SYS_openat, libc::AT_FDCWD, nowhere, 0),
            1 => libc::syscall(libc::SYS_chmod, nowhere, 0),
            2 => libc::syscall(libc::SYS_statfs, c"/tmp/m0".as_ptr(), nowhere),
            3 => libc::syscall(
                libc::SYS_newfstatat,
                libc::AT_FDCWD,
                c"/tmp/m0/ptmx".as_ptr(),
                nowhere,
                0,
            ),
            4 => libc::syscall(libc::SYS_mount, nowhere, c"/tmp/m0".as_ptr(), nowhere, 0, 0),
            _ => libc::syscall(libc::SYS_umount2, nowhere, 0),
        }
    };
    Outcome::from_ret(ret)
}
