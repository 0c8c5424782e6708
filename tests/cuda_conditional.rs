//! Backend cuda's conditional engine against plain, on the software CUDA device that runs the very PTX
//! which NVRTC made: the cases that the processor's is held to, several members at once.
//! jobs/gpu-check.sh runs this suite on a GPU.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::conditional::*;
use common::softcuda::on_softcuda;
use common::*;
use nfd::backend::DROP_TOLERANCE_F32;
use nfd::backend::Set;
use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Ensemble};
use nfd::backend::cuda::device::{Device, Number};
use nfd::model::Closure;
use nfd::rng::noise::BrownianPath;

const SEEDS: [u64; 2] = [7, 1 << 40];

fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap())
}

fn crew<T: Number>(device: &Arc<Device>, case: &Case, seeds: &[u64]) -> Conditional<T> {
    let ensemble = Ensemble {
        network: case.network.clone(),
        seeds,
        noise: (*case.noise()).clone(),
        probe: full_probe(case.network.depth),
        samples: (case.train.clone(), case.test.clone()),
        batch: case.batches.size,
        passes: case.steps as usize + 1,
    };
    Conditional::new(device.clone(), ensemble).unwrap()
}

/// As [`conditional::run`], for all members.
fn run_all<T: Number>(case: &Case, crew: &mut Conditional<T>) -> Vec<Passes> {
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

/// Plain's of every seed.
fn plain(case: &Case) -> Vec<Passes> {
    let depth = case.network.depth as u32;
    let of = |seed: u64| {
        let noise = Box::new(BrownianPath::new(seed, depth * case.fine, depth));
        run(case, &mut case.plain_with(noise))
    };
    SEEDS.map(of).into()
}

/// The bounds are those of the processor's engine, which orders its sums otherwise too.
#[test]
fn f64_is_plain_over_a_covering_of_sizes_and_options() {
    on_softcuda("f64_is_plain_over_a_covering_of_sizes_and_options", &[], || {
        let device = device();
        for case in cases().into_iter().chain(descents()) {
            if case.network.width > 1000 {
                continue;
            }
            let crowded = case.train.len() * (case.steps as usize + 1) > case.network.width;
            let bound: f64 = match (crowded, lazy(&case)) {
                (true, _) => 1e-5,
                (false, true) => 1e-7,
                (false, false) => 1e-9,
            };
            let all = run_all(&case, &mut crew::<f64>(&device, &case, &SEEDS));
            for (got, want) in all.iter().zip(plain(&case)) {
                assert_eq!(ranks(got), ranks(&want), "{case:?}");
                // Snapshots are rounded to f32.
                let tolerance = |what: &str| if what == "row" { bound.max(1e-6) } else { bound };
                let off = first_off(got, &want, tolerance);
                if off.is_some() {
                    use nfd::backend::cpu::conditional::Conditional as Fast;
                    use nfd::rng::normal::Instructions;
                    for (m, (seed, want)) in SEEDS.iter().zip(plain(&case)).enumerate() {
                        let depth = case.network.depth as u32;
                        for set in Instructions::available() {
                        let noise = Box::new(BrownianPath::new(*seed, depth * case.fine, depth));
                        let mut f = Fast::<f64>::new(case.network.clone(), noise, full_probe(3), (case.train.clone(), case.test.clone()), set);
                        let g = run(&case, &mut f);
                        println!("cpu {seed} {:?}", devs(&g, &want));
                        }
                        println!("gpu {seed} {:?}", devs(&all[m], &want));
                    }
                    println!("{off:?}: {} {bound} {} {:?} {:?} {:?} {:?}", case.network.width, case.train.len(), case.network, case.update, case.batches, case.train.inputs);
                    break;
                }
            }
        }
    });
}

fn devs(a: &Passes, b: &Passes) -> Vec<String> {
    let d = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let mut out = vec![];
    for (x, y) in a.forward.iter().zip(&b.forward) { out.push(format!("f {:.1e}", d(&x.f, &y.f))); }
    for (x, y) in a.test.iter().zip(&b.test) { out.push(format!("t {:.1e}", d(x, y))); }
    out
}
