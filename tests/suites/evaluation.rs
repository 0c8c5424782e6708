//! Outputs at samples that are only evaluated: drawn for their own purpose, all of them, no trace.

use crate::common::*;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::Dense;
use nfd::backend::{EVALUATED_AT_ONCE, Network, Set, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Parametrization};
use nfd::rng::noise::BrownianPath;

fn conditional(network: &Network, train: &Samples, test: &Samples) -> Conditional {
    let depth = network.depth as u32;
    let noise = Box::new(BrownianPath::new(11, depth, depth));
    Conditional::new(network.clone(), noise, full_probe(network.depth), train.clone(), test.clone())
}

/// Samples that are only evaluated: those of the batch are known, others are drawn, for training and
/// test samples apart; and none of it leaves a trace.
#[test]
fn evaluation_draws_with_a_purpose_of_its_own() {
    let samples = sphere(3, 5, 1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (60, 3), &samples);
    let mut asked = conditional(&network, &samples, &samples);
    let mut silent = conditional(&network, &samples, &samples);
    for k in 0..3 {
        let batch = [2, 0];
        let f = asked.forward(k, &batch, true).f;
        let (train, test) = (asked.evaluate(k, Set::Train), asked.evaluate(k, Set::Test));
        for (i, p) in batch.into_iter().enumerate() {
            assert!(close(train[p], f[i], 1e-13) && close(test[p], f[i], 1e-13), "step {k}");
        }
        assert!((train[1] - test[1]).abs() > 1e-3, "step {k}: the same noise");
        assert_eq!(silent.forward(k, &batch, true).f, f);
        let chi: Vec<f64> = f.iter().map(|f| f - 1.0).collect();
        let update = descent(rates(0.5, ALL));
        asked.backward(k, &chi, Some(&update));
        silent.backward(k, &chi, Some(&update));
    }
    assert_eq!(asked.layers(), silent.layers());
}

/// More samples than are evaluated together: all of them, in order.
#[test]
fn large_sets_are_evaluated_in_parts() {
    let samples = sphere(EVALUATED_AT_ONCE + 3, 4, 2);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (5, 2), &samples);
    let noise = BrownianPath::new(1, 2, 2);
    let none = none_like(&samples);
    let mut dense =
        Dense::new(network.clone(), &noise, full_probe(2), samples.clone(), samples.clone());
    let f = dense.forward(0, &all(&samples), false).f;
    assert_eq!(dense.evaluate(0, Set::Train), f);
    assert_eq!(dense.evaluate(0, Set::Test), f);
    // Width 5: every answer is known after the first pass.
    let mut matrix_free = conditional(&network, &samples, &none);
    let f = matrix_free.forward(0, &all(&samples), false).f;
    let again = matrix_free.evaluate(0, Set::Train);
    assert_eq!(again.len(), f.len());
    assert!(f.iter().zip(&again).all(|(a, b)| close(*a, *b, 1e-12)));
    assert!(matrix_free.evaluate(0, Set::Test).is_empty());
}
