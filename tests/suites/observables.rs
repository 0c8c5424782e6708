//! The table of observables against what is written: every name is described by one row, and what
//! the row says of axes, reference and first step is true of the numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::results::{Row, rows, run_job};
use nfd::observables::{Against, Entry, Observable, Values};

#[test]
fn names_and_titles_are_unique_and_meanings_are_sentences() {
    let entries: Vec<&Entry> = Observable::ALL.iter().map(|o| o.entry()).collect();
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
    let titles: BTreeSet<_> = entries.iter().map(|entry| entry.title).collect();
    assert_eq!((names.len(), titles.len()), (entries.len(), entries.len()));
    for Entry { name, meaning, values, against, .. } in entries {
        assert!(meaning.ends_with('.') && meaning.split(' ').count() >= 5, "{name}: {meaning}");
        let formed = matches!(values, Values::Formed);
        assert_eq!(formed, *against == Against::Rows, "{name}");
    }
}

/// What a row of results.csv has to be by the table.
fn check(job: &str, row: &Row) -> Observable {
    let what = format!("{job}: {} at step {} has {row:?}", row.observable, row.step);
    let of_that_name =
        Observable::ALL.iter().find(|observable| observable.name() == row.observable);
    let Some(&observable) = of_that_name else { panic!("not one row: {what}") };
    assert_eq!(row.depth_time.is_some(), observable.has_depth_time(), "{what}");
    let has_output = [row.sample.is_some(), row.output.is_some()];
    assert_eq!(has_output, [observable.has_outputs(); 2], "{what}");
    let reference = match observable.entry().against {
        Against::Start => row.reference.is_empty(),
        Against::Reference => row.reference.contains("depth="),
        Against::Exact => row.reference == "closure=exact",
        Against::Limit => row.reference == "limit",
        Against::Rows => false,
    };
    assert!(reference, "{what}");
    if row.step < observable.entry().first_step {
        assert_eq!(row.value, 0.0, "{what}");
    }
    observable
}

#[test]
fn every_row_that_a_job_writes_is_described_by_the_table() {
    // The first step at which any run has a number other than zero.
    let mut first: BTreeMap<Observable, u32> = BTreeMap::new();
    let small = ["--set", "ensemble.seeds=2", "--set", "ensemble.depths=[4,8]"];
    let narrow = ["--set", "ensemble.widths=[32]"];
    // Every step is recorded, or the first one with a number would be that of the recording.
    let short = ["--set", "training.steps=2", "--set", "training.record=1"];
    let jobs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs")).unwrap();
    let jobs = jobs.map(|file| file.unwrap().file_name().into_string().unwrap());
    // The limit alone has no rows.
    let jobs = jobs.filter(|job| job.ends_with("-small.json") && job != "limit-small.json");
    let jobs = jobs.map(|job| (job, &[][..]));
    // No job has two-layer blocks without their matrices.
    let matrix_free = &["--set", "model.block=two-layer", "--set", "engine=conditional"][..];
    for (job, more) in jobs.chain([("anatomy-small.json".to_owned(), matrix_free)]) {
        let file = format!("jobs/{job}");
        let mut extra = [&small[..], &narrow, &short, more].concat();
        if job.starts_with("figure1") {
            // Its own reference is wide enough to take minutes.
            extra.extend(["--set", r#"reference={"width":384,"depth":64}"#]);
        }
        if job == "toy-small.json" {
            extra.extend(["--set", r#"limit={"tolerance":0.05,"width":256}"#]);
        }
        let (_parent, directory) = run_job(&file, &extra);
        for row in rows(&directory) {
            let observable = check(&job, &row);
            if row.value != 0.0 {
                let step = first.entry(observable).or_insert(row.step);
                *step = row.step.min(*step);
            }
        }
    }
    for &observable in Observable::ALL {
        let Entry { name, first_step, against, .. } = observable.entry();
        match against {
            Against::Rows => assert!(!first.contains_key(&observable), "{name} is in results.csv"),
            _ => assert_eq!(first.get(&observable), Some(first_step), "{name}"),
        }
    }
}
