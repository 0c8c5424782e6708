//! Planted faults: each is caught and named, and its corrected twin runs clean.
//!
//! The PTX next to each source is what NVRTC made of it; where there's an NVRTC, its own is tried as
//! well.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Arguments, Device, compile};
use softcuda::exec::{Fault, FaultKind};

struct Case {
    source: &'static str,
    ptx: &'static str,
    kind: FaultKind,
}

macro_rules! case {
    ($name:literal, $kind:ident) => {
        Case {
            source: include_str!(concat!("../faults/", $name, ".cu")),
            ptx: include_str!(concat!("../faults/", $name, ".ptx")),
            kind: FaultKind::$kind,
        }
    };
}

/// Line of the source that a fault names.
fn source_line(case: &Case, fault: &Fault) -> &'static str {
    let source = fault.source.as_deref().unwrap_or_default();
    let line: usize = source.rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(1);
    case.source.lines().nth(line - 1).unwrap_or_default()
}

/// Runs `faulty` and `fixed` over several orders of warps and blocks; gives the faults.
fn check(case: &Case, run: impl Fn(&Device, &str) -> Result<(), Fault>) -> Vec<Fault> {
    let compiled = compile(case.source, "fault.cu");
    let mut faults = Vec::new();
    for ptx in [case.ptx].into_iter().chain(compiled.as_deref()) {
        for seed in 0..8 {
            let fresh = || {
                let mut device = Device::new(ptx, true);
                device.options.seed = seed;
                device.options.watchdog = 100_000;
                device
            };
            let fault = run(&fresh(), "faulty").expect_err("the fault isn't caught");
            println!("{fault}");
            assert_eq!(fault.kind, case.kind, "{fault}");
            assert_eq!(fault.kernel, "faulty");
            run(&fresh(), "fixed").unwrap_or_else(|fault| panic!("the twin fails: {fault}"));
            faults.push(fault);
        }
    }
    faults
}

fn arguments() -> Arguments {
    Arguments::new()
}

#[test]
fn out_of_bounds() {
    let case = case!("out_of_bounds", OutOfBounds);
    let faults = check(&case, |device, kernel| {
        let x = device.zeros(4 * 100);
        device.launch(kernel, 2, 64, 0, arguments().u64(x).u32(100))
    });
    for fault in faults {
        assert_eq!((fault.block, fault.thread), ([1, 0, 0], [36, 0, 0]));
        assert!(source_line(&case, &fault).contains("if (i <= n) x[i] = i;"));
        assert!(case.ptx.lines().nth(fault.ptx_line as usize - 1).unwrap().contains("st.global"));
        assert!(fault.message.contains("400 bytes into the allocation of 400 bytes"), "{fault}");
    }
}

#[test]
fn out_of_bounds_shared() {
    let case = case!("out_of_bounds_shared", OutOfBounds);
    check(&case, |device, kernel| {
        let x = device.zeros(4 * 64);
        device.launch(kernel, 1, 64, 0, arguments().u64(x).u32(1))
    });
}

#[test]
fn use_after_free() {
    check(&case!("use_after_free", UseAfterFree), |device, kernel| {
        let (x, y) = (device.zeros(4 * 64), device.zeros(4 * 64));
        if kernel == "faulty" {
            device.memory.free(x).unwrap();
        }
        // New memory doesn't take the place of what was freed.
        device.zeros(4 * 64);
        device.launch(kernel, 1, 64, 0, arguments().u64(x).u64(y))
    });
}

#[test]
fn misaligned() {
    check(&case!("misaligned", Misaligned), |device, kernel| {
        let (x, y) = (device.zeros(4 * 32 * 5), device.zeros(4 * 32));
        device.launch(kernel, 1, 32, 0, arguments().u64(x).u64(y).u32(5))
    });
}

