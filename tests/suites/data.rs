//! Samples: the bundled sets against known content, files the test writes, and every mistake.

use std::io::Write;

use nfd::data::selection::Selection;
use nfd::data::{DataSet, Labels, Request, Source, load};

fn request(source: Source) -> Request {
    Request {
        source,
        samples: 2,
        test_samples: 0,
        classes: None,
        labels: Labels::Values,
        selection: Selection::First,
        split_seed: None,
        standardize: false,
        normalize: false,
        scale: 1.0,
        path: None,
        label_path: None,
        input_exponent: None,
        target_exponent: None,
        dimension: None,
        seed: None,
    }
}

#[test]
fn digits_are_selected_in_order_normalised_and_labelled() {
    let wanted = Request {
        samples: 8,
        test_samples: 3,
        classes: Some(vec![0, 1]),
        labels: Labels::Sign,
        normalize: true,
        ..request(Source::Digits)
    };
    let DataSet { train, test, .. } = load(&wanted).unwrap();
    assert_eq!((train.len(), test.len(), train.dimension, train.outputs), (8, 3, 64, 1));
    // The first zeros and ones of the file, by row.
    assert_eq!(train.indices, [0, 1, 10, 11, 20, 21, 30, 36]);
    assert_eq!(train.labels, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0]);
    assert!(test.indices[0] > 36);
    for x in train.inputs.chunks(64).chain(test.inputs.chunks(64)) {
        let norm: f64 = x.iter().map(|v| v * v).sum::<f64>();
        assert!((norm - 64.0).abs() <= 1e-12, "‖x‖² = {norm}");
    }
    // Row 0 begins 0,0,5,13,9,1: ratios survive the normalisation.
    assert!((train.inputs[3] / train.inputs[2] - 13.0 / 5.0).abs() <= 1e-14);

    // A power of two is exact, and the labels stay.
    let half = load(&Request { scale: 0.5, ..wanted.clone() }).unwrap();
    for (scaled, whole) in [(&half.train, &train), (&half.test, &test)] {
        let halves: Vec<f64> = whole.inputs.iter().map(|x| x / 2.0).collect();
        assert_eq!((&scaled.inputs, &scaled.labels), (&halves, &whole.labels));
    }

    // Labels follow the order of the classes, not their size.
    let reversed = Request { classes: Some(vec![1, 0]), ..wanted.clone() };
    assert_eq!(load(&reversed).unwrap().train.labels[..2], [1.0, -1.0]);

    let hot =
        Request { classes: Some((0..10).collect()), labels: Labels::OneHot, samples: 12, ..wanted };
    let train = load(&hot).unwrap().train;
    assert_eq!((train.outputs, train.indices.len()), (10, 12));
    for (p, label) in train.labels.chunks(10).enumerate() {
        // The file begins 0, 1, 2, … 9, 0, 1.
        assert!((0..10).all(|o| label[o] == f64::from(u8::from(o == p % 10))), "{p}: {label:?}");
    }
}

#[test]
fn the_whole_set_of_digits_is_there() {
    let all =
        Request { classes: Some((0..10).collect()), samples: 1797, ..request(Source::Digits) };
    let train = load(&all).unwrap().train;
    let count = |class: f64| train.labels.iter().filter(|&&label| label == class).count();
    let counts: Vec<usize> = (0..10).map(|class| count(f64::from(class))).collect();
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert!(train.inputs.iter().all(|&x| (0.0..=16.0).contains(&x) && x.fract() == 0.0));
    let more = Request { samples: 1798, ..all };
    assert!(load(&more).unwrap_err().to_string().contains("there are 1797"));
}

#[test]
fn toy_has_two_samples_on_the_sphere() {
    let train = load(&request(Source::Toy)).unwrap().train;
    assert_eq!((train.len(), train.dimension, &train.labels[..]), (2, 8, &[1.0, 1.0][..]));
    assert_eq!(train.inputs[0], -1.104_104_710_697_021_9);
    for x in train.inputs.chunks(8) {
        assert!((x.iter().map(|v| v * v).sum::<f64>() - 8.0).abs() <= 1e-14);
    }
}

