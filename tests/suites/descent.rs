//! What an update is made of: χ of the losses, the samples of a batch, the factor on its rates.

use crate::common::close;
use nfd::engine::batches::Batches;
use nfd::model::{Decay, Loss, Schedule};

#[test]
fn chi_is_the_derivative_of_cross_entropy() {
    let f = [0.3, -1.2, 2.0, 0.1, 0.0, -0.4];
    // One-hot, and labels that sum to 0.7.
    for labels in [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [0.2, 0.1, 0.4, 0.0, 0.5, 0.2]] {
        let chi = Loss::CrossEntropy.chi(&f, &labels, 3);
        for i in 0..6 {
            let e = 1e-5;
            let loss = |e: f64| {
                let mut f = f;
                f[i] += e;
                Loss::CrossEntropy.value(&f, &labels, 3)
            };
            let slope = (loss(e) - loss(-e)) / (2.0 * e);
            // ε²/6 + 1e-16/ε
            assert!(close(chi[i], slope, 1e-9), "{i}: {} {slope}", chi[i]);
        }
    }
    // By hand: f = (0, ln 3) has probabilities ¼ and ¾.
    let (f, y) = ([0.0, 3.0_f64.ln()], [1.0, 0.0]);
    assert!(close(Loss::CrossEntropy.value(&f, &y, 2), 4.0_f64.ln(), 1e-15));
    let chi = Loss::CrossEntropy.chi(&f, &y, 2);
    assert!(close(chi[0], -0.75, 1e-15) && close(chi[1], 0.75, 1e-15), "{chi:?}");
}

#[test]
fn extreme_outputs_keep_cross_entropy_finite() {
    let value = |f: [f64; 2]| Loss::CrossEntropy.value(&f, &[1.0, 0.0], 2);
    let chi = |f: [f64; 2]| Loss::CrossEntropy.chi(&f, &[1.0, 0.0], 2);
    assert_eq!((value([1e6, 0.0]), chi([1e6, 0.0])), (0.0, vec![0.0, 0.0]));
    assert_eq!((value([0.0, 1e6]), chi([0.0, 1e6])), (1e6, vec![-1.0, 1.0]));
    assert_eq!(value([-1e300, -1e300]), 2.0_f64.ln());
    // What is not finite is not hidden.
    assert!(value([f64::NAN, 0.0]).is_nan() && value([0.0, f64::NAN]).is_nan());
    assert!(chi([0.0, f64::NAN]).iter().all(|chi| chi.is_nan()));
}

#[test]
fn batches_cut_one_permutation_an_epoch() {
    let batches = Batches { samples: 11, size: 3, seed: 4 };
    let mut epochs = Vec::new();
    for epoch in 0..20 {
        let mut seen: Vec<usize> = (0..3).flat_map(|i| batches.of(3 * epoch + i)).collect();
        epochs.push(seen.clone());
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() == 9 && seen.iter().all(|&p| p < 11), "epoch {epoch}: {seen:?}");
    }
    assert!((0..60).all(|k| batches.of(k).len() == 3));
    // The remainder of an epoch is no sample's fate.
    assert!((0..11).all(|p| epochs.iter().any(|epoch| epoch.contains(&p))));
    // Epochs and seeds differ, and a step is what it is in any order of asking.
    assert!((1..20).all(|e| epochs[e] != epochs[0]));
    assert_ne!(Batches { seed: 5, ..batches }.of(0), batches.of(0));
    let backwards: Vec<_> = (0..60).rev().map(|k| batches.of(k)).collect();
    assert!(backwards.iter().rev().enumerate().all(|(k, batch)| *batch == batches.of(k as u32)));
    // The first position is each sample equally often: 11 · 400 draws, five standard deviations.
    let mut counts = [0_i32; 11];
    (0..4400).for_each(|seed| counts[Batches { seed, ..batches }.of(0)[0]] += 1);
    assert!(counts.iter().all(|count| (count - 400).abs() <= 100), "{counts:?}");
    // All of them, in order.
    let full = Batches { size: 11, ..batches };
    assert!(full.are_full() && full.of(7) == (0..11).collect::<Vec<_>>());
}

#[test]
fn schedules_at_closed_points() {
    let at = |decay, warmup, steps: u32| -> Vec<f64> {
        (0..steps).map(|k| Schedule { decay, warmup }.factor(k, steps)).collect()
    };
    assert_eq!(at(Decay::Constant, 0, 3), [1.0; 3]);
    assert_eq!(at(Decay::Constant, 4, 6), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    assert_eq!(at(Decay::Step { every: 2, factor: 0.5 }, 0, 5), [1.0, 1.0, 0.5, 0.5, 0.25]);
    assert_eq!(at(Decay::Step { every: 2, factor: 0.5 }, 1, 5), [1.0, 1.0, 1.0, 0.5, 0.5]);
    // cos at 0, 60, 90 and 120 degrees and a half turn.
    let want = [1.0, 0.75, 0.5, 0.25, 0.0];
    for (k, want) in [0, 2, 3, 4, 6].into_iter().zip(want) {
        let got = at(Decay::Cosine { last: 0.0 }, 0, 7)[k];
        assert!((got - want).abs() <= 1e-15, "{k}: {got}");
        let got = at(Decay::Cosine { last: 0.2 }, 2, 9)[k + 2];
        assert!((got - (0.2 + 0.8 * want)).abs() <= 1e-15, "{k}, final 0.2: {got}");
    }
}
