//! What a task of backend cpu takes at its peak, counted at the allocator: stored columns and row
//! vectors, and no more than `plan` says; what loaders take of damaged files.
//!
//! A program of its own: the allocator that counts is that of the whole process.

#![allow(clippy::unwrap_used)]

#[path = "common/files.rs"]
mod files;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nfd::backend::cpu::conditional::arena::SLAB;
use nfd::backend::real::Real;
use nfd::data::{self, Request, Source};
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::cost::cost;
use nfd::ensemble::task::train;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::experiment::load;
use nfd::model::{Closure, Parametrization};
use nfd::rng::philox::Philox;
use rand::RngExt;

use files::{gzip, idx, npy, npz, request};

/// What the tests' tasks share; `common` would bring another allocator's users along.
fn a_task() -> Task {
    Task {
        closure: Closure::Exact,
        parametrization: Parametrization::DepthMup,
        width: 1,
        depth: 1,
        learning_rate: LearningRate::new(1.0),
        seed: 0,
    }
}

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator; only sizes are added up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn grow(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tests that count allocations run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

const JOB: &str = r#"{
  "name": "memory",
  "data": { "source": "digits", "samples": 4, "test_samples": 2 },
  "model": { "train": ["input", "hidden", "readout"] },
  "training": { "steps": 5, "learning_rate": 1.0 },
  "ensemble": { "widths": [50000], "depths": [8], "seeds": 1, "closures": ["exact"] }
}
"#;

#[test]
fn a_task_takes_its_columns_and_vectors_as_planned() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.json");
    std::fs::write(&file, JOB).unwrap();
    for precision in ["f32", "f64"] {
        let set = format!("precision={precision}");
        let experiment = load(Path::new(&file), &[set]).unwrap().experiment;
        let data = data::load(&experiment.data).unwrap();
        let task = Task { closure: Closure::Exact, width: 50_000, depth: 8, seed: 0, ..a_task() };
        let planned = cost(&experiment, &data, task).bytes;

        forget_spare_slabs();
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let trained =
            train(&experiment, &data, task, Watch::until(&AtomicBool::new(false))).unwrap();
        let peak = (PEAK.load(Ordering::Relaxed) - before) as f64;

        // Distinct samples, all groups trained: every pass keeps every column, but of layer L's
        // gradients, which are V at every sample, one.
        let last = trained.passes.last().unwrap();
        let (forward, backward) = (24.0 * 8.0, 24.0 * 7.0 + 6.0);
        let ranks = (last.feature_rank, last.gradient_rank);
        assert_eq!(ranks, (Some(forward / 8.0), Some(backward / 8.0)));
        let size = if precision == "f32" { 4.0 } else { 8.0 };
        let columns = 2.0 * (forward + backward) * 50_000.0 * size;
        // h of nine layers, h and g where probed (five each), g, residual, two sums; V; what test
        // samples need.
        let vectors = (4.0 * (9.0 + 10.0 + 4.0) + 1.0 + 2.0 * 6.0) * 50_000.0 * size;
        // A slab is taken whole; its pages are not, before they are written to.
        let slab = SLAB as f64;
        assert!(peak <= 1.15 * columns + vectors + slab, "{precision}: {peak:e} {columns:e}");
        assert!(peak <= planned + slab, "{precision}: {peak:e}, planned {planned:e}");
        assert!(planned <= 1.15 * columns + vectors, "{precision}: planned {planned:e}");
        assert!(planned <= 1.1 * peak, "{precision}: {peak:e}, planned {planned:e}");
    }
}

/// What other tests of this process have left to be used again would not be counted.
fn forget_spare_slabs() {
    f32::spare().lock().unwrap().clear();
    f64::spare().lock().unwrap().clear();
}

/// Peak memory of one task over what was there before, what was planned, and the experiment.
fn measured(pairs: &[&str], task: Task) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.json");
    std::fs::write(&file, JOB).unwrap();
    let set: Vec<String> = pairs.iter().map(|&pair| pair.to_owned()).collect();
    let experiment = load(Path::new(&file), &set).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let planned = cost(&experiment, &data, task).bytes;
    forget_spare_slabs();
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    train(&experiment, &data, task, Watch::until(&AtomicBool::new(false))).unwrap();
    ((PEAK.load(Ordering::Relaxed) - before) as f64, planned)
}

