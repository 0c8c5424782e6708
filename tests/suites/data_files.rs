//! Files that people have: known content, and every mistake.

use std::fs;
use std::path::Path;

use nfd::data::selection::Selection;
use nfd::data::{DataSet, Labels, Request, Source, load};

use crate::common::files::{gzip, idx, npy, request};

/// Pixel j of record i of a part.
fn pixel(part: usize, i: usize, j: usize) -> u8 {
    (7 * i + 3 * j + 100 * part) as u8
}

/// Class of record i.
fn class(i: usize) -> u8 {
    (i % 3) as u8
}

/// The four files, of 12 and 6 images of 2×3, the test images zipped and their labels named with a point.
fn write_idx(folder: &Path) {
    for (part, stem, count) in [(0, "train", 12), (1, "t10k", 6)] {
        let pixels: Vec<u8> =
            (0..count).flat_map(|i| (0..6).map(move |j| pixel(part, i, j))).collect();
        let labels: Vec<u8> = (0..count).map(class).collect();
        let images = idx(8, &[count as u32, 2, 3], &pixels);
        let labels = idx(8, &[count as u32], &labels);
        if part == 0 {
            fs::write(folder.join(format!("{stem}-images-idx3-ubyte")), images).unwrap();
            fs::write(folder.join(format!("{stem}-labels-idx1-ubyte")), labels).unwrap();
        } else {
            fs::write(folder.join(format!("{stem}-images-idx3-ubyte.gz")), gzip(&images)).unwrap();
            fs::write(folder.join(format!("{stem}-labels.idx1-ubyte")), labels).unwrap();
        }
    }
}

/// The six files, of three records each.
fn write_cifar(folder: &Path) {
    let file = |name: String, part: usize, first: usize| {
        let record = |i: usize| {
            let pixels = (0..3072).map(move |j| pixel(part, i, j));
            std::iter::once(class(i)).chain(pixels)
        };
        let bytes: Vec<u8> = (first..first + 3).flat_map(record).collect();
        fs::write(folder.join(name), bytes).unwrap();
    };
    (0..5).for_each(|b| file(format!("data_batch_{}.bin", b + 1), 0, 3 * b));
    file("test_batch.bin".to_owned(), 1, 0);
}

/// Eight samples of 2×2 in f32, and their classes.
fn write_npy(folder: &Path) -> Request {
    let x: Vec<u8> = (0..32).flat_map(|i| (i as f32 * 0.5).to_le_bytes()).collect();
    let y: Vec<u8> = (0..8).flat_map(|i| (i % 3_i64).to_le_bytes()).collect();
    fs::write(folder.join("x.npy"), npy("<f4", false, "(8, 2, 2)", &x)).unwrap();
    fs::write(folder.join("y.npy"), npy("<i8", false, "(8,)", &y)).unwrap();
    Request {
        samples: 3,
        classes: None,
        labels: Labels::Values,
        label_path: Some(folder.join("y.npy")),
        ..request(Source::Npy, &folder.join("x.npy"))
    }
}

/// Records 1, 2, 4, 5 are the first of classes 1 and 2; the sets have test records of their own.
fn is_expected(set: &DataSet, dimension: usize, trained: u32) {
    assert_eq!((set.train.dimension, set.train.outputs), (dimension, 1));
    assert_eq!(set.train.indices, [1, 2, 4, 5]);
    assert_eq!(set.train.labels, [-1.0, 1.0, -1.0, 1.0]);
    assert_eq!(set.test.indices, [trained + 1, trained + 2]);
    for (part, samples) in [(0, &set.train), (1, &set.test)] {
        for (x, &index) in samples.inputs.chunks(dimension).zip(&samples.indices) {
            let i = index as usize - part * trained as usize;
            let same = |(j, x): (usize, &f64)| *x == f64::from(pixel(part, i, j));
            assert!(x.iter().enumerate().all(same), "{part} {i}");
        }
    }
}

