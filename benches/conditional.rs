//! The conditional engine against its floor on this machine and against NumPy.
//!
//! ```text
//! cargo bench --bench conditional [-- N ...] [--threads T] [--set portable|avx2|avx512] [--numpy-all]
//! ```
//!
//! What the machine can do is measured between the runs, so that both meet the same neighbours; of
//! each the best counts. Without NumPy (`NFD_PYTHON`, or `python3`) the comparison is left out.

#![allow(clippy::unwrap_used)]

mod machine;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use machine::{Machine, Rates as MachineRates};
use nfd::backend::cpu::conditional::Conditional;
use nfd::backend::cpu::conditional::panel::{CHUNK, chunks_in};
use nfd::backend::cpu::simd::format::Format;
use nfd::backend::{DROP_TOLERANCE, DROP_TOLERANCE_F32, Network, Probe, Sweeps, Update};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Loss, Parametrization, Rates, ScaleLaw};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

const SAMPLES: usize = 4;
const DIMENSION: usize = 16;
const DEPTH: usize = 8;
const STEPS: u32 = 6;
/// The first warms memory.
const ROUNDS: usize = 3;

fn main() {
    // `cargo test --all-targets` starts benches too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let options = Options::parse(std::env::args().skip(1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build().unwrap();
    pool.install(|| compare(&options));
}

struct Options {
    widths: Vec<usize>,
    threads: usize,
    set: Instructions,
    /// NumPy at every width, however long it takes.
    numpy_all: bool,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Options {
            widths: Vec::new(),
            threads: 1,
            set: Instructions::detect(),
            numpy_all: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--numpy-all" => options.numpy_all = true,
                "--threads" => options.threads = number(arguments.next()) as usize,
                "--set" => {
                    let name = arguments.next().unwrap_or_default();
                    let mut sets = Instructions::available().into_iter();
                    options.set = sets.find(|set| set.name() == name).unwrap_or_else(|| usage());
                }
                // 1e5 is a width, too.
                _ => options.widths.push(number(Some(argument)) as usize),
            }
        }
        if options.widths.is_empty() {
            options.widths = vec![10_000, 100_000, 1_000_000];
        }
        options
    }
}

fn number(argument: Option<String>) -> f64 {
    argument.and_then(|text| text.parse().ok()).unwrap_or_else(|| usage())
}

/// Ends here: a word was not understood, or asks for what this machine has not.
fn usage() -> ! {
    eprintln!(
        "usage: cargo bench --bench conditional \
         [-- N ...] [--threads T] [--set portable|avx2|avx512] [--numpy-all]"
    );
    std::process::exit(2)
}

/// Runs everything and prints it at the end, when the best rates are known.
fn compare(options: &Options) {
    let mut machine = Machine::new(256 << 20, options.set);
    let mut results = Vec::new();
    let mut numpy_missing = false;
    for &width in &options.widths {
        let wanted = options.numpy_all || width <= 100_000;
        let mut peer = wanted.then(|| Numpy::start(width, options.threads)).flatten();
        numpy_missing |= wanted && peer.is_none();
        let (mut single, mut double, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            machine.measure();
            single.push(run::<f32>((width, round), DROP_TOLERANCE_F32, options.set));
            if width == 100_000 {
                double.push(run::<f64>((width, round), DROP_TOLERANCE, options.set));
            }
            theirs.extend(peer.as_mut().map(Numpy::run));
        }
        machine.measure();
        results.push((single, theirs));
        if !double.is_empty() {
            results.push((double, Vec::new()));
        }
    }
    let rates = machine.best;
    print_header(&rates, options);
    for (runs, theirs) in &results {
        let seconds = |run: &&Run| run.outcome.seconds;
        let best = runs.iter().min_by(|a, b| seconds(a).total_cmp(&seconds(b))).unwrap();
        best.print(&rates);
        print_law("last step:      ", runs.iter().map(|run| &run.outcome));
        if let Some(fastest) = theirs.iter().map(|run| run.seconds).min_by(f64::total_cmp) {
            let ratio = fastest / best.outcome.seconds;
            println!("  NumPy f32: {fastest:.4} s, {ratio:.2} times ours");
            print_law("NumPy last step:", theirs.iter());
        }
    }
    if numpy_missing {
        println!("\nNumPy: not found; NFD_PYTHON may name a Python that has it");
    }
}

