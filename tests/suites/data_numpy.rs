//! Arrays of NumPy as data: every type and order of numbers, one-hot labels, archives.

use std::fs;

use half::f16;
use nfd::data::{Labels, Request, Source, load};

use crate::common::files::{npy, npz};
use crate::common::images::*;

/// The numbers of every type of NumPy in both orders of bytes; the other way round they are others.
#[test]
fn numpy_of_every_type() {
    let values = [-3.0_f64, 0.0, 1.0, 100.5];
    type Bytes = fn(f64) -> Vec<u8>;
    type Read = fn(f64) -> f64;
    // The type, its little-endian bytes, and what becomes of the values in it.
    let types: [(&str, Bytes, Read); 12] = [
        ("b1", |v| vec![u8::from(v != 0.0)], |v| f64::from(u8::from(v != 0.0))),
        ("i1", |v| (v as i8).to_le_bytes().into(), f64::trunc),
        ("i2", |v| (v as i16).to_le_bytes().into(), f64::trunc),
        ("i4", |v| (v as i32).to_le_bytes().into(), f64::trunc),
        ("i8", |v| (v as i64).to_le_bytes().into(), f64::trunc),
        ("u1", |v| (v as i64 as u8).to_le_bytes().into(), |v| f64::from(v as i64 as u8)),
        ("u2", |v| (v as i64 as u16).to_le_bytes().into(), |v| f64::from(v as i64 as u16)),
        ("u4", |v| (v as i64 as u32).to_le_bytes().into(), |v| f64::from(v as i64 as u32)),
        ("u8", |v| (v as i64 as u64).to_le_bytes().into(), |v| v as i64 as u64 as f64),
        ("f2", |v| f16::from_f64(v).to_le_bytes().into(), |v| v),
        ("f4", |v| (v as f32).to_le_bytes().into(), |v| v),
        ("f8", |v| v.to_le_bytes().into(), |v| v),
    ];
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("y.npy"), npy("|b1", false, "(2,)", &[0, 1])).unwrap();
    let wanted = Request {
        samples: 2,
        classes: None,
        labels: Labels::Values,
        label_path: Some(at("y.npy")),
        ..asked(Source::Npy, &at("x.npy"))
    };
    for (name, bytes, expected) in types {
        for order in if name.ends_with('1') { "|" } else { "<>" }.chars() {
            let numbers = values.iter().flat_map(|&v| {
                let mut bytes = bytes(v);
                if order == '>' {
                    bytes.reverse();
                }
                bytes
            });
            let array =
                npy(&format!("{order}{name}"), false, "(2, 2)", &numbers.collect::<Vec<_>>());
            fs::write(at("x.npy"), array).unwrap();
            let set = load(&wanted).unwrap();
            assert_eq!(set.train.inputs, values.map(expected), "{order}{name}");
            assert_eq!(set.train.labels, [0.0, 1.0]);
        }
    }
    for (of, words) in [
        ("<f16", "holds numbers of type <f16: save it as float64"),
        ("<c16", "type <c16, which are not real"),
        ("|O", "holds objects of Python"),
        ("<U3", "type <U3, which are not real"),
    ] {
        fs::write(at("x.npy"), npy(of, false, "(2, 2)", &[0; 64])).unwrap();
        fails(&wanted, &["x.npy", words]);
    }
    // What the parser of the header would take all stack or memory for.
    for (shape, words) in [
        (format!("{}2{}", "(".repeat(4900), ",)".repeat(2400)), "a header that is damaged"),
        (format!("{}{}", "[".repeat(4900), "]".repeat(4900)), "a header that is damaged"),
        ("(2, 99999999999, 99999999999)".to_owned(), "has samples of shape"),
        ("(99999999999999999999999, 2)".to_owned(), "a header that is damaged"),
        ("()".to_owned(), "holds one number"),
        (" ".repeat(20_000), "has a header of 20"),
    ] {
        fs::write(at("x.npy"), npy("<f8", false, &shape, &[0; 32])).unwrap();
        fails(&wanted, &["x.npy", words]);
    }
}

#[test]
fn numpy_in_fortran_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (x, y) = arrays();
    fs::write(at("y.npy"), &y).unwrap();
    let numpy = Request { label_path: Some(at("y.npy")), ..asked(Source::Npy, &at("x.npy")) };
    // Of shape (9, 2, 2): x[i, r, c] is at i + 9 (r + 2 c).
    let pixels = pixels();
    let of = |at: usize| pixels[4 * (at % 9) + 2 * (at / 9 % 2) + at / 18];
    let turned: Vec<u8> = (0..36).map(of).collect();
    fs::write(at("x.npy"), npy("|u1", true, "(9, 2, 2)", &turned)).unwrap();
    is_right(&load(&numpy).unwrap());
    // As they come: no more than the first samples need be finite.
    let few = Request { samples: 2, classes: None, labels: Labels::Values, ..numpy.clone() };
    let flat = |bad: usize| -> Vec<u8> {
        let number = |i: usize| if i == bad { f32::NAN } else { i as f32 };
        (0..18).flat_map(|i| number(i).to_le_bytes()).collect()
    };
    fs::write(at("x.npy"), npy("<f4", true, "(9, 2)", &flat(2))).unwrap();
    assert_eq!(load(&few).unwrap().train.inputs, [0.0, 9.0, 1.0, 10.0]);
    fs::write(at("x.npy"), npy("<f4", true, "(9, 2)", &flat(10))).unwrap();
    fails(&few, &["x.npy", "sample 1: NaN is not a finite number"]);
    fs::write(at("x.npy"), npy("<f4", true, "(9, 2)", &flat(99)[..40])).unwrap();
    fails(&few, &["x.npy", "sample 1: the file ends"]);
    // One axis has one order.
    fs::write(at("x.npy"), npy("|u1", true, "(9,)", &pixels[..9])).unwrap();
    assert_eq!(load(&few).unwrap().train.dimension, 1);
    // Labels may be so too, one-hot ones among them.
    let hot: Vec<u8> =
        (0..3).flat_map(|k| classes().into_iter().map(move |c| u8::from(c == k))).collect();
    fs::write(at("x.npy"), x).unwrap();
    fs::write(at("y.npy"), npy("|b1", true, "(9, 3)", &hot)).unwrap();
    is_right(&load(&numpy).unwrap());
}

