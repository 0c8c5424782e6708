//! The run directory in process: a disk that fails at every call, manifests that are damaged or of
//! another program, keys, locks.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::faults::{Failing, Fault, open, run, tiny, value};
use nfd::backend::{BackwardCoupling, ForwardCoupling, Snapshot};
use nfd::data;
use nfd::engine::{Pass, Trajectory};
use nfd::error::Error;
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::{Batch, Engine, Experiment, Precision, ReferenceKind, Rows, Storage};
use nfd::model::{Activation, Closure, Loss, Parametrization};
use nfd::store::files::Disk;
use nfd::store::journal::{encode, read_contents};
use nfd::store::key::Keys;
use nfd::store::{JOURNAL, manifest};
use xxhash_rust::xxh3::xxh3_64;

/// At every call that can fail: the error says what to do, whatever was finished before is still
/// there, and repeating the command on a sound disk gives the files of an undisturbed run.
#[test]
fn a_disk_that_fails_at_any_call_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = run(&folder.path().join("whole"), &tiny(2), Arc::new(Disk)).unwrap();
    for fault in [Fault::Once, Fault::From, Fault::Half] {
        let (mut at, mut refused, mut with_bytes) = (1, 0, 0);
        loop {
            let path = folder.path().join(format!("{fault:?}{at}"));
            // One seed is there already, on a sound disk.
            let old = run(&path, &tiny(1), Arc::new(Disk)).unwrap();
            let finished = read_contents(&path.join(JOURNAL)).unwrap().index;
            let files = Arc::new(Failing::new(fault, at));
            let result = run(&path, &tiny(2), files.clone());
            if !files.failed() {
                assert_eq!(result.unwrap(), undisturbed);
                break;
            }
            if let Err(error) = result {
                refused += 1;
                let said = error.to_string();
                assert!(!error.is_users() && said.contains(path.to_str().unwrap()), "{said}");
                if let Error::Write { bytes, .. } = error {
                    with_bytes += 1;
                    assert!(
                        said.contains(&format!("({bytes} bytes needed)")) && bytes > 0,
                        "{said}"
                    );
                }
            }
            let kept = read_contents(&path.join(JOURNAL)).unwrap().index;
            assert!(finished.iter().all(|(key, place)| kept.get(key) == Some(place)), "{at}");
            for (i, name) in ["results.csv", "arrays.npz"].into_iter().enumerate() {
                let now = fs::read(path.join(name)).unwrap();
                assert!(now == old[i] || now == undisturbed[i], "{fault:?} {at}: {name}");
            }
            assert!(manifest::read(&path).unwrap().is_some());
            assert_eq!(run(&path, &tiny(2), Arc::new(Disk)).unwrap(), undisturbed, "{at}");
            let names = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name());
            assert!(names.into_iter().all(|n| !n.to_string_lossy().starts_with('.')));
            at += 1;
        }
        // Lock, journal, manifest, timings, two tasks, two final files. A short write alone is no
        // fault, but what follows it is.
        assert!(refused >= 20 && with_bytes >= 8, "{fault:?}: {at} {refused} {with_bytes}");
    }
}

/// A kill between writing and renaming leaves the temporary file and the old one.
#[test]
fn leftovers_of_a_kill_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let before = run(&path, &tiny(1), Arc::new(Disk)).unwrap();
    fs::write(path.join(".results.csv.tmp"), "clos").unwrap();
    fs::write(path.join(".summary.json.tmp"), "{").unwrap(); // which this test does not write
    assert_eq!(run(&path, &tiny(1), Arc::new(Disk)).unwrap(), before);
    assert!(!path.join(".results.csv.tmp").exists() && !path.join(".summary.json.tmp").exists());
}

#[test]
fn a_damaged_manifest_is_refused_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let file = path.join(manifest::NAME);
    let before = run(&path, &tiny(1), Arc::new(Disk)).unwrap();
    let timings = fs::read(path.join("timings.csv")).unwrap();
    let bytes = fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&file, &flipped).unwrap();
        let error = run(&path, &tiny(1), Arc::new(Disk)).unwrap_err();
        assert!(error.is_users() && error.to_string().contains("manifest.json"), "byte {at}");
    }
    for cut in 0..bytes.len() {
        fs::write(&file, &bytes[..cut]).unwrap();
        assert!(manifest::read(&path).is_err(), "cut at {cut}");
    }
    // What the message says to do.
    fs::remove_file(&file).unwrap();
    assert_eq!(run(&path, &tiny(1), Arc::new(Disk)).unwrap(), before);
    assert_eq!(fs::read(path.join("timings.csv")).unwrap(), timings, "a task was redone");
}

