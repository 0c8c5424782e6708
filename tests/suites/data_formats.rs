//! The forms in which people have data: whatever a file is called and however it was packed, it is read as what
//! it holds, or the error says what it is.

use std::fs;

use nfd::data::{Request, Source, load};

use crate::common::experiments::{GOOD, resolve_text};
use crate::common::files::{gzip, idx, npz};
use crate::common::images::*;

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
