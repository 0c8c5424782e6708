//! Runs of the conditional engine that are compared with plain: which, and all their numbers.

use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::cpu::simd::format::Format;
use nfd::backend::plain::conditional::Conditional as Plain;
use nfd::backend::{
    BackwardSweep, Covariances, ForwardSweep, Network, Set, Snapshot, Sweeps, Update,
};
use nfd::data::Samples;
use nfd::engine::batches::Batches;
use nfd::model::{Activation, Closure, Groups, Parametrization};
use nfd::rng::noise::{BrownianPath, Noise};
use nfd::rng::normal::Instructions;
use nfd::rng::philox::Philox;
use rand::RngExt;

use super::*;

/// One run to be compared.
#[derive(Clone, Debug)]
pub struct Case {
    pub network: Network,
    pub train: Samples,
    pub test: Samples,
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

    pub fn noise(&self) -> Box<BrownianPath> {
        let depth = self.network.depth as u32;
        Box::new(BrownianPath::new(7, depth * self.fine, depth))
    }

    pub fn plain(&self) -> Plain {
        self.plain_with(self.noise())
    }

    pub fn plain_with(&self, noise: Box<dyn Noise>) -> Plain {
        let (train, test) = (self.train.clone(), self.test.clone());
        let probe = full_probe(self.network.depth);
        Plain::new(self.network.clone(), noise, probe, train, test)
    }

    pub fn with_tolerance(&self, drop_tolerance: f64) -> Case {
        Case { network: Network { drop_tolerance, ..self.network.clone() }, ..self.clone() }
    }
}

/// The case's network on backend cpu, by a set of instructions.
pub fn on_cpu<T: Format>(case: &Case, set: Instructions) -> Fast<T> {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    Fast::new(case.network.clone(), case.noise(), probe, samples, set)
}

/// All samples in every pass.
pub fn full(train: &Samples) -> Batches {
    Batches { samples: train.len(), size: train.len(), seed: 0 }
}

/// Everything a run gives, pass by pass.
#[derive(Debug, Default)]
pub struct Passes {
    pub forward: Vec<ForwardSweep>,
    pub test: Vec<Vec<f64>>,
    pub backward: Vec<BackwardSweep>,
    pub covariances: Option<Vec<Covariances>>,
}

pub fn run(case: &Case, sweeps: &mut dyn Sweeps) -> Passes {
    let mut passes = Passes::default();
    for k in 0..=case.steps {
        let batch = case.batches.of(k);
        let minibatch = batch.len() < case.train.len();
        if minibatch {
            passes.test.push(sweeps.evaluate(k, Set::Train));
        }
        let labels = case.train.select(batch.clone());
        let forward = sweeps.forward(k, &batch, k % case.record == 0);
        if !case.test.is_empty() {
            passes.test.push(sweeps.evaluate(k, Set::Test));
        }
        let update = (k < case.steps).then_some(&case.update);
        passes.backward.push(sweeps.backward(k, &chi(&forward.f, &labels), update));
        passes.forward.push(forward);
    }
    passes.covariances = sweeps.covariances();
    passes
}

/// Every number of a run by what it is, entries of vectors as f64.
pub fn numbers(passes: &Passes) -> Vec<(&'static str, f64)> {
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
        vectors(&forward.features);
        vectors(&backward.gradients);
    }
    passes.forward.iter().for_each(|forward| all("f", &forward.f));
    passes.test.iter().for_each(|f| all("test", f));
    for (forward, backward) in passes.forward.iter().zip(&passes.backward) {
        all("movement", &[forward.own_movement]);
        all("movement", forward.inner_movement.as_slice());
        if let Some(f) = forward.coupling {
            all("coupling", &[f.layer, f.accumulated, f.inner.unwrap_or_default()]);
        }
        if let Some(b) = backward.coupling {
            all("coupling", &[b.layer_past, b.layer_same, b.accumulated_past, b.accumulated_same]);
            all("coupling", b.inner.as_slice());
        }
    }
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

/// Ranks of every pass, forward and backward.
pub fn ranks(passes: &Passes) -> Vec<usize> {
    let both = passes.forward.iter().zip(&passes.backward);
    both.flat_map(|(f, b)| [f.ranks.clone(), b.ranks.clone()].concat()).collect()
}

