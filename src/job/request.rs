//! What the user asks for on the command line: an experiment file, and what was typed beside it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::ensemble::cores;
use crate::ensemble::deal::Shard;
use crate::error::Result;
use crate::experiment::file::ExperimentFile;
use crate::experiment::resolve::resolve;
use crate::experiment::{Backend, Resolved};
use crate::store::key::experiment_hash;

/// The experiment file and the arguments beside it, as `nfd run` and `nfd plan` take them.
#[derive(Args, Clone)]
pub struct Request {
    /// The experiment, a JSON file.
    file: PathBuf,
    /// Replace a field, as in --set ensemble.seeds=4; may be repeated. docs/experiment.md (`nfd schema
    /// --markdown`) lists all fields.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// The run directory [default: `runs/<name>`].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What carries out the sweeps, instead of the experiment's choice.
    #[arg(long, value_name = "BACKEND", value_parser = backends())]
    backend: Option<String>,
    /// Worker threads, of each rank [default: all cores given to it]. Results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Take warnings about the design of the experiment for errors: nothing is written then.
    #[arg(long)]
    strict: bool,
}

/// The words that --backend takes, with their meanings.
fn backends() -> impl TypedValueParser<Value = String> {
    let auto =
        PossibleValue::new("auto").help("A GPU where there is one that can, else the processor");
    let named = |backend: Backend| {
        let value = PossibleValue::new(backend.name()).help(backend.meaning());
        if backend == Backend::Cuda { value.alias("gpu") } else { value }
    };
    PossibleValuesParser::new(std::iter::once(auto).chain(Backend::ALL.map(named)))
        .map(|word| if word == "gpu" { Backend::Cuda.name().to_owned() } else { word })
}

impl Request {
    /// Reads the experiment file, with the fields that were set on the command line.
    ///
    /// # Errors
    /// Those of reading the file and of its syntax.
    pub fn read_source(&self) -> Result<ExperimentFile> {
        let mut overrides = self.set.clone();
        overrides.extend(self.backend.iter().map(|backend| format!("backend={backend}")));
        ExperimentFile::read(&self.file, &overrides)
    }

    fn resolve(&self) -> Result<Resolved> {
        let source = self.read_source()?;
        resolve(source.parse()?, &source)
    }

    /// The run directory of an experiment called `name`.
    pub fn output_of(&self, name: &str) -> PathBuf {
        self.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }

    /// The run directory of the experiment that was asked for.
    ///
    /// # Errors
    /// Those of the experiment file.
    pub fn output(&self) -> Result<PathBuf> {
        Ok(self.output_of(&self.resolve()?.experiment.name))
    }

    /// The number of worker threads: as typed, or all that this process has.
    pub fn threads(&self) -> usize {
        self.typed_threads().unwrap_or_else(cores::available)
    }

    /// The number of worker threads that was typed; None where it is left to the machine.
    pub fn typed_threads(&self) -> Option<usize> {
        self.threads.map(NonZeroUsize::get)
    }

    /// Whether warnings about the design are errors.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The same request with the shard's own run directory, unless one was typed.
    ///
    /// # Errors
    /// Those of the experiment file.
    pub fn in_shard(&self, shard: Shard) -> Result<Request> {
        let mut request = self.clone();
        if request.output.is_none() {
            let Shard { index, of } = shard;
            let name = self.resolve()?.experiment.name;
            let folder = format!("{name}.shard-{index}-of-{of}");
            request.output = Some(PathBuf::from("runs").join(folder));
        }
        Ok(request)
    }

    /// A hash of experiment and run directory, which all ranks of a job must agree on.
    ///
    /// # Errors
    /// Those of the experiment file.
    pub fn hash(&self) -> Result<String> {
        // Debug: a path need not be text.
        Ok(experiment_hash(&(self.resolve()?.experiment, format!("{:?}", self.output))))
    }
}
