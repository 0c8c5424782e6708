//! Observables: what a trajectory shows by itself, what two trajectories show together, and what
//! infinite width predicts; as rows and as arrays.
//!
//! [`Observable`] is a row of one table, in which all that is said of it stands: name, title,
//! meaning, unit, first step, axes, and the function that computes it.

pub mod arrays;
mod compute;
pub mod first_update;
pub mod limit;
pub mod order_parameters;
pub mod parquet;
mod record;
pub mod results;
mod table;

use serde::{Serialize, Serializer};

pub use compute::{At, Ends, Spectra};
pub use record::{Run, of_pair, of_run};
pub use results::{Partner, Row};
pub use table::Observable;

/// Outputs of a pass in results.csv: enough to look at.
pub const OUTPUTS_SHOWN: usize = 100;
/// Outputs whose differences to the reference are in results.csv: enough for a weak error.
pub const OUTPUTS_COMPARED: usize = 1000;

/// A row of the table. Texts are plain; `x_l`, `x_{ab}`, `x^k` and `x^{ab}` lower and raise.
pub struct Entry {
    /// Its name in results.csv, arrays.npz and summary.json.
    pub name: &'static str,
    /// What it is called on axes and in headings.
    pub title: &'static str,
    /// How it is formed or normalised, behind its title on an axis; may be empty.
    pub axis: &'static str,
    /// What kind of number it is.
    pub unit: Unit,
    /// What it is, in sentences; "the reference" is the network that a run is compared with.
    pub meaning: &'static str,
    /// The first step at which it says something: before, it is zero by construction.
    pub first_step: u32,
    /// What the run is compared with to compute it.
    pub against: Against,
    /// How it is computed, and along which axes.
    pub values: Values,
}

/// The kind of number that an observable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An output of the network, of either sign.
    Output,
    /// A loss, never negative.
    Loss,
    /// A difference of two outputs or losses, of either sign.
    Difference,
    /// A share of samples, between 0 and 1.
    Share,
    /// A mean of squares, over what its meaning says.
    MeanSquare,
    /// A root mean square of means over seeds.
    RootMeanSquare,
    /// A number of stored columns a layer.
    Columns,
    /// An eigenvalue of a covariance: drawn on a logarithmic axis.
    Eigenvalue,
    /// A learning rate η of the hidden weights.
    LearningRate,
}

/// What a run is compared with, pass by pass, to compute an observable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The first pass of the same run.
    Start,
    /// The reference: the network of twice the depth, or one reference network.
    Reference,
    /// The exact closure at the same width and depth.
    Exact,
    /// The limit n = L = ∞, where the experiment computes it.
    Limit,
    /// Nothing here: it is formed from rows of several runs, and is not in results.csv.
    Rows,
}

/// The function that computes an observable from a recorded pass and the one it is compared with.
#[derive(Clone, Copy)]
pub enum Values {
    /// One number a pass, where there is one.
    Number(fn(&At, &At) -> Option<f64>),
    /// One number an output, in the order of f.
    Outputs(fn(&At, &At) -> Vec<f64>),
    /// One number a common depth time: (t, value).
    AlongDepth(fn(&At, &At) -> Vec<(f64, f64)>),
    /// One number a common depth time, from the ends of the spectra there.
    Spectrum(fn(&Spectra) -> Option<f64>),
    /// Formed from rows of several runs by the claims that are about it.
    Formed,
}

impl Observable {
    /// Its name in results.csv, arrays.npz and summary.json.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Whether it has one number for every output of every sample.
    pub fn has_outputs(self) -> bool {
        matches!(self.entry().values, Values::Outputs(_))
    }

    /// Whether it has one number for every common depth time.
    pub fn has_depth_time(self) -> bool {
        matches!(self.entry().values, Values::AlongDepth(_) | Values::Spectrum(_))
    }

    /// Whether it is an error against the reference, itself or formed from such.
    pub fn compares_with_reference(self) -> bool {
        self == Observable::WeakError || self.entry().against == Against::Reference
    }

    /// The title of an axis: what it is, and how it is formed or normalised.
    pub fn label(self) -> String {
        match *self.entry() {
            Entry { title, axis: "", .. } => title.to_owned(),
            Entry { title, axis, .. } => format!("{title}, {axis}"),
        }
    }
}

impl Unit {
    /// What kind of number it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Output => "output",
            Unit::Loss => "loss",
            Unit::Difference => "difference",
            Unit::Share => "share of samples",
            Unit::MeanSquare => "mean square",
            Unit::RootMeanSquare => "root mean square",
            Unit::Columns => "columns",
            Unit::Eigenvalue => "eigenvalue",
            Unit::LearningRate => "learning rate η",
        }
    }
}

impl Serialize for Observable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
