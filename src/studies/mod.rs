//! Studies: the questions that the program answers, one file each.
//!
//! A study's file has all that is said of it: its question, what it claims before the data, the
//! figures that it shows beside those of its claims, and what it finds in words. To add one is to add
//! its name to [`Study`], its file, a line in [`Study::design`], and a job in `jobs/`.

pub mod advice;
mod anatomy;
mod decoupling;
pub mod figures;
mod gradient_independence;
mod limit;
mod nondegeneracy;
mod possible;
mod propagation;
mod training_convergence;
mod transfer;

use crate::claims::best_rate::BestRate;
use crate::claims::{Claim, Declaration};
use crate::experiment::{Experiment, Study};
use crate::model::{Closure, Parametrization};
use crate::observables::{Observable, Row};
use crate::stats::mean;
use figures::Figure;

/// What a study asks, claims and shows.
pub struct Design {
    /// What it is about, for headings.
    pub title: &'static str,
    /// What it asks, a sentence.
    pub question: &'static str,
    /// What it claims, declared before any data.
    pub claims: &'static [Declaration],
    /// What it shows beside its claims and what every run shows.
    pub figures: &'static [Figure],
    /// What it finds beside its verdicts, in sentences.
    pub findings: fn(&Results) -> Vec<String>,
}

impl Study {
    /// What it asks, claims and shows.
    pub fn design(self) -> &'static Design {
        match self {
            Study::Propagation => &propagation::DESIGN,
            Study::TrainingConvergence => &training_convergence::DESIGN,
            Study::GradientIndependence => &gradient_independence::DESIGN,
            Study::Nondegeneracy => &nondegeneracy::DESIGN,
            Study::Transfer => &transfer::DESIGN,
            Study::Limit => &limit::DESIGN,
            Study::Anatomy => &anatomy::DESIGN,
        }
    }
}

/// The numbers of an experiment, from which findings are drawn.
pub struct Results<'a> {
    /// What was asked for.
    pub experiment: &'a Experiment,
    /// What the numbers say about the study's claims.
    pub claims: &'a [Claim],
    /// The best learning rates by size, of several that were tried.
    pub best_rates: &'a [BestRate],
    /// Every number that was measured.
    pub rows: &'a [Row],
}

impl Results<'_> {
    /// A mean over seeds after the last update, at the greatest sizes and the least learning rate.
    fn at_the_end(
        &self,
        closure: Closure,
        parametrization: Parametrization,
        observable: Observable,
    ) -> Option<f64> {
        let ensemble = &self.experiment.ensemble;
        let (width, depth) = (ensemble.widths.last()?, ensemble.depths.last()?);
        let rows = self.rows.iter().filter(|row| {
            row.observable == observable
                && (row.task.closure, row.task.parametrization) == (closure, parametrization)
                && (row.task.width, row.task.depth) == (*width, *depth)
                && row.step == self.experiment.training.steps
                && row.task.learning_rate.value() == self.experiment.learning_rates()[0]
        });
        let values: Vec<f64> = rows.map(|row| row.value).collect();
        (!values.is_empty()).then(|| mean(&values))
    }
}
