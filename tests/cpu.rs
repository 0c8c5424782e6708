//! Backend cpu's conditional engine against plain: the same noise, the same numbers, on every
//! instruction set of this machine and in both formats; and what plain cannot show: orthogonality
//! over many columns, and bytes that do not depend on threads.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::cpu::real::Real;
use nfd::backend::plain::conditional::Conditional as Plain;
use nfd::backend::{BackwardSweep, ForwardSweep, Network, Probe, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Parametrization, Rates};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

/// One run to be compared.
#[derive(Clone, Debug)]
struct Case {
    network: Network,
    train: Samples,
    test: Samples,
    rates: Rates,
    steps: u32,
    /// Noise grid over depth.
    fine: u32,
}

impl Case {
    fn noise(&self) -> Box<BrownianPath> {
        let depth = self.network.depth as u32;
        Box::new(BrownianPath::new(7, depth * self.fine, depth))
    }

    fn probe(&self) -> Probe {
        full_probe(self.network.depth)
    }

    fn plain(&self) -> Plain {
        let (train, test) = (self.train.clone(), self.test.clone());
        Plain::new(self.network.clone(), self.noise(), self.probe(), train, test)
    }

    fn fast<T: Real>(&self, set: Instructions) -> Fast<T> {
        let samples = (self.train.clone(), self.test.clone());
        Fast::new(self.network.clone(), self.noise(), self.probe(), samples, set)
    }
}

/// Everything a run gives, pass by pass.
struct Passes {
    forward: Vec<ForwardSweep>,
    test: Vec<Vec<f64>>,
    backward: Vec<BackwardSweep>,
    covariances: Option<Vec<nfd::backend::Covariances>>,
}

fn run(case: &Case, sweeps: &mut dyn Sweeps) -> Passes {
    let mut passes = Passes { forward: vec![], test: vec![], backward: vec![], covariances: None };
    for k in 0..=case.steps {
        let forward = sweeps.forward(k);
        let test = if case.test.is_empty() { vec![] } else { sweeps.evaluate(k) };
        let chi = chi(&forward.f, &case.train);
        let update = (k < case.steps).then_some(case.rates);
        let backward = sweeps.backward(k, &chi, update);
        passes.forward.push(forward);
        passes.test.push(test);
        passes.backward.push(backward);
    }
    passes.covariances = sweeps.covariances();
    passes
}

#[test]
fn first_look() {
    for (n, p) in [(1, 1), (31, 3), (33, 5), (257, 3), (257, 33), (5000, 3)] {
        for closure in Closure::ALL {
            let train = sphere(p, 5, 1);
            let mut network =
                network(Parametrization::DepthMup, Activation::Tanh, closure, (n, 4), &train);
            for fast32 in [false, true] {
                if fast32 {
                    network.drop_tolerance = 5e-7;
                }
                let case = Case {
                    network: network.clone(),
                    train: train.clone(),
                    test: sphere(2, 5, 1),
                    rates: rates(0.3, ALL),
                    steps: 4,
                    fine: 2,
                };
                let a = run(&case, &mut case.plain());
                let set = Instructions::detect();
                let b = if fast32 {
                    run(&case, &mut case.fast::<f32>(set))
                } else {
                    run(&case, &mut case.fast::<f64>(set))
                };
                let mut worst = [0.0f64; 8];
                let mut note = |i: usize, a: f64, b: f64| {
                    if !((a - b).abs() <= worst[i]) {
                        worst[i] = (a - b).abs();
                    }
                };
                let mut ranks = true;
                for k in 0..=4 {
                    let (x, y) = (&a.forward[k], &b.forward[k]);
                    x.f.iter().zip(&y.f).for_each(|(a, b)| note(0, *a, *b));
                    a.test[k].iter().zip(&b.test[k]).for_each(|(a, b)| note(1, *a, *b));
                    for (x, y) in x.features.iter().zip(&y.features) {
                        note(2, x.movement, y.movement);
                        x.rows
                            .iter()
                            .zip(&y.rows)
                            .for_each(|(a, b)| note(3, f64::from(*a), f64::from(*b)));
                    }
                    let (c, d) = (x.coupling.unwrap(), y.coupling.unwrap());
                    note(4, c.layer, d.layer);
                    note(4, c.accumulated, d.accumulated);
                    note(5, x.own_movement, y.own_movement);
                    ranks &= x.ranks == y.ranks;
                    let (x, y) = (&a.backward[k], &b.backward[k]);
                    ranks &= x.ranks == y.ranks;
                    for (x, y) in x.gradients.iter().zip(&y.gradients) {
                        note(2, x.movement, y.movement);
                        x.rows
                            .iter()
                            .zip(&y.rows)
                            .for_each(|(a, b)| note(3, f64::from(*a), f64::from(*b)));
                    }
                    let (c, d) = (x.coupling.unwrap(), y.coupling.unwrap());
                    note(6, c.layer_past, d.layer_past);
                    note(6, c.layer_same, d.layer_same);
                    note(7, c.accumulated_past, d.accumulated_past);
                    note(7, c.accumulated_same, d.accumulated_same);
                }
                println!(
                    "{n} {p} {closure:?} f32={fast32} ranks {ranks} {}",
                    worst.map(|w| format!("{w:.0e}")).join(" ")
                );
            }
        }
    }
}
