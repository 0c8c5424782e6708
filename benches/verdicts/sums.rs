//! Sums of errors in width and depth, a n^{−1} (1 + c/L) + b L^{−q}: depths 2 to 32, widths 128 to 8192,
//! 8 seeds, with 5 % common to a seed and 3 % of every value's own.

use nfd::rng::philox::Philox;
use nfd::stats::curve::{Curve, Point, Reduction, Reference};
use nfd::stats::sum::Other;
use nfd::stats::verdict::{ALPHA, Judgement, Rule, judge};

use super::ensembles::{Design, Noise};

pub const DEPTHS: [f64; 5] = [2.0, 4.0, 8.0, 16.0, 32.0];
const WIDTHS: [f64; 4] = [128.0, 512.0, 2048.0, 8192.0];
/// The larger size that values are differences to.
const REFERENCE: [f64; 2] = [128.0, 65_536.0];

/// What is known of a sum.
pub struct Sum {
    pub name: &'static str,
    /// Exponent of the depth's part.
    pub depth: f64,
    /// Exponent of the width's part.
    pub width: f64,
    /// Whether values are differences to a deeper and wider network; that of depth is aligned.
    pub finite: bool,
    /// A constant beside both parts, as a share of the smallest value.
    pub constant: f64,
}

/// Sums as jobs/figure1.json has them, and such as it must tell from them.
pub const SUMS: [Sum; 7] = [
    Sum { name: "n^-1 + L^-2", depth: 2.0, width: 1.0, finite: true, constant: 0.0 },
    Sum { name: "n^-1 + L^-2, to the limit", depth: 2.0, width: 1.0, finite: false, constant: 0.0 },
    Sum { name: "n^-1 + L^-1.5", depth: 1.5, width: 1.0, finite: true, constant: 0.0 },
    Sum { name: "n^-1 + L^-1", depth: 1.0, width: 1.0, finite: false, constant: 0.0 },
    Sum { name: "n^-0.7 + L^-2", depth: 2.0, width: 0.7, finite: true, constant: 0.0 },
    Sum { name: "n^-1 + L^-2 + 5 %", depth: 2.0, width: 1.0, finite: false, constant: 0.05 },
    Sum { name: "n^-1 + L^-2 + 30 %", depth: 2.0, width: 1.0, finite: false, constant: 0.3 },
];

impl Sum {
    /// What the depth's part is claimed to do, and the width's.
    pub fn judged(&self, trial: u64) -> [(Rule, Judgement); 2] {
        let [deepest, widest] = REFERENCE;
        let (of_depth, of_width) = match self.finite {
            true => (Reference::Aligned(deepest), Reference::Added(widest)),
            false => (Reference::Limit, Reference::Limit),
        };
        let random = &mut Philox::stream(78, trial);
        let design = Design {
            sizes: vec![0.0; DEPTHS.len() * WIDTHS.len()],
            seeds: 8,
            noise: Noise::Normal,
            floor: None,
            reference: Reference::Limit,
        };
        let [factors, _] = design.factors(random);
        let places = WIDTHS.iter().flat_map(|&n| DEPTHS.map(|l| (l, n)));
        let sum = |l: f64, n: f64| {
            0.35 * of_width.fall(n, self.width) * (1.0 - 0.3 / l)
                + 1.4e-3 * of_depth.fall(l, self.depth)
        };
        let least = sum(DEPTHS[DEPTHS.len() - 1], WIDTHS[WIDTHS.len() - 1]);
        let value = |l: f64, n: f64| sum(l, n) + self.constant / (1.0 - self.constant) * least;
        let curve = |by_depth: bool| {
            let points = places.clone().zip(&factors).map(|((l, n), factors)| {
                let values = factors.iter().map(|factor| Some(value(l, n) * factor)).collect();
                let (x, z) = if by_depth { (l, n) } else { (n, l) };
                Point { x, z, values: vec![values] }
            });
            let mut points: Vec<Point> = points.collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            let reference = if by_depth { of_depth } else { of_width };
            Curve { points, reduction: Reduction::Mean, reference, seeds: 8, shared_error: vec![] }
        };
        let claim = |by_depth: bool| {
            let (exponent, other) = match by_depth {
                true => (2.0, Other { exponent: 1.0, reference: of_width, is_width: true }),
                false => {
                    (1.0, Other { exponent: self.depth, reference: of_depth, is_width: false })
                }
            };
            let rule = Rule::FallsInSum { exponent, other };
            (rule, judge(rule, &curve(by_depth), if by_depth { "L" } else { "n" }, ALPHA))
        };
        [claim(true), claim(false)]
    }
}
