//! `nfd run --backend cuda` against plain, from the outside: all lines of results.csv, for each engine.
//! jobs/gpu-check.sh runs this suite on a GPU, with the program that it has.

use std::path::Path;
use std::process::Command;

use crate::common::results::{Row, rows};
use crate::common::softcuda;

const SMALL: &str = include_str!("../common/small.json");
/// Set by jobs/gpu-check.sh: the program, which finds the driver by itself.
const PROGRAM: &str = "NFD_PROGRAM";

/// nfd, if there is a device for it; it ends with the test, at the latest.
fn nfd() -> Option<Command> {
    let mut nfd = match std::env::var_os(PROGRAM) {
        Some(program) => Command::new(program),
        None => softcuda::command(env!("CARGO_BIN_EXE_nfd"), &softcuda::folder()?),
    };
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec there is one system call, which touches no memory.
    unsafe {
        use std::os::unix::process::CommandExt;
        nfd.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    Some(nfd)
}

fn named(row: &Row) -> (String, f64) {
    let Row { closure, width, depth, seed, step, reference, observable, .. } = row;
    let time = row.depth_time;
    let key = format!("{closure} {width} {depth} {seed} {step} {time:?} {reference} {observable}");
    (key, row.value)
}

/// Runs SMALL, changed so, into a folder of this name.
fn run(folder: &Path, to: &str, more: &[&str]) -> Option<Vec<Row>> {
    let mut nfd = nfd()?;
    nfd.args(["run", "small.json", "--output", to, "--backend", to]).args(more);
    let ran = nfd.current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{to}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(rows(&folder.join(to)))
}

/// Runs SMALL, changed so, on the device and by plain, and compares all lines of their results.
fn compare(more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.json"), SMALL).unwrap();
    let Some(got) = run(folder.path(), "cuda", more) else { return };
    let Some(want) = run(folder.path(), "plain", more) else { return };
    assert!(got.len() == want.len() && got.len() > 1000, "{} lines, {}", got.len(), want.len());
    let mut worst: f64 = 0.0;
    for (got, want) in got.iter().map(named).zip(want.iter().map(named)) {
        assert_eq!(got.0, want.0);
        // Strong errors are of rows in f32, which round to one side or the other.
        let rounded = got.0.contains("strong") || got.0.contains("gap");
        let off = (got.1 - want.1).abs() / want.1.abs().max(1.0);
        assert!(off <= if rounded { 1e-7 } else { 1e-10 }, "{got:?} instead of {want:?}");
        worst = worst.max(off);
    }
    println!("{} lines, the worst {worst:.1e} from plain", got.len());
}

#[test]
fn dense_gives_the_numbers_of_plain() {
    compare(&[]);
}

#[test]
fn conditional_gives_the_numbers_of_plain() {
    let closures = r#"ensemble.closures=["exact","fresh","gia"]"#;
    compare(&["--set", "engine=conditional", "--set", closures]);
}

/// With the movements of the inner matrices where steps are of all samples.
#[test]
fn two_layer_blocks_give_the_numbers_of_plain() {
    let two_layer = ["--set", "model.block=two-layer"];
    compare(&two_layer);
    let whole = ["--set", "training.batch=5"];
    compare(&[&two_layer[..], &whole, &["--set", "ensemble.widths=[33]"]].concat());
}
