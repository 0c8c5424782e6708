//! The dense engine against its floor on this machine, and against NumPy, PyTorch and JAX.
//!
//! ```text
//! cargo bench --bench dense [-- --floor] [--threads T] [--set SET] [--rounds R] [--size N,L,P,MEMBERS]…
//! ```
//!
//! Every round measures the machine and times every program once, on the same weights; of each the
//! best counts. Programs that `NFD_PYTHON` (or `python3`) does not have are left out; with `--floor` all
//! of them are. Without `--threads` everything is done with one thread and then with two, without
//! `--size` at seven sizes. SET is portable, avx2 or avx512: ours and the floor use no other instructions.

#![allow(clippy::unwrap_used)]

mod machine;
mod problem;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use machine::{Machine, Rates as MachineRates};
use nfd::backend::cpu::dense::Dense;
use nfd::backend::{Probe, Sweeps};
use nfd::model::Loss;
use nfd::rng::noise::{Direction, Entry, Noise};
use nfd::rng::normal::Instructions;
use problem::{DIMENSION, RATE, Size, data, noise, update};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// Of every size, unless the command line says otherwise; the first warms memory.
const ROUNDS: usize = 4;

/// n, L, P, members, steps; in the last three, minibatches as people train with them.
const SIZES: [Size; 7] = [
    Size { width: 128, depth: 64, samples: 4, members: 16, steps: 20 },
    Size { width: 512, depth: 32, samples: 8, members: 4, steps: 10 },
    Size { width: 1024, depth: 64, samples: 4, members: 1, steps: 10 },
    Size { width: 256, depth: 16, samples: 32, members: 8, steps: 20 },
    Size { width: 128, depth: 16, samples: 128, members: 4, steps: 20 },
    Size { width: 1024, depth: 8, samples: 64, members: 1, steps: 10 },
    Size { width: 512, depth: 16, samples: 128, members: 1, steps: 10 },
];
/// Of a size on the command line.
const STEPS: u32 = 10;

const USAGE: &str = "usage: cargo bench --bench dense [-- --floor] [--threads T] [--set portable|avx2|avx512] \
                     [--rounds R] [--size N,L,P,MEMBERS]...";

/// The command line.
struct Options {
    /// Whether the others are left out.
    floor: bool,
    threads: Vec<usize>,
    set: Instructions,
    rounds: usize,
    sizes: Vec<Size>,
}

impl Options {
    /// None where a word is not understood, or asks for what this machine has not.
    fn read(mut words: impl Iterator<Item = String>) -> Option<Options> {
        let set = Instructions::detect();
        let mut options =
            Options { floor: false, threads: vec![], set, rounds: ROUNDS, sizes: vec![] };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {}
                "--floor" => options.floor = true,
                "--threads" => options.threads.push(number(&words.next()?)?),
                "--rounds" => options.rounds = number(&words.next()?)?,
                "--set" => {
                    let name = words.next()?;
                    let mut sets = Instructions::available().into_iter();
                    options.set = sets.find(|set| set.name() == name)?;
                }
                "--size" => {
                    options.sizes.push(Size::read(&words.next()?, STEPS)?);
                }
                _ => return None,
            }
        }
        if options.threads.is_empty() {
            options.threads = vec![1, 2];
        }
        if options.sizes.is_empty() {
            options.sizes = SIZES.to_vec();
        }
        Some(options)
    }
}

/// A number from 1 on.
fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

fn main() {
    // `cargo test --all-targets` starts benches too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(options) = Options::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        std::process::exit(2)
    };
    for &threads in &options.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let ways = ["numpy", "torch", "torch-vmap", "jax"].into_iter();
        let ways = ways.filter(|_| !options.floor);
        let mut peers: Vec<Peer> = ways.filter_map(|way| Peer::start(way, threads)).collect();
        println!(
            "dense engine: hidden weights trained, full batch, tanh, depth-mup, squared loss, f32; \
             {} on {threads} thread(s);\nbest of {} rounds, milliseconds a step of all members\n",
            options.set.name(),
            options.rounds
        );
        for &size in &options.sizes {
            compare(size, &options, &pool, &mut peers);
        }
    }
}

