//! The forms in which people have data: whatever a file is called and however it was written, it is read
//! as what it holds, or the error says what it is.

use std::fs;
use std::path::Path;

use half::f16;
use nfd::data::{DataSet, Labels, Request, Source, load};

use crate::common::experiments::{GOOD, resolve_text};
use crate::common::files::{gzip, idx, npy, npz, request};

/// Nine images of 2×2 pixels, and their classes: 0, 1, 2, 0, 1, 2, …
const IMAGES: usize = 9;

fn pixels() -> Vec<u8> {
    (0..4 * IMAGES).map(|i| (i * 29 % 251 + 1) as u8).collect()
}

fn classes() -> Vec<u8> {
    (0..IMAGES).map(|i| (i % 3) as u8).collect()
}

/// What is asked of those images in every form; the test samples of idx are those of its test files.
fn asked(source: Source, path: &Path) -> Request {
    Request { test_samples: 0, samples: 6, ..request(source, path) }
}

/// The inputs that are asked for: images 1, 2, 4, 5, 7, 8.
fn is_right(set: &DataSet) {
    assert_eq!(set.train.indices, [1, 2, 4, 5, 7, 8]);
    assert_eq!(set.train.labels, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
    let pixels = pixels();
    let of = |i: &u32| pixels[4 * *i as usize..][..4].iter().copied().map(f64::from);
    assert_eq!(set.train.inputs, set.train.indices.iter().flat_map(of).collect::<Vec<_>>());
}

fn fails(request: &Request, words: &[&str]) {
    let error = load(request).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    assert!(error.chars().count() < 600, "{error}");
}

/// The four files, with names made of a part and a kind, of images and labels as they are given.
fn write_idx(folder: &Path, name: impl Fn(&str, &str) -> String, images: &[u8], labels: &[u8]) {
    for part in ["train", "t10k"] {
        fs::write(folder.join(name(part, "images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(name(part, "labels-idx1-ubyte")), labels).unwrap();
    }
}

fn plain_idx() -> (Vec<u8>, Vec<u8>) {
    (idx(8, &[IMAGES as u32, 2, 2], &pixels()), idx(8, &[IMAGES as u32], &classes()))
}

#[test]
fn gzip_is_known_by_its_content() {
    let (images, labels) = plain_idx();
    // Gzip under a plain name, and plain under the name of gzip.
    for (ending, images, labels) in
        [("", gzip(&images), gzip(&labels)), (".gz", images.clone(), labels.clone())]
    {
        let folder = tempfile::tempdir().unwrap();
        let name = |part: &str, kind: &str| format!("{part}-{kind}{ending}");
        write_idx(folder.path(), name, &images, &labels);
        is_right(&load(&asked(Source::Idx, folder.path())).unwrap());
    }
    // Several members: at the header, within, and an empty one.
    let several = |bytes: &[u8]| [&bytes[..3], &[], &bytes[3..13], &bytes[13..]].map(gzip).concat();
    let folder = tempfile::tempdir().unwrap();
    let name = |part: &str, kind: &str| format!("{part}-{kind}.gz");
    write_idx(folder.path(), name, &several(&images), &several(&labels));
    is_right(&load(&asked(Source::Idx, folder.path())).unwrap());

    let at = |name: &str| folder.path().join(name);
    let (x, y) = arrays();
    let table = several(table(",", true).as_bytes());
    for name in ["table.csv", "table.csv.gz", "table"] {
        fs::write(at(name), &table).unwrap();
        is_right(&load(&asked(Source::Csv, &at(name))).unwrap());
    }
    fs::write(at("x.npy"), several(&x)).unwrap();
    fs::write(at("y.npy"), gzip(&y)).unwrap();
    let numpy = Request { label_path: Some(at("y.npy")), ..asked(Source::Npy, &at("x.npy")) };
    is_right(&load(&numpy).unwrap());
    // Cut off within the second member.
    fs::write(at("table.csv"), &table[..table.len() - 9]).unwrap();
    fails(&asked(Source::Csv, &at("table.csv")), &["table.csv", "gzip", "get it again"]);
}

#[test]
fn what_is_no_data_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (images, labels) = plain_idx();
    write_idx(folder.path(), |part, kind| format!("{part}-{kind}.gz"), &images, &labels);
    let page = b"\n<!DOCTYPE html><html><head><title>404</title>";
    for (name, request) in [
        ("train-images-idx3-ubyte.gz", asked(Source::Idx, folder.path())),
        ("t10k-labels-idx1-ubyte.gz", asked(Source::Idx, folder.path())),
        ("t.csv", asked(Source::Csv, &at("t.csv"))),
        ("x.npy", asked(Source::Npy, &at("x.npy"))),
        ("data_batch_1.bin", asked(Source::Cifar10, folder.path())),
    ] {
        let before = fs::read(at(name)).ok();
        for page in [page.to_vec(), gzip(page)] {
            fs::write(at(name), page).unwrap();
            fails(&request, &[name, "is a web page, not data"]);
        }
        if let Some(before) = before {
            fs::write(at(name), before).unwrap();
        }
    }
    let (x, _) = arrays();
    let odd = at("odd");
    for (bytes, source, words) in [
        (x.clone(), Source::Csv, ["is an array of NumPy, not a table", "data.source npy"]),
        (images.clone(), Source::Csv, ["is an IDX file, not a table", "data.source idx"]),
        (images, Source::Npy, ["is an IDX file, not an array of NumPy", "data.source idx"]),
        (npz(&[("x", x)], false), Source::Csv, ["is a ZIP archive, not a table", "unpack it"]),
        (b"\xFF\xFEx\0,\0y\0".to_vec(), Source::Csv, ["is text in UTF-16", "UTF-8"]),
        (b"x,y\n1,2\n".to_vec(), Source::Npy, ["not an array of NumPy", "look into it"]),
        (gzip(&gzip(b"x,y\n1,2\n")), Source::Csv, ["is gzip within gzip", "unpack it once"]),
        (b"version https://git-lfs.github".to_vec(), Source::Csv, ["Git LFS", "git lfs pull"]),
    ] {
        fs::write(&odd, bytes).unwrap();
        fails(&asked(source, &odd), &words);
    }
    fs::write(at("data_batch_1.bin"), b"\x80\x04pickled").unwrap();
    let cifar = asked(Source::Cifar10, folder.path());
    fails(&cifar, &["data_batch_1.bin", "is a pickle of Python", "binary version"]);
    fails(&asked(Source::Csv, folder.path()), &["is a folder"]);
}

#[test]
fn idx_of_every_type_and_the_usual_names() {
    let values = [-3_i8, 0, 5, 100];
    let all = |bytes: fn(i8) -> Vec<u8>| values.map(bytes).concat().repeat(IMAGES);
    let forms: [(u8, Vec<u8>); 6] = [
        (0x08, all(|v| vec![v as u8])),
        (0x09, all(|v| v.to_be_bytes().to_vec())),
        (0x0B, all(|v| i16::from(v).to_be_bytes().to_vec())),
        (0x0C, all(|v| i32::from(v).to_be_bytes().to_vec())),
        (0x0D, all(|v| f32::from(v).to_be_bytes().to_vec())),
        (0x0E, all(|v| f64::from(v).to_be_bytes().to_vec())),
    ];
    let (_, labels) = plain_idx();
    for (of, numbers) in forms {
        let folder = tempfile::tempdir().unwrap();
        let images = idx(of, &[IMAGES as u32, 2, 2], &numbers);
        write_idx(folder.path(), |part, kind| format!("{part}-{kind}"), &images, &labels);
        let set = load(&asked(Source::Idx, folder.path())).unwrap();
        let first = if of == 0x08 { 253.0 } else { -3.0 };
        assert_eq!(set.train.inputs, [first, 0.0, 5.0, 100.0].repeat(6), "{of:x}");
    }
    // QMNIST: the class, then seven numbers about the image.
    let columns = |class: u8| (0..8_i32).map(move |j| if j == 0 { class.into() } else { 900 - j });
    let numbers: Vec<u8> =
        classes().into_iter().flat_map(columns).flat_map(i32::to_be_bytes).collect();
    let qmnist = idx(0x0C, &[IMAGES as u32, 8], &numbers);
    let (images, _) = plain_idx();
    let folder = tempfile::tempdir().unwrap();
    for part in ["train", "test"] {
        let at = |kind: &str| folder.path().join(format!("qmnist-{part}-{kind}"));
        fs::write(at("images-idx3-ubyte.gz"), gzip(&images)).unwrap();
        fs::write(at("labels-idx2-int.gz"), gzip(&qmnist)).unwrap();
        fs::write(at("labels.tsv.gz"), gzip(b"0\t1\n")).unwrap();
    }
    is_right(&load(&asked(Source::Idx, folder.path())).unwrap());
    // One-hot labels in two dimensions are those of the columns.
    let hot: Vec<u8> =
        classes().iter().flat_map(|&c| [0, 1, 2].map(|k| u8::from(k == c))).collect();
    let folder = tempfile::tempdir().unwrap();
    let hot = idx(8, &[IMAGES as u32, 3], &hot);
    write_idx(folder.path(), |part, kind| format!("{part}_{kind}"), &images, &hot);
    is_right(&load(&asked(Source::Idx, folder.path())).unwrap());
    // EMNIST: several sets in one folder, of which one is named.
    let folder = tempfile::tempdir().unwrap();
    for (set, last) in [("letters", 8), ("digits", 9)] {
        let labels = idx(8, &[IMAGES as u32], &[&classes()[..last], &[7; 9][last..]].concat());
        let name = |part: &str, kind: &str| {
            format!("emnist-{set}-{}-{kind}.gz", part.replace("t10k", "test"))
        };
        write_idx(folder.path(), name, &gzip(&images), &gzip(&labels));
        // torchvision leaves what it has unpacked beside.
        let name = |part: &str, kind: &str| name(part, kind).replace(".gz", "");
        write_idx(folder.path(), name, &images, &labels);
    }
    is_right(&load(&asked(Source::Idx, &folder.path().join("emnist-digits"))).unwrap());
    let letters = asked(Source::Idx, &folder.path().join("emnist-letters"));
    fails(&letters, &["6 training and 0 test samples", "are 5"]);
    fails(
        &asked(Source::Idx, folder.path()),
        &["has 2 files that may be train-images-idx3-ubyte", "data.path", "emnist-digits-train"],
    );
    let none = asked(Source::Idx, &folder.path().join("emnist-balanced"));
    fails(&none, &["emnist-balanced: has no train-images-idx3-ubyte", "labels"]);
}

/// The images as an array of shape (9, 2, 2), and their classes.
fn arrays() -> (Vec<u8>, Vec<u8>) {
    let classes: Vec<u8> = classes().into_iter().flat_map(|c| i64::from(c).to_le_bytes()).collect();
    (npy("|u1", false, "(9, 2, 2)", &pixels()), npy("<i8", false, "(9,)", &classes))
}

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

/// The images as a table, with names of columns or without.
fn table(separator: &str, header: bool) -> String {
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

#[test]
fn tables_of_every_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let asked = asked(Source::Csv, &path);
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        load(&asked).unwrap_or_else(|error| panic!("{text}\n{error}"))
    };
    let indexed = |text: &str, names: Option<&str>, first: usize| -> String {
        let row = |(i, row): (usize, &str)| match (names, i) {
            (Some(name), 0) => format!("{name},{row}\n"),
            _ => format!("{},{row}\n", i + first - usize::from(names.is_some())),
        };
        text.lines().enumerate().map(row).collect()
    };
    let turned = |text: &str, separator: &str| -> String {
        let row = |row: &str| {
            let (inputs, label) = row.rsplit_once(separator).unwrap();
            format!("{label}{separator}{inputs}\n")
        };
        text.lines().map(row).collect()
    };
    let plain = table(",", true);
    let bare = table(",", false);
    let kaggle = turned(&plain, ",").replace('y', "label").replace('x', "pixel");
    let numbered = format!("0,1,2,3,4\n{bare}");
    // What pandas' to_csv writes of a frame, and of an array.
    let frame = indexed(&plain, Some(""), 0);
    let array = indexed(&numbered, Some(""), 0);
    let last = "has no names of columns, and the last has the labels";
    let left_out = "the first column counts rows and is left out";
    // Corners of images are dark: with the class first, the last column does not vary.
    for (text, said) in [
        (plain.clone(), &[][..]),
        (plain.replace('\n', "\r\n"), &[]),
        (format!("\u{feff}{plain}"), &[]),
        (table(";", true), &["semicolons are between columns"]),
        (table("\t", true), &["tabs are between columns"]),
        (table(" ", true), &["spaces are between columns"]),
        (plain.replace(',', " , "), &[]),
        (table(";", true).replace(";", ",0;"), &["semicolons", "commas are decimal points"]),
        (table("\t", true).replace("\t", ",0\t"), &["tabs", "commas are decimal points"]),
        (frame.clone(), &[left_out]),
        (frame.replace(',', ";"), &["semicolons", left_out]),
        (indexed(&plain, Some("Unnamed: 0"), 0), &[left_out]),
        (indexed(&plain, Some("id"), 1), &[left_out]),
        (bare.clone(), &[last]),
        (table(";", false), &["semicolons", last]),
        (indexed(&bare, None, 0), &[left_out, last]),
        (numbered.clone(), &[last]),
        (array, &[left_out, last]),
        (turned(&bare, ","), &["has no names of columns, and the first has the labels"]),
        (indexed(&turned(&bare, ","), None, 1), &[left_out, "the second has the labels"]),
        (kaggle, &["labels are label, the other 4 columns are inputs"]),
    ] {
        // With ",0" the first name of a header is "x1,0": no matter what it is.
        let set = read(&text);
        is_right(&set);
        let as_said = set.assumed.iter().zip(said).all(|(assumed, said)| assumed.contains(said));
        assert!(as_said && set.assumed.len() == said.len(), "{text}\n{:?} {said:?}", set.assumed);
    }
    // Decimal commas in quotes, between commas.
    let numbers = Request { samples: 2, classes: None, labels: Labels::Values, ..asked.clone() };
    fs::write(&path, "\"x\",\"y\"\n\"0,5\",\"1,25\"\n\"-2,5e1\",3\n").unwrap();
    let set = load(&numbers).unwrap();
    assert_eq!(
        (&set.train.inputs[..], &set.train.labels[..]),
        (&[0.5, -25.0][..], &[1.25, 3.0][..])
    );
    // A regression's first column may be whole: labels are last.
    fs::write(&path, "1,0.5,2.5\n0,0.25,1.5\n").unwrap();
    assert_eq!(load(&numbers).unwrap().train.labels, [2.5, 1.5]);
    // MNIST's corners are dark: of columns without names the last does not vary.
    fs::write(&path, "5,0,18,0\n0,3,0,0\n").unwrap();
    assert_eq!(load(&numbers).unwrap().train.labels, [5.0, 0.0]);
}

#[test]
fn messages_about_tables_are_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let asked = asked(Source::Csv, &path);
    let names: Vec<String> = (0..784).map(|i| format!("pixel{i}")).collect();
    let wide = |fill: &str| vec![fill; 784].join(",");
    for (text, words) in [
        (format!("{}\n{}\n", names.join(","), wide("1")), &["line 1", "784 columns: pixel0"][..]),
        (format!("y,{}\n1,{}\n", names.join(","), wide("1,2")), &["line 2", "fields"]),
        (
            format!("y,{}\n1,{}\n", names.join(","), wide("one")),
            &["line 2", "column pixel0", "'one'"],
        ),
        (format!("x,y\n1,{}\n", "9".repeat(4000)), &["line 2", "column y", "999…'"]),
        (format!("{},y\n?,1\n", "x".repeat(4000)), &["line 2", "column xxx", "xxx…"]),
        (format!("1,2\n3,{}\n", "?".repeat(4000)), &["line 2", "column 2", "???…"]),
        (format!("x1,x2,{}\n", "y,".repeat(200_000)), &["line 1", "more than 262144 bytes"]),
    ] {
        fs::write(&path, text).unwrap();
        fails(&asked, words);
    }
}

/// The same images are one experiment, in whichever form: what a section that says nothing else takes of
/// them is the same to the last bit.
#[test]
fn one_set_in_every_form_is_one_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (images, labels) = plain_idx();
    write_idx(folder.path(), |part, kind| format!("{part}-{kind}"), &images, &labels);
    let (x, y) = arrays();
    fs::write(at("x.npy"), &x).unwrap();
    fs::write(at("y.npy"), &y).unwrap();
    fs::write(at("set.npz"), npz(&[("x", x), ("y", y)], true)).unwrap();
    fs::write(at("set.csv"), table(",", true)).unwrap();
    let here = folder.path().display();
    let samples = |rest: &str| {
        let section = format!(r#""data": {{"samples": 6, "classes": [1, 2], {rest}}}"#);
        let text = GOOD.replace(r#""data": { "source": "digits", "samples": 4 }"#, &section);
        assert_ne!(text, GOOD);
        let experiment = resolve_text(&text, &[]).unwrap().experiment;
        load(&experiment.data).unwrap()
    };
    let of_idx = samples(&format!(r#""source": "idx", "path": "{here}""#));
    let x = &of_idx.train.inputs;
    assert!(x.chunks(4).all(|x| (x.iter().map(|x| x * x).sum::<f64>() - 4.0).abs() < 1e-14));
    for rest in [
        format!(r#""source": "csv", "path": "{here}/set.csv""#),
        format!(r#""source": "npy", "path": "{here}/x.npy", "label_path": "{here}/y.npy""#),
        format!(r#""source": "npy", "path": "{here}/set.npz""#),
    ] {
        assert_eq!(samples(&rest).train, of_idx.train, "{rest}");
    }
}
