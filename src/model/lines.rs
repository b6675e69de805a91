// SPDX-License-Identifier: GPL-2.0

//! Where lines end, found faster than byte by byte.

const ONES: u64 = 0x0101_0101_0101_0101;

/// A bit for each byte of `word` that is the byte of `pattern`, the lowest of which is right: those above it may not be.
const fn matches(word: u64, pattern: u64) -> u64 {
    let zeroes = word ^ pattern;
    zeroes.wrapping_sub(ONES) & !zeroes & (ONES << 7)
}

const fn pattern(byte: u8) -> u64 {
    ONES.wrapping_mul(byte as u64)
}

fn word(bytes: &[u8]) -> u64 {
    <[u8; 8]>::try_from(bytes).map_or(0, u64::from_le_bytes)
}

/// Index of the first `\n` in `text`.
pub fn first_newline(text: &[u8]) -> Option<usize> {
    let mut words = text.chunks_exact(8);
    let mut at = 0usize;
    for bytes in &mut words {
        let found = matches(word(bytes), pattern(b'\n'));
        if found != 0 {
            return Some(at.wrapping_add((found.trailing_zeros() / 8) as usize));
        }
        at = at.wrapping_add(8);
    }
    let rest = words.remainder().iter().position(|&byte| byte == b'\n')?;
    Some(at.wrapping_add(rest))
}

/// Whether any of `bytes` is in `text`.
pub fn contains_any(text: &[u8], bytes: [u8; 3]) -> bool {
    let [a, b, c] = bytes.map(pattern);
    let mut words = text.chunks_exact(8);
    let found = words.any(|bytes| {
        let word = word(bytes);
        matches(word, a) | matches(word, b) | matches(word, c) != 0
    });
    found || words.remainder().iter().any(|byte| bytes.contains(byte))
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

        #[test]
        fn any_is_found(text in proptest::collection::vec(0..40u8, 0..40), bytes: [u8; 3]) {
            let bytes = bytes.map(|byte| byte % 64);
            prop_assert_eq!(contains_any(&text, bytes), text.iter().any(|byte| bytes.contains(byte)));
        }
    }
}
