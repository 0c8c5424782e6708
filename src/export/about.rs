//! What a reader must know of an exported network beside its weights: samples, batches, rates by step, what
//! was measured, and constants.

use serde_json::{Map, Value, json};

use super::file::Array;
use super::noise::Initial;
use crate::backend::Network;
use crate::backend::real::Real;
use crate::data::{DataSet, Samples};
use crate::engine::{Training, Trajectory};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::model::{Rule, Scales};
use crate::store::key::Key;

/// Inputs in the format of the network, P×d, and labels, P×O, of both sets.
pub fn samples<T: Real>(data: &DataSet) -> Vec<Array> {
    let sets = [("train", &data.train), ("test", &data.test)];
    let there = sets.into_iter().filter(|(_, samples)| !samples.is_empty());
    let arrays = |(set, samples): (&str, &Samples)| {
        let (count, d, o) = (samples.len(), samples.dimension, samples.outputs);
        let inputs = samples.inputs.iter().map(|x| T::of(*x));
        [
            Array::of(format!("inputs.{set}"), &[count, d], inputs),
            Array::of(format!("labels.{set}"), &[count, o], samples.labels.iter().copied()),
            Array::whole(
                &format!("sample.{set}"),
                &[count],
                samples.indices.iter().map(|index| i64::from(*index)),
            ),
        ]
    };
    there.flat_map(arrays).collect()
}

/// The factor on all rates at every update, and with minibatches the positions of its samples.
pub fn steps(training: &Training) -> Vec<Array> {
    let updates = training.steps;
    let factors = (0..updates).map(|step| training.schedule.factor(step, updates));
    let mut arrays = vec![Array::of("schedule".to_owned(), &[updates as usize], factors)];
    if !training.batches.are_full() {
        let positions = (0..updates).flat_map(|step| training.batches.of(step));
        let shape = [updates as usize, training.batches.size];
        arrays.push(Array::whole("batches", &shape, positions.map(|p| p as i64)));
    }
    arrays
}

/// Outputs and losses of the recorded passes, and the numbers of updates before them.
pub fn measured(run: &Trajectory, data: &DataSet) -> Vec<Array> {
    let passes = &run.passes;
    let recorded = passes.len();
    let [samples, outputs] = [data.train.len(), data.train.outputs];
    let f = passes.iter().flat_map(|pass| pass.f.iter().copied());
    let mut arrays = vec![
        Array::whole("step", &[recorded], passes.iter().map(|pass| i64::from(pass.step))),
        Array::of("f.train".to_owned(), &[recorded, samples, outputs], f),
        Array::of("loss.train".to_owned(), &[recorded], passes.iter().map(|pass| pass.loss)),
    ];
    let test = passes.iter().map(|pass| pass.test_loss).collect::<Option<Vec<f64>>>();
    arrays
        .extend(test.map(|loss| Array::of("loss.test".to_owned(), &[recorded], loss.into_iter())));
    arrays
}

/// What [`constants`] are of.
pub struct Described<'a> {
    /// The experiment of the task alone, as it was run.
    pub run: &'a Experiment,
    /// The same as it was trained for the file.
    pub here: &'a Experiment,
    /// The task whose network it is.
    pub task: Task,
    /// The key of the task's record in the run directory.
    pub key: Key,
    /// The network, with its scales.
    pub network: &'a Network,
    /// The samples that it was trained on.
    pub data: &'a DataSet,
    /// What its initial weights are.
    pub initial: Initial,
    /// The largest difference of outputs from the run's own.
    pub difference: Option<f64>,
    /// The whole experiment of the run directory.
    pub all: &'a Experiment,
}

