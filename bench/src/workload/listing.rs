// SPDX-License-Identifier: GPL-2.0

//! Text like that of `ls -lR`: what terminals are given to show.

use std::fmt::Write;

/// Directories of it; about a megabyte.
const DIRECTORIES: u32 = 700;

const WORDS: [&str; 16] = [
    "Makefile", "README", "build", "config", "core", "doc", "fs", "include", "index", "kernel",
    "lib", "main", "net", "test", "tty", "util",
];
const SUFFIXES: [&str; 5] = ["", ".c", ".h", ".rs", ".txt"];

/// The same text each time.
pub fn text() -> Vec<u8> {
    let mut dice = Dice(1);
    let mut text = String::new();
    for _ in 0..DIRECTORIES {
        let [a, b] = [0; 2].map(|_| dice.pick(&WORDS));
        let (number, blocks) = (dice.roll(1000), dice.roll(9000));
        let _ = write!(text, "./{a}/{b}-{number}:\ntotal {blocks}\n");
        for _ in 0..dice.roll(45) {
            let [a, b] = [0; 2].map(|_| dice.pick(&WORDS));
            let (number, suffix) = (dice.roll(100), dice.pick(&SUFFIXES));
            let size = dice.roll(1 << 20) >> dice.roll(16);
            let (day, hour, minute) = (dice.roll(28) + 1, dice.roll(24), dice.roll(60));
            let _ = writeln!(
                text,
                "-rw-r--r--  1 root root {size:8} Nov {day:2} {hour:02}:{minute:02} {a}-{b}-{number}{suffix}"
            );
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// A linear congruential generator, with the factors of Numerical Recipes.
struct Dice(u32);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The high bits are the better ones.
        ((u64::from(self.0) * u64::from(sides)) >> 32) as u32
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_like_a_listing() {
        let text = String::from_utf8(text()).unwrap();
        assert!((900_000..1_100_000).contains(&text.len()), "{}", text.len());
        let lines: Vec<_> = text.lines().collect();
        let mean = text.len() / lines.len();
        assert!((50..80).contains(&mean), "{mean} columns");
        assert!(lines.iter().any(|line| line.is_empty()));
        assert!(lines.iter().all(|line| line.len() < 100));
    }
}
