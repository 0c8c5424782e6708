//! What is said of the limit n = L = ∞: sentences, a table, and its entries in summary.json.

use std::ops::Range;

use serde::Serialize;

use crate::data::DataSet;
use crate::experiment::{Experiment, Limit};
use crate::limit::{Estimate, Finished, LevelSummary, Number, Quantities};
use crate::model::Closure;
use crate::numbers::{measured, plain, with_error};
use crate::report::text::{count, list, sentence};

/// Outputs whose numbers are said; limit.csv has all.
const SHOWN: usize = 8;

/// The limits of a run, as they are shown.
pub struct Limits<'a> {
    /// How they were asked for.
    pub limit: &'a Limit,
    /// Those that are finished, by closure.
    pub finished: &'a [Finished],
    /// Where their numbers are.
    pub quantities: Quantities,
    /// The outputs of a step: the sample's index in its data set, and the output, from 0.
    pub outputs: Vec<(u32, usize)>,
}

/// A limit in summary.json.
#[derive(Serialize)]
pub struct LimitSummary {
    closure: Closure,
    tolerance: f64,
    /// Whether standard errors and bias bounds are within the tolerance.
    reached: bool,
    /// Why not, if not, and what to do.
    shortfall: Option<String>,
    width: usize,
    levels: Vec<LevelSummary>,
    f: Vec<OutputSummary>,
}

#[derive(Serialize)]
struct OutputSummary {
    step: u32,
    sample: u32,
    output: usize,
    #[serde(flatten)]
    number: Number,
}

/// A root mean square over outputs, with an error.
pub struct Distance {
    /// Depth L at infinite width.
    pub depth: usize,
    /// The root mean square.
    pub value: f64,
    /// Its error, were all outputs wrong alike.
    pub error: f64,
}

