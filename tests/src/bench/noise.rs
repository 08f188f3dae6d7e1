//! Bytes from a seed, fast: noise that nothing compresses, and text that everything compresses.

use std::io::{self, Read};

/// How many words the text is made of.
const WORDS: usize = 2048;

/// Numbers in no order, the same for the same seed (Marsaglia's xorshift with a multiplication at its end).
#[derive(Debug, Clone)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// Begins with a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self((seed ^ 0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Noise without end.
#[derive(Debug)]
pub(super) struct Noise(Numbers);

impl Noise {
    /// Begins with a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for piece in buffer.chunks_mut(8) {
            let number = self.0.next().to_le_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
        Ok(buffer.len())
    }
}

/// Text without end: words of a small vocabulary, some of them far more often than others.
#[derive(Debug)]
pub(super) struct Text {
    numbers: Numbers,
    words: Vec<Vec<u8>>,
    rest: Vec<u8>,
}

impl Text {
    /// Begins with a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let words = (0..WORDS).map(|_| {
            let length = 2 + numbers.next() % 9;
            let letters = (0..length).map(|_| b'a' + (numbers.next() % 26) as u8);
            letters.chain([b' ']).collect()
        });
        let words = words.collect();
        Self {
            numbers,
            words,
            rest: Vec::new(),
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.len() < buffer.len() {
            let number = self.numbers.next();
            let (one, other) = ((number >> 40) as usize, (number >> 8) as usize);
            // The product of two even chances makes the first words the most frequent.
            let word = (one % WORDS) * (other % WORDS) / WORDS;
            self.rest.extend_from_slice(&self.words[word]);
        }
        buffer.copy_from_slice(&self.rest[..buffer.len()]);
        self.rest.drain(..buffer.len());
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_in_pieces_of_any_length() -> io::Result<()> {
        let (mut whole, mut pieces) = (vec![0; 4096], vec![0; 4096]);
        Text::new(7).read_exact(&mut whole)?;
        let mut text = Text::new(7);
        for piece in pieces.chunks_mut(100) {
            text.read_exact(piece)?;
        }
        assert_eq!(whole, pieces);
        assert!(whole.iter().all(u8::is_ascii));
        let mut noise = vec![0; 4096];
        Noise::new(7).read_exact(&mut noise)?;
        let mut other = vec![0; 4096];
        Noise::new(8).read_exact(&mut other)?;
        assert_ne!(noise, other);
        Ok(())
    }
}
