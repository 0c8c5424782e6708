//! Two MPI ranks against one, on this machine: whole commands, start and reduction included.
//!
//! ```text
//! cargo build --release --features mpi --target-dir target/mpi
//! NFD_OPENMPI=target/mpi/release/nfd cargo bench --bench ranks
//! ```
//!
//! `jobs/quickstart.json`, one thread a rank. Every round runs each variant once, into a fresh directory; of each the best
//! counts. What two shards take side by side, without each other and without a report, is what the
//! machine gives to two processes: its cores may share a cache, memory or more.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nfd::data;
use nfd::ensemble::deal::predict;
use nfd::ensemble::plan::plan;
use nfd::experiment::load;
use nfd::experiment::work::Rates;

const ROUNDS: usize = 2;
const JOB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.json");

/// How the program is run.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Threads(usize),
    Ranks(usize),
    /// All of so many at once.
    Shards(usize),
}

const WAYS: [(&str, Way); 5] = [
    ("1 thread", Way::Threads(1)),
    ("2 threads", Way::Threads(2)),
    ("1 rank", Way::Ranks(1)),
    ("2 ranks", Way::Ranks(2)),
    ("2 shards at once", Way::Shards(2)),
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
    let mut best = [f64::INFINITY; WAYS.len()];
    for round in 0..ROUNDS {
        for ((name, way), best) in WAYS.iter().zip(&mut best) {
            let seconds = time(&program, *way);
            eprintln!("round {round}: {name:<18} {seconds:.2} s");
            *best = best.min(seconds);
        }
    }
    for ((name, _), seconds) in WAYS.iter().zip(best) {
        println!("{name:<18} {seconds:>6.2} s");
    }
    let [_, threads, _, two, shards] = best.map(|seconds| best[2] / (2.0 * seconds));
    println!(
        "1 rank's time over twice that of: 2 ranks {two:.2}, 2 threads {threads:.2}, 2 shards {shards:.2}"
    );
    println!("predicted for the deal alone: {:.2}", predicted());
}

fn time(program: &Path, way: Way) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let run = |mut command: Command, name: &str, threads: usize| {
        command.args(["run", JOB, "--threads", &threads.to_string()]);
        command.arg("--output").arg(folder.path().join(name));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let plain = || Command::new(env!("CARGO_BIN_EXE_nfd"));
    let mut commands = match way {
        Way::Threads(threads) => vec![run(plain(), "run", threads)],
        Way::Ranks(ranks) => {
            let mut command = Command::new("mpirun.openmpi");
            command.args(["--allow-run-as-root", "-n", &ranks.to_string()]).arg(program);
            vec![run(command, "run", 1)]
        }
        Way::Shards(of) => (1..=of)
            .map(|index| {
                let mut command = run(plain(), &index.to_string(), 1);
                command.args(["--shard", &format!("{index}/{of}")]);
                command
            })
            .collect(),
    };
    let clock = Instant::now();
    let started: Vec<_> = commands.iter_mut().map(|command| command.spawn().unwrap()).collect();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
    clock.elapsed().as_secs_f64()
}

fn predicted() -> f64 {
    let experiment = load(Path::new(JOB), &[]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    predict(&plan(&experiment, &data, 1, rates), 2).efficiency
}
