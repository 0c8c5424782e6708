//! Backend cpu's dense engine against plain: the same weights, the same numbers, on every instruction
//! set of this machine and in both formats; and bytes that do not depend on threads.

use crate::common::dense::{Case, Rounded, WIDTHS, batched_cases, cases, run, worst_off};
use crate::common::*;
use nfd::backend::cpu::dense::Dense as Fast;
use nfd::backend::cpu::dense::layer::Layer;
use nfd::backend::cpu::dense::weights::Weights;
use nfd::backend::cpu::simd::format::Format;
use nfd::backend::plain::dense::Dense as Plain;
use nfd::backend::vectors::Vectors;
use nfd::rng::normal::Instructions;

fn frozen<T: Format>(case: &Case, set: Instructions) -> Fast<T> {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    Fast::frozen(case.network.clone(), &case.noise(), probe, samples, set)
}

fn fast<T: Format>(case: &Case, set: Instructions) -> Fast<T> {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    Fast::new(case.network.clone(), &case.noise(), probe, samples, set)
}

/// Whether all weights are those of plain; frozen ones, which are nowhere, are passed over.
fn same_weights<T: Format>(got: &Fast<T>, want: &Plain, tolerance: f64) -> bool {
    let hidden = got.layers().iter().zip(&want.weights().forward).all(|(got, want)| {
        let Layer::Explicit(got) = got else { return true };
        let n = want.nrows();
        let at = |i, j| close(got.weights().at(i, j).widen(), want[(i, j)], tolerance);
        (0..n).all(|i| (0..n).all(|j| at(i, j)))
    });
    let (u, v) = (&want.ends().u, &want.ends().v);
    let at_u = |i, j| close(got.ends().input().at(i, j).widen(), u[(i, j)], tolerance);
    let at_v = |i, j| close(got.ends().readout().at(i, j).widen(), v[(i, j)], tolerance);
    let u_same = (0..u.nrows()).all(|i| (0..u.ncols()).all(|j| at_u(i, j)));
    hidden && u_same && (0..v.nrows()).all(|i| (0..v.ncols()).all(|j| at_v(i, j)))
}

/// A sum of n products rounds to √n ε of its terms, 2e-15 at n = 257; three layers and three steps
/// take that apart by a factor of a few tens.
#[test]
fn f64_is_plain_over_a_covering_of_sizes_and_options() {
    f64_is_plain(cases());
}

/// With minibatches of up to 300 samples, over which updates sum: √300 ε is no more than √257 ε is.
#[test]
fn f64_is_plain_with_many_samples() {
    f64_is_plain(batched_cases(&WIDTHS));
}

fn f64_is_plain(cases: Vec<Case>) {
    for case in cases.into_iter().flat_map(Case::both) {
        let mut plain = case.plain();
        let want = run(&case, &mut plain);
        for set in Instructions::available() {
            let mut fast = fast::<f64>(&case, set);
            let got = run(&case, &mut fast);
            // Snapshots are rounded to f32.
            let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-12 };
            let off = worst_off(&got, &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
            assert!(same_weights(&fast, &plain, 1e-12), "weights with {set:?}: {case:?}");
        }
    }
}

#[test]
fn f32_is_plain_to_its_rounding() {
    f32_is_plain(cases());
}

#[test]
fn f32_is_plain_to_its_rounding_with_many_samples() {
    f32_is_plain(batched_cases(&WIDTHS));
}

/// Normalised branches divide what comes back by ρ, and so what rounding does to it: it matters at a width of one, where
/// some of many samples have a small h (and J, which would be 0, is what rounding leaves of it).
fn f32_is_plain(cases: Vec<Case>) {
    for case in cases.into_iter().flat_map(Case::both) {
        let mut plain = case.plain();
        let want = run(&case, &mut plain);
        let divided = case.network.width == 1 && !case.network.scales.normalization.is_none();
        let least =
            plain.hidden().iter().flat_map(|h| h.iter()).fold(1.0, |m: f64, h| m.min(h.abs()));
        let bound = 2e-5 / if divided { least } else { 1.0 };
        for set in Instructions::available() {
            let mut fast = fast::<f32>(&case, set);
            let got = run(&case, &mut fast);
            let off = worst_off(&got, &want, |_| bound);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
            assert!(same_weights(&fast, &plain, bound), "weights with {set:?}: {case:?}");
        }
    }
}

/// Initial weights in bf16 with the drift in factors are rounded weights that are trained without
/// further rounding: momentum, decay, schedules and minibatches included.
#[test]
fn frozen_weights_are_rounded_ones_with_an_exact_drift() {
    for case in cases().into_iter().flat_map(Case::both) {
        let mut plain = case.plain_with(&Rounded(case.noise()));
        let want = run(&case, &mut plain);
        for set in Instructions::available() {
            let mut fast = frozen::<f64>(&case, set);
            let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-12 };
            let off = worst_off(&run(&case, &mut fast), &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
            assert!(same_weights(&fast, &plain, 1e-12), "ends with {set:?}: {case:?}");
            // A value between two numbers of bf16 goes to one in f32 and to the other in f64.
            if case.fine == 1 {
                let off = worst_off(&run(&case, &mut frozen::<f32>(&case, set)), &want, |_| 2e-5);
                assert!(off.is_none(), "f32 {off:?} with {set:?}: {case:?}");
            }
        }
    }
}

/// A register that is loaded across the end of a cache line takes two loads; allocations begin anywhere.
#[test]
fn weights_and_vectors_begin_at_cache_lines() {
    let at_line = |address: usize| address.is_multiple_of(64);
    for n in [1, 33, 257, 1000] {
        let vectors = Vectors::<f32>::zeros(n, 3);
        let wide = Vectors::<f64>::from_fn(n, 2, |i, p| (i + p) as f64);
        let weights = Weights::<f32>::zeros(n, n);
        for (vectors, wide, weights) in
            [(vectors.clone(), wide.clone(), weights.clone()), (vectors, wide, weights)]
        {
            assert!(at_line(vectors.pieces().as_ptr().addr()), "vectors, n = {n}");
            assert!(at_line(wide.pieces().as_ptr().addr()), "vectors in f64, n = {n}");
            assert!(at_line(weights.blocks().as_ptr().addr()), "weights, n = {n}");
            assert_eq!(wide.at(n - 1, 1), n as f64);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let wide =
        |cases: Vec<Case>| cases.into_iter().filter(|case| case.network.width == 257).take(6);
    let cases = wide(cases()).chain(wide(batched_cases(&WIDTHS)));
    for case in cases.flat_map(Case::both) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&case, &mut fast::<f32>(&case, Instructions::detect())))
        };
        let one = on(1);
        for threads in [2, 3, 20] {
            assert_eq!(on(threads), one, "{threads} threads: {case:?}");
        }
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&case, &mut frozen::<f32>(&case, Instructions::detect())))
        };
        assert_eq!(on(3), on(1), "frozen: {case:?}");
    }
}
