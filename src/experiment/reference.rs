//! The section `reference`: what finite networks are compared with, and the noise grid they share.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::check::Check;
use super::forms::{HasKind, number_or_word};
use super::section::{Range, section};
use super::{Engine, Ensemble, Experiment, FINEST, WIDEST};
use crate::choice::choice;
use crate::error::Result;

choice! {
    /// With what finite networks are compared.
    pub enum ReferenceKind {
        /// Depth L is compared with depth 2L at the same width.
        Doubling = "doubling",
        /// All are compared with one wide and deep network.
        Network = "network",
        /// Nothing is compared: every depth has its own noise.
        None = "none",
        /// Outputs are compared with their limit n = L = ∞, which is also computed, to
        /// limit.tolerance; vectors are not compared. Depths share a noise grid.
        Limit = "limit",
    }
}

/// Leading rows of h and g that are kept for strong errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// All rows of the narrower network.
    All,
    /// The first so many rows.
    #[serde(untagged)]
    First(#[schemars(range(min = 1, max = WIDEST))] usize),
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let number = number_or_word(deserializer, "all", "a number of rows or \"all\"")?;
        Ok(number.map_or(Rows::All, Rows::First))
    }
}

impl Rows {
    /// The number of rows, as a bound on the row index.
    pub fn limit(self) -> usize {
        match self {
            Rows::All => usize::MAX,
            Rows::First(rows) => rows,
        }
    }
}

section! {
    /// What finite networks are compared with: the word of a kind, or an object.
    "reference": TypedReference (Default) => Reference {
        /// What finite networks are compared with. Default: network where a width or a depth is given,
        /// else doubling.
        kind: Option<ReferenceKind> => ReferenceKind { example: ReferenceKind::Network, }
        /// Width n_ref of the reference network, at least 8 times the largest of the grid, or equal
        /// to it. Default: the only width there is.
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<usize> => Option<usize> {
            range: Range::Within(1.0, WIDEST as f64),
            example: 65536,
        }
        /// Depth L_ref of the reference network, at least 4 times the largest of the grid, or equal
        /// to it. Default: the only depth there is.
        #[serde(skip_serializing_if = "Option::is_none")]
        depth: Option<usize> => Option<usize> {
            range: Range::Within(1.0, FINEST as f64),
            example: 512,
        }
        /// Leading rows of h and g that are kept for strong errors: a number, or all.
        rows: Option<Rows> => Rows { default: Rows::First(512), example: Rows::All, }
    }
}

impl HasKind for TypedReference {
    type Kind = ReferenceKind;
    const FORMS: &'static str =
        "\"doubling\", \"limit\", \"none\", or an object with kind, width, depth, rows";
}

impl TypedReference {
    /// The section of an experiment without finite networks: nothing is compared.
    ///
    /// # Errors
    /// At `reference`, where something is.
    pub fn without_partners(self, check: &Check) -> Result<Reference> {
        let (rows, named) = (self.rows(), self.width.is_some() || self.depth.is_some());
        if named || !matches!(self.kind, None | Some(ReferenceKind::None)) {
            let problem = "study limit has no finite networks that could be compared";
            return check.fail("reference", problem, "leave it out");
        }
        Ok(Reference { kind: ReferenceKind::None, width: None, depth: None, rows })
    }

    /// Fills in the defaults, for the sizes of the grid.
    ///
    /// # Errors
    /// At the offending field.
    pub fn resolve(self, ensemble: &Ensemble, engine: Engine, check: &Check) -> Result<Reference> {
        let named = self.width.is_some() || self.depth.is_some();
        let kind = self.kind.unwrap_or(match named {
            true => ReferenceKind::Network,
            false => ReferenceKind::Doubling,
        });
        let rows = self.rows();
        if let Rows::First(rows) = rows {
            check.within("reference.rows", rows, 1, WIDEST)?;
        }
        if kind != ReferenceKind::Network {
            if named {
                let help = "remove width and depth, or take kind network";
                return check.fail("reference", "only kind network has a width and a depth", help);
            }
            return Ok(Reference { kind, width: None, depth: None, rows });
        }
        let width = resolve_size(self.width, &ensemble.widths, 8, "reference.width", check)?;
        let depth = resolve_size(self.depth, &ensemble.depths, 4, "reference.depth", check)?;
        self.check_ranges(check)?;
        if engine == Engine::Dense && ensemble.widths != [width] {
            let problem = "dense networks of different widths share no noise";
            let help =
                "take one width for all, or engine conditional, in which they share one path";
            return check.fail("reference.width", problem, help);
        }
        Ok(Reference { kind, width: Some(width), depth: Some(depth), rows })
    }
}

/// A size of the reference network: the largest there is, so that rates at this size are of the other
/// alone, or at least `factor` times as large.
fn resolve_size(
    given: Option<usize>,
    sizes: &[usize],
    factor: usize,
    field: &str,
    check: &Check,
) -> Result<usize> {
    let largest = sizes[sizes.len() - 1];
    let least = largest.saturating_mul(factor);
    match given {
        None if sizes.len() == 1 => Ok(largest),
        None => check.fail(field, "is required", &format!("take at least {least}")),
        Some(size) if size == largest || size >= least => Ok(size),
        Some(size) => {
            let problem = format!("{size} is too close to {largest} to stand for the limit");
            check.fail(field, problem, &format!("take at least {least}"))
        }
    }
}

/// The noise grid: what was asked for, else the least common multiple of the depths where vectors
/// of different depths are compared.
///
/// # Errors
/// When no grid, or not that one, holds all depths.
pub fn resolve_finest(experiment: &Experiment, check: &Check) -> Result<Option<u32>> {
    let depths = experiment.all_depths();
    let Some(given) = experiment.finest else {
        if experiment.reference.kind == ReferenceKind::None {
            return Ok(None);
        }
        let common = depths.iter().try_fold(1_usize, |common, &depth| {
            (common / gcd(common, depth)).checked_mul(depth).filter(|&grid| grid <= FINEST)
        });
        return match common {
            Some(grid) => Ok(Some(grid as u32)),
            None => check.fail(
                "ensemble.depths",
                format!("no noise grid of at most {FINEST} layers holds them all"),
                "take depths that divide one another, such as 4, 8, 16, or reference none",
            ),
        };
    };
    for depth in depths {
        if !(given as usize).is_multiple_of(depth) {
            let problem = format!("{given} is not a multiple of depth {depth}");
            let help = "take a common multiple of all depths, or leave it out";
            return check.fail("finest", problem, help);
        }
    }
    Ok(Some(given))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
