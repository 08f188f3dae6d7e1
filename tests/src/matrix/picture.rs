//! A picture to upload: a real PNG, drawn here, so that the server makes real thumbnails of it.

/// The side of the picture, in pixels.
const SIDE: u16 = 96;

/// Draws a small picture, another for each number.
pub fn picture(number: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend(u32::from(SIDE).to_be_bytes());
    header.extend(u32::from(SIDE).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // eight bits, red green blue, no interlacing
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", &zlib(&pixels(number)));
    chunk(&mut png, b"IEND", &[]);
    png
}

/// Rings around the middle; each row begins with its filter, none.
fn pixels(number: u8) -> Vec<u8> {
    let middle = i32::from(SIDE / 2);
    let mut rows = Vec::new();
    for y in 0..i32::from(SIDE) {
        rows.push(0);
        for x in 0..i32::from(SIDE) {
            let distance = (x - middle).pow(2) + (y - middle).pow(2);
            let [.., shade] = (distance / 16 + i32::from(number) * 40).to_be_bytes();
            let [.., slope] = (x * 2).to_be_bytes();
            rows.extend([shade, slope, 255 - shade]);
        }
    }
    rows
}

/// Wraps bytes as zlib does, uncompressed.
fn zlib(content: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = content.chunks(0xffff);
    let last = blocks.len().saturating_sub(1);
    for (number, block) in blocks.enumerate() {
        let [.., high, low] = block.len().to_be_bytes();
        stream.extend([u8::from(number == last), low, high, !low, !high]);
        stream.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    stream.extend(((b << 16) | a).to_be_bytes());
    stream
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    let [.., a, b, c, d] = content.len().to_be_bytes();
    png.extend([a, b, c, d]);
    png.extend(kind);
    png.extend(content);
    let mut remainder = u32::MAX;
    for byte in kind.iter().chain(content) {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            remainder = (remainder >> 1) ^ (0xedb8_8320 & (remainder & 1).wrapping_neg());
        }
    }
    png.extend((!remainder).to_be_bytes());
}
