//! The final files of a run directory: results, arrays, summary, page and plots.

use serde::Serialize;
use textwrap::WordSplitter::NoHyphenation;
use textwrap::{Options, fill};

use super::best_rates::to_csv;
use super::findings::paragraphs;
use super::limits::{LimitSummary, Limits};
use super::{Report, Running, limit_files, page, short, table};
use crate::claims::best_rate::{BestRate, best_rates};
use crate::claims::stability::{Unstable, unstable};
use crate::claims::{self, Claim, Lost};
use crate::data::DataSet;
use crate::engine::Divergence;
use crate::ensemble::Outcome;
use crate::error::Result;
use crate::experiment::grid::Task;
use crate::experiment::{Experiment, Study};
use crate::model::{Closure, Parametrization};
use crate::observables::limit::infinite_width;
use crate::observables::{arrays, results};
use crate::store::RunDirectory;
use crate::store::key::experiment_hash;

/// The content of summary.json.
#[derive(Serialize)]
struct Summary<'a> {
    experiment: &'a str,
    /// As in manifest.json: says whether the two belong together.
    experiment_hash: String,
    claims: &'a [Claim],
    /// The best learning rates by size, of several that were tried.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    best_rates: &'a [BestRate],
    /// What was found, in paragraphs of plain text.
    findings: &'a [String],
    tasks: usize,
    finished: usize,
    unstable: Vec<UnstableRun>,
    diverged: Vec<Diverged>,
    /// Depths at which it is affordable: few samples, moderate variances.
    infinite_width: Vec<InfiniteWidth>,
    /// The limits n = L = ∞ that were computed.
    limits: Vec<LimitSummary>,
}

/// A task that finished and did not train.
#[derive(Serialize)]
struct UnstableRun {
    closure: Closure,
    parametrization: Parametrization,
    width: usize,
    depth: usize,
    learning_rate: f64,
    seed: u64,
    step: u32,
    why: String,
}

impl From<&Unstable> for UnstableRun {
    fn from(Unstable { task, step, why }: &Unstable) -> UnstableRun {
        let Task { closure, parametrization, width, depth, learning_rate, seed } = *task;
        let (learning_rate, step, why) = (learning_rate.value(), *step, why.clone());
        UnstableRun { closure, parametrization, width, depth, learning_rate, seed, step, why }
    }
}

/// A task that left the finite numbers.
#[derive(Serialize)]
struct Diverged {
    closure: Closure,
    width: usize,
    depth: usize,
    seed: u64,
    step: u32,
    layer: Option<usize>,
}

/// Initialisation at infinite width and one depth, P×P row by row.
#[derive(Serialize)]
struct InfiniteWidth {
    parametrization: &'static str,
    depth: usize,
    features_at_the_end: Vec<Vec<f64>>,
    gradients_at_the_start: Vec<Vec<f64>>,
    tangent_kernel: Vec<Vec<f64>>,
    tangent_kernel_gia: Vec<Vec<f64>>,
}

/// What a run has found, for the terminal.
pub struct Found {
    /// Some ten lines: a row a primary claim.
    pub short: String,
    /// All primary claims with their numbers, and what was found in words.
    pub full: String,
    /// The content of summary.json.
    pub summary: Vec<u8>,
}

/// Writes the final files, all of them a pure function of the experiment and its outcome, and returns
/// what they say.
///
/// # Errors
/// Those of encoding and of writing to the directory.
pub fn publish(
    experiment: &Experiment,
    data: &DataSet,
    outcome: &Outcome,
    directory: &RunDirectory,
) -> Result<Found> {
    let seen = Seen::new(experiment, data, outcome);
    let limits = &seen.limits;
    if let Some(limits) = limits {
        directory.write("limit.csv", &limit_files::to_csv(limits)?)?;
        directory.write("limit.npz", &limit_files::to_npz(limits)?)?;
    }
    if experiment.study != Study::Limit {
        directory.write("results.csv", &results::to_csv(experiment, &outcome.rows)?)?;
        directory.write("arrays.npz", &arrays::to_npz(&outcome.rows, &data.train)?)?;
    }
    if !seen.best_rates.is_empty() {
        directory.write("best_rates.csv", &to_csv(&seen.best_rates)?)?;
    }
    let report = seen.report(experiment, outcome);
    let found = paragraphs(&report);
    let summary = summary(data, &report, &found, outcome);
    let summary = directory.write_json("summary.json", &summary)?;
    directory.write("report.html", page::html(&report).as_bytes())?;
    let plots = page::plots(&report);
    directory.write_json("figures.json", &plots)?;
    directory.write_plots(&page::plot_files(&plots))?;
    let lines = Options::new(100).word_splitter(NoHyphenation).break_words(false);
    let found = found.iter().map(|paragraph| fill(paragraph, &lines) + "\n");
    let table = limits.as_ref().map(table::of_limits).unwrap_or_default();
    let full = table + &table::summary(&seen.claims) + &found.collect::<String>();
    Ok(Found { short: short::lines(&report, directory.path()), full, summary })
}

