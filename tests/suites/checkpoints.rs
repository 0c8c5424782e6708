//! Networks that are stopped in the middle and go on from their checkpoints: the same bits. Checkpoints that
//! are damaged or cannot be written: the same bits, and a line that says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, time::Duration};

use crate::common::experiments::resolve_text;
use crate::common::slices::{
    ALWAYS, ENTRYWISE, NORMALIZING, SETTINGS, Stopping, assert_the_same_in_slices, setting, train,
    trajectories,
};
use nfd::ensemble::checkpointing::CheckpointEvery;
use nfd::experiment::Experiment;
use nfd::store::files::{Disk, Files};

/// Both engines on the processor, every kind of state that they have.
#[test]
fn slices_show_the_same_as_the_whole() {
    for text in SETTINGS.into_iter().chain(NORMALIZING).chain(ENTRYWISE) {
        for precision in ["f32", "f64"] {
            let starts = assert_the_same_in_slices(&setting(text, "cpu", precision));
            assert!(starts >= 3, "{starts} starts of {text}");
        }
    }
}

/// A run that has left the finite numbers between two recorded passes is known to when it goes on, at whatever
/// update it was stopped: nothing is computed with what is left of it.
#[test]
fn a_divergence_is_kept() {
    let rates = [300.0, 1e3, 3e3, 1e4, 3e4, 1e5];
    for (engine, rate) in ["conditional", "dense"].into_iter().flat_map(|e| rates.map(|r| (e, r))) {
        let text = format!(
            r#"{{ "name": "far", "data": {{ "source": "toy" }}, "engine": "{engine}", "precision": "f32",
            "model": {{ "activation": "relu", "train": ["input", "hidden", "readout"] }}, "backend": "cpu",
            "training": {{ "steps": 40, "learning_rate": {rate}, "record": 40 }}, "reference": "none",
            "ensemble": {{ "widths": [40], "depths": [3], "seeds": 1, "closures": ["exact"] }} }}"#
        );
        let experiment = resolve_text(&text, &[]).unwrap().experiment;
        let folder = tempfile::tempdir().unwrap();
        let never = AtomicBool::new(false);
        train(folder.path(), &experiment, 1, (Arc::new(Disk), &never), ALWAYS);
        for run in trajectories(folder.path(), &experiment) {
            assert!((1..40).contains(&run.diverged.unwrap().step), "{:?}", run.diverged);
        }
        assert_the_same_in_slices(&experiment);
    }
}

fn small() -> Experiment {
    setting(SETTINGS[0], "cpu", "f64")
}

/// Stops in the middle; the checkpoints that there are then.
fn stopped(path: &Path, experiment: &Experiment) -> Vec<PathBuf> {
    let disk = Stopping::default();
    let stop = disk.stop.clone();
    assert!(!train(path, experiment, 1, (Arc::new(disk), &stop), ALWAYS));
    let files = fs::read_dir(path.join("checkpoints")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// A checkpoint that is cut off anywhere, or has another bit anywhere, costs its task what it had done, and
/// nothing else.
#[test]
fn a_damaged_checkpoint_is_not_believed() {
    let experiment = small();
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole"), folder.path().join("damaged"));
    let never = AtomicBool::new(false);
    assert!(train(&whole, &experiment, 1, (Arc::new(Disk), &never), CheckpointEvery(None)));
    let wanted = trajectories(&whole, &experiment);
    let files = stopped(&path, &experiment);
    let (file, journal) = (&files[0], path.join(nfd::store::JOURNAL));
    let (bytes, finished) = (fs::read(file).unwrap(), fs::read(&journal).unwrap());
    // Every fifth byte of the header and what follows it, and some of the rest.
    let places = (0..48).step_by(5).chain((48..bytes.len()).step_by(bytes.len() / 8));
    let cut = places.clone().map(|at| bytes[..at].to_vec());
    let turned = places.map(|at| {
        let mut turned = bytes.clone();
        turned[at] ^= 4;
        turned
    });
    for damaged in cut.chain(turned) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, damaged).unwrap();
        fs::write(&journal, &finished).unwrap();
        assert!(train(&path, &experiment, 1, (Arc::new(Disk), &never), CheckpointEvery(None)));
        assert!(trajectories(&path, &experiment) == wanted);
        assert!(!path.join("checkpoints").exists());
    }
}

/// A checkpoint is read by the version that wrote it. Where a state has another shape, these lengths change: then
/// raise VERSION in src/store/checkpoints.rs, and write them anew.
#[test]
fn states_have_the_shape_of_this_version() {
    let length = |text: &&str| {
        let folder = tempfile::tempdir().unwrap();
        let files = stopped(folder.path(), &setting(text, "cpu", "f64"));
        files.iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>()
    };
    let lengths: Vec<u64> =
        SETTINGS.iter().chain(&NORMALIZING).chain(&ENTRYWISE).map(length).collect();
    assert_eq!(
        lengths,
        [
            333_771, 419_842, 844_105, 1_033_696, 469_287, 142_576, 1_890_308, 547_211, 1_447_684,
            1_071_136, 917_503
        ]
    );
}

/// A disk that has no room for checkpoints, from the `at`-th write of one on.
struct Full {
    left: std::sync::atomic::AtomicUsize,
}

impl Files for Full {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        let checkpoint = path.parent().is_some_and(|folder| folder.ends_with("checkpoints"));
        let room =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if checkpoint && room.is_err() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.create(path)
    }
}

/// Where there is no room for a checkpoint the network is trained all the same.
#[test]
fn a_full_disk_stops_no_training() {
    let experiment = small();
    let folder = tempfile::tempdir().unwrap();
    let never = AtomicBool::new(false);
    let whole = folder.path().join("whole");
    assert!(train(&whole, &experiment, 1, (Arc::new(Disk), &never), CheckpointEvery(None)));
    for left in [0, 1, 5] {
        let path = folder.path().join(left.to_string());
        let disk = Arc::new(Full { left: left.into() });
        assert!(train(&path, &experiment, 1, (disk, &never), ALWAYS));
        assert!(trajectories(&path, &experiment) == trajectories(&whole, &experiment));
    }
}

/// `--checkpoint-minutes`.
#[test]
fn periods_are_minutes_or_never() {
    assert_eq!("never".parse(), Ok(CheckpointEvery(None)));
    assert_eq!("0".parse(), Ok(ALWAYS));
    assert_eq!("1.5".parse(), Ok(CheckpointEvery(Some(Duration::from_secs(90)))));
    for bad in ["", "-1", "nan", "inf", "1e300", "often"] {
        assert!(bad.parse::<CheckpointEvery>().is_err(), "{bad}");
    }
}