#[test]
fn numpy_labels_may_be_one_hot() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (x, _) = arrays();
    fs::write(at("x.npy"), x).unwrap();
    let mut hot: Vec<f32> =
        classes().iter().flat_map(|&c| [0, 1, 2].map(|k| f32::from(u8::from(k == c)))).collect();
    let write = |hot: &[f32]| {
        let bytes: Vec<u8> = hot.iter().flat_map(|y| y.to_le_bytes()).collect();
        fs::write(at("y.npy"), npy("<f4", false, "(9, 3)", &bytes)).unwrap();
    };
    write(&hot);
    let numpy = Request { label_path: Some(at("y.npy")), ..asked(Source::Npy, &at("x.npy")) };
    is_right(&load(&numpy).unwrap());
    // Without classes they are three outputs.
    let values = Request { classes: None, labels: Labels::Values, ..numpy.clone() };
    assert_eq!(load(&values).unwrap().train.labels[..6], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    hot[3 * 4 + 2] = 1.0;
    write(&hot);
    fails(&numpy, &["y.npy: has 3 label columns", "sample 4", "one-hot"]);
    fs::write(at("y.npy"), npy("<f4", false, "(8,)", &[0; 32])).unwrap();
    fails(&numpy, &["y.npy: has 8 labels for the 9 inputs of", "x.npy"]);
}

#[test]
fn archives_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (x, y) = arrays();
    let file = at("set");
    let asked = asked(Source::Npy, &file);
    for (names, packed) in [
        (["x", "y"], true),
        (["X", "y"], false),
        (["x_train", "y_train"], true),
        (["images", "labels"], true),
        (["train_images", "train_labels"], true),
        (["data", "target"], true),
        (["arr_0", "arr_1"], true),
    ] {
        let [inputs, labels] = names;
        let other = npy("<f8", false, "(1,)", &[0; 8]);
        let arrays = [(labels, y.clone()), ("more", other), (inputs, x.clone())];
        fs::write(&file, npz(&arrays, packed)).unwrap();
        let set = load(&asked).unwrap();
        is_right(&set);
        assert_eq!(set.assumed, [format!("inputs are {inputs}, labels {labels}")]);
    }
    // Test samples of its own, as in Keras' mnist.npz; indices count on.
    let test = npy("|u1", false, "(2, 2, 2)", &[9; 8]);
    let own = [
        ("x_test", test.clone()),
        ("x_train", x.clone()),
        ("y_train", y.clone()),
        ("y_test", npy("|u1", false, "(2,)", &[2, 1])),
    ];
    fs::write(&file, npz(&own, true)).unwrap();
    let set = load(&Request { test_samples: 2, ..asked.clone() }).unwrap();
    is_right(&set);
    assert_eq!((&set.test.indices[..], &set.test.labels[..]), (&[9, 10][..], &[1.0, -1.0][..]));
    assert_eq!(set.test.inputs, [9.0; 8]);
    // One array under any name, as in Kuzushiji-MNIST, with its labels in another file.
    fs::write(&file, npz(&[("anything", x.clone())], true)).unwrap();
    fs::write(at("labels"), npz(&[("arr_0", y.clone())], true)).unwrap();
    let two = Request { label_path: Some(at("labels")), ..asked.clone() };
    is_right(&load(&two).unwrap());
    fs::write(at("labels"), &y).unwrap();
    is_right(&load(&two).unwrap());
    fs::write(at("labels"), npz(&[("a", y.clone()), ("b", y.clone())], true)).unwrap();
    fails(&two, &["labels: has arrays a, b", "none are named as labels"]);
    // Mistakes.
    fails(&asked, &["set: has arrays anything", "x_train and y_train"]);
    fs::write(&file, npz(&[("x", x.clone()), ("y", x[..150].to_vec())], true)).unwrap();
    fails(&asked, &["set (y)", "sample 5: the file ends"]);
    let unlike = [own[1].clone(), own[2].clone(), ("x_test", y.clone()), own[3].clone()];
    fs::write(&file, npz(&unlike, true)).unwrap();
    fails(&asked, &["set (y_test)", "has 2 labels for the 9 inputs of"]);
    let whole = npz(&[("x", x.clone()), ("y", y)], true);
    fs::write(&file, &whole[..whole.len() - 30]).unwrap();
    fails(&asked, &["set: cannot be read", "get it again"]);
    fs::write(&file, x).unwrap();
    fails(&asked, &["set: has inputs and no labels", "data.label_path"]);
}
