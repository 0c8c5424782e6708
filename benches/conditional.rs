use nfd::backend::cpu::conditional::Conditional;
use nfd::backend::{Network, Probe, Sweeps};
use nfd::data::Samples;
use nfd::model::*;
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
fn main() {
    let n: usize = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(100000);
    let threads: usize = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
        for round in 0..std::env::var("R").map_or(3, |r| r.parse().unwrap()) {
            let (p, d, depth) = (4, 16, 8);
            let mut train = Samples {
                dimension: d,
                outputs: 1,
                inputs: (0..p * d).map(|i| ((i * i) as f64 * 0.7).sin()).collect(),
                labels: (0..p).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
                indices: (0..p as u32).collect(),
            };
            for x in train.inputs.chunks_mut(d) {
                let s = (x.iter().map(|v| v * v).sum::<f64>() / d as f64).sqrt();
                x.iter_mut().for_each(|v| *v /= s);
            }
            let none = Samples { inputs: vec![], labels: vec![], indices: vec![], ..train.clone() };
            let parametrization = Parametrization::DepthMup;
            let law = ScaleLaw {
                parametrization,
                exponents: parametrization.exponents(),
                activation: Activation::Tanh,
                horizon: 1.0,
                gamma: 1.0,
            };
            let network = Network {
                width: n,
                depth,
                outputs: 1,
                activation: Activation::Tanh,
                closure: Closure::Exact,
                scales: law.at(n, depth, d),
                drop_tolerance: 5e-7,
            };
            let t = Instant::now();
            let probe = Probe { layers: vec![0, 2, 4, 6, 8], rows: 512, covariance_columns: 128 };
            let mut run = Conditional::<f32>::new(
                network,
                Box::new(BrownianPath::new(1, depth as u32, depth as u32)),
                probe,
                (train.clone(), none),
                Instructions::detect(),
            );
            let mut out = format!("init {:.3}", t.elapsed().as_secs_f64());
            for k in 0..=std::env::var("K").map_or(5u32, |r| r.parse().unwrap()) {
                let a = Instant::now();
                let f = run.forward(k);
                let b = Instant::now();
                let chi = Loss::Squared.chi(&f.f, &train.labels, 1);
                let r =
                    run.backward(k, &chi, Some(Rates { input: 1.0, hidden: 1.0, readout: 1.0 }));
                out += &format!(
                    " | {:.3} {:.3} r {}",
                    (b - a).as_secs_f64(),
                    b.elapsed().as_secs_f64(),
                    r.ranks.iter().sum::<usize>()
                );
            }
            println!("{round}: {:.3} s {out}", t.elapsed().as_secs_f64());
        }
    });
    let _ = AtomicBool::new(false);
}