#[test]
fn idx_and_cifar_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path());
    write_cifar(folder.path());
    is_expected(&load(&request(Source::Idx, folder.path())).unwrap(), 6, 12);
    let colours = request(Source::Cifar10, folder.path());
    is_expected(&load(&colours).unwrap(), 3072, 15);
    for (from, to) in
        [("data_batch_2.bin", "data_batch_2"), ("test_batch.bin", "test_batch.bin.gz")]
    {
        let bytes = fs::read(folder.path().join(from)).unwrap();
        fs::remove_file(folder.path().join(from)).unwrap();
        fs::write(folder.path().join(to), gzip(&bytes)).unwrap();
    }
    is_expected(&load(&colours).unwrap(), 3072, 15);
}

#[test]
fn selections_are_stratified_and_seeded() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path());
    let first = request(Source::Idx, folder.path());
    let stratified = Request {
        classes: Some(vec![2, 0, 1]),
        labels: Labels::OneHot,
        samples: 9,
        test_samples: 4,
        selection: Selection::Stratified,
        split_seed: Some(3),
        ..first.clone()
    };
    let set = load(&stratified).unwrap();
    let count = |set: &nfd::data::Samples, o: usize| {
        set.labels.chunks(3).filter(|label| label[o] == 1.0).count()
    };
    assert_eq!([0, 1, 2].map(|o| count(&set.train, o)), [3, 3, 3]);
    assert_eq!([0, 1, 2].map(|o| count(&set.test, o)), [2, 1, 1]);
    // Each with its own label and pixels, in another order than the file's, the same for the same seed.
    for (label, &index) in set.train.labels.chunks(3).zip(&set.train.indices) {
        let position = [2, 0, 1].iter().position(|&c| c == class(index as usize)).unwrap();
        assert_eq!(label[position], 1.0);
    }
    assert!(!set.train.indices.is_sorted());
    assert_eq!(load(&stratified).unwrap(), set);
    let other = Request { split_seed: Some(4), ..stratified.clone() };
    assert_ne!(load(&other).unwrap().train.indices, set.train.indices);

    let unequal = Request { samples: 12, classes: Some(vec![1, 2]), ..stratified };
    let error = load(&unequal).unwrap_err().to_string();
    assert!(error.contains("has 4 records of class 1"), "{error}");
}

#[test]
fn tables_of_numpy_and_their_classes() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = write_npy(folder.path());
    let set = load(&numbers).unwrap();
    assert_eq!((set.train.dimension, set.train.outputs), (4, 1));
    assert_eq!(set.train.inputs, (0..12).map(|i| f64::from(i) * 0.5).collect::<Vec<_>>());
    assert_eq!(
        (&set.train.labels[..], &set.test.labels[..]),
        (&[0.0, 1.0, 2.0][..], &[0.0, 1.0][..])
    );
    let classes = Request {
        classes: Some(vec![2, 0]),
        labels: Labels::Sign,
        samples: 2,
        test_samples: 1,
        ..numbers.clone()
    };
    let set = load(&classes).unwrap();
    assert_eq!((&set.train.indices[..], &set.train.labels[..]), (&[0, 2][..], &[1.0, -1.0][..]));
    assert_eq!((&set.test.indices[..], &set.test.labels[..]), (&[3][..], &[1.0][..]));

    // Zipped CSV, by its class column.
    let csv = "x1,x2,y\n1,2,0\n3,4,1\n5,6,1\n7,8,0\n";
    let path = folder.path().join("table.csv.gz");
    fs::write(&path, gzip(csv.as_bytes())).unwrap();
    let wanted = Request {
        samples: 3,
        test_samples: 1,
        classes: Some(vec![0, 1]),
        ..request(Source::Csv, &path)
    };
    let set = load(&wanted).unwrap();
    assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[-1.0, 1.0, 1.0][..], &[-1.0][..]));
}

