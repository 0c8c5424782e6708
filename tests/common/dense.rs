//! Runs of the dense engine that are compared with plain: which, and all their numbers.

use half::bf16;
use nfd::backend::plain::dense::Dense as Plain;
use nfd::backend::{
    BackwardSweep, Covariances, ForwardSweep, Network, Set, Snapshot, Sweeps, Update,
};
use nfd::data::Samples;
use nfd::engine::batches::Batches;
use nfd::model::{
    Activation, Block, Closure, Groups, InnerWidth, Loss, Parametrization, Rates, ScaleLaw,
};
use nfd::rng::noise::{BrownianPath, Entry, Noise};

use super::*;

/// One run to be compared.
#[derive(Clone, Debug)]
pub struct Case {
    pub network: Network,
    pub train: Samples,
    pub test: Samples,
    pub loss: Loss,
    pub batches: Batches,
    pub update: Update,
    /// Passes that are recorded: every so many.
    pub record: u32,
    pub steps: u32,
    /// Noise grid over depth.
    pub fine: u32,
}

impl Case {
    /// Itself, and the same with normalised branches.
    pub fn both(self) -> impl Iterator<Item = Case> {
        let other = normalised(&self.network).map(|network| Case { network, ..self.clone() });
        [Some(self), other].into_iter().flatten()
    }

    pub fn noise(&self) -> BrownianPath {
        let depth = self.network.depth as u32;
        BrownianPath::new(7, depth * self.fine, depth)
    }

    pub fn plain(&self) -> Plain {
        self.plain_with(&self.noise())
    }

    pub fn plain_with(&self, noise: &dyn Noise) -> Plain {
        let (train, test) = (self.train.clone(), self.test.clone());
        let probe = full_probe(self.network.depth);
        Plain::new(self.network.clone(), noise, probe, train, test)
    }
}

/// Everything a run gives, pass by pass.
#[derive(Debug, Default, PartialEq)]
pub struct Passes {
    pub forward: Vec<ForwardSweep>,
    pub evaluated: Vec<Vec<f64>>,
    pub backward: Vec<BackwardSweep>,
    pub covariances: Option<Vec<Covariances>>,
}

pub fn run(case: &Case, sweeps: &mut dyn Sweeps) -> Passes {
    let mut passes = Passes::default();
    let outputs = case.train.outputs;
    for k in 0..=case.steps {
        let batch = case.batches.of(k);
        passes.evaluated.push(sweeps.evaluate(k, Set::Train));
        let forward = sweeps.forward(k, &batch, k % case.record == 0);
        passes.evaluated.push(sweeps.evaluate(k, Set::Test));
        let labels = case.train.select(batch).labels;
        let chi = case.loss.chi(&forward.f, &labels, outputs);
        let Rates { input, hidden, readout } = case.update.rates;
        let slower = 1.0 / f64::from(k + 1); // a schedule
        let rates =
            Rates { input: input * slower, hidden: hidden * slower, readout: readout * slower };
        let update = Update { rates, number: k + 1, ..case.update };
        let update = (k < case.steps).then_some(&update);
        passes.backward.push(sweeps.backward(k, &chi, update));
        passes.forward.push(forward);
    }
    passes.covariances = sweeps.covariances();
    passes
}

/// Every number of a run by what it is.
fn numbers(passes: &Passes) -> Vec<(&'static str, f64)> {
    let mut numbers = Vec::new();
    let mut all = |what: &'static str, values: &[f64]| {
        numbers.extend(values.iter().map(|&value| (what, value)));
    };
    let mut vectors = |snapshots: &[Snapshot]| {
        for snapshot in snapshots {
            all("movement", &[snapshot.movement]);
            all("row", &snapshot.rows.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        }
    };
    for (forward, backward) in passes.forward.iter().zip(&passes.backward) {
        assert_eq!((forward.nonfinite, backward.nonfinite), (None, None));
        vectors(&forward.features);
        vectors(&backward.gradients);
    }
    passes.forward.iter().for_each(|forward| all("f", &forward.f));
    passes.forward.iter().for_each(|forward| all("own movement", &[forward.own_movement]));
    passes.forward.iter().for_each(|forward| all("z", forward.inner_movement.as_slice()));
    passes.evaluated.iter().for_each(|f| all("evaluated", f));
    for kernel in passes.backward.iter().filter_map(|backward| backward.kernel.as_ref()) {
        all("kernel", kernel.as_slice());
    }
    for covariance in passes.covariances.iter().flatten() {
        for matrix in [&covariance.features, &covariance.gradients].into_iter().flatten() {
            all("covariance", matrix.as_slice());
        }
    }
    numbers
}