/// Row 7: another program version, scheme or numeric path. The last can be asked for, and then no
/// task of the old path is used.
#[test]
fn directories_of_another_program_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let files = || Arc::new(Disk);
    run(&path, &tiny(1), files()).unwrap();
    let task = tasks(&tiny(1))[0];
    let ours = manifest::read(&path).unwrap().unwrap();
    let mut other = ours.clone();
    other.version = "0.0.1".to_owned();
    other.scheme = 77;
    other.write(&Disk, &path).unwrap();
    let error = open(&path, &tiny(1), "portable", true, files()).err().unwrap().to_string();
    assert!(error.contains("program version (\"0.0.1\", now"), "{error}");
    assert!(error.contains("numeric scheme (77, now"), "{error}");

    ours.write(&Disk, &path).unwrap();
    assert!(open(&path, &tiny(1), "portable", false, files()).unwrap().has(task));
    let error = open(&path, &tiny(1), "avx2", false, files()).err().unwrap().to_string();
    assert!(error.contains("numeric path (\"portable\", now \"avx2\")"), "{error}");
    assert!(error.contains("--allow-path-change"), "{error}");
    assert_eq!(manifest::read(&path).unwrap().unwrap().numeric_path, "portable");
    assert!(!open(&path, &tiny(1), "avx2", true, files()).unwrap().has(task));
    assert_eq!(manifest::read(&path).unwrap().unwrap().numeric_path, "avx2");
}

/// A directory of before closure `fresh` had its name says so wherever it is read, and what to do.
#[test]
fn a_directory_with_the_old_name_of_a_closure_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, &tiny(1), Arc::new(Disk)).unwrap();
    let mut old = manifest::read(&path).unwrap().unwrap();
    old.experiment["ensemble"]["closures"] = serde_json::json!(["exact", "nfd"]);
    old.write(&Disk, &path).unwrap();
    let entered = open(&path, &tiny(1), "portable", false, Arc::new(Disk)).err();
    let reported = nfd::job::prepare::reopen(&path).err();
    for error in [manifest::read(&path).err(), entered, reported] {
        let error = error.unwrap();
        assert!(error.is_users());
        let said = error.to_string();
        for word in ["run", "`nfd`", "now named `fresh`", "equal-time part", "another --output"] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

/// A task is the same in every experiment, and another one as soon as any of its numbers could
/// differ.
#[test]
fn keys_are_of_all_that_defines_a_task_and_of_nothing_else() {
    let mut tiny = tiny(1);
    (tiny.engine, tiny.precision) = (Engine::Dense, Precision::F64);
    let samples = data::load(&tiny.data).unwrap();
    let task = tasks(&tiny)[0];
    let key = |experiment: &Experiment, path: &str| Keys::new(experiment, &samples, path).of(task);
    let ours = key(&tiny, "portable");
    let with = |change: fn(&mut Experiment)| {
        let mut other = tiny.clone();
        change(&mut other);
        key(&other, "portable")
    };
    let mut keys = vec![
        ours,
        key(&tiny, "avx2"),
        with(|e| e.data.test_samples = 1),
        with(|e| e.data.normalize = true),
        with(|e| e.model.activation = Activation::Relu),
        with(|e| e.model.horizon = 2.0),
        with(|e| e.model.gamma = 1.0 + f64::EPSILON),
        with(|e| e.model.exponents.rate = 0.5),
        with(|e| e.training.steps = 2),
        with(|e| e.training.learning_rate = 0.25),
        with(|e| e.training.loss = Loss::CrossEntropy),
        with(|e| e.training.batch = Batch::Of(1)),
        with(|e| e.training.momentum = 0.5),
        with(|e| e.training.weight_decay = 0.5),
        with(|e| e.training.schedule.warmup = 1),
        with(|e| e.training.record = 2),
        with(|e| e.training.rates.readout = 0.25),
        with(|e| e.reference.rows = Rows::First(3)),
        with(|e| e.finest = Some(8)),
        with(|e| e.finest = None), // each depth its own: 2 here, not 4
        with(|e| e.engine = Engine::Conditional),
        with(|e| e.precision = Precision::F32),
        with(|e| e.storage = Storage::Bf16),
    ];
    let mut other = samples.clone();
    other.train.inputs[0] = other.train.inputs[0].next_up();
    keys.push(Keys::new(&tiny, &other, "portable").of(task));
    let tasks = [
        Task { closure: Closure::Gia, ..task },
        Task { width: 7, ..task },
        Task { depth: 4, ..task },
        Task { seed: 1, ..task },
    ];
    keys.extend(tasks.map(|task| Keys::new(&tiny, &samples, "portable").of(task)));
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(keys.iter().position(|other| other == key), Some(i));
    }
    assert_eq!(keys.len(), 28);

    for same in [
        with(|e| e.name = "other".to_owned()),
        with(|e| e.ensemble.seeds = 9),
        with(|e| e.ensemble.widths = vec![6, 12]),
        with(|e| e.ensemble.depths = vec![1, 2, 4]),
        with(|e| e.ensemble.closures = vec![Closure::Exact, Closure::Fresh]),
    ] {
        assert_eq!(same, ours);
    }
    // Compared with nothing a task needs less: what was recorded with more serves it, not the reverse.
    let mut alone = tiny.clone();
    alone.reference.kind = ReferenceKind::None;
    let alone = Keys::new(&alone, &samples, "portable");
    assert_ne!(alone.of(task), ours);
    assert_eq!(alone.serving(task).collect::<Vec<_>>(), [alone.of(task), ours]);
    let serving: Vec<_> = Keys::new(&tiny, &samples, "portable").serving(task).collect();
    assert_eq!(serving, [ours]);
}

