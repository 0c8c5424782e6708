//! jobs/minibatch.json, smaller: minibatches, momentum, decay, cosine and cross-entropy through the
//! program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::OnceLock;

use crate::common::results::{Row, final_files, nfd, rows, run_job};

const JOB: &str = "jobs/minibatch.json";
const SMALLER: [&str; 10] = [
    "--set",
    "ensemble.widths=[24]",
    "--set",
    "ensemble.depths=[2,4]",
    "--set",
    "ensemble.seeds=2",
    "--set",
    "data.test_samples=30",
    "--set",
    "training.steps=45",
];

/// Rows and final files of a run.
type Run = (Vec<Row>, BTreeMap<String, Vec<u8>>);

/// The smaller job, run once on one thread.
fn whole() -> &'static Run {
    static WHOLE: OnceLock<Run> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let (_guard, run) = run_job(JOB, &[&SMALLER[..], &["--threads", "1"]].concat());
        (rows(&run), final_files(&run))
    })
}

#[test]
fn minibatches_train_digits_and_leave_what_they_can_show() {
    let (all, files) = whole();
    let steps: BTreeSet<u32> = all.iter().map(|row| row.step).collect();
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), [0, 20, 40, 45]);
    let observables: BTreeSet<&str> = all.iter().map(|row| row.observable.as_str()).collect();
    // Outputs are of all hundred samples and ten classes, not of the batch; the first hundred are
    // shown, all thousand compared.
    let outputs = |name| {
        let of = all.iter().filter(|row| row.observable == name);
        of.map(|row| (row.sample, row.output)).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((outputs("f"), outputs("difference.f")), (100, 100 * 10));
    let others: Vec<&str> = observables.into_iter().collect();
    // Without movement.total and eigmin.*, which compare the samples of one step with another's.
    let expected = [
        "accuracy.test",
        "accuracy.train",
        "closure_gap.f",
        "closure_gap.g",
        "closure_gap.h",
        "closure_gap.loss.test",
        "closure_gap.loss.train",
        "difference.f",
        "f",
        "loss.test",
        "loss.train",
        "movement.f",
        "movement.own",
        "strong.g",
        "strong.h",
    ];
    assert_eq!(others, expected);
    // Chance is ln 10 = 2.3; every network of either closure has learned.
    for row in all.iter().filter(|row| row.observable == "loss.train") {
        match row.step {
            0 => assert!((row.value - 10.0_f64.ln()).abs() < 0.1, "{row:?}"),
            45 => assert!(row.value < 0.6 * 10.0_f64.ln(), "{row:?}"),
            _ => assert!(row.value > 0.0, "{row:?}"),
        }
    }
    // Both networks of a pair see the same batch: neighbours in depth are near at the start.
    let strong: Vec<f64> = all
        .iter()
        .filter(|r| r.observable == "strong.g" && r.step == 0 && r.depth_time == Some(0.0))
        .map(|r| r.value)
        .collect();
    assert_eq!(strong.len(), 2 * 2);
    let own = all.iter().filter(|r| r.observable == "movement.own" && r.step == 45);
    assert!(own.clone().count() == 8 && own.clone().all(|r| r.value > 0.0));
    // The page says what was done.
    let page = String::from_utf8_lossy(&files["report.html"]);
    for words in ["minibatches of 20 on cross-entropy", "momentum μ = 0.9", "half a cosine"] {
        assert!(page.contains(words), "{words}");
    }
}

/// Tasks finished before and after an interruption, on other threads: the same bytes.
#[test]
fn minibatches_resume_to_the_same_bytes() {
    let (_, whole) = whole();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run").display().to_string();
    // One seed first, then the rest; and once more after a torn journal.
    let again = |extra: &[&str]| {
        let arguments = [&["run", JOB, "--output", &output], &SMALLER[..], extra].concat();
        let done = nfd(&arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        folder.path().join("run")
    };
    let part = again(&["--set", "ensemble.seeds=1"]);
    assert!(final_files(&part) != *whole);
    assert!(final_files(&again(&["--threads", "3"])) == *whole);
    let journal = part.join(nfd::store::JOURNAL);
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() / 2]).unwrap();
    assert!(final_files(&again(&[])) == *whole);
}

/// The conditional engine of backend cpu gives what plain's gives, in f64.
#[test]
fn minibatches_are_the_same_on_both_backends() {
    let run = |backend: &str| {
        let backend = format!("backend={backend}");
        let other =
            ["engine=conditional", "precision=f64", "training.steps=12", "ensemble.seeds=1"];
        let mut arguments: Vec<&str> = SMALLER.to_vec();
        other.iter().chain([&backend.as_str()]).for_each(|&set| arguments.extend(["--set", set]));
        let (_guard, run) = run_job(JOB, &arguments);
        rows(&run)
    };
    let (plain, cpu) = (run("plain"), run("cpu"));
    assert_eq!(cpu.len(), plain.len());
    let mut worst = 0.0f64;
    for (got, want) in cpu.iter().zip(&plain) {
        assert_eq!(
            (&got.observable, got.step, got.depth),
            (&want.observable, want.step, want.depth)
        );
        worst = worst.max((got.value - want.value).abs() / want.value.abs().max(1.0));
    }
    assert!(worst <= 1e-9, "{worst:e}");
}
