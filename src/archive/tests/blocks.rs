//! Archives made block by block, because no library writes what somebody might hand us.
//!
//! The unit tests of the room and `tests/it/gnu_tar.rs`, which shows the same archives to the real `tar`, share this file
//! and the corpus beside it.

/// What stands before the hostile member in every archive: `data/` and `data/a.txt`.
pub(super) fn beginning() -> Vec<u8> {
    [
        header(b"data/", b'5', 0).to_vec(),
        file(b"data/a.txt", b"hello"),
    ]
    .concat()
}

/// An archive of these members.
pub(super) fn archive(members: &[u8]) -> Vec<u8> {
    [beginning(), members.to_vec(), vec![0; 1024]].concat()
}

/// A header such as GNU tar writes.
pub(super) fn header(name: &[u8], kind: u8, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000750\0");
    block[108..116].copy_from_slice(b"0001737\0");
    block[116..124].copy_from_slice(b"0001737\0");
    if size < 8 << 30 {
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..148].copy_from_slice(b"15300337171\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar  \0");
    sealed(block)
}

/// The block with a right checksum.
pub(super) fn sealed(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The header with other bytes in one place, and the checksum that goes with them.
pub(super) fn with(mut block: [u8; 512], at: usize, bytes: &[u8]) -> [u8; 512] {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(block)
}

/// Content and its padding.
pub(super) fn padded(content: &[u8]) -> Vec<u8> {
    let mut blocks = content.to_vec();
    blocks.resize(content.len().next_multiple_of(512), 0);
    blocks
}

/// A plain file.
pub(super) fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    [
        header(name, b'0', content.len() as u64).to_vec(),
        padded(content),
    ]
    .concat()
}

/// A file whose name stands in a long name of GNU tar's.
pub(super) fn long_named(name: &[u8], content: &[u8]) -> Vec<u8> {
    let long = [name, b"\0"].concat();
    let announced = header(b"././@LongLink", b'L', long.len() as u64);
    [
        announced.to_vec(),
        padded(&long),
        file(b"data/short", content),
    ]
    .concat()
}