#[test]
fn other_tasks_take_what_is_planned() {
    let _alone = ALONE.lock().unwrap();
    let sizes = ["ensemble.widths=[700]", "ensemble.depths=[12]", "engine=dense"];
    let task = Task { closure: Closure::Exact, width: 700, depth: 12, seed: 0, ..a_task() };
    let gia = Task { closure: Closure::Gia, ..task };
    for (more, task, slack) in [
        (&[][..], task, 0.0),
        (&["precision=f64"], task, 0.0),
        (&["training.momentum=0.5", "ensemble.closures=[\"gia\"]"], gia, 0.0),
        (&["storage=bf16"], task, 0.0),
        (&["training.optimizer=adamw", "ensemble.closures=[\"gia\"]"], gia, 0.0),
        (
            &[
                "training.optimizer=muon",
                "training.orthogonalization=newton-schulz",
                "training.momentum=0.5",
            ],
            task,
            0.0,
        ),
        (&["model.block=two-layer"], task, 0.0),
        (
            &[
                "model.block=two-layer",
                "training.momentum=0.5",
                "ensemble.closures=[\"gia\"]",
                "precision=f64",
            ],
            gia,
            0.0,
        ),
        (
            &[
                "engine=conditional",
                "training.momentum=0.5",
                "training.batch=2",
                "ensemble.widths=[50000]",
            ],
            Task { width: 50_000, ..task },
            SLAB as f64,
        ),
    ] {
        let (peak, planned) = measured(&[&sizes[..], more].concat(), task);
        assert!(peak <= planned + slack, "{more:?}: {peak:e}, planned {planned:e}");
        assert!(planned <= 1.15 * peak, "{more:?}: {peak:e}, planned {planned:e}");
    }
}

/// What normalised branches take beside others, to a tenth: rows beyond n, and allocations that begin at lines.
#[test]
fn normalised_branches_take_what_is_planned_for_them() {
    let _alone = ALONE.lock().unwrap();
    for (engine, width) in [("dense", 700), ("conditional", 5000)] {
        let task = Task { width, depth: 4, ..a_task() };
        let of = |normalization: &str| {
            let pairs = [
                format!("engine={engine}"),
                format!("ensemble.widths=[{width}]"),
                "ensemble.depths=[4]".to_owned(),
                "data.test_samples=256".to_owned(),
                format!("model.normalization={normalization}"),
            ];
            measured(&pairs.iter().map(String::as_str).collect::<Vec<_>>(), task)
        };
        // Threads keep room from one run to the next, which is not to be counted here.
        of("none");
        let ((peak, planned), (plain_peak, plain_planned)) = (of("rms"), of("none"));
        let (peak, planned) = (peak - plain_peak, planned - plain_planned);
        assert!((peak - planned).abs() <= 0.1 * planned, "{engine}: {peak:e}, planned {planned:e}");
    }
}

/// What a form of data is made of: the file that is damaged, how it is packed after that, and the request.
struct Form {
    name: &'static str,
    whole: Vec<u8>,
    pack: fn(Vec<u8>) -> Vec<u8>,
    wanted: Request,
}

/// Every form of data, in a folder that has all files.
fn forms(folder: &Path) -> Vec<Form> {
    let at = |name: &str| folder.join(name);
    let same = |bytes| bytes;
    let pixels: Vec<u8> = (0..48_u8).map(|i| i * 5 + 1).collect();
    let classes: Vec<u8> = (0..12).map(|i| i % 3).collect();
    let (images, labels) = (idx(8, &[12, 2, 2], &pixels), idx(8, &[12], &classes));
    for part in ["train", "t10k"] {
        fs::write(at(&format!("{part}-images-idx3-ubyte")), &images).unwrap();
        fs::write(at(&format!("{part}-labels-idx1-ubyte")), &labels).unwrap();
    }
    let floats: Vec<u8> = pixels.iter().flat_map(|&p| f64::from(p).to_be_bytes()).collect();
    let qmnist: Vec<u8> = (0..96).flat_map(|i: i32| (i / 8 % 3 + i % 8).to_be_bytes()).collect();
    for batch in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"] {
        fs::write(at(&format!("{batch}.bin")), vec![1; 2 * 3073]).unwrap();
    }
    let cifar = [vec![1; 3073], vec![2; 3073]].concat();
    fs::write(at("test_batch.bin"), &cifar).unwrap();
    let (x, y) = (npy("|u1", false, "(12, 2, 2)", &pixels), npy("|u1", false, "(12,)", &classes));
    let hot: Vec<u8> = (0..36).map(|i| u8::from(i % 3 == i / 12)).collect();
    fs::write(at("x.npy"), &x).unwrap();
    fs::write(at("y.npy"), &y).unwrap();
    let row = |i: u8| format!("{},0.5;-1e{},{}", i * 7, i % 9, i % 3).replace(',', ";");
    let table = (0..12).map(row).collect::<Vec<_>>().join("\n");
    let asked = |source, path: &Path| Request { test_samples: 0, ..request(source, path) };
    let image = asked(Source::Idx, folder);
    let numpy = Request { label_path: Some(at("y.npy")), ..asked(Source::Npy, &at("x.npy")) };
    let archive = asked(Source::Npy, &at("set.npz"));
    let stored = npz(&[("x", x.clone()), ("y", y.clone())], false);
    let packed = npz(&[("x", x.clone()), ("y", y.clone())], true);
    let rows = asked(Source::Csv, &at("t.csv"));
    fn labelled(x: Vec<u8>) -> Vec<u8> {
        npz(&[("x", x), ("y", npy("|u1", false, "(12,)", &[0, 1, 2].repeat(4)))], true)
    }
    let form = |name, whole: &[u8], pack, wanted: &Request| Form {
        name,
        whole: whole.to_vec(),
        pack,
        wanted: wanted.clone(),
    };
    vec![
        form("train-images-idx3-ubyte", &images, same, &image),
        form("train-images-idx3-ubyte", &idx(0x0E, &[12, 2, 2], &floats), gzip_of, &image),
        form("train-labels-idx1-ubyte", &labels, gzip_of, &image),
        form("t10k-labels-idx1-ubyte", &idx(0x0C, &[12, 8], &qmnist), same, &image),
        form("data_batch_2.bin", &cifar, same, &asked(Source::Cifar10, folder)),
        form("x.npy", &x, same, &numpy),
        form("x.npy", &npy("<f2", true, "(12, 2)", &pixels), gzip_of, &numpy),
        form("y.npy", &npy("|b1", true, "(12, 3)", &hot), same, &numpy),
        form("set.npz", &stored, same, &archive),
        form("set.npz", &packed, same, &archive),
        form("set.npz", &x, labelled, &archive),
        form("t.csv", table.as_bytes(), same, &rows),
        form("t.csv", format!("x1;x2;x3;y\n{table}\n").as_bytes(), gzip_of, &rows),
    ]
}

