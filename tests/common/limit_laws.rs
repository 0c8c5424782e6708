//! Levels of a limit by laws that are known: what blocks of networks would have given, from Gaussian
//! numbers.

use nfd::experiment::Limit;
use nfd::experiment::limit::{Block, FIRST_DEPTH, Part};
use nfd::limit::{BlockRecord, Finished, Moments, Quantities, Replay, State};
use nfd::model::Closure;
use nfd::rng::noise::{BrownianPath, Entry, Noise};

/// The mean over networks of width n and depth L of one number: a power series in 1/L and in 1/n.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    pub limit: f64,
    /// Of 1/L, 1/L², 1/L³.
    pub depth: [f64; 3],
    /// Of 1/n and 1/n².
    pub width: [f64; 2],
}

impl Law {
    pub fn at(&self, depth: usize, width: f64) -> f64 {
        self.at_infinite_width(depth) + self.width[0] / width + self.width[1] / (width * width)
    }

    pub fn at_infinite_width(&self, depth: usize) -> f64 {
        let l = depth as f64;
        let [b, c, d] = self.depth;
        self.limit + b / l + c / (l * l) + d / (l * l * l)
    }

    /// What depth L has more than depth L/2, on one noise; at the first depth all of it. The bias in
    /// width is that of the first depth: differences have none.
    fn difference(&self, depth: usize, width: f64) -> f64 {
        match depth {
            FIRST_DEPTH => self.at(depth, width),
            _ => self.at(depth, width) - self.at(depth / 2, width),
        }
    }

    /// The mean of a whole network, of its bias by halves, and of what quarters change in that, at a
    /// level.
    pub fn level(&self, depth: usize, width: usize) -> [f64; 3] {
        let [n, half, quarter] =
            [1.0, 2.0, 4.0].map(|parts| self.difference(depth, width as f64 / parts));
        [n, n - half, (2.0 * (n - half) - (half - quarter)) / 3.0]
    }
}

/// Networks whose numbers follow `laws`, scattered about them as those of real ones are.
#[derive(Clone, Debug)]
pub struct Networks {
    pub laws: Vec<Law>,
    /// Standard deviation of whole networks of the first depth, of any width.
    pub deviation: f64,
    /// That of what quarters change, as a share of `deviation`.
    pub change: f64,
    /// Whether levels, against all rules, have the noise of the first one.
    pub shared: bool,
}

/// Standard deviations of a level and part as a share of that of the first, whole level: they fall like
/// L^{-3/4}.
pub fn share(depth: usize, part: Part) -> f64 {
    let of_part = if part == Part::Whole { 1.0 } else { 0.2 };
    let fallen = (FIRST_DEPTH as f64 / depth as f64).powf(0.75);
    of_part * if depth == FIRST_DEPTH { 1.0 } else { 0.4 * fallen }
}

/// What a network costs: so much a layer, of both depths of a level; a divided one three times.
pub fn cost(depth: usize, part: Part) -> f64 {
    let layers = if depth == FIRST_DEPTH { 4.0 } else { 1.5 * depth as f64 };
    layers * if part == Part::Whole { 1.0 } else { 3.0 }
}

/// A limit of this tolerance and width; repetitions are independent of one another.
pub fn asked(tolerance: f64, width: usize, repetition: u32) -> Limit {
    Limit { tolerance, width, whitening: false, repetition }
}

impl Networks {
    /// All numbers are to have the tolerance.
    pub fn quantities(&self) -> Quantities {
        let length = self.laws.len();
        Quantities {
            arrays: vec![("f", vec![1, length, 1], 0)],
            steps: vec![1],
            times: Vec::new(),
            targets: 0..length,
            length,
        }
    }

    /// What training and averaging the networks of `block` would give.
    pub fn record(&self, limit: &Limit, block: Block) -> BlockRecord {
        let count = self.laws.len();
        let means: Vec<[f64; 3]> =
            self.laws.iter().map(|law| law.level(block.depth, limit.width)).collect();
        let of_noise = if self.shared { Block { depth: FIRST_DEPTH, ..block } } else { block };
        let deviation = self.deviation * share(block.depth, block.part);
        let change = self.deviation * self.change * share(block.depth, Part::Whole);
        let (mut value, mut changes) = (Moments::default(), Moments::default());
        let mut normals = vec![0.0; 2 * count];
        for network in block.networks() {
            let path = BrownianPath::new(of_noise.noise_key(limit, network), 1, 1);
            path.fill(Entry::Readout { output: 0 }, 0, &mut normals);
            let (own, other) = normals.split_at(count);
            let sample = |which: usize, deviation: f64, normals: &[f64]| -> Vec<f64> {
                let pairs = means.iter().zip(normals);
                pairs.map(|(means, z)| means[which] + deviation * z).collect()
            };
            match block.part {
                Part::Whole => value.push(&sample(0, deviation, own)),
                Part::Divided => {
                    value.push(&sample(1, deviation, own));
                    changes.push(&sample(2, change, other));
                }
            }
        }
        let change = (block.part == Part::Divided).then_some(changes);
        BlockRecord { value, change, diverged: None }
    }

    /// Goes through all rounds.
    pub fn finish(&self, limit: &Limit) -> Finished {
        let mut replay = Replay::new(Closure::Exact, limit, &self.quantities());
        let state = replay.advance(&cost, &|block| Ok(Some(self.record(limit, block))));
        match state.unwrap() {
            State::Finished(finished) => finished.clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// Whether errors are those that were stated, pair by pair, of independent estimates: what is wrong
/// otherwise.
///
/// Of N pairs the share within one stated error has a standard deviation of 0.47/√N about 68 %, the ratio
/// of both root mean squares one of 0.71/√N, the mean error one of 1/√N of them: bounds are 7 %, 12 % and
/// 4.5/√N, from 800 pairs on less likely to be broken by chance than 5e-5 in all. What they miss: an
/// error that is stated wrong by less than a tenth.
pub fn check_stated(pairs: &[(f64, f64)]) -> Result<(), String> {
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let within = mean(&|(error, stated)| if error.abs() <= *stated { 1.0 } else { 0.0 });
    let stated = mean(&|(_, stated)| stated * stated).sqrt();
    let ratio = mean(&|(error, _)| error * error).sqrt() / stated;
    let offset = mean(&|(error, _)| *error) / stated * n.sqrt();
    let found = format!("{within:.3} within one error, ratio {ratio:.3}, mean {offset:.1} σ off");
    let good = (within - 0.6827).abs() <= 0.07 && (ratio - 1.0).abs() <= 0.12;
    if good && offset.abs() <= 4.5 { Ok(()) } else { Err(found) }
}
