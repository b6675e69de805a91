// SPDX-License-Identifier: GPL-2.0

//! One end of a terminal: `struct tty_struct`.
//!
//! C header: [`include/linux/tty.h`](srctree/include/linux/tty.h)

use super::{file::is_nonblock, process::Pgrp};
use crate::bindings::{
    self,
    compat::{smp_mb, SpinLockIrqBackend},
};
use core::ptr::{addr_of, addr_of_mut, NonNull};
use kernel::{
    ffi::c_int,
    sync::{
        aref::AlwaysRefCounted,
        lock::{spinlock::SpinLockBackend, Guard, Lock},
    },
    types::{NotThreadSafe, Opaque},
};

/// What the core keeps of a buffer for writes at least, and what an idle terminal may keep (bytes).
const WRITE_BUFFER: c_int = 2048;

/// A bit of `tty->flags`, one of `enum tty_struct_flags`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Flag {
    /// `TTY_THROTTLED`: the line discipline calls `unthrottle` when it has room again.
    Throttled = bindings::tty_struct_flags_TTY_THROTTLED,
    /// `TTY_IO_ERROR`: reads and writes from user space fail with `EIO`.
    IoError = bindings::tty_struct_flags_TTY_IO_ERROR,
    /// `TTY_OTHER_CLOSED`: the other end of the pair has closed.
    OtherClosed = bindings::tty_struct_flags_TTY_OTHER_CLOSED,
    /// `TTY_PTY_LOCK`: on a master, its slave may not be opened (`TIOCSPTLCK`).
    PtyLock = bindings::tty_struct_flags_TTY_PTY_LOCK,
    /// `TTY_DO_WRITE_WAKEUP`: the line discipline waits for [`Tty::wakeup`].
    DoWriteWakeup = bindings::tty_struct_flags_TTY_DO_WRITE_WAKEUP,
    /// `TTY_NO_WRITE_SPLIT`: writes reach the line discipline in pieces of 64 KiB, not 2.
    NoWriteSplit = bindings::tty_struct_flags_TTY_NO_WRITE_SPLIT,
    /// `TTY_LDISC_CHANGING`: who waits for input goes back.
    LdiscChanging = bindings::tty_struct_flags_TTY_LDISC_CHANGING,
    /// `TTY_LDISC_HALTED`: no input comes to the line discipline.
    LdiscHalted = bindings::tty_struct_flags_TTY_LDISC_HALTED,
    /// `TTY_HUPPING`: a hangup is under way.
    Hupping = bindings::tty_struct_flags_TTY_HUPPING,
    /// `TTY_HUPPED`: a hangup has been, and nobody has opened the terminal since.
    Hupped = bindings::tty_struct_flags_TTY_HUPPED,
}

/// A terminal, `struct tty_struct`.
///
/// # Invariants
///
/// The object was made by the tty core (`alloc_tty_struct()`) and its reference count is not zero while a `&Tty` to it
/// exists.
#[repr(transparent)]
pub(crate) struct Tty(Opaque<bindings::tty_struct>);

// SAFETY: A `tty_struct` may be released from any thread: `tty_kref_put()` hands it to a workqueue.
unsafe impl Send for Tty {}
// SAFETY: All methods that take `&Tty` use the locks or atomic accesses that the C side uses for the same fields.
unsafe impl Sync for Tty {}

