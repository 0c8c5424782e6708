//! Crews of the conditional engine on a device, and all their numbers.

use std::sync::Arc;

use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Members};
use nfd::backend::cuda::device::{Device, Number};
use nfd::backend::{Set, Update};
use nfd::engine::batches::Batches;
use nfd::model::{Activation, Closure, Parametrization};

use super::conditional::{Case, Passes};
use super::*;

pub const SEEDS: [u64; 2] = [7, 1 << 40];

pub fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap())
}

pub fn ensemble<'a>(case: &Case, seeds: &'a [u64]) -> Members<'a> {
    Members {
        network: case.network.clone(),
        seeds,
        noise: (*case.noise()).clone(),
        probe: full_probe(case.network.depth),
        samples: (case.train.clone(), case.test.clone()),
        batch: case.batches.size,
        passes: case.steps as usize + 1,
        passes_at_first: case.steps as usize + 1,
    }
}

pub fn crew<T: Number>(device: &Arc<Device>, case: &Case, seeds: &[u64]) -> Conditional<T> {
    Conditional::new(device.clone(), ensemble(case, seeds)).unwrap()
}

/// As [`conditional::run`], for all members.
pub fn run_all<T: Number>(case: &Case, crew: &mut Conditional<T>) -> Vec<Passes> {
    let mut all: Vec<Passes> = (0..crew.members()).map(|_| Passes::default()).collect();
    for k in 0..=case.steps {
        let batch = vec![case.batches.of(k); crew.members()];
        if batch[0].len() < case.train.len() {
            let evaluated = crew.evaluate(k, Set::Train).unwrap();
            all.iter_mut().zip(evaluated).for_each(|(passes, f)| passes.test.push(f));
        }
        let labels = case.train.select(batch[0].iter().copied());
        let forward = crew.forward(k, &batch, k % case.record == 0).unwrap();
        if !case.test.is_empty() {
            let evaluated = crew.evaluate(k, Set::Test).unwrap();
            all.iter_mut().zip(evaluated).for_each(|(passes, f)| passes.test.push(f));
        }
        let chi: Vec<_> = forward.iter().map(|forward| chi(&forward.f, &labels)).collect();
        let update = (k < case.steps).then_some(&case.update);
        let backward = crew.backward(k, &chi, update).unwrap();
        for (m, passes) in all.iter_mut().enumerate() {
            passes.forward.push(forward[m].clone());
            passes.backward.push(backward[m].clone());
        }
    }
    for (passes, covariances) in all.iter_mut().zip(crew.covariances()) {
        passes.covariances = covariances;
    }
    all
}

/// A case with everything at a width of several parts.
pub fn everything() -> Case {
    let train = sphere(5, 6, 1);
    let network =
        network(Parametrization::DepthMup, Activation::Softplus, Closure::Exact, (2100, 3), &train);
    Case {
        test: sphere(3, 6, 1),
        batches: Batches { samples: 5, size: 3, seed: 3 },
        update: Update { momentum: 0.7, weight_decay: 0.2, ..descent(rates(0.5, ALL)) },
        record: 2,
        train,
        network,
        steps: 3,
        fine: 2,
    }
}