/// Writes the page alone, of what is there while the run goes on; `running` says how far it is.
///
/// # Errors
/// Those of writing to the directory.
pub fn publish_page(
    experiment: &Experiment,
    data: &DataSet,
    outcome: &Outcome,
    directory: &RunDirectory,
    running: Running,
) -> Result<()> {
    let seen = Seen::new(experiment, data, outcome);
    let report = Report { running: Some(running), ..seen.report(experiment, outcome) };
    directory.write("report.html", page::html(&report).as_bytes())
}

/// What the numbers of an experiment say.
struct Seen<'a> {
    unstable: Vec<Unstable>,
    claims: Vec<Claim>,
    best_rates: Vec<BestRate>,
    limits: Option<Limits<'a>>,
}

impl<'a> Seen<'a> {
    fn new(experiment: &'a Experiment, data: &'a DataSet, outcome: &'a Outcome) -> Seen<'a> {
        let lost: Vec<Task> = outcome.diverged.iter().map(|(task, _)| *task).collect();
        let largest_label = data.train.labels.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
        let unstable = unstable(experiment, &outcome.rows, largest_label, &lost);
        let declared = experiment.study.design().claims;
        let best_rates = best_rates(experiment, &outcome.rows, &lost);
        let lost = Lost { diverged: &lost, unstable: &unstable };
        let claims = claims::evaluate(experiment, declared, &outcome.rows, lost);
        Seen {
            unstable,
            claims,
            best_rates,
            limits: Limits::new(experiment, data, &outcome.limits),
        }
    }

    fn report(&'a self, experiment: &'a Experiment, outcome: &'a Outcome) -> Report<'a> {
        Report {
            experiment,
            claims: &self.claims,
            rows: &outcome.rows,
            unstable: &self.unstable,
            best_rates: &self.best_rates,
            diverged: &outcome.diverged,
            limits: self.limits.as_ref(),
            tasks: outcome.tasks,
            running: None,
        }
    }
}

fn summary<'a>(
    data: &DataSet,
    report: &Report<'a>,
    findings: &'a [String],
    outcome: &Outcome,
) -> Summary<'a> {
    let Report { experiment, claims, unstable, .. } = *report;
    let diverged = |(task, at): &(Task, Divergence)| Diverged {
        closure: task.closure,
        width: task.width,
        depth: task.depth,
        seed: task.seed,
        step: at.step,
        layer: at.layer,
    };
    Summary {
        experiment: &experiment.name,
        experiment_hash: experiment_hash(experiment),
        claims,
        best_rates: report.best_rates,
        findings,
        tasks: outcome.tasks,
        finished: outcome.finished,
        unstable: unstable.iter().map(UnstableRun::from).collect(),
        diverged: outcome.diverged.iter().map(diverged).collect(),
        infinite_width: at_infinite_width(experiment, data),
        limits: report.limits.map(Limits::summaries).unwrap_or_default(),
    }
}

/// Initialisation at infinite width for every depth where it is affordable.
fn at_infinite_width(experiment: &Experiment, data: &DataSet) -> Vec<InfiniteWidth> {
    /// Kernels of pairs, over all depths: seconds of quadrature.
    const MOST_KERNELS: usize = 20_000;
    let depths = &experiment.ensemble.depths;
    let samples = data.train.len();
    let parametrizations = experiment.parametrizations();
    let each = parametrizations.len() * samples * (samples + 1);
    let kernels = depths.iter().sum::<usize>().saturating_mul(each);
    if kernels > MOST_KERNELS {
        return Vec::new();
    }
    let Some(&width) = experiment.ensemble.widths.first() else { return Vec::new() }; // drops out of every formula
    let rows = |m: &nalgebra::DMatrix<f64>| -> Vec<Vec<f64>> {
        m.row_iter().map(|row| row.iter().copied().collect()).collect()
    };
    let at = |(parametrization, depth): (Parametrization, usize)| {
        let law = experiment.model.scale_law().of(parametrization);
        let scales = law.at(width, depth, data.train.dimension);
        let activation = experiment.model.activation;
        let limit = infinite_width(&data.train, activation, &scales, width, depth)?;
        Some(InfiniteWidth {
            parametrization: parametrization.name(),
            depth,
            features_at_the_end: rows(&limit.features[depth]),
            gradients_at_the_start: rows(&limit.gradients[0]),
            tangent_kernel: rows(&limit.tangent_kernel(Closure::Exact, &scales, width)),
            tangent_kernel_gia: rows(&limit.tangent_kernel(Closure::Gia, &scales, width)),
        })
    };
    let all = parametrizations.iter().flat_map(|&p| depths.iter().map(move |&depth| (p, depth)));
    all.filter_map(at).collect()
}
