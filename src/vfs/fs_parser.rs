// SPDX-License-Identifier: GPL-2.0

//! The description of the mount options, from which the C side finds and converts them.
//!
//! C header: [`include/linux/fs_parser.h`](srctree/include/linux/fs_parser.h)

use super::Kgid;
use crate::bindings;
use core::ptr::{self, NonNull};
use kernel::{
    error::to_result,
    prelude::*,
    str::as_char_ptr_in_const_context,
    task::Kuid, //
};

/// The conversion that the C side does, and what makes of its result the option.
enum Kind<P> {
    Flag(fn() -> P),
    U32(fn(u32) -> P),
    S32(fn(i32) -> P),
    Uid(fn(Kuid) -> P),
    Gid(fn(Kgid) -> P),
}

impl<P> Clone for Kind<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Kind<P> {}

/// The description of one mount option: its name, the kind of its value, and what makes the option from the value, most
/// often the constructor of an enum's variant.
///
/// # Invariants
///
/// `convert` is the conversion that stores what `kind` reads.
pub(crate) struct Parameter<P> {
    name: &'static CStr,
    convert: bindings::fs_param_type,
    base: usize,
    kind: Kind<P>,
}

impl<P> Clone for Parameter<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Parameter<P> {}

impl<P> Parameter<P> {
    const fn with(
        name: &'static CStr,
        convert: bindings::fs_param_type,
        base: usize,
        kind: Kind<P>,
    ) -> Self {
        Self {
            name,
            convert,
            base,
            kind,
        }
    }

    /// `fsparam_flag()`: no value.
    pub(crate) const fn flag(name: &'static CStr, make: fn() -> P) -> Self {
        // INVARIANT: no conversion, and no value is read.
        Self::with(name, None, 0, Kind::Flag(make))
    }

    /// `fsparam_u32oct()`: an unsigned octal number.
    pub(crate) const fn u32_octal(name: &'static CStr, make: fn(u32) -> P) -> Self {
        // INVARIANT: `fs_param_is_u32()` stores `uint_32`.
        Self::with(name, Some(bindings::fs_param_is_u32), 8, Kind::U32(make))
    }

    /// `fsparam_s32()`: a signed number, decimal, octal or hexadecimal by its prefix.
    pub(crate) const fn s32(name: &'static CStr, make: fn(i32) -> P) -> Self {
        // INVARIANT: `fs_param_is_s32()` stores `int_32`.
        Self::with(name, Some(bindings::fs_param_is_s32), 0, Kind::S32(make))
    }

    /// `fsparam_uid()`: a user, in the user namespace of who mounts.
    pub(crate) const fn uid(name: &'static CStr, make: fn(Kuid) -> P) -> Self {
        // INVARIANT: `fs_param_is_uid()` stores `uid`.
        Self::with(name, Some(bindings::fs_param_is_uid), 0, Kind::Uid(make))
    }

    /// `fsparam_gid()`: a group, in the user namespace of who mounts.
    pub(crate) const fn gid(name: &'static CStr, make: fn(Kgid) -> P) -> Self {
        // INVARIANT: `fs_param_is_gid()` stores `gid`.
        Self::with(name, Some(bindings::fs_param_is_gid), 0, Kind::Gid(make))
    }
}

/// All `N` mount options of a file system, to be declared as a static.
///
/// # Invariants
///
/// `specs` and `end` are one array for the C side, ended by an entry without a name. `specs[i].opt` is `i`, and
/// `specs[i].type_` is the conversion that stores what `kinds[i]` reads.
#[repr(C)]
pub(crate) struct ParameterTable<P, const N: usize> {
    specs: [bindings::fs_parameter_spec; N],
    end: bindings::fs_parameter_spec,
    kinds: [Kind<P>; N],
}

// SAFETY: The pointers in `specs` are to immutable statics, and the rest is function pointers.
unsafe impl<P, const N: usize> Sync for ParameterTable<P, N> {}

