//! arrays.npz: every number of results.csv where it belongs, NaN elsewhere, read by NumPy itself.

use std::fs;
use std::io::Cursor;
use std::process::Command;

use crate::common::a_task;
use crate::common::missing::{python, skipped};
use crate::common::npz::{floats, member};
use crate::common::results::nfd;
use nfd::data::Samples;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::model::{Closure, Parametrization};
use nfd::observables::arrays::to_npz;
use nfd::observables::{Observable, Row};
use zip::ZipArchive;

const JOB: &str = r#"{
  "name": "arrays",
  "data": { "source": "digits", "samples": 3, "classes": [0, 1, 2], "test_samples": 2 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [24, 48], "depths": [2, 4, 8], "seeds": 2 },
  "reference": { "width": 400, "depth": 32 },
  "engine": "conditional"
}
"#;

/// Looks up every row of results.csv in the arrays, and counts that nothing else is there.
const CHECK: &str = r#"
import csv, sys
import numpy
arrays = numpy.load(sys.argv[1] + "/arrays.npz", allow_pickle=False)
common = ["closure", "parametrization", "width", "depth", "learning_rate", "seed", "step"]
kinds = dict.fromkeys(common[2:4] + common[5:] + ["sample", "output"], int)
kinds.update(learning_rate=float, depth_time=float, closure=str, parametrization=str)
axes = {name: arrays[name].tolist() for name in kinds}
observables = [name for name in arrays.files if "dims." + name in arrays.files and name != "labels"]
found = 0
for row in csv.DictReader(open(sys.argv[1] + "/results.csv")):
    array, dims = arrays[row["observable"]], arrays["dims." + row["observable"]].tolist()
    # Columns that are empty are no axes, and others are.
    assert dims == common + [name for name in ["depth_time", "sample", "output"] if row[name]], dims
    at = tuple(axes[name].index(kinds[name](row[name])) for name in dims)
    assert array.dtype == numpy.float64 and array.shape == tuple(len(axes[name]) for name in dims)
    assert array[at] == float(row["value"]), row
    found += 1
there = sum(int((~numpy.isnan(arrays[name])).sum()) for name in observables)
assert there == found, (there, found)
# The digits 0, 1 and 2, one-hot.
assert arrays["dims.labels"].tolist() == ["sample", "output"]
assert sorted(map(tuple, arrays["labels"])) == [(0, 0, 1), (0, 1, 0), (1, 0, 0)], arrays["labels"]
print(found, len(observables), arrays["f"].shape)
"#;

