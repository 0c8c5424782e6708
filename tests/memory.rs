//! What a task of backend cpu takes at its peak, counted at the allocator: stored columns and row
//! vectors, and no more than `plan` says.
//!
//! A program of its own: the allocator that counts is that of the whole process.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nfd::backend::cpu::conditional::arena::SLAB;
use nfd::backend::real::Real;
use nfd::data;
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::cost::cost;
use nfd::ensemble::task::train;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::experiment::load;
use nfd::model::{Closure, Parametrization};

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
