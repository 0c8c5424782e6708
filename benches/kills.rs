//! Kills a run again and again at random instants, each start of which keeps its networks after every update, and
//! compares what comes out with that of a run that nothing disturbed: `cargo bench --bench kills -- 1000`.
//!
//! Tests do the same a dozen times; what is rarer is looked for here. The instants are of a fixed sequence, which
//! a second argument changes.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Both engines, networks of some 30 and 100 updates of a millisecond or so.
const JOBS: [&str; 2] = [
    r#"{ "name": "kills", "data": { "source": "digits", "samples": 3, "test_samples": 2 },
  "training": { "steps": 30, "learning_rate": 0.5, "momentum": 0.5, "record": 10 },
  "ensemble": { "widths": [64], "depths": [4, 8], "seeds": 2 }, "engine": "conditional" }"#,
    r#"{ "name": "kills", "data": { "source": "digits", "samples": 8 }, "reference": "none",
  "training": { "steps": 100, "learning_rate": 0.5, "batch": 4, "record": 25 },
  "ensemble": { "widths": [64], "depths": [8], "seeds": 2, "closures": ["exact", "gia"] },
  "engine": "dense" }"#,
];
const FINAL: [&str; 3] = ["results.csv", "arrays.npz", "summary.json"];

fn nfd(folder: &Path, output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
    command.args(["run", "job.json", "--threads", "2", "--checkpoint-minutes", "0", "--output"]);
    command.arg(output).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn finals(run: &Path) -> Vec<Vec<u8>> {
    FINAL.iter().map(|file| fs::read(run.join(file)).unwrap_or_default()).collect()
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let wanted = numbers.next().unwrap_or(100);
    let mut random = numbers.next().unwrap_or(1);
    // Knuth's generator, its upper bits.
    let mut next = || {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 40) as f64 / (1 << 24) as f64
    };
    let (mut kills, mut runs, mut different) = (0, 0, 0);
    let mut begun = 0;
    for job in JOBS.iter().cycle() {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let folder = folder.path();
        fs::write(folder.join("job.json"), job).expect("a folder that can be written");
        let clock = Instant::now();
        let done = nfd(folder, Path::new("whole")).status().expect("nfd to start");
        assert!(done.success(), "{job}");
        let whole = clock.elapsed();
        let mut starts = 0;
        loop {
            starts += 1;
            let mut child = nfd(folder, Path::new("killed")).spawn().expect("nfd to start");
            sleep(Duration::from_secs_f64(0.3 * whole.as_secs_f64() * next()));
            let _ = child.kill();
            let done = child.wait().expect("nfd to end");
            if done.success() {
                break;
            }
            assert!(done.code().is_none(), "{done}: {}", folder.display());
            kills += 1;
            begun += u64::from(folder.join("killed/checkpoints").is_dir());
        }
        runs += 1;
        different += u64::from(finals(&folder.join("killed")) != finals(&folder.join("whole")));
        println!(
            "{kills} kills, {begun} of them with checkpoints there; {starts} starts of this run; \
                  {runs} runs, {different} of them other than undisturbed"
        );
        if kills >= wanted {
            break;
        }
    }
    assert_eq!(different, 0);
}