fn gzip_of(bytes: Vec<u8>) -> Vec<u8> {
    gzip(&bytes)
}

/// Bytes cut off, left out, doubled, put in or overwritten, at the beginning and the end above all.
fn damage(bytes: &mut Vec<u8>, random: &mut Philox) {
    const ODD: &[u8] =
        b"\x00\x01\x08\x0c\x0e\x7F\x80\xFF\x1f\x8b(){}[]0123456789,;\t\"'\n\r<>|bifueU-+.eEnN ";
    for _ in 0..random.random_range(1..4) {
        let length = bytes.len().max(1);
        let near = random.random_range(0..length.min(160));
        let at = match random.random_range(0..4) {
            0 => random.random_range(0..length),
            1 => length - 1 - near,
            _ => near,
        }
        .min(bytes.len());
        let end = (at + random.random_range(1..24)).min(bytes.len());
        let byte =
            if random.random() { ODD[random.random_range(0..ODD.len())] } else { random.random() };
        match random.random_range(0..10) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
            3 => bytes.insert(at, byte),
            4 => bytes[at..end].fill(byte),
            _ => bytes[at..end].iter_mut().take(1).for_each(|old| *old = byte),
        }
    }
}

/// Whatever becomes of a file, a loader answers with samples or an error: it does not panic, and takes no
/// memory for what a header promises and the file does not have. `NFD_FUZZ`: how many files of each form.
#[test]
fn damaged_files_are_an_error_or_harmless_and_take_no_memory() {
    // Every file is looked at through a buffer or two of 256 kB; tables are parsed with each separator.
    const MOST: usize = 4 << 20;
    let _alone = ALONE.lock().unwrap();
    let rounds = std::env::var("NFD_FUZZ").map_or(1000, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let forms = forms(folder.path());
    for (number, Form { name, whole, pack, wanted }) in forms.iter().enumerate() {
        let path = folder.path().join(name);
        let before_all = fs::read(&path).ok();
        fs::write(&path, pack(whole.clone())).unwrap();
        data::load(wanted).unwrap_or_else(|error| panic!("{name} undamaged: {error}"));
        let mut failed = 0;
        for round in 0..rounds {
            let mut random = Philox::stream(number as u64, round);
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut random);
            fs::write(&path, pack(bytes)).unwrap();
            let before = NOW.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let loaded = std::panic::catch_unwind(|| data::load(wanted).is_ok());
            let peak = PEAK.load(Ordering::Relaxed) - before;
            let Ok(loaded) = loaded else { panic!("form {number} ({name}), round {round}") };
            assert!(peak <= MOST, "form {number} ({name}), round {round}: {peak} bytes");
            failed += u64::from(!loaded);
        }
        assert!(failed > rounds / 20 && failed < rounds, "form {number} ({name}): {failed} failed");
        let _ = before_all.map(|bytes| fs::write(&path, bytes).unwrap());
    }
}