fn compare(size: Size, options: &Options, pool: &rayon::ThreadPool, peers: &mut [Peer]) {
    let Size { width, depth, samples, members, steps } = size;
    let weights = 4 * width * width * depth;
    let at_once = pool.current_num_threads().min(members);
    // As many bytes as the weights of the members that train at the same time.
    let mut machine =
        pool.install(|| Machine::new((at_once * weights).min(512 << 20), options.set));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights");
    if !peers.is_empty() {
        write_weights(&file, size);
    }
    let mut ours = Run { seconds: f64::INFINITY, undisturbed: f64::INFINITY, f: Vec::new() };
    let mut theirs = vec![(f64::INFINITY, Vec::new()); peers.len()];
    for _ in 0..options.rounds {
        pool.install(|| machine.measure());
        let run = pool.install(|| train(size, options.set));
        ours.seconds = run.seconds.min(ours.seconds);
        ours.undisturbed = run.undisturbed.min(ours.undisturbed);
        ours.f = run.f;
        for (peer, best) in peers.iter_mut().zip(&mut theirs) {
            let run = peer.train(size, &file);
            *best = (run.0.min(best.0), run.1);
        }
    }
    let step = |seconds: f64| seconds * 1e3 / f64::from(steps);
    let floor = Floor::of(size, &machine.best);
    println!("n = {width}, L = {depth}, P = {samples}, {members} member(s)");
    println!(
        "  machine: read {:.1} GB/s, modify {:.1} GB/s ({:.1} MB), fma {:.1} GF/s",
        machine.best.read * 1e-9,
        machine.best.modify * 1e-9,
        (at_once * weights) as f64 * 1e-6,
        machine.best.flops * 1e-9,
    );
    let (bytes, flops) = (floor.bytes * 1e3, floor.flops * 1e3);
    println!("  floor   {:9.3}  (bytes {bytes:.3}, flops {flops:.3})", bytes.max(flops));
    let over = |seconds: f64| step(seconds) / bytes.max(flops);
    println!(
        "  ours    {:9.3}  {:.2} times the floor; fastest steps {:.3}, {:.2} times",
        step(ours.seconds),
        over(ours.seconds),
        step(ours.undisturbed),
        over(ours.undisturbed)
    );
    for (peer, (seconds, f)) in peers.iter().zip(&theirs) {
        let ratio = seconds / ours.seconds;
        let apart = f.iter().zip(&ours.f).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(f.len() == ours.f.len() && apart <= 1e-4, "{}: outputs {apart:e} apart", peer.way);
        let name = format!("{} {}", peer.way, peer.version);
        println!(
            "  {name:28} {:9.3}  {ratio:.2} times ours, outputs {apart:.0e} apart",
            step(*seconds)
        );
    }
    println!();
}

/// The least time of a step of all members.
struct Floor {
    /// Every weight read once forward, read and written once backward.
    bytes: f64,
    /// Two flops a weight and sample forward, for gradients, and for updates.
    flops: f64,
}

impl Floor {
    fn of(size: Size, rates: &MachineRates) -> Floor {
        let weights = (size.members * size.width * size.width * size.depth) as f64;
        Floor {
            bytes: 4.0 * weights / rates.read + 4.0 * weights / rates.modify,
            flops: 6.0 * weights * size.samples as f64 / rates.flops,
        }
    }
}

// ---------------------------------------------------------------- our runs

fn network(size: Size, member: usize, set: Instructions) -> Dense<f32> {
    let probe = Probe { layers: vec![], rows: 0, covariance_columns: 0 };
    let train = data(size.samples);
    let none = train.select([]);
    let noise = noise(size, member);
    Dense::new(problem::network(size), &noise, probe, (train, none), set)
}

/// What a run of all members gave.
struct Run {
    seconds: f64,
    /// The same where each step takes as long as the fastest of its member did: what the machine can do
    /// while nothing else runs on it, as rates are that floors are made of.
    undisturbed: f64,
    /// Outputs after the last update.
    f: Vec<f64>,
}

