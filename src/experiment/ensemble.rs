//! The section `ensemble`: the grid of runs.

use std::ops::Range as Span;

use super::check::Check;
use super::grid::LearningRate;
use super::section::{Range, section};
use super::{FINEST, Study, WIDEST};
use crate::error::Result;
use crate::model::{Closure, Parametrization, TypedClosure};

const MOST_SEEDS: u64 = 1 << 20;
/// A noise address holds seeds in 64 bits. No seed reaches 2^53, up to which JSON, notebooks and
/// spreadsheets hold whole numbers exactly.
const MOST_FIRST_SEED: u64 = 1 << 52;

section! {
    /// The grid of runs: every closure at every width, depth and seed (and parametrization and learning
    /// rate, where several are named).
    "ensemble": TypedEnsemble => Ensemble {
        /// Widths n of the hidden layers, in any order. Default: required, except by study limit,
        /// which has none.
        widths: Option<Vec<usize>> => Vec<usize> {
            range: Range::Within(1.0, WIDEST as f64),
            example: [1024, 4096],
        }
        /// Depths L, numbers of residual blocks. Depths that are compared share a noise grid, which
        /// is smallest where they divide one another. Default: required, except by study limit,
        /// which has none.
        depths: Option<Vec<usize>> => Vec<usize> {
            range: Range::Within(1.0, FINEST as f64),
            example: [4, 8, 16, 32],
        }
        /// Number of seeds of weights and noise, counted from first_seed; intervals need at least 4.
        /// Default: required, except by study limit, which has none.
        seeds: Option<u64> => u64 { range: Range::Within(0.0, MOST_SEEDS as f64), example: 8, }
        /// The first seed. A seed is the same noise wherever the count begins: seeds 8 to 15 repeat an
        /// experiment of seeds 0 to 7 independently, and what both have is computed once.
        first_seed: Option<u64> => u64 {
            default: 0,
            range: Range::Within(0.0, MOST_FIRST_SEED as f64),
            example: 8,
        }
        /// Closures that are run: the finite network itself, and models that keep fewer of the
        /// responses between its passes. Given by name, or by what their queries know of the other
        /// direction, as in {"forward": "all", "backward": "none"}.
        closures: Option<Vec<TypedClosure>> => Vec<Closure> {
            shown: Closure::DEFAULT,
            example: [Closure::Exact, Closure::Gia],
        }
        /// Several parametrizations in one run, in place of model.parametrization. Default:
        /// model.parametrization alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        parametrizations: Option<Vec<Parametrization>> => Option<Vec<Parametrization>> {
            example: [Parametrization::DepthMup, Parametrization::Mup],
        }
        /// Several learning rates η in one run, in place of training.learning_rate, which is then
        /// the smallest of them; at the others, the rates of all groups keep their proportions.
        /// Default: training.learning_rate alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        learning_rates: Option<Vec<f64>> => Option<Vec<f64>> {
            range: Range::Positive,
            example: [0.25, 0.5, 1.0],
        }
    }
}

impl TypedEnsemble {
    /// Fills in the defaults and puts lists in order.
    ///
    /// # Errors
    /// At the offending field.
    pub fn resolve(self, study: Study, check: &Check) -> Result<Ensemble> {
        self.check_ranges(check)?;
        let limit = study == Study::Limit;
        let sizes = |field: &str, typed: Option<Vec<usize>>| match typed {
            None if !limit => check.fail(field, "is required", "add it"),
            Some(sizes) if !limit => check.sorted(field, sizes),
            typed => Ok(typed.unwrap_or_default()),
        };
        let seeds = match self.seeds {
            None if !limit => return check.fail("ensemble.seeds", "is required", "add it"),
            Some(0) if !limit => check.within("ensemble.seeds", 0, 1, MOST_SEEDS)?,
            seeds => seeds.unwrap_or(0),
        };
        let first_seed = self.first_seed();
        let typed = self.closures.map(|typed| typed.into_iter().map(|TypedClosure(c)| c).collect());
        let closures =
            check.sorted("ensemble.closures", typed.unwrap_or(Closure::DEFAULT.to_vec()))?;
        let parametrizations = match self.parametrizations {
            None => None,
            Some(several) => Some(check.sorted("ensemble.parametrizations", several)?),
        };
        let learning_rates = match self.learning_rates {
            None => None,
            Some(several) => {
                let rates = several.into_iter().map(LearningRate::new).collect();
                let rates = check.sorted("ensemble.learning_rates", rates)?;
                Some(rates.into_iter().map(LearningRate::value).collect())
            }
        };
        Ok(Ensemble {
            parametrizations,
            learning_rates,
            widths: sizes("ensemble.widths", self.widths)?,
            depths: sizes("ensemble.depths", self.depths)?,
            seeds,
            first_seed,
            closures,
        })
    }
}

impl Ensemble {
    /// The seeds of every network of the grid, ascending.
    pub fn all_seeds(&self) -> Span<u64> {
        self.first_seed..self.first_seed + self.seeds
    }
}
