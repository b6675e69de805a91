// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that this is built for, and nothing of it is elsewhere: the kernel's crate changes from
//! release to release. All else of the source is the same for all of them.
//!
//! No version is asked for. [`older`] has, under the kernel's own names, what a kernel's crate may lack. Where it is used below,
//! all that the kernel's crate has is imported within the function or block: a name that is found there hides ours, and if there
//! is none, ours is found outside. So a kernel's own is taken where it exists.
//!
//! | what                       | in the kernel's crate since  | before that                                           |
//! |----------------------------|------------------------------|-------------------------------------------------------|
//! | [`SpinLockIrqBackend`]     | 7.3                          | the same by `spin_lock_irqsave()`                     |
//! | [`this_module`]            | 7.3                          | `THIS_MODULE`, from the symbol that it stands for     |
//! | [`error`] of any number    | 7.3 has a constant for most  | by number, for all versions                           |
//! | [`smp_mb`]                 | with an argument since 7.3   | the helper below both, for all versions               |
//! | `struct ktermios`, `TIOC*` | 7.3, not by intent           | generated here, for all versions                      |

use super::raw;
use kernel::{
    ffi::c_int,
    prelude::*,
    sync::lock::{Backend, Lock},
    ModuleMetadata,
};

/// Under the names of the kernel's crate, what it lacked once; not used where it does not.
#[allow(dead_code)]
mod older {
    use super::raw;
    use kernel::{ffi, sync::lock::Backend};

    /// A spinlock that is held with interrupts off (`spin_lock_irqsave()`).
    ///
    /// Two of them must be unlocked in the opposite order of their locking, which guards that are dropped at the end of their scope
    /// are. The later one of the kernel's counts instead.
    pub(crate) struct SpinLockIrqBackend;

    // SAFETY: `spinlock_t` excludes others from locking to unlocking. `relock` locks in the same way.
    unsafe impl Backend for SpinLockIrqBackend {
        type State = raw::spinlock_t;
        /// What `spin_lock_irqsave()` saved.
        type GuardState = ffi::c_ulong;

        unsafe fn init(
            ptr: *mut Self::State,
            name: *const ffi::c_char,
            key: *mut raw::lock_class_key,
        ) {
            // SAFETY: The caller's promise.
            unsafe { raw::__spin_lock_init(ptr, name, key) }
        }

        unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
            // SAFETY: Initialised, says the caller.
            unsafe { raw::rdevpts_spin_lock_irqsave(ptr) }
        }

        unsafe fn unlock(ptr: *mut Self::State, flags: &Self::GuardState) {
            // SAFETY: The caller has the lock, which it took with these flags.
            unsafe { raw::rdevpts_spin_unlock_irqrestore(ptr, *flags) }
        }

        unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
            let mut flags = 0;
            // SAFETY: Initialised, says the caller; the flags are written where it was locked.
            unsafe { raw::rdevpts_spin_trylock_irqsave(ptr, &mut flags) }.then_some(flags)
        }

        unsafe fn assert_is_held(ptr: *mut Self::State) {
            // SAFETY: Initialised, says the caller.
            unsafe { raw::spin_assert_is_held(ptr) }
        }
    }

    pub(super) mod module {
        use kernel::{bindings, types::Opaque, ModuleMetadata, ThisModule};

        // Only its address is taken.
        #[allow(improper_ctypes)]
        extern "C" {
            static __this_module: Opaque<bindings::module>;
        }

        // SAFETY: What the loader has under that symbol is `THIS_MODULE`.
        static THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(__this_module.get()) };

        /// The module that this crate is: there is one `M` in it that names a module.
        #[allow(clippy::extra_unused_type_parameters)]
        pub(in super::super) const fn this_module<M: ModuleMetadata>() -> &'static ThisModule {
            &THIS_MODULE
        }
    }
}

/// Carries a type out of a block.
pub(crate) trait Chosen {
    type SpinLockIrq: Backend<State = raw::spinlock_t>;
}

const _: () = {
    #[allow(unused_imports)]
    use older::*;
    const _: () = {
        #[allow(unused_imports)]
        use kernel::sync::lock::spinlock::*;

        impl Chosen for () {
            type SpinLockIrq = SpinLockIrqBackend;
        }
    };
};

/// The backend of a spinlock that is held with interrupts off.
pub(crate) type SpinLockIrqBackend = <() as Chosen>::SpinLockIrq;

/// A spinlock that is held with interrupts off. See [`new_spinlock_irq`].
pub(crate) type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// An initialiser of a [`SpinLockIrq`], with a name and a lock class of its own.
macro_rules! new_spinlock_irq {
    ($inner:expr $(,)?) => {
        $crate::bindings::compat::SpinLockIrq::new(
            $inner,
            kernel::optional_name!(),
            kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_spinlock_irq;

/// `THIS_MODULE` of the module that `M` names.
pub(crate) const fn this_module<M: ModuleMetadata>() -> &'static ThisModule {
    #[allow(unused_imports)]
    use older::*;
    {
        #[allow(unused_imports)]
        use kernel::*;
        module::this_module::<M>()
    }
}

/// The error of a number, one of `errno.h`'s as `bindings` has them.
pub(crate) fn error(errno: u32) -> Error {
    Error::from_errno(-(errno as c_int))
}

/// A full memory barrier between processors.
pub(crate) fn smp_mb() {
    // SAFETY: Always sound.
    unsafe { raw::smp_mb() };
}
