//! The two plain engines against each other: pathwise identity, invariants of conditioning.

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::{Dense, Weights};
use nfd::backend::{Network, Set, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Groups, Parametrization, Rates};
use nfd::rng::noise::BrownianPath;

fn conditional(network: &Network, seed: u64, train: &Samples) -> Conditional {
    let noise = Box::new(BrownianPath::new(seed, network.depth as u32, network.depth as u32));
    let probe = full_probe(network.depth);
    Conditional::new(network.clone(), noise, probe, train.clone(), none_like(train))
}

/// Largest difference in f, h and g between a conditional run and the dense network assembled from
/// its answers.
fn pathwise_gap(network: &Network, train: &Samples, rates: Rates, steps: u32) -> f64 {
    let mut run = conditional(network, 11, train);
    let ends = run.ends().clone();
    let mut passes = Vec::new();
    for k in 0..=steps {
        let f = run.forward(k, &all(train), true).f;
        run.backward(k, &chi(&f, train), Some(&descent(rates)));
        passes.push((f, run.hidden().to_vec(), run.signals().to_vec()));
    }
    let forward = (1..).zip(run.layers()).map(|(l, m)| assemble(m, 99, l)).collect();
    let weights = Weights { forward, backward: vec![] };
    let probe = full_probe(network.depth);
    let mut dense =
        Dense::from_weights(network.clone(), ends, weights, probe, train.clone(), none_like(train));
    let mut worst = 0.0_f64;
    // NaN must not hide: f64::max would drop it.
    let mut note = |gap: f64| {
        assert!(gap.is_finite(), "the run diverged");
        worst = worst.max(gap);
    };
    for (k, (f, hidden, signals)) in passes.iter().enumerate() {
        let got = dense.forward(k as u32, &all(train), true).f;
        dense.backward(k as u32, &chi(&got, train), Some(&descent(rates)));
        f.iter().zip(&got).for_each(|(a, b)| note((a - b).abs()));
        for (a, b) in hidden.iter().zip(dense.hidden()).chain(signals.iter().zip(dense.signals())) {
            note((a - b).amax());
        }
    }
    worst
}

/// Two distinct samples and a duplicate of the first.
fn with_duplicate(outputs: usize) -> Samples {
    let two = sphere(2, 5, outputs);
    let rows: Vec<Vec<f64>> = two.inputs.chunks(5).map(<[f64]>::to_vec).collect();
    let labels: Vec<Vec<f64>> = two.labels.chunks(outputs).map(<[f64]>::to_vec).collect();
    samples(
        &[rows[0].clone(), rows[1].clone(), rows[0].clone()],
        &[labels[0].clone(), labels[1].clone(), labels[1].clone()],
    )
}

#[test]
fn exact_is_the_dense_network_pathwise() {
    for outputs in [1, 2] {
        let train = with_duplicate(outputs);
        for parametrization in PARAMETRIZATIONS {
            for activation in Activation::ALL {
                // Rates at which no run of this table diverges or converges within eight steps.
                let rate = match parametrization {
                    Parametrization::DepthMup | Parametrization::Ntk => 0.1,
                    _ => 0.02,
                };
                let mut network =
                    network(parametrization, activation, Closure::Exact, (96, 3), &train);
                let what = format!("{parametrization:?} {activation:?} {outputs}");
                // A dropped column is off by at most the tolerance times its norm (√n or so), and
                // so are f, h and g; docs/theory.md, section 6, has 1e-8.
                let gap = pathwise_gap(&network, &train, rates(rate, ALL), 8);
                assert!(gap <= 1e-8, "{what}: {gap:e}");
                // Where all columns are distinct or equal, nothing but rounding is left. Smooth
                // activations of slowly moving features do bring columns between 1e-13 and 1e-10.
                network.drop_tolerance = 1e-13;
                let gap = pathwise_gap(&network, &train, rates(rate, ALL), 8);
                assert!(gap <= 1e-12, "{what}: {gap:e}");
            }
        }
    }
}

/// Near convergence columns fall under the drop tolerance: 1e-8 instead of 1e-12.
#[test]
fn exact_is_the_dense_network_pathwise_after_convergence() {
    let train = with_duplicate(1);
    let mut labels = train.clone();
    labels.labels = vec![1.0, 1.0, 1.0]; // the duplicate's label has to agree to converge
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (96, 3), &labels);
    let gap = pathwise_gap(&network, &labels, rates(3.0, HIDDEN), 12);
    assert!(gap <= 1e-8, "{gap:e}");
}

/// The same check sees a closure that is not the network: backward answers that know earlier steps only.
#[test]
fn pathwise_identity_fails_for_fresh() {
    let train = with_duplicate(1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Fresh, (96, 3), &train);
    let gap = pathwise_gap(&network, &train, rates(0.1, ALL), 8);
    assert!(gap > 1e-2, "{gap:e}");
}

