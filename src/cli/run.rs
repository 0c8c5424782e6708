//! `nfd run FILE`: resolve, estimate, train the ensemble, write the run directory, print the
//! summary.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Ending;
use super::progress::Display;
use crate::data::{self, DataSet};
use crate::ensemble::{self, Outcome};
use crate::error::{Error, Result};
use crate::measure::claims::{self, Claim};
use crate::measure::limit::infinite_width;
use crate::model::Closure;
use crate::report::{Report, page, table};
use crate::rng::normal::Instructions;
use crate::spec::{self, Experiment};
use crate::store::{RunDirectory, results};

/// Arguments of `nfd run`.
#[derive(Args)]
pub struct Arguments {
    /// The experiment, a JSON file.
    file: PathBuf,
    /// Replace a field, as in --set ensemble.seeds=4; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// The run directory [default: runs/<name>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What carries out the sweeps, instead of the experiment's choice.
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// Worker threads [default: all cores]. Results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// summary.json
#[derive(Serialize)]
struct Summary<'a> {
    experiment: &'a str,
    claims: &'a [Claim],
    tasks: usize,
    diverged: Vec<Diverged>,
    infinite_width: Vec<InfiniteWidth>,
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
    depth: usize,
    features_at_the_end: Vec<Vec<f64>>,
    gradients_at_the_start: Vec<Vec<f64>>,
    tangent_kernel: Vec<Vec<f64>>,
    tangent_kernel_gia: Vec<Vec<f64>>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, typed: &[OsString]) -> Result<Ending> {
    let mut overrides = arguments.set.clone();
    overrides.extend(arguments.backend.iter().map(|backend| format!("backend={backend}")));
    let resolved = spec::load(&arguments.file, &overrides)?;
    let experiment = &resolved.experiment;
    let data = data::load(&experiment.data)?;
    let threads = match arguments.threads {
        Some(threads) => threads.get(),
        None => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };

    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => PathBuf::from("runs").join(&experiment.name),
    };
    let typed: Vec<String> = typed.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let instructions = Instructions::detect().name();
    let directory = RunDirectory::open(&output, experiment, instructions, &typed)?;

    announce(&resolved, &data, threads);
    let display = Display::new();
    let outcome = ensemble::run(experiment, &data, threads, &|share, done, all| {
        display.update(share, done, all)
    });
    display.finish();

    let of = |closure| outcome.diverged.iter().filter(|(task, _)| task.closure == closure).count();
    let claims = claims::evaluate(experiment, &outcome.rows, of);
    directory.write("results.csv", &results::to_csv(&outcome.rows)?)?;
    directory.write_json("summary.json", &summary(experiment, &data, &claims, &outcome))?;
    let report = Report {
        experiment,
        decisions: &resolved.decisions,
        claims: &claims,
        rows: &outcome.rows,
        diverged: &outcome.diverged,
        tasks: outcome.tasks,
    };
    directory.write("report.html", page::html(&report).as_bytes())?;
    write_plots(&directory.path().join("plots"), &page::plots(&report))?;
    print(&table::summary(&claims))?;
    for (task, divergence) in &outcome.diverged {
        let layer = divergence.layer.map(|l| format!(" at layer {l}")).unwrap_or_default();
        eprintln!(
            "nfd: diverged: {} n={} L={} seed {}, step {}{layer}",
            task.closure.name(),
            task.width,
            task.depth,
            task.seed,
            divergence.step
        );
    }
    eprintln!("nfd: results in {}", directory.path().display());
    Ok(if outcome.diverged.is_empty() { Ending::Done } else { Ending::SomeFailed })
}

fn write_plots(folder: &Path, plots: &[(String, String)]) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action: "write", path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, svg) in plots {
        let file = folder.join(name);
        fs::write(&file, svg).map_err(failed(&file))?;
    }
    Ok(())
}

/// The resolved experiment and what it will cost, on stderr.
fn announce(resolved: &spec::Resolved, data: &DataSet, threads: usize) {
    let experiment = &resolved.experiment;
    let text = serde_json::to_string_pretty(experiment).unwrap_or_default();
    eprintln!("{text}");
    for decision in &resolved.decisions {
        eprintln!("nfd: {decision}");
    }
    let estimate = ensemble::estimate(experiment, data, threads);
    eprintln!(
        "nfd: {} tasks on {threads} threads, about {:.0} s and {:.2} GB (uncalibrated)",
        estimate.tasks,
        estimate.seconds.ceil(),
        estimate.bytes / 1e9
    );
}

fn summary<'a>(
    experiment: &'a Experiment,
    data: &DataSet,
    claims: &'a [Claim],
    outcome: &Outcome,
) -> Summary<'a> {
    let diverged = |(task, at): &(spec::grid::Task, crate::engine::Divergence)| Diverged {
        closure: task.closure,
        width: task.width,
        depth: task.depth,
        seed: task.seed,
        step: at.step,
        layer: at.layer,
    };
    Summary {
        experiment: &experiment.name,
        claims,
        tasks: outcome.tasks,
        diverged: outcome.diverged.iter().map(diverged).collect(),
        infinite_width: experiment
            .ensemble
            .depths
            .iter()
            .map(|&depth| at_infinite_width(experiment, data, depth))
            .collect(),
    }
}

fn at_infinite_width(experiment: &Experiment, data: &DataSet, depth: usize) -> InfiniteWidth {
    let width = experiment.ensemble.widths[0]; // drops out of every formula
    let scales = experiment.model.scale_law().at(width, depth, data.train.dimension);
    let activation = experiment.model.activation;
    let limit = infinite_width(&data.train, activation, &scales, width, depth);
    let rows = |m: &nalgebra::DMatrix<f64>| -> Vec<Vec<f64>> {
        m.row_iter().map(|row| row.iter().copied().collect()).collect()
    };
    InfiniteWidth {
        depth,
        features_at_the_end: rows(&limit.features[depth]),
        gradients_at_the_start: rows(&limit.gradients[0]),
        tangent_kernel: rows(&limit.tangent_kernel(Closure::Exact, &scales, width)),
        tangent_kernel_gia: rows(&limit.tangent_kernel(Closure::Gia, &scales, width)),
    }
}

/// Results go to stdout; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write", path: PathBuf::from("stdout"), source })
        }
        _ => Ok(()),
    }
}