#[test]
fn numpy_reads_every_number() {
    let Some(python) = python("numpy") else {
        skipped("numpy_reads_every_number", "NumPy");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job.json");
    let run = folder.path().join("run");
    fs::write(&job, JOB).unwrap();
    let done = nfd(&["run", job.to_str().unwrap(), "--output", run.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done = Command::new(python).args(["-c", CHECK]).arg(&run).output().unwrap();
    let (said, wrong) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{wrong}");
    // Three closures; one parametrization; 24, 48 and the reference's 400; 2, 4, 8 and its 32; one
    // learning rate; two seeds; three passes; three samples of three one-hot outputs.
    assert!(said.trim().ends_with("(3, 1, 3, 4, 1, 2, 3, 3, 3)"), "{said}");
    let rows = fs::read_to_string(run.join("results.csv")).unwrap().lines().count() - 1;
    assert!(said.starts_with(&format!("{rows} ")), "{said}");
}

fn row(closure: Closure, depth: usize, observable: Observable, value: f64) -> Row {
    let task = Task { closure, width: 5, depth, seed: 3, ..a_task() };
    let (step, depth_time, reference, sample, output) = (1, None, None, None, None);
    Row { task, step, depth_time, reference, observable, sample, output, value }
}

fn output(closure: Closure, depth: usize, sample: u32, value: f64) -> Row {
    let (sample, output) = (Some(sample), Some(0));
    Row { sample, output, ..row(closure, depth, Observable::Output, value) }
}

/// Samples 7, 8 and 10 of a data set, with one label each.
fn three_samples() -> Samples {
    Samples {
        dimension: 1,
        outputs: 1,
        inputs: vec![0.0; 3],
        labels: vec![0.7, 0.8, 1.0],
        indices: vec![7, 8, 10],
    }
}

const COORDINATES: [&str; 10] = [
    "closure",
    "parametrization",
    "width",
    "depth",
    "learning_rate",
    "seed",
    "step",
    "depth_time",
    "sample",
    "output",
];

/// The names of the axes of an array, as NumPy has strings.
fn dims(archive: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str) -> Vec<String> {
    let (header, bytes) = member(archive, &format!("dims.{name}"));
    let (_, length) = header.split_once("<U").unwrap();
    let length: usize = length.split('\'').next().unwrap().parse().unwrap();
    let letter =
        |code: &[u8]| char::from_u32(u32::from_le_bytes(code.try_into().unwrap())).unwrap();
    let word = |codes: &[u8]| codes.chunks(4).map(letter).filter(|c| *c != '\0').collect();
    bytes.chunks(4 * length).map(word).collect()
}

/// The format itself, by hand, for machines without NumPy.
#[test]
fn rows_become_arrays_with_nan_where_nothing_was_measured() {
    let mut rows = vec![
        output(Closure::Exact, 4, 7, 1.5),
        output(Closure::Exact, 4, 10, -2.5),
        row(Closure::Exact, 4, Observable::TrainingLoss, 0.25),
        output(Closure::Gia, 2, 7, 4.0),
    ];
    for (time, value) in [(0.5, 8.0), (0.0, 9.0)] {
        rows.push(Row {
            depth_time: Some(time),
            ..row(Closure::Gia, 2, Observable::FeatureError, value)
        });
    }
    let train = three_samples();
    let bytes = to_npz(&rows, &train).unwrap();
    assert_eq!(bytes, to_npz(&rows, &train).unwrap());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut names = Vec::new();
    for i in 0..archive.len() {
        let member = archive.by_index(i).unwrap();
        let date = member.last_modified().unwrap();
        assert_eq!((date.year(), date.month(), date.day(), date.hour()), (1980, 1, 1, 0));
        names.push(member.name().unwrap().into_owned());
    }
    let arrays = ["labels", "f", "loss.train", "strong.h"];
    let arrays = arrays.into_iter().flat_map(|name| [name.to_owned(), format!("dims.{name}")]);
    let expected = COORDINATES.into_iter().map(str::to_owned).chain(arrays);
    assert_eq!(names, expected.map(|name| format!("{name}.npy")).collect::<Vec<_>>());

    let (header, closures) = member(&mut archive, "closure");
    assert_eq!(header, "{'descr': '<U5', 'fortran_order': False, 'shape': (2,), }");
    let text: String =
        closures.chunks(4).map(|c| if c[0] == 0 { '.' } else { c[0].into() }).collect();
    assert_eq!(text, "exactgia..");
    let (header, depths) = member(&mut archive, "depth");
    assert_eq!(header, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }");
    assert_eq!(depths, [2_i64.to_le_bytes(), 4_i64.to_le_bytes()].concat());
    assert_eq!(member(&mut archive, "depth_time").1, [0.0_f64, 0.5].map(f64::to_le_bytes).concat());

    let (header, f) = member(&mut archive, "f");
    assert_eq!(header, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,1,1,2,1,1,1,2,1,), }");
    let nan = f64::NAN;
    let expected = [nan, nan, 1.5, -2.5, 4.0, nan, nan, nan];
    assert!(same(&floats(&f), &expected), "{:?}", floats(&f));
    let strong = floats(&member(&mut archive, "strong.h").1);
    assert!(same(&strong, &[nan, nan, nan, nan, 9.0, 8.0, nan, nan]), "{strong:?}");
    let loss = floats(&member(&mut archive, "loss.train").1);
    assert!(same(&loss, &[nan, 0.25, nan, nan]), "{loss:?}");

    // Axes by name; of the samples those that have a number, with their labels.
    assert_eq!(dims(&mut archive, "loss.train"), COORDINATES[..7]);
    assert_eq!(dims(&mut archive, "strong.h"), COORDINATES[..8]);
    assert_eq!(dims(&mut archive, "f"), [&COORDINATES[..7], &COORDINATES[8..]].concat());
    let samples = member(&mut archive, "sample").1;
    assert_eq!(samples, [7_i64.to_le_bytes(), 10_i64.to_le_bytes()].concat());
    assert_eq!(member(&mut archive, "output").1, 0_i64.to_le_bytes());
    assert_eq!(floats(&member(&mut archive, "labels").1), [0.7, 1.0]);
    assert_eq!(dims(&mut archive, "labels"), ["sample", "output"]);
}

/// Parametrizations and learning rates have their axes, be there one or several.
#[test]
fn settings_have_axes_of_their_own() {
    let at = |parametrization, learning_rate, depth, value| {
        let row = row(Closure::Exact, depth, Observable::TrainingLoss, value);
        let learning_rate = LearningRate::new(learning_rate);
        Row { task: Task { parametrization, learning_rate, ..row.task }, ..row }
    };
    let rows = [
        at(Parametrization::Mup, 2.0, 4, 1.0),
        at(Parametrization::Mup, 0.5, 4, 2.0),
        at(Parametrization::DepthMup, 2.0, 8, 3.0),
        at(Parametrization::DepthMup, 0.5, 4, 4.0),
    ];
    let mut archive =
        ZipArchive::new(Cursor::new(to_npz(&rows, &three_samples()).unwrap())).unwrap();
    let (header, loss) = member(&mut archive, "loss.train");
    assert!(header.contains("'shape': (1,2,1,2,2,1,1,)"), "{header}");
    let nan = f64::NAN;
    // By parametrization as they appear, depth, learning rate.
    let expected = [2.0, 1.0, nan, nan, 4.0, nan, nan, 3.0];
    assert!(same(&floats(&loss), &expected), "{:?}", floats(&loss));
    assert_eq!(floats(&member(&mut archive, "learning_rate").1), [0.5, 2.0]);
    let one = to_npz(&rows[..1], &three_samples()).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(one)).unwrap();
    assert!(member(&mut archive, "loss.train").0.contains("'shape': (1,1,1,1,1,1,1,)"));
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

/// All tasks may have diverged at once.
#[test]
fn no_rows_are_no_error() {
    let mut archive = ZipArchive::new(Cursor::new(to_npz(&[], &three_samples()).unwrap())).unwrap();
    assert!(member(&mut archive, "closure").0.contains("'shape': (0,)"));
    assert_eq!(archive.len(), COORDINATES.len() + 2);
}