/// The first number of `got` off by more than `tolerance` of its kind, or NaN.
pub fn first_off(
    got: &Passes,
    want: &Passes,
    tolerance: impl Fn(&str) -> f64,
) -> Option<(&'static str, f64, f64)> {
    let (got, want) = (numbers(got), numbers(want));
    assert_eq!(got.len(), want.len());
    let off = |((what, a), (_, b)): &((&'static str, f64), (&str, f64))| {
        (!close(*a, *b, tolerance(what))).then_some((*what, *a, *b))
    };
    got.into_iter().zip(want).find_map(|pair| off(&pair))
}

/// 33 samples at width 4500 would take plain half a minute.
pub const APART: [[(usize, usize); 2]; 1] = [[(0, 4), (1, 3)]];

/// Sizes and options that meet one another pairwise, in full-batch descent on samples that crowd: up
/// to 33 of five dimensions.
pub fn cases() -> Vec<Case> {
    let choices = covering([5, 4, 4, 6, 3, 3, 2, 2, 2], &APART);
    choices.into_iter().map(|choice| case(choice, 5, [0; 3])).collect()
}

/// The same with minibatches, momentum and weight decay, on samples in general position: how well a
/// direction is known depends on how new it is, and these are to be told from that.
pub fn descents() -> Vec<Case> {
    let of = |choice: [usize; 12]| {
        let [sizes @ .., mini, momentum, decay] = choice;
        case(sizes, 40, [mini, momentum, decay])
    };
    covering([5, 4, 4, 6, 3, 3, 2, 2, 2, 2, 2, 2], &APART).into_iter().map(of).collect()
}

/// By its position in each list.
pub fn case(choice: [usize; 9], dimension: usize, [mini, momentum, decay]: [usize; 3]) -> Case {
    const WIDTHS: [usize; 5] = [1, 31, 33, 257, 4500]; // 4500: two tiles, and a ragged chunk
    const SAMPLES: [usize; 4] = [1, 3, 5, 33];
    const GROUPS: [Groups; 3] =
        [HIDDEN, ALL, Groups { input: true, hidden: false, readout: false }];
    let [n, p, parametrization, activation, closure, groups, outputs, duplicate, fine] = choice;
    let (width, depth, outputs) = (WIDTHS[n], 3, 1 + 2 * outputs);
    let mut all = sphere(SAMPLES[p] + 2, dimension, outputs);
    if dimension > SAMPLES[p] {
        let mut random = Philox::stream(5, 0);
        all.inputs.iter_mut().for_each(|x| *x = 3.0 * (random.random::<f64>() - 0.5));
    }
    let mut train = all.select(0..SAMPLES[p]);
    if duplicate == 1 && train.len() > 1 {
        let (first, others) = train.inputs.split_at_mut(dimension);
        others[..dimension].copy_from_slice(first);
    }
    let test = all.select(SAMPLES[p]..SAMPLES[p] + 2);
    let parametrization = PARAMETRIZATIONS[parametrization];
    let rate = match parametrization {
        Parametrization::DepthMup | Parametrization::Ntk => 0.3,
        _ => 0.02,
    };
    Case {
        network: network(
            parametrization,
            Activation::ALL[activation],
            Closure::ALL[closure],
            (width, depth),
            &train,
        ),
        batches: Batches {
            samples: train.len(),
            size: if mini == 1 { train.len().div_ceil(2) } else { train.len() },
            seed: 3,
        },
        update: Update {
            rates: rates(rate, GROUPS[groups]),
            momentum: 0.5 * momentum as f64,
            weight_decay: 0.2 * decay as f64,
            ..descent(rates(0.0, HIDDEN))
        },
        record: 1 + mini as u32,
        train,
        test,
        steps: 3,
        fine: 1 + 2 * fine as u32,
    }
}

/// Whether features move less the wider the network is (parametrization ntk, f = n^{-1/2} Vᵀh): by
/// 1e-6 of themselves and less in the late passes here.
pub fn lazy(case: &Case) -> bool {
    case.network.scales.readout * case.network.width as f64 > 1.5
}

/// Twenty-five passes of four samples, one of them twice: 100 columns asked about.
pub fn hundred_columns(closure: Closure, rate: f64) -> Case {
    let mut train = sphere(4, 6, 1);
    let (first, others) = train.inputs.split_at_mut(6);
    others[12..18].copy_from_slice(first);
    train.labels = vec![1.0, -1.0, 0.5, 1.0];
    let network = network(Parametrization::DepthMup, Activation::Tanh, closure, (3000, 4), &train);
    Case {
        test: none_like(&train),
        batches: full(&train),
        update: descent(rates(rate, HIDDEN)),
        record: 1,
        train,
        network,
        steps: 24,
        fine: 2,
    }
}
