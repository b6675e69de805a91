// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of this layer, in a kernel: a file system of their own, mounted where no user sees it.

mod mounts;

use super::{records::Records, sysctl, FileSystemType, Ida, NewInode, Registration, SuperBlock};
use crate::bindings;
use core::mem::MaybeUninit;
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use mounts::{device, entry, exists, mount, tag, Dropped, Mount, Tag, Test, OPTIONS, STATFS_MAGIC};
use pin_init::stack_pin_init;

static VALUE: Atomic<i32> = Atomic::new(5);
static FILES: sysctl::Table<2> = sysctl::Table::new([
    sysctl::Number::writable(c"some", &VALUE),
    sysctl::Number::read_only(c"same", &VALUE),
]);

#[kunit_tests(rdevpts_vfs)]
mod tests {
    use super::*;

    #[test]
    fn ida_gives_the_lowest_free_number() -> Result {
        stack_pin_init!(let ida = Ida::new());
        for number in 0..100 {
            assert_eq!(ida.alloc_max(1000)?, number);
        }
        for number in [70, 3, 63] {
            ida.free(number);
        }
        for number in [3, 63, 70, 100] {
            assert_eq!(ida.alloc_max(1000)?, number);
        }
        Ok(())
    }

    #[test]
    fn ida_keeps_to_its_highest_number() -> Result {
        stack_pin_init!(let ida = Ida::new());
        assert_eq!(ida.alloc_max(1)?, 0);
        assert_eq!(ida.alloc_max(1)?, 1);
        assert_eq!(ida.alloc_max(1), Err(ENOSPC));
        assert_eq!(ida.alloc_max(u32::MAX)?, 2);
        ida.free(0);
        assert_eq!(ida.alloc_max(0)?, 0);
        Ok(())
    }

    #[test]
    fn records_keep_their_values_while_they_grow() -> Result {
        let mut records = Records::new();
        for len in 1..5000usize {
            records.grow_to(len, len)?;
        }
        assert_eq!(records.as_slice().len(), 4999);
        assert!((1..5000).eq(records.as_slice().iter().copied()));
        records.truncate(10);
        records.grow_to(12, 0)?;
        assert_eq!(records.as_slice().get(8..), Some([9, 10, 0, 0].as_slice()));
        Ok(())
    }

