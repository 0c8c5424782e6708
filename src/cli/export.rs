//! `nfd export DIR`: one trained network of a run, for PyTorch, JAX and NumPy.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tracing::info;

use super::output_file::OutputFile;
use super::print;
use crate::ensemble::plan::Free;
use crate::error::{Error, Result, exit};
use crate::experiment::grid::tasks;
use crate::export::file::Format;
use crate::export::selection::{Wanted, file_stem};
use crate::export::{Export, Exported, Needs};
use crate::job::prepare::reopen;
use crate::model::{Closure, Parametrization};
use crate::numbers::measured;

/// Arguments of `nfd export`. What says which network may be left out where only one is left.
#[derive(Args)]
pub struct Arguments {
    /// The run directory that has the network.
    directory: PathBuf,
    /// The closure of the network.
    #[arg(long, value_parser = closures())]
    closure: Option<Closure>,
    /// The parametrization of the network.
    #[arg(long, value_parser = parametrizations())]
    parametrization: Option<Parametrization>,
    /// The width n of the network.
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// The depth L of the network.
    #[arg(long, value_name = "L")]
    depth: Option<usize>,
    /// The learning rate of its hidden weights.
    #[arg(long, value_name = "ETA")]
    learning_rate: Option<f64>,
    /// The seed of its weights.
    #[arg(long)]
    seed: Option<u64>,
    /// The format of the file [default: by the ending of --output, else safetensors].
    #[arg(long, value_parser = formats())]
    format: Option<Format>,
    /// The file to write, in place of what has its name [default: in the run directory, named by the network].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The words for closures, with their meanings.
fn closures() -> impl TypedValueParser<Value = Closure> {
    let named = |closure: Closure| PossibleValue::new(closure.name()).help(closure.meaning());
    PossibleValuesParser::new(Closure::ALL.map(named))
        .map(|word| Closure::ALL.into_iter().find(|c| c.name() == word).unwrap_or(Closure::Exact))
}

/// The words for parametrizations, with their meanings.
fn parametrizations() -> impl TypedValueParser<Value = Parametrization> {
    let all = Parametrization::ALL;
    let named = |of: Parametrization| PossibleValue::new(of.name()).help(of.meaning());
    PossibleValuesParser::new(all.map(named)).map(move |word| {
        all.into_iter().find(|p| p.name() == word).unwrap_or(Parametrization::DepthMup)
    })
}

/// The words for formats, with their meanings.
fn formats() -> impl TypedValueParser<Value = Format> {
    let named = |format: Format| PossibleValue::new(format.name()).help(format.meaning());
    PossibleValuesParser::new(Format::ALL.map(named)).map(|word| {
        Format::ALL.into_iter().find(|f| f.name() == word).unwrap_or(Format::Safetensors)
    })
}

/// Trains the network once more, writes the file and prints its path.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { directory, closure, parametrization, width, depth, .. } = arguments;
    let Arguments { learning_rate, seed, format, output, .. } = arguments;
    let prepared = reopen(directory)?;
    let tasks = tasks(&prepared.resolved.experiment);
    let wanted = Wanted {
        closure: *closure,
        parametrization: *parametrization,
        width: *width,
        depth: *depth,
        learning_rate: *learning_rate,
        seed: *seed,
    };
    let task = wanted.only(&tasks).map_err(|problem| Error::RunDirectory {
        directory: directory.clone(),
        problem,
        help: "`nfd status` lists what the run has".to_owned(),
    })?;
    let by_ending = output.as_deref().and_then(Format::of);
    let format = format.or(by_ending).unwrap_or(Format::Safetensors);
    let path = output.clone().unwrap_or_else(|| {
        directory.join(format!("{}.{}", file_stem(task, &tasks), format.name()))
    });
    let file = OutputFile::new(&path, "--output")?;

    let export = Export::new(&prepared, task)?;
    let Needs { seconds, memory, file: size } = export.needs();
    info!(
        "{task} is trained once more: about {:.0} s, {:.2} GB of memory, a file of {:.2} GB",
        seconds.ceil(),
        memory / 1e9,
        size / 1e9
    );
    export.check(Free::detect(file.folder, 1))?;
    let Exported { arrays, about, difference } = export.train()?;
    info!(
        "{}",
        match difference {
            Some(0.0) => "its outputs are those of the run, bit by bit".to_owned(),
            Some(apart) => format!(
                "its outputs are those of the run, within {} of the largest",
                measured(apart)
            ),
            None =>
                "there are no outputs of the run to compare it with (docs/export.md)".to_owned(),
        }
    );
    let bytes = format.encode(&arrays, &about)?;
    drop(arrays);
    file.write(&bytes)?;
    print(format!("{}\n", path.display()))?;
    Ok(exit::DONE)
}
