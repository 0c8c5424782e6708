//! best_rates.csv: the best learning rates of a run, a line a size and loss.

use serde::Serialize;

use crate::claims::best_rate::{BestRate, Interval};
use crate::error::{Error, Result};

/// A line of best_rates.csv, its columns in order; an end of an interval may be `inf`.
#[derive(Serialize)]
struct Line {
    closure: &'static str,
    parametrization: &'static str,
    width: usize,
    depth: usize,
    loss: &'static str,
    seeds: usize,
    tried: f64,
    median_loss: f64,
    enclosed: &'static str,
    best: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    tuned: Option<f64>,
    excess: Option<f64>,
    excess_low: Option<f64>,
    excess_high: Option<f64>,
}

/// The whole file, header included.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_csv(rates: &[BestRate]) -> Result<Vec<u8>> {
    let fail = |source: csv::Error| Error::Io {
        action: "encode",
        path: "best_rates.csv".into(),
        source: std::io::Error::other(source),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for rate in rates {
        let end = |interval: Option<Interval>, i: usize| interval.map(|interval| interval.0[i]);
        let line = Line {
            closure: rate.setting.closure.name(),
            parametrization: rate.setting.parametrization.name(),
            width: rate.setting.width,
            depth: rate.setting.depth,
            loss: rate.loss.name(),
            seeds: rate.seeds,
            tried: rate.tried,
            median_loss: rate.median_loss,
            enclosed: rate.enclosed.name(),
            best: rate.best,
            low: end(rate.ci95, 0),
            high: end(rate.ci95, 1),
            tuned: rate.tuned,
            excess: rate.excess,
            excess_low: end(rate.excess_ci95, 0),
            excess_high: end(rate.excess_ci95, 1),
        };
        writer.serialize(line).map_err(fail)?;
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}
