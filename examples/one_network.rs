// One small step of a deep linear network, against what infinite width predicts. Weights are never
// built: the network has width 20 000, and this takes less than a second.
use std::sync::atomic::AtomicBool;

use nfd::backend::plain::conditional::Conditional;
use nfd::backend::{DROP_TOLERANCE, Network, Probe};
use nfd::data::Samples;
use nfd::engine::{self, Training};
use nfd::model::{Activation, Closure, Parametrization, Rates, ScaleLaw};
use nfd::rng::noise::BrownianPath;

fn main() {
    let (width, depth, seed, rate) = (20_000, 16, 7, 0.01);
    // One sample with ‖x‖² = d and label 1.
    let (inputs, labels) = (vec![1.0, -1.0, 1.0, 1.0], vec![1.0]);
    let train = Samples { dimension: 4, outputs: 1, inputs, labels, indices: vec![0] };
    let law = ScaleLaw::named(Parametrization::DepthMup, Activation::Identity);
    let rates = Rates { input: 0.0, hidden: rate, readout: 0.0 };
    let training = Training::descent(&train, rates, 1);

    let movement = |closure| {
        let scales = law.at(width, depth, train.dimension);
        let (activation, drop_tolerance) = (law.activation, DROP_TOLERANCE);
        let network =
            Network { width, depth, outputs: 1, activation, closure, scales, drop_tolerance };
        let noise = Box::new(BrownianPath::new(seed, depth as u32, depth as u32));
        let (probe, no_tests) = (Probe::nothing(), train.select([]));
        let mut network = Conditional::new(network, noise, probe, train.clone(), no_tests);
        let Some(run) = engine::train(&mut network, &training, &AtomicBool::new(false)) else {
            panic!("a run that nobody stops ends");
        };
        let passes = run.passes;
        let chi = passes[0].f[0] - 1.0;
        // f after the step less f before, in units of −η χ.
        (passes[1].f[0] - passes[0].f[0]) / (-rate * chi)
    };

    // T = 1: the tangent kernel, with the reuse of W by the backward pass and without it.
    let growth: f64 = 1.0 + 1.0 / depth as f64;
    for (closure, predicted) in [
        (Closure::Exact, growth.powi(depth as i32 - 1)),
        (Closure::Gia, growth.powi(depth as i32) - 1.0),
    ] {
        let moved = movement(closure);
        println!("{}: f moves by {moved:.3}, at infinite width by {predicted:.3}", closure.name());
        assert!((moved / predicted - 1.0).abs() < 0.05);
    }
}
