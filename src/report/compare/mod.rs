//! Runs side by side: how their experiments differ, what each found, and their figures over each other.
//! Everything is from their final files; nothing is computed anew.

mod differences;
mod figures;
mod reading;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use askama::Template;

use self::differences::{Difference, differences, remarks};
use self::figures::{Loss, losses, overlaid};
use self::reading::{Claim, Run};
use super::page::{files, style, words};
use super::plot::Plot;
use crate::error::{Error, Result};
use crate::numbers::{exponent, measured};

/// Several runs, compared.
#[derive(Template)]
#[template(path = "compare.html")]
pub struct Comparison {
    names: Vec<String>,
    differences: Vec<Difference>,
    /// What keeps the runs from being compared, or has to be known when they are.
    remarks: Vec<String>,
    claims: Vec<Row>,
    losses: Vec<Loss>,
    figures: Vec<Overlaid>,
    style: String,
    version: &'static str,
}

/// A primary claim of some run, in all of them.
struct Row {
    statement: String,
    of: String,
    /// What each run says of it, in the order of the runs; None where it makes no such claim.
    cells: Vec<Option<Claim>>,
}

/// A figure that runs share, with all of them in it.
struct Overlaid {
    plot: Plot,
    caption: String,
}

impl Comparison {
    /// Reads the final files of runs and compares them.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] where a directory is named twice, is no run directory, has no up-to-date
    /// final files, or where the runs have no claim and no figure in common.
    pub fn read(directories: &[PathBuf]) -> Result<Comparison> {
        refuse_twice(directories)?;
        let names = names(directories);
        let runs = directories.iter().zip(&names);
        let runs = runs.map(|(directory, name)| Run::read(directory, name.clone()));
        let runs = runs.collect::<Result<Vec<Run>>>()?;
        let (claims, figures) = (claims(&runs), overlaid(&runs));
        let shared = |row: &Row| row.cells.iter().flatten().count() > 1;
        if figures.is_empty() && !claims.iter().any(shared) {
            return Err(Error::RunDirectory {
                directory: directories[0].clone(),
                problem: "has no primary claim and no figure in common with the others".to_owned(),
                help: "compare runs of one study, or of studies that measure the same".to_owned(),
            });
        }
        Ok(Comparison {
            differences: differences(&runs),
            remarks: remarks(&runs),
            claims,
            losses: losses(&runs),
            figures,
            names,
            style: style(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// The whole page.
    #[expect(clippy::expect_used, reason = "writing to a String cannot fail")]
    pub fn html(&self) -> String {
        self.render().expect("room for a page")
    }

    /// What the page says in short, for a terminal.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

fn refuse_twice(directories: &[PathBuf]) -> Result<()> {
    let whole = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let all: Vec<PathBuf> = directories.iter().map(whole).collect();
    match (1..all.len()).find(|&i| all[..i].contains(&all[i])) {
        None => Ok(()),
        Some(i) => Err(Error::RunDirectory {
            directory: directories[i].clone(),
            problem: "is named twice".to_owned(),
            help: "name each run directory once".to_owned(),
        }),
    }
}

/// The names of the directories; where two have the same name, the paths as they were given.
fn names(directories: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| {
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let last = Path::file_name(&whole).map(|name| name.to_string_lossy().into_owned());
        last.unwrap_or_else(|| path.display().to_string())
    };
    let mut names: Vec<String> = directories.iter().map(name).collect();
    let twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    if names.iter().any(twice) {
        names = directories.iter().map(|path| path.display().to_string()).collect();
    }
    names
}

/// The claims that are primary in some run, in the order of the runs.
fn claims(runs: &[Run]) -> Vec<Row> {
    type Key<'a> = [&'a str; 5];
    fn key(claim: &Claim) -> Key<'_> {
        let Claim { statement, observable, closure, parametrization, axis, .. } = claim;
        [statement, observable, closure, parametrization, axis]
    }
    let primary = |run: &'_ Run| -> Vec<Claim> {
        run.summary.claims.iter().filter(|claim| claim.primary).cloned().collect()
    };
    let by_run: Vec<Vec<Claim>> = runs.iter().map(primary).collect();
    let mut keys: Vec<Key> = Vec::new();
    for claim in by_run.iter().flatten() {
        if !keys.contains(&key(claim)) {
            keys.push(key(claim));
        }
    }
    let several = keys.iter().any(|of| of[3] != keys[0][3]);
    let row = |of: &Key| Row {
        statement: of[0].to_owned(),
        of: if several { format!("{} in {}", of[2], of[3]) } else { of[2].to_owned() },
        cells: by_run
            .iter()
            .map(|claims| claims.iter().find(|claim| key(claim) == *of).cloned())
            .collect(),
    };
    keys.iter().map(row).collect()
}

impl Claim {
    /// Exponent and constant with their intervals: "p = 0.95 \[0.91, 1.02\]".
    fn numbers(&self) -> String {
        let with = |letter: &str,
                    value: Option<f64>,
                    ends: Option<[f64; 2]>,
                    number: fn(f64) -> String| {
            let ends = ends.map(|[low, high]| format!(" [{}, {}]", number(low), number(high)));
            value.map(|value| format!("{letter} = {}{}", number(value), ends.unwrap_or_default()))
        };
        let power = with("p", self.exponent, self.ci95, exponent);
        let constant = with("c", self.plateau, self.plateau_ci95, measured);
        power.into_iter().chain(constant).collect::<Vec<_>>().join(", ")
    }

    /// The same where no line is broken within a number.
    fn numbers_unbroken(&self) -> String {
        self.numbers().replace(" = ", "\u{a0}=\u{a0}")
    }
}
