//! Nine small images of three classes in every form in which people have data, and whether they were read.

use std::fs;
use std::path::Path;

use nfd::data::{DataSet, Request, Source, load};

use super::files::{idx, npy, request};

/// Nine images of 2×2 pixels, and their classes: 0, 1, 2, 0, 1, 2, …
pub const IMAGES: usize = 9;

pub fn pixels() -> Vec<u8> {
    (0..4 * IMAGES).map(|i| (i * 29 % 251 + 1) as u8).collect()
}

pub fn classes() -> Vec<u8> {
    (0..IMAGES).map(|i| (i % 3) as u8).collect()
}

/// What is asked of those images in every form; the test samples of idx are those of its test files.
pub fn asked(source: Source, path: &Path) -> Request {
    Request { test_samples: 0, samples: 6, ..request(source, path) }
}

/// The inputs that are asked for: images 1, 2, 4, 5, 7, 8.
pub fn is_right(set: &DataSet) {
    assert_eq!(set.train.indices, [1, 2, 4, 5, 7, 8]);
    assert_eq!(set.train.labels, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
    let pixels = pixels();
    let of = |i: &u32| pixels[4 * *i as usize..][..4].iter().copied().map(f64::from);
    assert_eq!(set.train.inputs, set.train.indices.iter().flat_map(of).collect::<Vec<_>>());
}

pub fn fails(request: &Request, words: &[&str]) {
    let error = load(request).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    assert!(error.chars().count() < 600, "{error}");
}

/// The four files, with names made of a part and a kind, of images and labels as they are given.
pub fn write_idx(folder: &Path, name: impl Fn(&str, &str) -> String, images: &[u8], labels: &[u8]) {
    for part in ["train", "t10k"] {
        fs::write(folder.join(name(part, "images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(name(part, "labels-idx1-ubyte")), labels).unwrap();
    }
}

pub fn plain_idx() -> (Vec<u8>, Vec<u8>) {
    (idx(8, &[IMAGES as u32, 2, 2], &pixels()), idx(8, &[IMAGES as u32], &classes()))
}

/// The images as an array of shape (9, 2, 2), and their classes.
pub fn arrays() -> (Vec<u8>, Vec<u8>) {
    let classes: Vec<u8> = classes().into_iter().flat_map(|c| i64::from(c).to_le_bytes()).collect();
    (npy("|u1", false, "(9, 2, 2)", &pixels()), npy("<i8", false, "(9,)", &classes))
}

/// The images as a table, with names of columns or without.
pub fn table(separator: &str, header: bool) -> String {
    let (pixels, classes) = (pixels(), classes());
    let mut rows = vec![];
    if header {
        rows.push(["x1", "x2", "x3", "x4", "y"].join(separator));
    }
    for (x, y) in pixels.chunks(4).zip(classes) {
        let fields: Vec<String> = x.iter().chain([&y]).map(u8::to_string).collect();
        rows.push(fields.join(separator));
    }
    rows.join("\n") + "\n"
}