/// QᵀQ = I and, for exact, QBᵀAF = BBᵀQF at every layer and step; the second fails by construction
/// for the others.
#[test]
fn conditioning_invariants() {
    for closure in Closure::ALL {
        let train = with_duplicate(1);
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (200, 4), &train);
        let mut run = conditional(&network, 3, &train);
        for k in 0..6 {
            let f = run.forward(k, &all(&train), true).f;
            run.backward(k, &chi(&f, &train), Some(&descent(rates(0.5, ALL))));
            let mut mismatch = 0.0_f64;
            for memory in run.layers() {
                for q in [&memory.forward.basis, &memory.backward.basis] {
                    let gap = (q.tr_mul(q) - DMatrix::identity(q.ncols(), q.ncols())).amax();
                    // k·ε·√n for sums of n = 200 products; docs/theory.md, section 6, has 8e-14.
                    assert!(gap <= 2e-13, "{closure:?} step {k}: {gap:e}");
                }
                let left = memory.backward.basis.tr_mul(&memory.forward.answers);
                let right = memory.backward.answers.tr_mul(&memory.forward.basis);
                mismatch = mismatch.max((left - right).amax());
            }
            match closure {
                Closure::Exact => assert!(mismatch <= 2e-12, "step {k}: {mismatch:e}"),
                // In the first pass there are no backward columns that a forward query could know.
                Closure::BackwardOnly if k == 0 => assert!(mismatch <= 2e-12, "{mismatch:e}"),
                // A difference of independent N(0,1) entries.
                _ => assert!(mismatch > 0.1, "{closure:?} step {k}: {mismatch:e}"),
            }
        }
    }
}

/// Ranks stay where there is nothing new: frozen input and readout layers, duplicates.
#[test]
fn columns_without_news_are_dropped() {
    let train = with_duplicate(1);
    for closure in Closure::ALL {
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (100, 4), &train);
        let mut run = conditional(&network, 5, &train);
        for k in 0..5 {
            let forward = run.forward(k, &all(&train), true);
            let backward =
                run.backward(k, &chi(&forward.f, &train), Some(&descent(rates(0.5, HIDDEN))));
            // The duplicate brings no column at step 0. Later it may, in gia or fresh no less than in
            // exact: never, because its h and g are those of the first sample.
            assert_eq!(forward.ranks[0], 2, "layer 1 reads an input that never changes");
            assert_eq!(*backward.ranks.last().unwrap(), 1, "layer L is asked about V only");
            let most = 2 * (k as usize + 1);
            assert!(forward.ranks.iter().chain(&backward.ranks).all(|&r| r <= most));
        }
    }
}

/// Covariances from the stored coefficients are those of the vectors.
#[test]
fn covariances_from_coefficients_are_those_of_the_vectors() {
    let train = with_duplicate(1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Fresh, (80, 4), &train);
    let mut run = conditional(&network, 5, &train);
    let mut features: Vec<Vec<DMatrix<f64>>> = vec![vec![]; 5];
    let mut gradients = features.clone();
    for k in 0..4 {
        let f = run.forward(k, &all(&train), true).f;
        run.backward(
            k,
            &chi(&f, &train),
            Some(&descent(rates(0.5, Groups { input: true, ..HIDDEN }))),
        );
        for l in 0..=4 {
            features[l].push(run.hidden()[l].map(f64::tanh));
            gradients[l].push(run.signals()[l].clone());
        }
    }
    let gram = |history: &[DMatrix<f64>]| {
        let columns: Vec<_> = history.iter().flat_map(|x| x.column_iter()).collect();
        let all = DMatrix::from_columns(&columns);
        all.tr_mul(&all) / 80.0
    };
    let got = run.covariances().unwrap();
    assert_eq!(got.len(), 5);
    assert!(got[4].features.is_none() && got[0].gradients.is_none());
    for l in 0..=4 {
        for (got, history) in [(&got[l].features, &features[l]), (&got[l].gradients, &gradients[l])]
        {
            if let Some(got) = got {
                // Dropped columns are off by at most 1e-10 of their norm.
                assert!((got - gram(history)).amax() <= 1e-9);
            }
        }
    }
}

/// A test input that is a training input asks nothing new: its output is the training output, to
/// rounding, at every step; and asking leaves no trace.
#[test]
fn a_known_test_input_gets_the_known_answer() {
    let train = sphere(3, 5, 1);
    for closure in Closure::ALL {
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (60, 4), &train);
        let noise = || Box::new(BrownianPath::new(2, 4, 4));
        let probe = full_probe(4);
        let mut asked =
            Conditional::new(network.clone(), noise(), probe.clone(), train.clone(), train.clone());
        let mut silent =
            Conditional::new(network, noise(), probe, train.clone(), none_like(&train));
        for k in 0..4 {
            let f = asked.forward(k, &all(&train), true).f;
            let known = asked.evaluate(k, Set::Test);
            assert!(f.iter().zip(&known).all(|(a, b)| close(*a, *b, 1e-13)), "{f:?} {known:?}");
            assert_eq!(f, silent.forward(k, &all(&train), true).f);
            // Training samples are all known already when they are evaluated.
            assert_eq!(known, asked.evaluate(k, Set::Train));
            asked.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, ALL))));
            silent.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, ALL))));
        }
        assert_eq!(asked.layers(), silent.layers());
    }
}