/// The number of `got` that is off most, of those that are off by more than `tolerance` of its kind.
pub fn worst_off(
    got: &Passes,
    want: &Passes,
    tolerance: impl Fn(&str) -> f64,
) -> Option<(&'static str, f64, f64)> {
    let (got, want) = (numbers(got), numbers(want));
    assert_eq!(got.len(), want.len());
    let off = |((what, a), (_, b)): ((&'static str, f64), (&str, f64))| {
        (!close(a, b, tolerance(what))).then_some((what, a, b))
    };
    let by_distance = |x: &(&str, f64, f64)| (x.1 - x.2).abs();
    let off = got.into_iter().zip(want).filter_map(off);
    off.max_by(|x, y| by_distance(x).total_cmp(&by_distance(y)))
}

/// Sizes and options that meet one another pairwise.
pub fn cases() -> Vec<Case> {
    use Parametrization::{DepthMup, Mup, Ntk, Vanilla};
    cases_of(Block::OneLayer, [DepthMup, Mup, Vanilla, Ntk], (&WIDTHS, &FEW))
}

/// The same of these widths with as many samples as minibatches have, for which products are done in another
/// way.
pub fn batched_cases(widths: &[usize]) -> Vec<Case> {
    use Parametrization::{DepthMup, Mup, Ntk, Vanilla};
    cases_of(Block::OneLayer, [DepthMup, Mup, Vanilla, Ntk], (widths, &MANY))
}

/// The same of two-layer blocks.
pub fn two_layer_cases() -> Vec<Case> {
    use Parametrization::{DepthMup, DepthMupCorrected, Mup, Ntk};
    cases_of(Block::TwoLayer, [DepthMup, Mup, DepthMupCorrected, Ntk], (&WIDTHS, &FEW))
}

/// Those with inner layers narrower or wider than the network.
pub fn inner_width_cases() -> Vec<Case> {
    let mut cases = two_layer_cases();
    for (i, case) in cases.iter_mut().enumerate() {
        let Network { width, depth, ref mut scales, .. } = case.network;
        let inner_width = [InnerWidth::Fixed(70), InnerWidth::Times(0.5), InnerWidth::Times(3.0)];
        let law = ScaleLaw {
            block: Block::TwoLayer,
            inner_width: inner_width[i % 3],
            ..ScaleLaw::named(Parametrization::DepthMup, case.network.activation)
        };
        *scales = law.at(width, depth, case.train.dimension);
    }
    cases
}

pub const WIDTHS: [usize; 4] = [1, 31, 33, 257];
const FEW: [usize; 4] = [1, 3, 5, 33];
const MANY: [usize; 6] = [9, 16, 31, 64, 128, 300];

fn cases_of(
    block: Block,
    parametrizations: [Parametrization; 4],
    (widths, samples): (&[usize], &[usize]),
) -> Vec<Case> {
    const CLOSURES: [Closure; 2] = [Closure::Exact, Closure::Gia];
    const GROUPS: [Groups; 3] = [HIDDEN, ALL, Groups { input: true, hidden: false, readout: true }];
    const ENDS: [(usize, Loss); 3] =
        [(1, Loss::Squared), (3, Loss::Squared), (3, Loss::CrossEntropy)];
    let sizes = [widths.len(), samples.len(), 4, 6, 2, 3, 3, 2, 2, 2, 2];
    let of = |choice: [usize; 11]| {
        let [n, p, parametrization, activation, closure, groups, end, mini, momentum, decay, fine] =
            choice;
        let (outputs, loss) = ENDS[end];
        let count = samples[p];
        let all = sphere(count + 2, 5, outputs);
        let mut train = all.select(0..count);
        if loss == Loss::CrossEntropy {
            let one_hot = |(i, y): (usize, &mut f64)| *y = f64::from(u8::from(i % 7 % 3 == 0));
            train.labels.iter_mut().enumerate().for_each(one_hot);
        }
        let parametrization = parametrizations[parametrization];
        let rate = match parametrization {
            Parametrization::Mup | Parametrization::Vanilla => 0.02,
            _ => 0.3,
        };
        let size = if mini == 1 { count.div_ceil(2) } else { count };
        Case {
            network: network_of(
                block,
                parametrization,
                Activation::ALL[activation],
                CLOSURES[closure],
                (widths[n], 3),
                &train,
            ),
            test: all.select(count..count + 2),
            loss,
            batches: Batches { samples: count, size, seed: 3 },
            update: Update {
                rates: rates(rate, GROUPS[groups]),
                momentum: 0.7 * momentum as f64,
                weight_decay: 0.1 * decay as f64,
                ..descent(rates(0.0, HIDDEN))
            },
            record: 1 + mini as u32,
            // With many samples two updates, of which the second meets the first one's momentum.
            steps: if count > FEW[2] { 2 } else { 3 },
            fine: 1 + 2 * fine as u32,
            train,
        }
    };
    covering(sizes, &[]).into_iter().map(of).collect()
}

/// A path whose weights are rounded to bf16.
pub struct Rounded(pub BrownianPath);

impl Noise for Rounded {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        self.0.fill(entry, first, out);
        if let Entry::Weight { .. } = entry {
            out.iter_mut().for_each(|w| *w = bf16::from_f32(*w as f32).to_f64());
        }
    }

    fn fill_f32(&self, _entry: Entry, _first: usize, _out: &mut [f32]) {
        unreachable!("plain draws in f64")
    }
}
