// SPDX-License-Identifier: GPL-2.0

//! What the module tells of one pty, in `fdinfo` of its ends and in debugfs: the same fields in both, each with its name.

use serde::Serialize;

/// Declares the fields once, for both sources.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Numbers of a pty, as far as they are known.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Fields {
            $($(#[$doc])* pub $name: Option<u64>,)*
        }

        impl Fields {
            /// Where the field of this name is; None for one that only a later version of the module has.
            pub fn by_name(&mut self, name: &str) -> Option<&mut Option<u64>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// These, and what of `others` they leave open.
            #[must_use]
            pub fn or(self, others: &Self) -> Self {
                Self { $($name: self.$name.or(others.$name),)* }
            }
        }
    };
}

fields! {
    /// How often the slave is open.
    opens,
    /// The foreground process group of the slave; 0 is none.
    pgrp,
    /// The session whose terminal the slave is; 0 is none.
    session,
    /// Bytes that the master's reader can have had or can have: what was written to the slave, and echoes.
    output,
    /// Of these, bytes that the master has not read.
    output_queued,
    /// How often a writer found no room.
    output_stalls,
    /// Bytes that were written to the master.
    input,
    /// Of these, bytes that the slave's line discipline has not taken.
    input_queued,
    /// Bytes of memory that queued output has.
    ring,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_stays() {
        let one = Fields {
            output: Some(1),
            ..Default::default()
        };
        let mut other = Fields::default();
        *other.by_name("output").unwrap() = Some(2);
        *other.by_name("input_queued").unwrap() = Some(3);
        let both = one.or(&other);
        assert_eq!(
            (both.output, both.input_queued, both.ring),
            (Some(1), Some(3), None)
        );
        assert!(other.by_name("nonsense").is_none());
    }
}