#[test]
fn synthetic_directions_are_uniform_and_independent_of_their_number() {
    let of = |samples, seed| {
        let wanted = Request {
            samples,
            normalize: true,
            dimension: Some(16),
            seed: Some(seed),
            ..request(Source::Synthetic)
        };
        load(&wanted).unwrap().train
    };
    let (many, few) = (of(4000, 3), of(5, 3));
    assert_eq!(few.inputs, many.inputs[..5 * 16]);
    assert_eq!(few.labels, many.labels[..5]);
    assert_ne!(of(5, 4).inputs, few.inputs);
    // Each coordinate has mean 0 and mean square 1 over the sphere; labels are fair. 33 two-sided
    // comparisons at a family-wise 1e-3: 4.2 standard errors.
    let n = 4000.0_f64;
    for i in 0..16 {
        let column = many.inputs.iter().skip(i).step_by(16);
        let mean = column.clone().sum::<f64>() / n;
        assert!(mean.abs() <= 4.2 / n.sqrt(), "{i}: {mean}");
        // Var(x²) = 2(d−1)/(d+2) on the sphere of radius √d.
        let square = column.map(|x| x * x).sum::<f64>() / n;
        assert!((square - 1.0).abs() <= 4.2 * (2.0 * 15.0 / 18.0 / n).sqrt(), "{i}: {square}");
    }
    assert!(many.labels.iter().all(|y| y.abs() == 1.0));
    assert!(many.labels.iter().sum::<f64>().abs() <= 4.2 * n.sqrt());
}

/// Variances of the inputs and the target's dependence on each coordinate are the power laws, and a target of
/// directions alone is of the same coordinates.
#[test]
fn power_laws_are_those_of_inputs_and_target() {
    let (d, n, a, b) = (12, 20_000, 1.3_f64, 0.7_f64);
    let of = |input_exponent, target_exponent, normalize| {
        let wanted = Request {
            samples: n,
            normalize,
            input_exponent,
            target_exponent,
            dimension: Some(d),
            seed: Some(5),
            ..request(Source::Synthetic)
        };
        load(&wanted).unwrap().train
    };
    let set = of(Some(a), Some(b), false);
    let sum = |exponent: f64| (1..=d).map(|i| (i as f64).powf(-exponent)).sum::<f64>();
    let power = |i: usize, exponent: f64| ((i + 1) as f64).powf(-exponent);
    let count = n as f64;
    // 12 variances, 12 correlations, one variance: 25 two-sided comparisons at a family-wise 1e-3, 4.1
    // standard errors.
    let mut explained = 0.0;
    for i in 0..d {
        let x: Vec<f64> = set.inputs.iter().skip(i).step_by(d).copied().collect();
        let variance = d as f64 * power(i, a) / sum(a);
        let got = x.iter().map(|x| x * x).sum::<f64>() / count / variance;
        assert!((got - 1.0).abs() <= 4.1 * (2.0 / count).sqrt(), "{i}: {got}");
        let weight = (power(i, b) / sum(b)).sqrt();
        let product = x.iter().zip(&set.labels).map(|(x, y)| x * y).sum::<f64>();
        let got = product / count / variance.sqrt();
        // Var(z y) = 1 + weight².
        let error = ((1.0 + weight * weight) / count).sqrt();
        assert!((got - weight).abs() <= 4.1 * error, "{i}: {got}, not {weight}");
        explained += weight * weight;
    }
    assert!((explained - 1.0).abs() <= 1e-12);
    let square = set.labels.iter().map(|y| y * y).sum::<f64>() / count;
    assert!((square - 1.0).abs() <= 4.1 * (2.0 / count).sqrt(), "{square}");
    // The same z with and without a power law of the inputs; labels are made before they are normalised.
    let directions = of(None, Some(b), true);
    assert_eq!(directions.labels, set.labels);
    for x in directions.inputs.chunks(d) {
        assert!((x.iter().map(|v| v * v).sum::<f64>() - d as f64).abs() <= 1e-12);
    }
    assert_ne!(of(Some(a), None, false).labels, set.labels);
}

