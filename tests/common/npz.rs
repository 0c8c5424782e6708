//! NumPy's archives, read by hand.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// A member's header and its numbers.
pub fn member(archive: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!((10 + length).is_multiple_of(64) && bytes[9 + length] == b'\n');
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    (header.trim().to_owned(), bytes[10 + length..].to_vec())
}

pub fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect()
}