impl<P, const N: usize> ParameterTable<P, N> {
    /// The table of `parameters`.
    pub(crate) const fn new(parameters: [Parameter<P>; N]) -> Self {
        // The options' numbers are `u8`. This and the indexing below are checked when the static is evaluated, at build time.
        const { assert!(N > 0 && N < 256) };
        let mut specs = [const { Self::spec(None, None, 0, 0) }; N];
        let mut kinds = [parameters[0].kind; N];
        let mut i = 0;
        while i < N {
            let parameter = &parameters[i];
            // CAST: `i < N < 256`.
            specs[i] = Self::spec(
                Some(parameter.name),
                parameter.convert,
                i as u8,
                parameter.base,
            );
            kinds[i] = parameter.kind;
            i += 1;
        }
        // INVARIANT: just made so, each pair of `specs` and `kinds` from one `Parameter`.
        Self {
            specs,
            end: Self::spec(None, None, 0, 0),
            kinds,
        }
    }

    const fn spec(
        name: Option<&'static CStr>,
        type_: bindings::fs_param_type,
        opt: u8,
        base: usize,
    ) -> bindings::fs_parameter_spec {
        bindings::fs_parameter_spec {
            name: match name {
                Some(name) => as_char_ptr_in_const_context(name),
                None => ptr::null(),
            },
            type_,
            opt,
            flags: 0,
            data: ptr::without_provenance(base),
        }
    }

    /// The table without its length in its type.
    pub(crate) const fn as_parameters(&'static self) -> Parameters<P> {
        // INVARIANT: the table's own. The pointer is to the whole table, so it may be used for `end` too.
        Parameters {
            specs: ptr::from_ref(self).cast(),
            kinds: &self.kinds,
        }
    }
}

/// A [`ParameterTable`] of any length.
///
/// # Invariants
///
/// As [`ParameterTable`]; `specs` is the address of its first entry.
pub(crate) struct Parameters<P: 'static> {
    specs: *const bindings::fs_parameter_spec,
    kinds: &'static [Kind<P>],
}

impl<P> Parameters<P> {
    pub(super) const fn as_ptr(&self) -> *const bindings::fs_parameter_spec {
        self.specs
    }

    /// Finds and converts the option `param`, with `fs_parse()`.
    ///
    /// # Safety
    ///
    /// `fc` and `param` must be valid, and used by nobody else during the call.
    pub(super) unsafe fn parse(
        &self,
        fc: NonNull<bindings::fs_context>,
        param: *mut bindings::fs_parameter,
    ) -> Result<P> {
        let mut result = bindings::fs_parse_result::default();
        // SAFETY: By the caller's promise the context and the parameter are valid; by the type invariants `specs` is a
        // table as the C side expects it.
        let opt = unsafe {
            bindings::__fs_parse(&raw mut (*fc.as_ptr()).log, self.specs, param, &mut result)
        };
        to_result(opt)?;
        let kind = usize::try_from(opt)
            .ok()
            .and_then(|opt| self.kinds.get(opt))
            .ok_or(EINVAL)?;
        let value = &result.__bindgen_anon_1;
        Ok(match *kind {
            Kind::Flag(make) => make(),
            // SAFETY: By the type invariants, what stored the result stored this member. (Every member is of plain integers,
            // and the union was zeroed before, so reading another one would do no harm.)
            Kind::U32(make) => make(unsafe { *value.uint_32.as_ref() }),
            // SAFETY: As above.
            Kind::S32(make) => make(unsafe { *value.int_32.as_ref() }),
            // SAFETY: As above.
            Kind::Uid(make) => make(Kuid::from_raw(unsafe { *value.uid.as_ref() })),
            // SAFETY: As above.
            Kind::Gid(make) => make(Kgid::from_raw(unsafe { *value.gid.as_ref() })),
        })
    }
}
