// SPDX-License-Identifier: GPL-2.0

//! The guard is consumed by making the entry, and with it the lock.

include!("../prelude.rs");

fn create(
    name: Creating<'_, Fs>,
    first: NewInode<'_, Fs>,
    second: NewInode<'_, Fs>,
) -> Result<(Entry<Fs>, Entry<Fs>)> {
    let first = name.make_persistent(first)?;
    let second = name.make_persistent(second)?; //~ E0382
    Ok((first, second))
}