    #[test]
    fn options_are_converted() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"mode=751,number=-0x10,uid=12,flag,gid=34")?;
        let sb = mount.super_block();
        let options = &sb.options;
        assert_eq!((options.mode, options.number), (0o751, -16));
        assert_eq!((options.uid, options.gid), (12, 34));
        assert!(options.flag);
        Ok(())
    }

    #[test]
    fn what_no_option_says_is_as_it_began() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let sb = mount.super_block();
        assert_eq!((sb.options.mode, sb.options.number), (0o600, 7));
        assert!(!sb.options.flag);
        Ok(())
    }

    #[test]
    fn wrong_options_are_refused_and_leave_nothing() -> Result {
        tag!(Tagged);
        let dropped = Arc::new(Dropped::default(), GFP_KERNEL)?;
        let registration = Registration::<Test<Tagged>>::new(dropped.clone())?;
        let before = OPTIONS.load(Relaxed);
        for options in [
            c"mode=8",
            c"number=x",
            c"number=100",
            c"uid=-1",
            c"flag=1",
            c"other",
            c"mode",
        ] {
            assert_eq!(mount::<Tagged>(options).err(), Some(EINVAL));
        }
        assert_eq!(OPTIONS.load(Relaxed), before);
        drop(registration);
        assert_eq!(dropped.instances.get(), 0);
        Ok(())
    }

    #[test]
    fn a_type_is_registered_once() -> Result {
        tag!(Tagged);
        let dropped = Arc::new(Dropped::default(), GFP_KERNEL)?;
        let registration = Registration::<Test<Tagged>>::new(dropped.clone())?;
        let again = Registration::<Test<Tagged>>::new(dropped.clone()).err();
        assert_eq!(again, Some(EBUSY));
        drop(registration);
        let after = Registration::<Test<Tagged>>::new(dropped).err();
        assert_eq!(after, Some(EBUSY));
        // Nobody mounts what is not registered.
        assert_eq!(mount::<Tagged>(c"").err(), Some(ENODEV));
        Ok(())
    }

    #[test]
    fn a_mount_is_populated_and_says_what_it_is() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        assert!(exists(&mount, c"first"));
        let mut statfs = MaybeUninit::<bindings::kstatfs>::zeroed();
        // SAFETY: The path is valid, and the struct is there to be filled; zeroes are valid for it.
        let statfs = unsafe {
            to_result(bindings::vfs_statfs(
                &mount.path(),
                statfs.as_mut_ptr().cast(),
            ))?;
            statfs.assume_init()
        };
        assert_eq!(statfs.f_type, STATFS_MAGIC);
        // SAFETY: The root of the mount has an inode.
        let (mode, ino) = unsafe {
            let inode = (*mount.path().dentry).d_inode;
            ((*inode).i_mode, (*inode).i_ino)
        };
        assert_eq!((u32::from(mode), ino), (bindings::S_IFDIR | 0o751, 1));
        Ok(())
    }

    #[test]
    fn an_entry_comes_and_goes_with_its_node() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let entry = entry(&mount, c"0", 3)?;
        assert!(exists(&mount, c"0"));
        assert_eq!(mount.dropped.nodes.get(), 0);
        entry.start_removing().unlink();
        assert!(!exists(&mount, c"0"));
        assert_eq!(mount.dropped.nodes.get(), 1);
        drop(super::entry(&mount, c"0", 3)?);
        assert!(!exists(&mount, c"0"));
        assert_eq!(mount.dropped.nodes.get(), 2);
        Ok(())
    }

    #[test]
    fn what_is_begun_and_dropped_leaves_no_trace() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let sb = mount.super_block();
        // It would wait for itself if the lock were kept.
        for _ in 0..3 {
            drop(sb.root().start_creating(c"0")?);
        }
        let mut numbers = [0; 8];
        assert_eq!(mount.list(2, &mut numbers)?.0, 1);
        Ok(())
    }

    #[test]
    fn names_and_numbers_that_cannot_be_are_refused() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        for (name, ino, error) in [
            (c"", 3, EACCES),
            (c".", 3, EACCES),
            (c"..", 3, EACCES),
            (c"a/b", 3, EACCES),
            (
                c"12345678901234567890123",
                3,
                bindings::compat::error(bindings::ENAMETOOLONG),
            ),
            (c"first", 3, EEXIST),
            (c"second", 2, EEXIST),
            (c"second", 1, EINVAL),
            (c"second", 0, EINVAL),
            (c"second", 1 << 21, EINVAL),
        ] {
            assert_eq!(entry(&mount, name, ino).err(), Some(error));
        }
        // Each had a node, which went with it.
        assert_eq!(mount.dropped.nodes.get(), 10);
        assert!(!exists(&mount, c"second"));
        drop(entry(&mount, c"1234567890123456789012", (1 << 21) - 1)?);
        Ok(())
    }

    #[test]
    fn an_inode_of_another_mount_is_refused() -> Result {
        tag!(Tagged);
        let one = Mount::<Tagged>::new(c"")?;
        let two = mount::<Tagged>(c"")?;
        // SAFETY: The mount is there.
        let sb = unsafe { SuperBlock::<Test<Tagged>>::from_raw((*two.as_ptr()).mnt_sb) };
        let inode = NewInode::chrdev(sb, device(3)?, None)?;
        let error = one
            .super_block()
            .root()
            .start_creating(c"0")?
            .make_persistent(inode)
            .err();
        // SAFETY: The mount is ours.
        unsafe { bindings::kern_unmount(two.as_ptr()) };
        assert_eq!(error, Some(EXDEV));
        assert!(!exists(&one, c"0"));
        Ok(())
    }

    #[test]
    fn a_listing_is_in_order_and_goes_on_where_it_ended() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let late = entry(&mount, c"40", 43)?;
        let mut entries = KVec::new();
        for (name, ino) in [(c"2", 5), (c"0", 3), (c"3", 6), (c"1", 4)] {
            entries.push(entry(&mount, name, ino)?, GFP_KERNEL)?;
        }
        let mut numbers = [0; 16];
        let (count, _) = mount.list(2, &mut numbers)?;
        assert_eq!(numbers.get(..count), Some([2, 3, 4, 5, 6, 43].as_slice()));

        let mut head = [0; 3];
        let (count, next) = mount.list(2, &mut head)?;
        assert_eq!((count, head), (3, [2, 3, 4]));
        // What goes meanwhile, before or after the position, shifts nothing.
        drop(entries);
        let (count, end) = mount.list(next, &mut numbers)?;
        assert_eq!(numbers.get(..count), Some([43].as_slice()));
        assert_eq!(mount.list(end, &mut numbers)?.0, 0);
        drop(late);
        assert_eq!(mount.list(2, &mut numbers)?.0, 1);
        Ok(())
    }

    #[test]
    fn an_entry_keeps_the_instance() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let dropped = mount.dropped.clone();
        let entry = entry(&mount, c"0", 3)?;
        let sb = mount.super_block();
        drop(mount);
        assert_eq!(dropped.instances.get(), 0);
        drop(sb);
        assert_eq!((dropped.instances.get(), dropped.nodes.get()), (0, 0));
        drop(entry);
        assert_eq!((dropped.instances.get(), dropped.nodes.get()), (1, 1));
        Ok(())
    }

    #[test]
    fn the_mode_of_an_entry_changes() -> Result {
        tag!(Tagged);
        let mount = Mount::<Tagged>::new(c"")?;
        let sb = mount.super_block();
        sb.root().set_mode(c"first", 0o7123)?;
        assert_eq!(sb.root().set_mode(c"other", 0o600), Err(ENOENT));
        // SAFETY: The directory is valid, and the name ends with a NUL.
        let dentry = from_err_ptr(unsafe {
            bindings::rdevpts_try_lookup(mount.path().dentry, c"first".as_char_ptr())
        })?;
        assert!(!dentry.is_null());
        // SAFETY: There is such an entry, and the reference to it is ours.
        let mode = unsafe {
            let mode = (*(*dentry).d_inode).i_mode;
            bindings::dput(dentry);
            u32::from(mode)
        };
        assert_eq!(mode, bindings::S_IFCHR | 0o7123);
        Ok(())
    }

    #[test]
    fn a_directory_of_sysctls_comes_and_goes() -> Result {
        for _ in 0..3 {
            drop(sysctl::Registration::new(c"kernel/rdevpts_kunit", &FILES)?);
        }
        assert_eq!(VALUE.load(Relaxed), 5);
        Ok(())
    }
}
