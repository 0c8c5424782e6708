//! Ensembles around a curve, with the errors that ensembles have: most of a seed's error is common to
//! all sizes (docs/theory.md, section 5).

use std::f64::consts::TAU;

use nfd::rng::philox::Philox;
use nfd::stats::curve::{Curve, Point, Reduction, Reference, Values, without_floor};
use rand::RngExt;

/// How seeds err.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// 5 % common to all sizes of a seed and 3 % of every value's own, normal in logarithms.
    Normal,
    /// 8 and 2 %.
    Common,
    /// 5 and 3 %, Student's t with 3 degrees of freedom.
    Heavy,
    /// 5 and 3 %, and one seed is larger by a half at one size.
    Outlier,
    /// 5 and 3 %, of which the 3 % grow from a half to twice themselves.
    Growing,
}

impl Noise {
    pub const ALL: [Noise; 5] =
        [Noise::Normal, Noise::Common, Noise::Heavy, Noise::Outlier, Noise::Growing];

    pub fn name(self) -> &'static str {
        match self {
            Noise::Normal => "5/3 %",
            Noise::Common => "8/2 %",
            Noise::Heavy => "heavy tails",
            Noise::Outlier => "outlier",
            Noise::Growing => "growing",
        }
    }

    /// Factors on the values, by size and seed; two times for curves of the same seeds at two widths.
    fn factors(self, random: &mut Philox, sizes: usize, seeds: usize) -> [Factors; 2] {
        let (common, own) = if self == Noise::Common { (0.08, 0.02) } else { (0.05, 0.03) };
        let draw = |random: &mut Philox| match self {
            Noise::Heavy => student(random),
            _ => normal(random),
        };
        let shared: Vec<f64> = (0..seeds).map(|_| common * draw(random)).collect();
        let outlier = random.random_range(0..sizes);
        let mut factor = |size: usize, seed: usize| {
            let scale = match self {
                Noise::Growing => 0.5 + 1.5 * size as f64 / (sizes - 1) as f64,
                _ => 1.0,
            };
            let factor = (shared[seed] + own * scale * draw(random)).exp();
            let out = self == Noise::Outlier && (size, seed) == (outlier, 0);
            if out { 1.5 * factor } else { factor }
        };
        let mut curve = || -> Factors {
            (0..sizes).map(|size| (0..seeds).map(|seed| factor(size, seed)).collect()).collect()
        };
        [curve(), curve()]
    }
}

fn uniform(random: &mut Philox) -> f64 {
    1.0 - random.random::<f64>()
}

fn normal(random: &mut Philox) -> f64 {
    (-2.0 * uniform(random).ln()).sqrt() * (TAU * uniform(random)).cos()
}

/// Student's t with 3 degrees of freedom, scaled to variance 1.
fn student(random: &mut Philox) -> f64 {
    let squares: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
    normal(random) / squares.sqrt()
}

/// A floor of 1/(nL) under a law, measured at two widths and taken out.
#[derive(Clone, Copy)]
pub struct Floor {
    /// The larger width by the smaller.
    pub ratio: f64,
    /// The floor as a share of the last value at the larger width.
    pub share: f64,
}

/// Errors of an ensemble, by size and seed.
type Factors = Vec<Vec<f64>>;

/// How a curve is measured.
#[derive(Clone)]
pub struct Design {
    pub sizes: Vec<f64>,
    pub seeds: usize,
    pub noise: Noise,
    pub floor: Option<Floor>,
    pub reference: Reference,
}

impl Design {
    /// The errors of an ensemble at one width, and at another with the same seeds.
    pub fn factors(&self, random: &mut Philox) -> [Factors; 2] {
        self.noise.factors(random, self.sizes.len(), self.seeds)
    }

    /// An ensemble around `law`, the values at the design's sizes.
    pub fn ensemble(&self, law: &[f64], factors: &[Factors; 2]) -> Curve {
        let last = self.sizes.len() - 1;
        let values = |i: usize| -> Values {
            let of = |level: f64, factors: &[f64]| -> Values {
                vec![factors.iter().map(|factor| Some(level * factor)).collect()]
            };
            match self.floor {
                None => of(law[i], &factors[0][i]),
                Some(Floor { ratio, share }) => {
                    let under = share / (1.0 - share) * law[last] * self.sizes[last];
                    let under = under / self.sizes[i];
                    let narrow = of(law[i] + ratio * under, &factors[0][i]);
                    let wide = of(law[i] + under, &factors[1][i]);
                    without_floor([(1.0, &narrow), (ratio, &wide)])
                }
            }
        };
        let point = |(i, &x): (usize, &f64)| Point { x, z: 0.0, values: values(i) };
        let points = self.sizes.iter().enumerate().map(point).collect();
        let (reduction, reference, seeds) = (Reduction::Mean, self.reference, self.seeds);
        Curve { points, reduction, reference, seeds, shared_error: vec![] }
    }
}

/// So many sizes from 4, each twice the one before.
pub fn doubling(count: usize) -> Vec<f64> {
    (0..count as i32).map(|i| 4.0 * 2_f64.powi(i)).collect()
}