#[test]
fn coordinates_are_standardised_over_the_training_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    fs::write(&path, "x1,x2,y\n1,5,0\n3,5,1\n5,7,1\n").unwrap();
    let wanted = Request {
        samples: 2,
        test_samples: 1,
        classes: None,
        labels: Labels::Values,
        standardize: true,
        ..request(Source::Csv, &path)
    };
    let set = load(&wanted).unwrap();
    // x1 has mean 2 and deviation 1; x2 does not vary.
    assert_eq!(
        (&set.train.inputs[..], &set.test.inputs[..]),
        (&[-1.0, 0.0, 1.0, 0.0][..], &[3.0, 0.0][..])
    );
}

#[test]
fn mistakes_say_what_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let fails = |request: &Request, expected: &[&str]| {
        let error = load(request).unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    };
    let images = request(Source::Idx, folder.path());
    let layout = ["has no train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "MNIST"];
    fails(&images, &layout);
    let colours = request(Source::Cifar10, folder.path());
    fails(&colours, &["has no data_batch_1.bin", "test_batch.bin", "CIFAR-10 page"]);

    write_idx(folder.path());
    fails(&Request { samples: 9, ..images.clone() }, &["9 training and 2 test samples", "are 8"]);
    let whole = fs::read(at("train-images-idx3-ubyte")).unwrap();
    fs::write(at("train-images-idx3-ubyte"), &whole[..16 + 6 * 4 + 1]).unwrap();
    fails(&images, &["train-images-idx3-ubyte", "record 5 of 12", "get it again"]);
    fs::write(at("train-images-idx3-ubyte"), b"\x00\x00\x0d\x03more").unwrap();
    fails(&images, &["train-images-idx3-ubyte", "its header cannot be read"]);
    fs::write(at("train-images-idx3-ubyte"), idx(8, &[11, 2, 3], &whole[16..])).unwrap();
    fails(&images, &["has labels of sizes [12] for 11 images", "different sets"]);
    fs::write(at("train-images-idx3-ubyte"), idx(8, &[12, 65_536, 65_536], &[])).unwrap();
    fails(&images, &["has records of [65536, 65536] numbers"]);

    write_cifar(folder.path());
    let whole = fs::read(at("data_batch_3.bin")).unwrap();
    fs::write(at("data_batch_3.bin"), &whole[..3073 + 17]).unwrap();
    fails(&colours, &["data_batch_3.bin", "record 2: is cut off after 17 of 3073 bytes"]);
    let mut wrong = whole.clone();
    wrong[2 * 3073] = 10;
    fs::write(at("data_batch_3.bin"), wrong).unwrap();
    fails(&colours, &["data_batch_3.bin", "record 3: has class 10, above 9"]);

    let numbers = write_npy(folder.path());
    fails(&Request { samples: 8, ..numbers.clone() }, &["8 training and 2 test samples", "are 8"]);
    fails(&Request { classes: Some(vec![3]), ..numbers.clone() }, &["there are 0"]);
    let mut x: Vec<u8> = (0..32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    fs::write(at("x.npy"), npy("<f4", false, "(8, 4)", &x[..4 * 11])).unwrap();
    fails(&numbers, &["x.npy", "sample 2"]);
    x[4 * 5..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(at("x.npy"), npy("<f4", false, "(8, 4)", &x)).unwrap();
    fails(&numbers, &["x.npy", "sample 1: NaN is not a finite number"]);
    x[4 * 5..][..4].copy_from_slice(&[0; 4]);
    fs::write(at("x.npy"), npy("<f4", false, "(7, 4)", &x)).unwrap();
    fails(&numbers, &["y.npy", "has 8 labels for the 7 inputs"]);
    fs::write(at("x.npy"), npy("<c8", false, "(8, 4)", &x)).unwrap();
    fails(&numbers, &["x.npy", "type <c8, which are not real"]);
    fs::write(at("table.csv"), "x1,y\n1,0\n2,0.5\n").unwrap();
    let table = Request { samples: 1, test_samples: 0, ..request(Source::Csv, &at("table.csv")) };
    fails(&table, &["table.csv", "sample 1 has label 0.5, which is no class"]);
}