/// All members from the first step to the last, one a thread, or all threads at one.
fn train(size: Size, set: Instructions) -> Run {
    let mut members: Vec<_> = (0..size.members).map(|member| network(size, member, set)).collect();
    let train = data(size.samples);
    let batch: Vec<usize> = (0..train.len()).collect();
    let update = update();
    let run = |network: &mut Dense<f32>| {
        let mut fastest = f64::INFINITY;
        for step in 0..size.steps {
            let start = Instant::now();
            let f = network.forward(step, &batch, false).f;
            let chi = Loss::Squared.chi(&f, &train.labels, 1);
            network.backward(step, &chi, Some(&update));
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        fastest * f64::from(size.steps)
    };
    let start = Instant::now();
    let undisturbed: f64 = if size.members == 1 {
        members.iter_mut().map(run).sum()
    } else {
        // A member's threads are its worker alone, as in an ensemble.
        let members = members.par_iter_mut().with_max_len(1);
        let sum: f64 = members.map(|network| alone(|| run(network))).sum();
        sum / rayon::current_num_threads().min(size.members) as f64
    };
    let seconds = start.elapsed().as_secs_f64();
    let last = members.iter_mut().flat_map(|network| network.forward(size.steps, &batch, false).f);
    Run { seconds, undisturbed, f: last.collect() }
}

/// Does `work` where there is one thread.
fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::current_num_threads() {
        1 => work(),
        _ => rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work),
    }
}

/// X, y, and for each member U, V, W_1 … W_L, row by row.
fn write_weights(path: &Path, size: Size) {
    let Size { width, depth, samples, members, .. } = size;
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut write = |numbers: &mut dyn Iterator<Item = f32>| {
        numbers.for_each(|x| file.write_all(&x.to_le_bytes()).unwrap());
    };
    let train = data(samples);
    write(&mut train.inputs.iter().chain(&train.labels).map(|x| *x as f32));
    for member in 0..members {
        let noise = noise(size, member);
        let mut matrix = |columns: usize, entry: &dyn Fn(u32) -> Entry| {
            let mut drawn = vec![vec![0.0; width]; columns];
            for (j, column) in drawn.iter_mut().enumerate() {
                noise.fill_f32(entry(j as u32), 0, column);
            }
            write(&mut (0..width).flat_map(|i| drawn.iter().map(move |column| column[i])));
        };
        matrix(DIMENSION, &|coordinate| Entry::Input { coordinate });
        matrix(1, &|output| Entry::Readout { output });
        for layer in 1..=depth as u32 {
            let direction = Direction::Forward;
            matrix(width, &|column| Entry::Weight { direction, layer, column });
        }
    }
    file.flush().unwrap();
}

// ---------------------------------------------------------------- the others

/// A Python that waits for its turn, so that starting it is not counted.
struct Peer {
    way: &'static str,
    version: String,
    child: Child,
    // None only while it is told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    f: Vec<Vec<f64>>,
}

impl Peer {
    /// None, with a line that says so, if it is not there.
    fn start(way: &'static str, threads: usize) -> Option<Peer> {
        let python = std::env::var("NFD_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/dense.py");
        let mut command = Command::new(python);
        command.args([script, way, &threads.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        match line.trim().strip_prefix("ready ") {
            Some(version) => Some(Peer { way, version: version.to_owned(), child, input, output }),
            None => {
                println!("{way}: not found; NFD_PYTHON may name a Python that has it");
                None
            }
        }
    }

    fn train(&mut self, size: Size, file: &Path) -> (f64, Vec<f64>) {
        let Size { width, depth, samples, members, steps } = size;
        let request = json!({
            "file": file, "width": width, "depth": depth, "samples": samples, "members": members,
            "dimension": DIMENSION, "rate": RATE, "steps": steps,
        });
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Answer = serde_json::from_str(&line).unwrap();
        (answer.seconds, answer.f.concat())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