/// A task of a grid of settings is the task of the experiment that has its setting alone, so that
/// either finds what the other did.
#[test]
fn keys_of_a_grid_are_those_of_its_settings() {
    let mut grid = tiny(1);
    grid.ensemble.parametrizations = Some(vec![Parametrization::DepthMup, Parametrization::Mup]);
    let rate = grid.training.learning_rate;
    grid.ensemble.learning_rates = Some(vec![rate, 2.0 * rate]);
    let samples = data::load(&grid.data).unwrap();
    let keys = Keys::new(&grid, &samples, "portable");
    let mut all: Vec<_> = tasks(&grid).into_iter().map(|task| keys.of(task)).collect();
    for (task, key) in tasks(&grid).into_iter().zip(&all) {
        let alone = grid.of(task);
        assert!(tasks(&alone).contains(&task));
        assert_eq!(Keys::new(&alone, &samples, "portable").of(task), *key, "{task:?}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), tasks(&grid).len());
}

/// If this fails, what is recorded has changed its shape: raise the journal's VERSION, then take
/// over the new number.
#[test]
fn recorded_bytes_are_those_of_this_version() {
    let pass = Pass {
        step: 3,
        f: vec![1.0, -0.5],
        loss: 0.25,
        test_loss: Some(2.0),
        test_accuracy: Some(0.75),
        kernel: Some(vec![0.5]),
        features: vec![Snapshot { rows: vec![0.5, 3.0], movement: 0.125 }],
        gradients: vec![],
        own_movement: 1e-3,
        inner_movement: Some(0.75),
        feature_rank: Some(1.5),
        gradient_rank: None,
        forward_coupling: Some(ForwardCoupling { layer: 1.0, accumulated: 2.0, inner: None }),
        backward_coupling: Some(BackwardCoupling { layer_past: 3.0, ..Default::default() }),
    };
    let run = Trajectory { passes: vec![pass], ..value(1) };
    let bytes = encode(Path::new("journal"), 5, &run).unwrap();
    assert_eq!(format!("{:016x}", xxh3_64(&bytes)), "6981908135ad43e5");
}

#[test]
fn a_torn_line_of_timings_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, &tiny(1), Arc::new(Disk)).unwrap();
    let file = path.join("timings.csv");
    let lines = |text: &str| text.lines().map(|line| line.matches(',').count()).collect::<Vec<_>>();
    let before = fs::read_to_string(&file).unwrap();
    assert_eq!(lines(&before), [10, 10, 10]);
    fs::write(&file, &before[..before.len() - 4]).unwrap();
    run(&path, &tiny(2), Arc::new(Disk)).unwrap();
    assert_eq!(lines(&fs::read_to_string(&file).unwrap()), [10, 10, 10, 10]);
    fs::write(&file, &before[..5]).unwrap();
    run(&path, &tiny(3), Arc::new(Disk)).unwrap();
    assert_eq!(lines(&fs::read_to_string(&file).unwrap()), [10, 10, 10]);
}

#[test]
fn a_directory_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let files = || Arc::new(Disk);
    let first = open(&path, &tiny(1), "portable", false, files()).unwrap();
    let before = fs::read(path.join(manifest::NAME)).unwrap();
    let error = open(&path, &tiny(2), "portable", false, files()).err().unwrap();
    let said = error.to_string();
    assert!(error.is_users() && said.contains(&format!("pid {}", std::process::id())), "{said}");
    assert_eq!(fs::read(path.join(manifest::NAME)).unwrap(), before);
    drop(first);
    assert!(open(&path, &tiny(2), "portable", false, files()).is_ok());
}