/// What the last step came to, over rounds with different noise: ours and NumPy's must agree.
fn print_law<'a>(who: &str, outcomes: impl Iterator<Item = &'a Outcome> + Clone) {
    let summary = |of: fn(&Outcome) -> f64| {
        let values = outcomes.clone().map(of);
        let count = outcomes.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, (variance / count).sqrt())
    };
    let (f, f_error) = summary(|run| run.size_of_f);
    let (coupling, error) = summary(|run| run.coupling);
    print!("  {who} |f| {f:.4} ± {f_error:.4}, ");
    println!("coupling.forward.layer {coupling:.3e} ± {error:.0e}");
}

// ---------------------------------------------------------------- the floor

/// The least that one sweep must do.
#[derive(Clone, Copy, Default)]
struct Work {
    columns: f64,
    vectors_read: f64,
    vectors_written: f64,
    flops: f64,
    normals: f64,
}

impl Work {
    /// One layer of a sweep of `reads` vectors (h; or g and h) that is asked
    /// with `own` and `other` columns stored and adds `new` ones; `size` bytes a number.
    fn layer(width: usize, size: usize, reads: usize, (own, other, new): Ranks) -> Work {
        let n = width as f64;
        let vector = n * size as f64;
        Work {
            columns: vector * (4 * own + 3 * other) as f64,
            vectors_read: vector * (reads * SAMPLES) as f64,
            vectors_written: vector * (SAMPLES + 2 * new) as f64,
            flops: 8.0 * n * ((own + other) * SAMPLES) as f64 * (size as f64 / 4.0),
            normals: n * new as f64,
        }
    }

    fn add(self, other: Work) -> Work {
        Work {
            columns: self.columns + other.columns,
            vectors_read: self.vectors_read + other.vectors_read,
            vectors_written: self.vectors_written + other.vectors_written,
            flops: self.flops + other.flops,
            normals: self.normals + other.normals,
        }
    }

    fn floor(&self, rates: &MachineRates) -> f64 {
        let bytes =
            (self.columns + self.vectors_read) / rates.read + self.vectors_written / rates.modify;
        bytes.max(self.flops / rates.flops) + self.normals / rates.normals
    }

    fn floor_of_columns(&self, rates: &MachineRates) -> f64 {
        self.columns / rates.read + self.normals / rates.normals
    }
}

/// Own columns, the other side's, new ones.
type Ranks = (usize, usize, usize);

