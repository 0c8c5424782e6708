//! What the benches of the dense engine train: hidden weights, full batch, tanh, depth-mup, squared loss.

use nfd::backend::{DROP_TOLERANCE, Network, Update};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Parametrization, Rates, ScaleLaw};
use nfd::rng::noise::BrownianPath;

/// d
pub const DIMENSION: usize = 16;
/// η
pub const RATE: f64 = 1.0;

/// n, L, P, members, steps.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: usize,
    pub depth: usize,
    pub samples: usize,
    pub members: usize,
    pub steps: u32,
}

impl Size {
    /// N,L,P,MEMBERS, with so many steps.
    pub fn read(text: &str, steps: u32) -> Option<Size> {
        let numbers = text.split(',').map(|n| n.parse().ok().filter(|n| *n > 0));
        let numbers: Option<Vec<usize>> = numbers.collect();
        let [width, depth, samples, members] = numbers?[..] else { return None };
        Some(Size { width, depth, samples, members, steps })
    }
}

/// P samples.
pub fn data(count: usize) -> Samples {
    let mut train = Samples {
        dimension: DIMENSION,
        outputs: 1,
        inputs: (0..count * DIMENSION).map(|i| ((i * i) as f64 * 0.7).sin()).collect(),
        labels: (0..count).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
        indices: (0..count as u32).collect(),
    };
    for x in train.inputs.chunks_mut(DIMENSION) {
        let size = (x.iter().map(|v| v * v).sum::<f64>() / DIMENSION as f64).sqrt();
        x.iter_mut().for_each(|v| *v /= size);
    }
    train
}

pub fn seed(member: usize) -> u64 {
    1 + member as u64
}

pub fn noise(size: Size, member: usize) -> BrownianPath {
    BrownianPath::new(seed(member), size.depth as u32, size.depth as u32)
}

pub fn network(size: Size) -> Network {
    let activation = Activation::Tanh;
    let law = ScaleLaw::named(Parametrization::DepthMup, activation);
    Network {
        width: size.width,
        depth: size.depth,
        outputs: 1,
        activation,
        closure: Closure::Exact,
        scales: law.at(size.width, size.depth, DIMENSION),
        drop_tolerance: DROP_TOLERANCE,
    }
}

pub fn update() -> Update {
    let rates = Rates { input: 0.0, hidden: RATE, readout: 0.0 };
    Update::descent(rates)
}
