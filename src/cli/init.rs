//! `nfd init [STUDY]`: an experiment file to begin with.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value};

use super::print;
use crate::error::{Error, Result, exit};
use crate::experiment::{Study, manual};

/// Arguments of `nfd init`.
#[derive(Args)]
pub struct Arguments {
    /// The question that is asked.
    #[arg(default_value = "training-convergence", value_parser = studies())]
    study: Study,
    /// The file to write [default: <study>.json].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The words for studies, with their questions.
fn studies() -> impl TypedValueParser<Value = Study> {
    let named = |study: Study| PossibleValue::new(study.name()).help(study.design().question);
    PossibleValuesParser::new(Study::ALL.map(named)).map(|word| {
        Study::ALL.into_iter().find(|s| s.name() == word).unwrap_or(Study::TrainingConvergence)
    })
}

/// A job of some seconds or minutes on a laptop that asks a study's question.
fn job(study: Study) -> &'static str {
    match study {
        Study::Propagation => include_str!("../../jobs/figure1-small.json"),
        Study::TrainingConvergence => include_str!("../../jobs/toy-small.json"),
        Study::GradientIndependence => include_str!("../../jobs/figure2-small.json"),
        Study::Nondegeneracy => include_str!("../../jobs/figure3-small.json"),
        Study::Transfer => include_str!("../../jobs/transfer-small.json"),
        Study::Limit => include_str!("../../jobs/limit-small.json"),
        Study::Anatomy => include_str!("../../jobs/anatomy-small.json"),
    }
}

/// Writes an experiment file to begin with, never over another file.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let study = arguments.study;
    let path = arguments.output.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(format!("{}.json", study.name())));
    let mut experiment: Map<String, Value> = serde_json::from_str(job(study)).unwrap_or_default();
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
    experiment.insert("name".to_owned(), name.unwrap_or_else(|| study.name().to_owned()).into());
    let text = format!("// {}\n{}", study.design().question, manual::commented(&experiment));
    let io = |source| Error::Io { action: "create", path: path.clone(), source };
    let mut file = File::create_new(&path).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    print(next(&path))?;
    Ok(exit::DONE)
}

/// What to do with the file that was written.
fn next(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} is written; docs/experiment.md, or nfd schema --markdown, explains every field\n\
         nfd plan {path}   says what it takes\n\
         nfd run {path}    answers it\n"
    )
}