fn csv(content: &str, samples: usize, normalize: bool) -> Result<DataSet, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    let path = Some(file.path().to_owned());
    let wanted = Request { path, samples, normalize, ..request(Source::Csv) };
    load(&wanted).map_err(|error| error.to_string())
}

#[test]
fn csv_files_are_read() {
    let data = csv("x1, x2, y1, y2\n3, 4, 1, -1\n0.5,-1e-3,0,2\n7,7,7,7\n", 2, false).unwrap();
    assert_eq!(data.train.inputs, [3.0, 4.0, 0.5, -1e-3]);
    assert_eq!((data.train.outputs, &data.train.labels[..]), (2, &[1.0, -1.0, 0.0, 2.0][..]));
    let data = csv("X1,X2,Y\r\n3,4,1\r\n", 1, true).unwrap();
    let root2 = 2_f64.sqrt();
    assert!((data.train.inputs[0] - 0.6 * root2).abs() <= 1e-15);
}

#[test]
fn csv_mistakes_name_the_line() {
    for (content, samples, words) in [
        ("x,y\n1,2\n3\n", 2, &["line 3", "fields"][..]),
        ("x,y\n1,2\n3,four\n", 2, &["line 3", "column y", "'four'"]),
        ("x,y\n1,NaN\n", 1, &["line 2", "'NaN'", "finite"]),
        ("x,y\ninf,1\n", 1, &["line 2", "column x"]),
        ("x,y\n,1\n", 1, &["line 2", "column x", "''"]),
        ("a,b\n1,2\n", 1, &["line 1", "inputs"]),
        ("x\n1\n", 1, &["line 1"]),
        ("", 1, &["line 1"]),
        ("x,y\n1,2\n", 3, &["3 training", "there are 1"]),
        ("x,y\n\u{ff}\u{0},2\n", 1, &["line 2"]),
    ] {
        let message = csv(content, samples, false).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{content:?}: '{word}' is not in: {message}");
        }
    }
    assert!(csv("x1,x2,y\n0,0,1\n", 1, true).unwrap_err().contains("no direction"));
    let absent = Request { path: Some("no/such.csv".into()), ..request(Source::Csv) };
    assert!(load(&absent).unwrap_err().to_string().contains("no/such.csv"));
}

/// What cross-entropy asks of a file: one 1 a row, at least two columns, test samples too.
#[test]
fn files_without_classes_are_refused_for_cross_entropy() {
    let check = |content: &str, tests: usize| {
        let data = csv(content, content.lines().count() - 1, false).unwrap();
        let all: Vec<usize> = (0..data.train.len()).collect();
        let (train, test) = all.split_at(all.len() - tests);
        let part = |positions: &[usize]| data.train.select(positions.iter().copied());
        let data = DataSet { train: part(train), test: part(test), assumed: vec![] };
        let request = Request { path: Some("my.csv".into()), ..request(Source::Csv) };
        data.require_classes(&request).map_err(|error| error.to_string())
    };
    assert_eq!(check("x,y1,y2\n1,0,1\n2,1,0\n3,0,1\n", 1), Ok(()));
    for (content, tests, words) in [
        ("x,y\n1,1\n", 0, ["my.csv", "two label columns"]),
        ("x,y1,y2\n1,0,1\n2,0,0\n", 0, ["my.csv", "sample 1 has [0.0, 0.0]"]),
        ("x,y1,y2\n1,0,1\n2,1,1\n", 0, ["sample 1", "a column per class"]),
        ("x,y1,y2\n1,0,1\n2,0.5,0.5\n", 0, ["sample 1", "take loss squared"]),
        ("x,y1,y2\n1,0,1\n2,1,0\n3,2,0\n", 1, ["sample 2", "[2.0, 0.0]"]),
    ] {
        let message = check(content, tests).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{content:?}: '{word}' is not in: {message}");
        }
    }
}
