//! Files of data as other programs write them, and what is asked of them.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nfd::data::selection::Selection;
use nfd::data::{Labels, Request, Source};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Four training and two test samples of classes 1 and 2.
pub fn request(source: Source, path: &Path) -> Request {
    Request {
        source,
        samples: 4,
        test_samples: 2,
        classes: Some(vec![1, 2]),
        labels: Labels::Sign,
        selection: Selection::First,
        split_seed: None,
        standardize: false,
        normalize: false,
        scale: 1.0,
        path: Some(path.to_owned()),
        label_path: None,
        input_exponent: None,
        target_exponent: None,
        dimension: None,
        seed: None,
    }
}

/// An IDX file of numbers of a type.
pub fn idx(of: u8, sizes: &[u32], numbers: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, of, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(numbers);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An array of NumPy: its type, Fortran's order or C's, the shape as Python writes it.
pub fn npy(of: &str, fortran: bool, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{of}', 'fortran_order': {order}, 'shape': {shape}, }}").into_bytes();
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(b' ');
    }
    header.push(b'\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header);
    file.extend(bytes);
    file
}

/// An archive of arrays, as numpy.savez or numpy.savez_compressed writes it.
pub fn npz(arrays: &[(&str, Vec<u8>)], packed: bool) -> Vec<u8> {
    let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