fn print_header(rates: &MachineRates, options: &Options) {
    let (set, threads) = (options.set.name(), options.threads);
    println!(
        "conditional engine: P = {SAMPLES}, d = {DIMENSION}, L = {DEPTH}, steps 0 to {}, tanh,
closure exact, all groups trained; {set} on {threads} thread(s); best of {ROUNDS} rounds",
        STEPS - 1
    );
    println!(
        "
measured between the runs, best of each:
  read {:6.1} GB/s     256 MB in order
  modify {:4.1} GB/s     the same read and written in place, each byte counted once
  fma {:7.1} GF/s     f32, an fma counts two (f64: half)
  normals {:4.2} G/s

floor of a sweep = max(bytes, flops) + normals, summed over layers; a layer has r own columns and s
of the other side when it is asked, and adds r'; b bytes a number:
  columns  (4 r + 3 s) n b at the rate of reading: three readings of the own basis and one of the
           own answers, two of the other basis and one of its answers (28 n r in f32 if r = s)
  vectors  forward h read, backward g and h: n P b each, at the rate of reading; h or g, Q and
           the answers written: n (P + 2 r') b, at the rate of modifying
  flops    8 n (r + s) P at the peak of fma
  normals  n r'
`columns` alone counts columns and normals. Shares are floor / measured, of the best round. What
lies in a cache (at n = 1e4 nearly all) is read faster than memory: there this is no floor.",
        rates.read * 1e-9,
        rates.modify * 1e-9,
        rates.flops * 1e-9,
        rates.normals * 1e-9,
    );
}

// ---------------------------------------------------------------- our runs

/// What a run came to, ours or NumPy's.
struct Outcome {
    seconds: f64,
    /// coupling.forward.layer of the last step.
    coupling: f64,
    /// Root mean square of the outputs of the last step.
    size_of_f: f64,
}

struct Sweep {
    step: u32,
    forward: bool,
    seconds: f64,
    /// Own columns and the other side's, averaged over layers.
    stored: (f64, f64),
    work: Work,
}

struct Run {
    width: usize,
    precision: &'static str,
    outcome: Outcome,
    setup: f64,
    sweeps: Vec<Sweep>,
    bytes: usize,
}

fn samples() -> (Samples, Samples) {
    let mut train = Samples {
        dimension: DIMENSION,
        outputs: 1,
        inputs: (0..SAMPLES * DIMENSION).map(|i| ((i * i) as f64 * 0.7).sin()).collect(),
        labels: (0..SAMPLES).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
        indices: (0..SAMPLES as u32).collect(),
    };
    for x in train.inputs.chunks_mut(DIMENSION) {
        let size = (x.iter().map(|v| v * v).sum::<f64>() / DIMENSION as f64).sqrt();
        x.iter_mut().for_each(|v| *v /= size);
    }
    let none = Samples { inputs: vec![], labels: vec![], indices: vec![], ..train.clone() };
    (train, none)
}

fn network(width: usize, drop_tolerance: f64) -> Network {
    let activation = Activation::Tanh;
    let law = ScaleLaw::named(Parametrization::DepthMup, activation);
    Network {
        width,
        depth: DEPTH,
        outputs: 1,
        activation,
        closure: Closure::Exact,
        scales: law.at(width, DEPTH, DIMENSION),
        drop_tolerance,
    }
}

fn run<T: Format>((width, round): (usize, usize), drop_tolerance: f64, set: Instructions) -> Run {
    let (train, none) = samples();
    let labels = train.labels.clone();
    let batch: Vec<usize> = (0..train.len()).collect();
    let probe = Probe { layers: vec![0, 2, 4, 6, 8], rows: 512, covariance_columns: 128 };
    let noise = Box::new(BrownianPath::new(1 + round as u64, DEPTH as u32, DEPTH as u32));
    let size = size_of::<T>();

    let start = Instant::now();
    let network = network(width, drop_tolerance);
    let mut engine = Conditional::<T>::new(network, noise, probe, (train, none), set);
    let setup = start.elapsed().as_secs_f64();
    let mut sweeps = Vec::new();
    // Stored columns by layer; a sweep tells how many there were when it met each.
    let mut ranks = [vec![0; DEPTH], vec![0; DEPTH]];
    let (mut coupling, mut size_of_f) = (0.0, 0.0);
    for step in 0..STEPS {
        let begin = Instant::now();
        let forward = engine.forward(step, &batch, true);
        let middle = Instant::now();
        let chi = Loss::Squared.chi(&forward.f, &labels, 1);
        let rates = Rates { input: 1.0, hidden: 1.0, readout: 1.0 };
        let backward = engine.backward(step, &chi, Some(&Update::descent(rates)));
        let end = middle.elapsed().as_secs_f64();

        let now = [forward.ranks, backward.ranks];
        for (own, seconds) in [(0, (middle - begin).as_secs_f64()), (1, end)] {
            let layer = |l: usize| {
                let stored = (ranks[own][l], ranks[1 - own][l], now[own][l] - ranks[own][l]);
                Work::layer(width, size, 1 + own, stored)
            };
            let mean = |ranks: &[usize]| ranks.iter().sum::<usize>() as f64 / DEPTH as f64;
            sweeps.push(Sweep {
                step,
                forward: own == 0,
                seconds,
                stored: (mean(&ranks[own]), mean(&ranks[1 - own])),
                work: (0..DEPTH).map(layer).fold(Work::default(), Work::add),
            });
            ranks[own].clone_from(&now[own]);
        }
        coupling = forward.coupling.map_or(f64::NAN, |coupling| coupling.layer);
        size_of_f = root_mean_square(&forward.f);
    }
    let seconds = start.elapsed().as_secs_f64();
    // Basis and answers.
    let columns = 2 * ranks.iter().flatten().sum::<usize>();
    Run {
        width,
        precision: if size == 4 { "f32" } else { "f64" },
        outcome: Outcome { seconds, coupling, size_of_f },
        setup,
        sweeps,
        bytes: columns * chunks_in(width) * CHUNK * size,
    }
}

fn root_mean_square(f: &[f64]) -> f64 {
    (f.iter().map(|f| f * f).sum::<f64>() / f.len() as f64).sqrt()
}

impl Run {
    fn print(&self, rates: &MachineRates) {
        let Run { width, precision, setup, bytes, .. } = self;
        let seconds = self.outcome.seconds;
        println!("\nn = {width}, {precision}");
        println!("  step  sweep     seconds    r own  other    floor s  share   columns s  share");
        for sweep in &self.sweeps {
            let name = if sweep.forward { "forward" } else { "backward" };
            let (own, other) = sweep.stored;
            print!("  {:4}  {name:8} {:9.5}  {own:7.1}{other:7.1}", sweep.step, sweep.seconds);
            print_share("  ", sweep.work.floor(rates), sweep.seconds);
            print_share(" ", sweep.work.floor_of_columns(rates), sweep.seconds);
            println!();
        }
        let total = |of: &dyn Fn(&Sweep) -> f64| self.sweeps.iter().map(of).sum::<f64>();
        let measured = total(&|sweep| sweep.seconds);
        print!("  all sweeps     {measured:9.5}                ");
        print_share("  ", total(&|sweep| sweep.work.floor(rates)), measured);
        print_share(" ", total(&|sweep| sweep.work.floor_of_columns(rates)), measured);
        let nanoseconds = seconds * 1e9 / (*width as f64 * f64::from(STEPS));
        print!("\n  end to end {seconds:.4} s (set-up {setup:.4}), ");
        print!("{nanoseconds:.0} ns a neuron and step");
        println!(", columns {:.0} MB", *bytes as f64 * 1e-6);
    }
}

fn print_share(space: &str, floor: f64, seconds: f64) {
    print!("{space} {floor:9.5} {:4.0} %", 100.0 * floor / seconds);
}

// ---------------------------------------------------------------- NumPy

/// A Python that waits for its turn, so that starting it is not counted and its memory stays warm.
struct Numpy {
    child: Child,
    // None only while it is told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Numpy {
    /// None if there is no Python or no NumPy.
    fn start(width: usize, threads: usize) -> Option<Numpy> {
        let python = std::env::var("NFD_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut import = Command::new(&python);
        let import = import.args(["-c", "import numpy"]).stderr(Stdio::null()).status();
        if !import.is_ok_and(|status| status.success()) {
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/conditional.py");
        let mut command = Command::new(python);
        command.arg(script).arg(width.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        for variable in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        // OpenBLAS is to choose its kernels and blocks for the processor that it finds.
        command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Numpy { child, input, output })
    }

    fn run(&mut self) -> Outcome {
        writeln!(self.input.as_mut().unwrap()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let numbers: Vec<f64> = line.split_whitespace().map(|x| x.parse().unwrap()).collect();
        let (seconds, coupling) = (numbers[0], numbers[1]);
        Outcome { seconds, coupling, size_of_f: root_mean_square(&numbers[2..]) }
    }
}

impl Drop for Numpy {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
