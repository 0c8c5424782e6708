//! Two MPI ranks against one, on this machine: whole commands, start and reduction included.
//!
//! ```text
//! cargo build --release --features mpi --target-dir target/mpi
//! NFD_OPENMPI=target/mpi/release/nfd cargo bench --bench ranks
//! ```
//!
//! One thread a rank. Every round runs each variant once, into a fresh directory; of each the best
//! counts.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nfd::data;
use nfd::ensemble::deal::predict;
use nfd::ensemble::plan::plan;
use nfd::spec::load;
use nfd::spec::work::Rates;

const ROUNDS: usize = 4;
const JOB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.json");
const SET: &str = "ensemble.seeds=2";

struct Variant {
    name: &'static str,
    /// None: the program by itself.
    ranks: Option<usize>,
    threads: usize,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "no MPI, 1 thread", ranks: None, threads: 1 },
    Variant { name: "no MPI, 2 threads", ranks: None, threads: 2 },
    Variant { name: "1 rank", ranks: Some(1), threads: 1 },
    Variant { name: "2 ranks", ranks: Some(2), threads: 1 },
];

fn main() {
    // `cargo test --all-targets` starts benches too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(program) = std::env::var_os("NFD_OPENMPI").map(PathBuf::from) else {
        eprintln!("ranks: name an nfd built for Open MPI in NFD_OPENMPI");
        return;
    };
    let program = program.canonicalize().unwrap();
    let mut best = [f64::INFINITY; VARIANTS.len()];
    for round in 0..ROUNDS {
        for (variant, best) in VARIANTS.iter().zip(&mut best) {
            let seconds = time(&program, variant);
            eprintln!("round {round}: {:<18} {seconds:.2} s", variant.name);
            *best = best.min(seconds);
        }
    }
    for (variant, seconds) in VARIANTS.iter().zip(best) {
        println!("{:<18} {seconds:>6.2} s", variant.name);
    }
    println!("efficiency of 2 ranks: {:.3}", best[2] / (2.0 * best[3]));
    println!("the deal's own: {:.3}", predicted());
}

fn time(program: &Path, variant: &Variant) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut command = match variant.ranks {
        None => Command::new(env!("CARGO_BIN_EXE_nfd")),
        Some(ranks) => {
            let mut command = Command::new("mpirun.openmpi");
            command.args(["--allow-run-as-root", "-n", &ranks.to_string()]).arg(program);
            command
        }
    };
    command.args(["run", JOB, "--set", SET, "--threads", &variant.threads.to_string()]);
    command.arg("--output").arg(folder.path().join("run"));
    let clock = Instant::now();
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    assert!(done.success(), "{}", variant.name);
    seconds
}

fn predicted() -> f64 {
    let experiment = load(Path::new(JOB), &[SET.to_owned()]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    predict(&plan(&experiment, &data, 1, rates), 2).efficiency
}
