//! AES in CFB mode and the SHA-1 of the MDC: the loop that every byte of a backup passes.
//!
//! Both ciphers must be fed whole blocks, sixteen bytes each, until the last call. The block calls do many blocks at
//! once; the byte-wise types of `cfb-mode` set the round keys up anew for each block and cost three times as much as
//! all the rest together.

use aes::cipher::{
    Array, Block, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InvalidLength, KeyInit,
    KeyIvInit,
};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use sequoia_openpgp::types::SymmetricAlgorithm;

/// How many bytes are hashed and then encrypted in one go: small enough to stay in the first-level cache.
pub(super) const STEP: usize = 16 * 1024;

/// How many bytes of noise and repetition stand before the plaintext: one block and its last two bytes again.
pub(super) const PREFIX: usize = 18;

/// How many bytes the MDC packet takes: its two header bytes and a SHA-1.
pub(super) const MDC: usize = 22;

/// The header of the MDC packet, which its own digest covers.
pub(super) const MDC_HEADER: [u8; 2] = [0xd3, 0x14];

/// A cipher that we open: all of AES, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
}

impl Cipher {
    /// The cipher of that OpenPGP number, if it is one of ours.
    pub(super) fn of(algorithm: SymmetricAlgorithm) -> Option<Self> {
        match algorithm {
            SymmetricAlgorithm::AES128 => Some(Self::Aes128),
            SymmetricAlgorithm::AES192 => Some(Self::Aes192),
            SymmetricAlgorithm::AES256 => Some(Self::Aes256),
            _ => None,
        }
    }

    /// Its OpenPGP number.
    pub(super) fn algorithm(self) -> SymmetricAlgorithm {
        match self {
            Self::Aes128 => SymmetricAlgorithm::AES128,
            Self::Aes192 => SymmetricAlgorithm::AES192,
            Self::Aes256 => SymmetricAlgorithm::AES256,
        }
    }

    /// How many bytes its key has.
    pub(super) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// Encrypts with AES-256, the only cipher that is written.
pub(super) struct Encryptor(cfb_mode::Encryptor<Aes256Enc>);

impl Encryptor {
    /// Starts a stream; the initialisation vector is zero, as an integrity-protected packet has it.
    pub(super) fn new(key: &[u8]) -> Result<Self, InvalidLength> {
        Ok(Self(start(key)?))
    }

    /// Encrypts in place. Only the last call may have a length that is no multiple of sixteen.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        let (blocks, tail) = Block::<Aes256Enc>::slice_as_chunks_mut(data);
        self.0.encrypt_blocks(blocks);
        pad(tail, |block| self.0.encrypt_block(block));
    }
}

/// Decrypts with the cipher that the message names.
pub(super) enum Decryptor {
    Aes128(cfb_mode::Decryptor<Aes128Enc>),
    Aes192(cfb_mode::Decryptor<Aes192Enc>),
    Aes256(cfb_mode::Decryptor<Aes256Enc>),
}

impl Decryptor {
    /// Starts a stream, as [`Encryptor::new`] does.
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Result<Self, InvalidLength> {
        Ok(match cipher {
            Cipher::Aes128 => Self::Aes128(start(key)?),
            Cipher::Aes192 => Self::Aes192(start(key)?),
            Cipher::Aes256 => Self::Aes256(start(key)?),
        })
    }

    /// Decrypts in place. Only the last call may have a length that is no multiple of sixteen.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        match self {
            Self::Aes128(mode) => decrypt(mode, data),
            Self::Aes192(mode) => decrypt(mode, data),
            Self::Aes256(mode) => decrypt(mode, data),
        }
    }
}

fn start<M: KeyIvInit>(key: &[u8]) -> Result<M, InvalidLength> {
    M::new_from_slices(key, &Array::<u8, M::IvSize>::default())
}

fn decrypt<C>(mode: &mut cfb_mode::Decryptor<C>, data: &mut [u8])
where
    C: BlockCipherEncrypt + KeyInit,
{
    let (blocks, tail) = Block::<C>::slice_as_chunks_mut(data);
    mode.decrypt_blocks(blocks);
    pad(tail, |block| mode.decrypt_block(block));
}

/// Does what is left behind the last whole block, as a block filled up with zeros.
fn pad<N: aes::cipher::array::ArraySize>(tail: &mut [u8], apply: impl FnOnce(&mut Array<u8, N>)) {
    if tail.is_empty() {
        return;
    }
    let mut block = Array::<u8, N>::default();
    block[..tail.len()].copy_from_slice(tail);
    apply(&mut block);
    tail.copy_from_slice(&block[..tail.len()]);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    /// The CFB128 vectors of NIST SP 800-38A start from another vector than zero; a zero block in front gives us theirs.
    #[test]
    fn the_cipher_is_the_aes_256_cfb_of_nist() {
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let sealed = hex("dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b");

        // Decrypting needs only the ciphertext before: let the vector be the first block of ciphertext.
        let mut data = [iv.as_slice(), &sealed].concat();
        Decryptor::new(Cipher::Aes256, &key)
            .unwrap()
            .apply(&mut data);
        assert_eq!(data[16..], plain);

        // And encrypting what came out gives the same again.
        Encryptor::new(&key).unwrap().apply(&mut data);
        assert_eq!(data, [iv, sealed].concat());
    }

    #[test]
    fn steps_and_tails_join_without_a_seam() {
        let key = [7; 32];
        let plain: Vec<u8> = (0..3 * STEP + 5).map(|at| (at % 251) as u8).collect();

        let mut whole = plain.clone();
        Encryptor::new(&key).unwrap().apply(&mut whole);

        let mut steps = plain.clone();
        let mut encryptor = Encryptor::new(&key).unwrap();
        steps
            .chunks_mut(STEP)
            .for_each(|step| encryptor.apply(step));
        assert_eq!(whole, steps);

        let mut decryptor = Decryptor::new(Cipher::Aes256, &key).unwrap();
        steps
            .chunks_mut(STEP)
            .for_each(|step| decryptor.apply(step));
        assert_eq!(steps, plain);
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused() {
        for cipher in [Cipher::Aes128, Cipher::Aes192, Cipher::Aes256] {
            assert!(Decryptor::new(cipher, &vec![0; cipher.key_bytes()]).is_ok());
            assert!(Decryptor::new(cipher, &vec![0; cipher.key_bytes() + 1]).is_err());
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
