// SPDX-License-Identifier: GPL-2.0

//! Where lines end, found faster than byte by byte.

/// Index of the first `\n` in `text`.
pub fn first_newline(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const NEWLINES: u64 = ONES * b'\n' as u64;
    let mut words = text.chunks_exact(8);
    let mut at = 0usize;
    for word in &mut words {
        let Ok(bytes) = <[u8; 8]>::try_from(word) else {
            break;
        };
        // A byte of this is 0 where the text has a newline; the lowest such byte gets the lowest bit set below.
        let zeroes = u64::from_le_bytes(bytes) ^ NEWLINES;
        let found = zeroes.wrapping_sub(ONES) & !zeroes & (ONES << 7);
        if found != 0 {
            return Some(at.wrapping_add((found.trailing_zeros() / 8) as usize));
        }
        at = at.wrapping_add(8);
    }
    let rest = words.remainder().iter().position(|&byte| byte == b'\n')?;
    Some(at.wrapping_add(rest))
}

/// Index of the last `\n` in `text`.
pub fn last_newline(text: &[u8]) -> Option<usize> {
    text.iter().rposition(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_is_found(text in proptest::collection::vec(prop_oneof![8 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b'\x0b')], 0..60)) {
            prop_assert_eq!(first_newline(&text), text.iter().position(|&byte| byte == b'\n'));
            prop_assert_eq!(last_newline(&text), text.iter().rposition(|&byte| byte == b'\n'));
        }
    }
}
