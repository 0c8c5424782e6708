//! Tables as data: separators, headers, columns of labels and of row numbers, and short messages about them.

use std::fs;

use nfd::data::{Labels, Request, Source, load};

use crate::common::images::*;

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
