//! Cases of the conditional engine with two-layer blocks, and how well their numbers are known.

use nfd::backend::{DROP_TOLERANCE, Network};
use nfd::model::{Block, InnerWidth, Parametrization, ScaleLaw};
use nfd::rng::noise::{BrownianPath, Entry, Noise};

use super::conditional::{Case, Passes, numbers, run};

pub const PARAMETRIZATIONS: [Parametrization; 5] = [
    Parametrization::DepthMup,
    Parametrization::Mup,
    Parametrization::DepthMupCorrected,
    Parametrization::Ntk,
    Parametrization::MeanField,
];

/// The same network with two-layer blocks of this inner width.
pub fn two_layer(
    network: &Network,
    parametrization: Parametrization,
    inner: InnerWidth,
) -> Network {
    let law = ScaleLaw {
        block: Block::TwoLayer,
        inner_width: inner,
        ..ScaleLaw::named(parametrization, network.activation)
    };
    Network { scales: law.at(network.width, network.depth, 5), ..network.clone() }
}

/// Noise that is off by some units in the last place, this way or that by its bits.
struct Jittered {
    path: BrownianPath,
    bit: u32,
}

impl Noise for Jittered {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        self.path.fill(entry, first, out);
        let off = |z: f64| if z.to_bits() >> (29 + self.bit) & 1 == 0 { 1e-15 } else { -1e-15 };
        out.iter_mut().for_each(|z| *z += *z * off(*z));
    }

    fn fill_f32(&self, _entry: Entry, _first: usize, _out: &mut [f32]) {
        unreachable!("plain draws in f64")
    }
}

/// How far rounding takes the numbers of a case: the largest distance of plain's by noise that is off by 1e-15. Of
/// four such noises, as two can miss most of it: a tenth of what others show where columns depend on one another.
pub fn rounding(case: &Case, want: &Passes) -> f64 {
    let off = |bit| {
        let noise = Jittered { path: *case.noise(), bit };
        let got = run(case, &mut case.plain_with(Box::new(noise)));
        let pairs = numbers(&got).into_iter().zip(numbers(want));
        let smooth = pairs.filter(|((what, _), _)| *what != "row");
        smooth.map(|((_, a), (_, b))| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
    };
    (0..4).map(off).fold(0.0, f64::max)
}

/// What is lost where there is no room for all columns of a case: √M ε over the drop tolerance; else None.
pub fn crowded(case: &Case) -> Option<f64> {
    let columns = case.train.len() * (case.steps as usize + 1);
    let (n, m) = (case.network.width, case.network.width_read());
    (columns > n.min(m)).then(|| (n.max(m) as f64).sqrt() * f64::EPSILON / DROP_TOLERANCE)
}