impl<'a> Limits<'a> {
    /// None where the experiment has no limit, or none is finished.
    pub fn new(
        experiment: &'a Experiment,
        data: &DataSet,
        finished: &'a [Finished],
    ) -> Option<Limits<'a>> {
        let limit = experiment.limit.as_ref().filter(|_| !finished.is_empty())?;
        let quantities = Quantities::new(&experiment.of_limit(limit), data);
        let (outputs, samples) = (data.train.outputs, &data.train.indices);
        let of = |&sample: &u32| (0..outputs).map(move |output| (sample, output));
        let outputs = samples.iter().flat_map(of).collect();
        Some(Limits { limit, finished, quantities, outputs })
    }

    /// What output `i` of a step is called: "0", or "0.2" where a sample has several.
    pub fn output_name(&self, i: usize) -> String {
        let (sample, output) = self.outputs[i];
        match self.outputs.iter().any(|(_, output)| *output > 0) {
            true => format!("{sample}.{output}"),
            false => sample.to_string(),
        }
    }

    /// The numbers of f after recorded pass `k`, by output.
    fn outputs_at(&self, k: usize) -> Range<usize> {
        k * self.outputs.len()..(k + 1) * self.outputs.len()
    }

    /// The recorded pass of what is said in sentences: the last at which the loss of the first closure is
    /// at least 1 % of its first, after the first update if there is one.
    pub fn telling_pass(&self) -> usize {
        let loss = self.quantities.range("loss");
        let Some(first) = self.finished.first() else { return 0 };
        let of = |k: usize| first.estimate.number(loss.start + k).value;
        let passes = 1..loss.len();
        let open = passes.clone().take_while(|&k| of(k) >= 0.01 * of(0)).last();
        open.or(passes.clone().next()).unwrap_or(0)
    }

    /// The positions of the recorded passes.
    pub fn passes(&self) -> Range<usize> {
        0..self.quantities.steps.len()
    }

    /// Header and lines of the table of some recorded passes: closure, step, outputs, losses.
    pub fn table(&self, passes: Range<usize>) -> Vec<Vec<String>> {
        let shown = self.outputs.len().min(SHOWN);
        let losses = ["loss", "test_loss"].map(|name| (name, self.quantities.range(name)));
        let first = &self.finished[0].estimate;
        let losses = losses
            .into_iter()
            .filter(|(_, range)| !range.is_empty() && first.number(range.start).value.is_finite());
        let losses: Vec<_> = losses.collect();
        let mut header = vec!["closure".to_owned(), "k".to_owned()];
        header.extend((0..shown).map(|i| format!("f.{}", self.output_name(i))));
        header.extend(losses.iter().map(|(name, _)| name.replace('_', " ")));
        let mut lines = vec![header];
        for Finished { closure, estimate, .. } in self.finished {
            for k in passes.clone() {
                let step = self.quantities.steps[k];
                let cell = |i: usize| {
                    let number = estimate.number(i);
                    with_error(number.value, number.error())
                };
                let mut line = vec![closure.name().to_owned(), step.to_string()];
                line.extend(self.outputs_at(k).take(shown).map(cell));
                line.extend(losses.iter().map(|(_, range)| cell(range.start + k)));
                lines.push(line);
            }
        }
        lines
    }

    /// How many outputs the table leaves out.
    pub fn left_out(&self) -> usize {
        self.outputs.len().saturating_sub(SHOWN)
    }

    /// How far networks of infinite width are from the limit, by depth, after recorded pass `k`.
    pub fn distances(&self, estimate: &Estimate, k: usize) -> Vec<Distance> {
        let by_output: Vec<_> = self.outputs_at(k).map(|i| estimate.by_depth(i)).collect();
        let at = |(d, &depth): (usize, &usize)| {
            let pairs = by_output.iter().map(|at| (at[d].distance, at[d].distance_error));
            let (value, error) = root_mean_square(pairs);
            Distance { depth, value, error }
        };
        estimate.depths.iter().enumerate().map(at).collect()
    }

    /// What was found, a sentence or two each.
    pub fn paragraphs(&self) -> Vec<String> {
        let k = self.telling_pass();
        let step = self.quantities.steps[k];
        let mut said = Vec::new();
        for limit in self.finished {
            let name = limit.closure.name();
            if let Some(shortfall) = &limit.shortfall {
                said.push(format!(
                    "The tolerance {} is not reached for {name}: {}; {}.",
                    plain(self.limit.tolerance),
                    shortfall.problem,
                    shortfall.help
                ));
            }
            let shown = self.outputs_at(k).take(3);
            let numbers = shown.map(|i| limit.estimate.number(i));
            let numbers: Vec<String> = numbers.map(|n| with_error(n.value, n.error())).collect();
            let more = if self.outputs.len() > 3 { " (the first three outputs)" } else { "" };
            let distances = self.distances(&limit.estimate, k);
            let apart = |at: Option<&Distance>| {
                let at = at.filter(|at| at.value > 2.0 * at.error)?;
                Some(format!("{} at depth {}", with_error(at.value, at.error), at.depth))
            };
            let ends = [apart(distances.first()), apart(distances.last())];
            let ends: Vec<String> = ends.into_iter().flatten().collect();
            let ends = match ends.is_empty() {
                true => "no further than the errors".to_owned(),
                false => list(&ends),
            };
            said.push(format!(
                "Limit n = L = ∞ of {name} after {}: f = {}{more}. Networks of infinite width \
                 differ from it, root mean square over outputs, by {ends}.",
                count(u64::from(step), "update"),
                list(&numbers)
            ));
        }
        if let Some((first, others)) = self.finished.split_first() {
            said.extend(others.iter().map(|other| self.between(first, other, k)));
        }
        said
    }

    /// How far f of two closures is apart in the limit after recorded pass `k`, with an error.
    fn apart(&self, first: &Finished, other: &Finished, k: usize) -> (f64, f64) {
        root_mean_square(self.outputs_at(k).map(|i| {
            let (a, b) = (first.estimate.number(i), other.estimate.number(i));
            (b.value - a.value, a.error() + b.error())
        }))
    }

    /// Whether the limits of two closures are one: after recorded pass `k`, or where they are not told
    /// apart there, after the pass at which they are most.
    fn between(&self, first: &Finished, other: &Finished, k: usize) -> String {
        /// Errors apart, of which a reader may be sure.
        const SURE: f64 = 3.0;
        let sure = |&k: &usize| {
            let (value, error) = self.apart(first, other, k);
            value / error
        };
        let passes = (1..self.quantities.steps.len()).max_by(|a, b| sure(a).total_cmp(&sure(b)));
        let k = if sure(&k) > SURE { k } else { passes.filter(|k| sure(k) > SURE).unwrap_or(k) };
        let moved = self.outputs_at(k).map(|i| {
            let start =
                if k > 0 { first.estimate.number(i % self.outputs.len()).value } else { 0.0 };
            (first.estimate.number(i).value - start, 0.0)
        });
        let moved = root_mean_square(moved).0;
        let updates = count(u64::from(self.quantities.steps[k]), "update");
        let (value, error) = self.apart(first, other, k);
        let (name, of) = (other.closure.name(), first.closure.name());
        match sure(&k) > SURE {
            true => format!(
                "The limits of {name} and {of} differ: after {updates} their f are {} apart, root \
                 mean square over outputs, {} of what f of {of} has moved.",
                with_error(value, error),
                percent(value / moved)
            ),
            false => format!(
                "The limits of {name} and {of} cannot be distinguished: after {updates} their f \
                 differ by at most {}, root mean square over outputs.",
                measured(value + 2.0 * error)
            ),
        }
    }

    /// The entries of summary.json.
    pub fn summaries(&self) -> Vec<LimitSummary> {
        let summary = |limit: &Finished| LimitSummary {
            closure: limit.closure,
            tolerance: self.limit.tolerance,
            reached: limit.shortfall.is_none(),
            shortfall: (limit.shortfall.as_ref())
                .map(|s| format!("{} {}", sentence(&s.problem), sentence(&s.help))),
            width: self.limit.width,
            levels: limit.estimate.summaries(self.quantities.targets.clone(), self.limit.width),
            f: (self.quantities.steps.iter().enumerate())
                .flat_map(|(k, &step)| {
                    let outputs = self.outputs_at(k).zip(&self.outputs);
                    outputs.map(move |(i, &(sample, output))| OutputSummary {
                        step,
                        sample,
                        output,
                        number: limit.estimate.number(i),
                    })
                })
                .collect(),
        };
        self.finished.iter().map(summary).collect()
    }
}

/// "16 %".
fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p < 1.0 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// The root mean square of numbers, and its error were all wrong alike.
fn root_mean_square(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let count = pairs.len() as f64;
    let value = (pairs.iter().map(|(x, _)| x * x).sum::<f64>() / count).sqrt();
    let weighted: f64 = pairs.iter().map(|(x, error)| x.abs() * error).sum();
    let error = if value > 0.0 { weighted / (count * value) } else { 0.0 };
    (value, error)
}