// SAFETY: `tty_kref_get()` and `tty_kref_put()` count references to a `tty_struct`, and every `Tty` is one (invariant).
unsafe impl AlwaysRefCounted for Tty {
    fn inc_ref(&self) {
        // SAFETY: `self` is a live `tty_struct` by the type invariant.
        unsafe { bindings::rdevpts_tty_kref_get(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns.
        unsafe { bindings::tty_kref_put(obj.cast().as_ptr()) };
    }
}

impl Tty {
    /// Borrows a `tty_struct`.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a `tty_struct` whose reference count stays above zero for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::tty_struct) -> &'a Self {
        // SAFETY: `Tty` is a transparent wrapper, and the caller keeps the object alive for `'a`.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::tty_struct {
        self.0.get()
    }

    /// The other end, if they are linked.
    pub(super) fn link(&self) -> Option<&Self> {
        // SAFETY: The object is live. `link` is written once, before any second thread can reach it.
        NonNull::new(unsafe { (*self.as_ptr()).link }).map(|link| {
            // SAFETY: It is an end that is released together with this one.
            unsafe { Self::from_raw(link.as_ptr()) }
        })
    }

    /// The number of the terminal; for a pty, the N of `/dev/pts/N`.
    pub(crate) fn index(&self) -> i32 {
        // SAFETY: The object is live; the index is written once, before any other thread can reach the object.
        unsafe { (*self.as_ptr()).index }
    }

    /// How many times the terminal is open. For a slave, its open master counts as one.
    ///
    /// Stable only while `tty_lock()` of this end is held, as in the `open` and `close` operations.
    pub(crate) fn count(&self) -> i32 {
        // SAFETY: The object is live; a racing read is a relaxed one of an aligned int.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).count)) }
    }

    /// Whether `flag` is set.
    pub(crate) fn test(&self, flag: Flag) -> bool {
        // SAFETY: The object is live, and `test_bit()` is atomic.
        unsafe { bindings::rdevpts_test_bit(flag as u32, addr_of!((*self.as_ptr()).flags)) }
    }

    /// Whether `flag` is set; what the caller reads after this, it reads after this (`test_bit_acquire()`).
    pub(super) fn test_acquire(&self, flag: Flag) -> bool {
        // SAFETY: The object is live, and `test_bit_acquire()` is atomic.
        unsafe { bindings::rdevpts_test_bit_acquire(flag as u32, addr_of!((*self.as_ptr()).flags)) }
    }

    /// Whether the terminal was hung up, or is being.
    pub(super) fn is_hung_up(&self) -> bool {
        // In one look, as the hangup sets the one before it clears the other.
        let either = 1 << Flag::Hupping as usize | 1 << Flag::Hupped as usize;
        // SAFETY: The object is live; a racing read of an aligned word.
        unsafe { addr_of!((*self.as_ptr()).flags).read_volatile() & either != 0 }
    }

    /// Sets `flag`, atomically.
    pub(crate) fn set(&self, flag: Flag) {
        // SAFETY: The object is live, and `set_bit()` is atomic.
        unsafe { bindings::set_bit(flag as usize, addr_of_mut!((*self.as_ptr()).flags)) };
    }

    /// The same; who sees it by [`test_acquire`](Self::test_acquire), sees what was done before it.
    pub(crate) fn set_release(&self, flag: Flag) {
        // `set_bit()` has no order of its own.
        smp_mb();
        self.set(flag);
    }

    /// Clears `flag`, atomically.
    pub(crate) fn clear(&self, flag: Flag) {
        // SAFETY: The object is live, and `clear_bit()` is atomic.
        unsafe { bindings::clear_bit(flag as usize, addr_of_mut!((*self.as_ptr()).flags)) };
    }

    /// Whether output is stopped (`tty->flow.stopped`: XOFF or `TCOOFF`). A hint, as in C: read without `flow.lock`.
    pub(crate) fn stopped(&self) -> bool {
        // SAFETY: The object is live; a racing read of a bool that is only ever 0 or 1.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).flow.stopped)) }
    }

    /// Wakes those who sleep in a read or poll for input (`wake_up_interruptible(&tty->read_wait)`).
    pub(crate) fn wake_readers(&self) {
        // SAFETY: The object is live and its wait queues are initialised with it.
        unsafe {
            bindings::rdevpts_wake_up_interruptible(addr_of_mut!((*self.as_ptr()).read_wait))
        };
    }

    /// Like [`wake_readers`](Self::wake_readers), but wakes only those pollers that wait for `EPOLLIN`.
    pub(crate) fn wake_readers_poll_in(&self) {
        // SAFETY: The object is live and its wait queues are initialised with it.
        unsafe {
            bindings::rdevpts_wake_up_interruptible_poll_in(addr_of_mut!(
                (*self.as_ptr()).read_wait
            ))
        };
    }

    /// Wakes those who sleep in a write or poll for room (`wake_up_interruptible(&tty->write_wait)`).
    pub(crate) fn wake_writers(&self) {
        // SAFETY: The object is live and its wait queues are initialised with it.
        unsafe {
            bindings::rdevpts_wake_up_interruptible(addr_of_mut!((*self.as_ptr()).write_wait))
        };
    }

    /// Asks for more output: calls the line discipline's `write_wakeup` if it waits, and wakes writers. Does not sleep.
    pub(crate) fn wakeup(&self) {
        // SAFETY: The object is live.
        unsafe { bindings::tty_wakeup(self.as_ptr()) };
    }

    /// Tells those who wait for input, by whatever means, that there is some (`POLL_IN`).
    ///
    /// Who sleeps on `read_wait` joined it before it last looked, under the lock under which the input was put there.
    pub(super) fn tell_readers(&self) {
        // SAFETY: The object is live; `fasync` is only compared, racing with who sets it: either is right.
        unsafe {
            if !bindings::read_racy(addr_of!((*self.as_ptr()).fasync)).is_null() {
                bindings::kill_fasync(
                    addr_of_mut!((*self.as_ptr()).fasync),
                    bindings::SIGIO as i32,
                    bindings::POLL_IN as i32,
                );
            }
            let queue = addr_of_mut!((*self.as_ptr()).read_wait);
            if bindings::rdevpts_waitqueue_active(queue) {
                bindings::rdevpts_wake_up_interruptible_poll_rdnorm(queue);
            }
        }
    }

    /// Whether [`tell_readers`](Self::tell_readers) has anybody to tell.
    pub(super) fn has_readers(&self) -> bool {
        // SAFETY: The object is live and its wait queues are initialised with it.
        let sleeping =
            unsafe { bindings::rdevpts_waitqueue_active(addr_of_mut!((*self.as_ptr()).read_wait)) };
        sleeping || self.has_fasync()
    }

    /// Like [`wakeup`](Self::wakeup), if anybody waits for room.
    ///
    /// Who waits joined `write_wait` before it last looked, under the lock under which room was made. `N_TTY` sets the flag after
    /// its last look; a slave's writer then looks once more, where our table is attached.
    pub(super) fn wakeup_writers(&self) {
        // SAFETY: The object is live and its wait queues are initialised with it.
        let waiting = unsafe {
            bindings::rdevpts_waitqueue_active(addr_of_mut!((*self.as_ptr()).write_wait))
        };
        if waiting || self.test(Flag::DoWriteWakeup) {
            self.wakeup();
        }
    }

    /// Signals that there is room to those who asked for `SIGIO` (`POLL_OUT`).
    pub(super) fn send_sigio_out(&self) {
        // SAFETY: The object is live.
        unsafe {
            bindings::kill_fasync(
                addr_of_mut!((*self.as_ptr()).fasync),
                bindings::SIGIO as i32,
                bindings::POLL_OUT as i32,
            )
        };
    }

    /// Whether anybody asked for `SIGIO`. A hint.
    pub(super) fn has_fasync(&self) -> bool {
        // SAFETY: The object is live; only compared.
        unsafe { !bindings::read_racy(addr_of!((*self.as_ptr()).fasync)).is_null() }
    }

    /// Whether a write to the terminal is under way (`tty_is_writelocked()`). A hint.
    pub(super) fn is_write_locked(&self) -> bool {
        // SAFETY: The object is live, and its mutex initialised.
        unsafe {
            bindings::rdevpts_mutex_is_locked(addr_of_mut!((*self.as_ptr()).atomic_write_lock))
        }
    }

    /// Whether a call on `file` may not wait (`tty_io_nonblock()`).
    ///
    /// # Safety
    ///
    /// `file` is valid.
    pub(super) unsafe fn is_nonblocking(&self, file: *mut bindings::file) -> bool {
        // SAFETY: The caller's promise.
        self.test(Flag::LdiscChanging) || unsafe { is_nonblock(file) }
    }

    /// Sets the access time of the terminal's files after a read, in steps of 8 seconds, lest it tell how fast somebody types
    /// (`tty_update_time(tty, false)`).
    pub(super) fn update_atime(&self) {
        self.update_time(
            bindings::rdevpts_inode_get_atime_sec,
            bindings::rdevpts_inode_set_atime,
        );
    }

    /// The same for the modification time, after a write.
    pub(super) fn update_mtime(&self) {
        self.update_time(
            bindings::rdevpts_inode_get_mtime_sec,
            bindings::rdevpts_inode_set_mtime,
        );
    }

    /// `get` and `set` are for one of an inode's times, in seconds.
    fn update_time(
        &self,
        get: unsafe extern "C" fn(*const bindings::inode) -> i64,
        set: unsafe extern "C" fn(*mut bindings::inode, i64),
    ) {
        // SAFETY: The object is live. Under `files_lock`, `tty_files` is a list of `tty_file_private`, whose files are open.
        unsafe {
            let now = bindings::ktime_get_real_seconds();
            let tty = self.as_ptr();
            let lock = Lock::<(), SpinLockBackend>::from_raw(addr_of_mut!((*tty).files_lock));
            let _guard = lock.lock();
            let head = addr_of_mut!((*tty).tty_files);
            let mut item = (*head).next;
            while item != head {
                let private = kernel::container_of!(item, bindings::tty_file_private, list);
                let inode = (*(*private).file).f_inode;
                if (now ^ get(inode)) & !7 != 0 {
                    set(inode, now);
                }
                item = (*item).next;
            }
        }
    }

    /// Keeps other writers out, if none is writing (`tty_write_lock()`).
    pub(super) fn try_lock_writing(&self) -> Option<WriteLock<'_>> {
        // SAFETY: The object is live, and its mutex initialised.
        let locked = unsafe {
            bindings::mutex_trylock(addr_of_mut!((*self.as_ptr()).atomic_write_lock)) != 0
        };
        // Made only where it is locked: dropping it unlocks.
        locked.then(|| WriteLock {
            tty: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Gives back the core's buffer for writes (`tty->write_buf`) if it is large and nobody is writing: the next write makes
    /// another.
    ///
    /// Who writes meanwhile and may not wait gets `EAGAIN`, and no `SIGIO`, which only room is a reason for. So who asked for that
    /// keeps the buffer.
    pub(super) fn trim_write_buffer(&self) {
        let tty = self.as_ptr();
        if self.has_fasync() {
            return;
        }
        // SAFETY: The object is live. `write_buf` and `write_cnt` are used under the mutex alone; the core allocates the buffer,
        // by `kvmalloc()`, whenever it is smaller than the write, so also when there is none.
        unsafe {
            if bindings::read_racy(addr_of!((*tty).write_cnt)) <= WRITE_BUFFER {
                return;
            }
            let Some(_lock) = self.try_lock_writing() else {
                return;
            };
            let buffer = core::mem::replace(&mut (*tty).write_buf, core::ptr::null_mut());
            (*tty).write_cnt = 0;
            bindings::kvfree(buffer.cast());
        }
        // Asked for meanwhile, before the `EAGAIN`.
        if self.has_fasync() {
            self.send_sigio_out();
        }
    }

    /// Whether packet mode (`TIOCPKT`) is on. A hint: take [`ctrl`](Self::ctrl) for a stable answer.
    pub(crate) fn packet(&self) -> bool {
        // SAFETY: The object is live; a racing read of a bool that is only ever 0 or 1.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).ctrl.packet)) }
    }

    /// Whether there is packet status for the other end. A hint: take it with [`Ctrl::take_pktstatus`].
    pub(super) fn has_pktstatus(&self) -> bool {
        // SAFETY: The object is live; a racing read of a byte.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).ctrl.pktstatus)) != 0 }
    }

    /// Locks `tty->ctrl` (a spinlock, interrupts off).
    pub(crate) fn ctrl(&self) -> Ctrl<'_> {
        // SAFETY: `ctrl.lock` is initialised with the object and lives as long, so for the borrow of `self`.
        let lock = unsafe {
            Lock::<(), SpinLockIrqBackend>::from_raw(addr_of_mut!((*self.as_ptr()).ctrl.lock))
        };
        Ctrl {
            tty: self,
            _guard: lock.lock(),
        }
    }

    /// The foreground process group (`tty_get_pgrp()`), if there is one. Takes `ctrl.lock`.
    pub(crate) fn pgrp(&self) -> Option<Pgrp> {
        // SAFETY: The object is live. The function returns an owned reference or NULL.
        unsafe { Pgrp::from_raw(bindings::tty_get_pgrp(self.as_ptr())) }
    }
}

/// The right to write to a terminal.
///
/// # Invariants
///
/// This task has locked `atomic_write_lock` of `tty`.
#[must_use = "unlocks when dropped"]
pub(super) struct WriteLock<'a> {
    tty: &'a Tty,
    _not_send: NotThreadSafe,
}

impl Drop for WriteLock<'_> {
    /// `tty_write_unlock()`: who polled meanwhile saw a writer.
    fn drop(&mut self) {
        // SAFETY: Locked by the invariant; the terminal and its queue are live.
        unsafe {
            bindings::mutex_unlock(addr_of_mut!((*self.tty.as_ptr()).atomic_write_lock));
            bindings::rdevpts_wake_up_interruptible_poll_out(addr_of_mut!(
                (*self.tty.as_ptr()).write_wait
            ));
        }
    }
}

