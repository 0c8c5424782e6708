//! `ensemble.first_seed`: an experiment repeated with other seeds, which are the same noise wherever the
//! count begins.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use crate::common::npz::{floats, member};
use crate::common::results::{nfd, run_job};
use nfd::data;
use nfd::ensemble::plan::plan;
use nfd::experiment::load;
use zip::ZipArchive;

/// Minibatches too, which a seed chooses.
const JOB: &str = r#"{
  "name": "repeated",
  "data": { "source": "digits", "samples": 4 },
  "training": { "steps": 2, "learning_rate": 0.5, "batch": 2 },
  "ensemble": { "widths": [40], "depths": [4, 8], "seeds": 8 },
  "engine": "conditional"
}
"#;

fn job(folder: &Path) -> String {
    let file = folder.join("repeated.json");
    fs::write(&file, JOB).unwrap();
    file.display().to_string()
}

/// The header of results.csv and its lines of these seeds.
fn lines(directory: &Path, seeds: std::ops::Range<u64>) -> String {
    let text = fs::read_to_string(directory.join("results.csv")).unwrap();
    let seed = |line: &str| line.split(',').nth(7).unwrap().parse::<u64>();
    let kept = text.lines().filter(|line| seed(line).map_or(true, |seed| seeds.contains(&seed)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_seed_is_the_same_noise_wherever_the_count_begins() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(folder.path());
    let (_all, all) = run_job(&job, &[]);
    let later = ["--set", "ensemble.seeds=4", "--set", "ensemble.first_seed=4"];
    let (_four, four) = run_job(&job, &later);
    assert_eq!(lines(&four, 0..4).lines().count(), 1, "a header alone");
    assert!(lines(&four, 4..8).lines().count() > 100);
    assert!(fs::read_to_string(four.join("results.csv")).unwrap() == lines(&all, 4..8));

    // In one directory, what both have is computed once.
    let output = all.display().to_string();
    let done = nfd(&[&["run", &job, "--output", &output], &later[..]].concat());
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && stderr.contains("24 tasks are finished already"), "{stderr}");
    for name in ["results.csv", "arrays.npz", "summary.json", "report.html"] {
        assert!(fs::read(all.join(name)).unwrap() == fs::read(four.join(name)).unwrap(), "{name}");
    }
    let page = fs::read_to_string(four.join("report.html")).unwrap();
    assert!(page.contains("4 seeds (4 to 7) a point"), "no such words");
    let mut arrays =
        ZipArchive::new(Cursor::new(fs::read(four.join("arrays.npz")).unwrap())).unwrap();
    let seeds = member(&mut arrays, "seed").1;
    let seeds = seeds.chunks(8).map(|chunk| i64::from_le_bytes(chunk.try_into().unwrap()));
    assert_eq!(seeds.collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert!(!floats(&member(&mut arrays, "loss.train").1).iter().any(|loss| loss.is_nan()));
}

/// Means over the seeds that there are, and not over none.
#[test]
fn order_parameters_are_those_of_the_seeds_that_ran() {
    let folder = tempfile::tempdir().unwrap();
    let few = ["--set", "ensemble.seeds=2", "--set", "ensemble.first_seed=3"];
    let (_guard, run) = run_job(&job(folder.path()), &few);
    let directory = run.display().to_string();
    assert!(nfd(&["report", &directory, "--order-parameters"]).status.success());
    let file = fs::read(run.join("order_parameters.npz")).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(file)).unwrap();
    let movement = floats(&member(&mut archive, "movement_own").1);
    assert!(!movement.is_empty() && movement.iter().all(|value| value.is_finite()));
}

/// Every seed up to the largest is written exactly, and has noise of its own.
#[test]
fn the_largest_seed_is_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let largest = 1_u64 << 52;
    let one = |first: u64| {
        let first = format!("ensemble.first_seed={first}");
        run_job(&file, &["--set", "ensemble.seeds=1", "--set", &first])
    };
    let ((_a, large), (_b, small)) = (one(largest), one(0));
    let large = lines(&large, largest..largest + 1);
    let small = lines(&small, 0..1);
    assert_eq!(large.lines().count(), small.lines().count());
    let values = |text: &str| {
        text.lines()
            .filter(|line| line.contains(",f,"))
            .map(|line| line.rsplit(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(!values(&large).is_empty());
    assert!(values(&large).iter().zip(values(&small)).all(|(a, b)| *a != b));
    let over = format!("ensemble.first_seed={}", largest + 1);
    let refused = nfd(&["plan", &file, "--set", &over]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_plan_is_the_same_for_any_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let at = |first: u64| {
        // Many depths and steps, so that measuring a seed takes more memory than training a network.
        let many = ["ensemble.depths=[4,8,16,32,64,128]", "training.steps=60", "training.record=1"];
        let mut set = many.map(str::to_owned).to_vec();
        set.push(format!("ensemble.first_seed={first}"));
        let experiment = load(Path::new(&file), &set).unwrap().experiment;
        let data = data::load(&experiment.data).unwrap();
        let speeds = (experiment.costs().speeds)(experiment.number_bytes());
        let plan = plan(&experiment, &data, 4, speeds);
        (plan.totals(), plan.bytes())
    };
    assert_eq!(at(0), at(1000));
}