/// All constants that training the same network takes, and where they come from. Rates and weight decays are
/// those of the optimiser on the gradient of the loss of a batch. Of sgd: W ← W − rate · schedule · v,
/// v ← momentum · v + ∂loss/∂W + decay · W; of the others: W ← (1 − rate · schedule · decay) W − rate · schedule · s
/// with an s of norm one or of entries of about one.
pub fn constants(described: &Described) -> Value {
    let Described { run, here, task, key, network, data, initial, difference, all } = *described;
    let Task { closure, parametrization, width, depth, learning_rate, seed } = task;
    let (model, training) = (&run.model, &run.training);
    let groups = groups(network, data.train.dimension, run);
    let of = |value: fn(&Group) -> f64| -> Map<String, Value> {
        groups.iter().map(|group| (group.name.to_owned(), value(group).into())).collect()
    };
    json!({
        "program": "nfd",
        "version": env!("CARGO_PKG_VERSION"),
        "experiment": all.name,
        "key": format!("{key:032x}"),
        "closure": closure.name(),
        "parametrization": parametrization.name(),
        "width": width,
        "depth": depth,
        "learning_rate": learning_rate.value(),
        "seed": seed,
        "dimension": data.train.dimension,
        "outputs": network.outputs,
        "activation": model.activation.name(),
        "block": model.block.name(),
        "normalization": model.normalization.name(),
        "skip": network.scales.skip,
        "horizon": model.horizon,
        "gamma": model.gamma,
        "multipliers": of(|group| group.multiplier),
        "loss": training.loss.name(),
        "steps": training.steps,
        "batch": training.batch.size(data.train.len()),
        "optimizer": training.optimizer.name(),
        "orthogonalization": training.orthogonalization.map(|by| by.name()),
        "nesterov": training.nesterov.unwrap_or(false),
        "momentum": training.momentum,
        "betas": training.betas,
        "epsilons": training.epsilon.map(|_| of(|group| group.epsilon)),
        "learning_rates": of(|group| group.rate),
        "weight_decays": of(|group| group.decay),
        "precision": here.precision.name(),
        "initial_weights": initial.name(),
        "run": {
            "engine": run.engine.name(),
            "backend": run.backend.name(),
            "precision": run.precision.name(),
        },
        "difference_from_run": difference,
        "resolved": serde_json::to_value(all).unwrap_or_default(),
    })
}

/// A group of weights: its forward factor, and its rate, decay and ε as the optimiser takes them.
struct Group {
    name: &'static str,
    multiplier: f64,
    rate: f64,
    decay: f64,
    epsilon: f64,
}

/// The groups of a network. D, the direction of an update, is q S with entries of S of order one, and the gradient of
/// the loss is a multiple of S (docs/theory.md, section 1.4).
fn groups(network: &Network, dimension: usize, run: &Experiment) -> Vec<Group> {
    let Scales { forward, readout, update_input, update_readout, inner, .. } = network.scales;
    let (training, rates) = (&run.training, run.rates());
    let [norm, _] = network.norms();
    let embed = (dimension as f64).sqrt().recip();
    let group = |name, multiplier: f64, rate: f64, (size, gradient): (f64, f64)| {
        let hidden = name != "U" && name != "V";
        let rule = if hidden { training.rule() } else { training.rule().of_ends() };
        let factor = match rule {
            Rule::Descent => size / gradient,
            Rule::Normalized { .. } => size * norm,
            Rule::Adam { .. } | Rule::Sign => size,
        };
        Group {
            name,
            multiplier,
            rate: rate * factor,
            decay: if rate == 0.0 { 0.0 } else { training.weight_decay / factor },
            epsilon: training.epsilon.unwrap_or(0.0) * gradient,
        }
    };
    let mut groups = vec![group("U", embed, rates.input, (update_input, embed * readout))];
    let (hidden, inner_size) = network.scales.sizes(network.width);
    let hidden = (hidden, forward * readout);
    match inner.zip(inner_size) {
        None => groups.push(group("W", forward, rates.hidden, hidden)),
        Some((inner, size)) => {
            // S has r over the multiplier m that r carries.
            let gradient = inner.forward * readout * size / inner.update;
            groups.push(group("W1", inner.forward, rates.hidden, (size, gradient)));
            groups.push(group("W2", forward, rates.hidden, hidden));
        }
    }
    groups.push(group("V", readout, rates.readout, (update_readout, readout)));
    groups
}