/// The members of `tty->ctrl`, locked.
#[must_use = "unlocks when dropped"]
pub(crate) struct Ctrl<'a> {
    tty: &'a Tty,
    _guard: Guard<'a, (), SpinLockIrqBackend>,
}

impl Ctrl<'_> {
    /// Whether packet mode is on.
    pub(crate) fn packet(&self) -> bool {
        // SAFETY: The tty is live for our lifetime and `ctrl.lock` is held.
        unsafe { (*self.tty.as_ptr()).ctrl.packet }
    }

    /// Switches packet mode off.
    pub(crate) fn disable_packet(&mut self) {
        self.set_packet(false);
    }

    /// Switches packet mode on, and forgets what status of `link`, the other end, was pending. Does nothing if it is on.
    pub(crate) fn enable_packet(&mut self, link: &Tty) {
        if self.packet() {
            return;
        }
        // Not under the lock of `link`: while the mode is off, nobody sets a status. Who sees it on, finds the old one gone.
        //
        // SAFETY: The object is live; a store of a byte.
        unsafe { addr_of_mut!((*link.as_ptr()).ctrl.pktstatus).write_volatile(0) };
        smp_mb();
        self.set_packet(true);
    }

    fn set_packet(&mut self, on: bool) {
        // SAFETY: The tty is live for our lifetime and `ctrl.lock` is held; unlocked readers use a volatile read.
        unsafe { addr_of_mut!((*self.tty.as_ptr()).ctrl.packet).write_volatile(on) };
    }

    /// The number of the foreground process group in the pid namespace of the current task; 0 where there is none there.
    pub(super) fn pgrp_nr(&self) -> i32 {
        // SAFETY: The tty is live for our lifetime and `ctrl.lock` is held, so that it stays what it is.
        unsafe { bindings::pid_vnr((*self.tty.as_ptr()).ctrl.pgrp) }
    }

    /// The same for the session that the terminal controls.
    pub(super) fn session_nr(&self) -> i32 {
        // SAFETY: As above.
        unsafe { bindings::pid_vnr((*self.tty.as_ptr()).ctrl.session) }
    }

    /// Takes the pending packet status, a set of `TIOCPKT_*` bits.
    pub(super) fn take_pktstatus(&mut self) -> u8 {
        // SAFETY: The tty is live for our lifetime and `ctrl.lock` is held.
        unsafe { addr_of_mut!((*self.tty.as_ptr()).ctrl.pktstatus).replace(0) }
    }

    /// Changes the pending packet status, a set of `TIOCPKT_*` bits: clears `clear`, then sets `set`.
    pub(crate) fn update_pktstatus(&mut self, clear: u32, set: u32) {
        // The bits fit: `TIOCPKT_*` are below 0x100 (include/uapi/asm-generic/ioctls.h).
        let (clear, set) = (clear as u8, set as u8);
        // SAFETY: The tty is live for our lifetime and `ctrl.lock` is held.
        unsafe {
            let status = addr_of_mut!((*self.tty.as_ptr()).ctrl.pktstatus);
            status.write((status.read() & !clear) | set);
        }
    }
}