#[test]
fn uninitialised_global() {
    check(&case!("uninitialised_global", UninitialisedGlobal), |device, kernel| {
        let y = device.memory.alloc(4 * 32).unwrap();
        device.launch(kernel, 1, 32, 0, arguments().u64(y))
    });
}

#[test]
fn uninitialised_shared() {
    check(&case!("uninitialised_shared", UninitialisedShared), |device, kernel| {
        let y = device.zeros(4 * 64);
        device.launch(kernel, 1, 64, 0, arguments().u64(y).u32(50))
    });
}

fn one_buffer(device: &Device, kernel: &str, grid: u32, block: u32) -> Result<(), Fault> {
    let y = device.zeros(4 * u64::from(block));
    device.launch(kernel, grid, block, 0, arguments().u64(y))
}

#[test]
fn shared_race() {
    let case = case!("shared_race", SharedRace);
    for fault in check(&case, |device, kernel| one_buffer(device, kernel, 1, 64)) {
        assert!(fault.message.contains(" by block (0,0,0), thread ("), "{fault}");
    }
}

#[test]
fn warp_race() {
    check(&case!("warp_race", SharedRace), |device, kernel| one_buffer(device, kernel, 1, 32));
}

#[test]
fn global_race() {
    let case = case!("global_race", GlobalRace);
    for fault in check(&case, |device, kernel| one_buffer(device, kernel, 3, 32)) {
        assert!(fault.message.contains("at PTX line "), "{fault}");
    }
}

#[test]
fn grid_barrier() {
    let case = case!("grid_barrier", GlobalRace);
    let run = |device: &Device, kernel: &str| {
        let (bar, x, y) = (device.zeros(4), device.zeros(4 * 256), device.zeros(4 * 256));
        let arguments = arguments().u64(bar).u64(x).u64(y);
        device.run(kernel, [4, 1, 1], [64, 1, 1], 0, arguments, true)
    };
    check(&case, run);
    let fault = run(&Device::new(case.ptx, true), "unfenced").unwrap_err();
    assert_eq!(fault.kind, FaultKind::GlobalRace);
}

#[test]
fn missing_barrier() {
    check(&case!("missing_barrier", SharedRace), |device, kernel| {
        let (x, y) = (device.zeros(4 * 256), device.zeros(4 * 64));
        device.launch(kernel, 1, 64, 0, arguments().u64(x).u64(y).u32(256))
    });
}

#[test]
fn barrier_divergence() {
    let case = case!("barrier_divergence", BarrierDivergence);
    check(&case, |device, kernel| one_buffer(device, kernel, 1, 32));
}

#[test]
fn barrier_exited() {
    let case = case!("barrier_exited", BarrierDivergence);
    check(&case, |device, kernel| one_buffer(device, kernel, 1, 64));
}

#[test]
fn absent_lanes() {
    check(&case!("absent_lanes", AbsentLanes), |device, kernel| {
        let y = device.zeros(4 * 32);
        device.launch(kernel, 1, 32, 0, arguments().u64(y).u32(20))
    });
}

/// Half a warp at a product of matrices.
#[test]
fn half_a_matrix() {
    check(&case!("half_a_matrix", AbsentLanes), |device, kernel| one_buffer(device, kernel, 1, 32));
}

#[test]
fn unrounded() {
    let case = case!("unrounded", Unrounded);
    for fault in check(&case, |device, kernel| one_buffer(device, kernel, 1, 32)) {
        assert!(fault.message.contains("was not rounded to tf32"), "{fault}");
    }
}

#[test]
fn unwaited_copy() {
    check(&case!("unwaited_copy", UninitialisedShared), |device, kernel| {
        let (x, y) = (device.zeros(4 * 64), device.zeros(4 * 64));
        device.launch(kernel, 1, 64, 0, arguments().u64(x).u64(y))
    });
}

#[test]
fn watchdog() {
    check(&case!("deadlock", Watchdog), |device, kernel| one_buffer(device, kernel, 1, 32));
}
