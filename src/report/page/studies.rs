//! Figures that a study has beside those of its claims.

use super::trajectories::{Figure, by_x, line, mark};
use crate::experiment::Study;
use crate::model::{Closure, Parametrization};
use crate::observables::results::Row;
use crate::report::Report;
use crate::report::plot::{Axis, Look, Plot, Scale, Series};
use crate::report::text::plain;
use crate::stats::{mean, standard_error};

/// All of the study's; those without points are left out.
pub fn figures(report: &Report) -> Vec<Figure> {
    let mut figures = match report.experiment.study {
        Study::GradientIndependence => curves_of_training(report),
        Study::Transfer => losses_by_rate(report),
        Study::Anatomy => couplings(report),
        Study::Propagation | Study::TrainingConvergence | Study::Nondegeneracy => Vec::new(),
    };
    figures.retain(|figure| figure.plot.has_points());
    figures
}

/// Values by `x` of the rows that have one.
fn points(report: &Report, x: impl Fn(&Row) -> Option<f64>) -> Vec<(f64, Vec<f64>)> {
    let rows = report.rows.iter().filter(|row| row.value.is_finite());
    by_x(rows.filter_map(|row| Some((x(row)?, row.value))))
}

/// Means with standard errors, joined.
fn series(label: &str, look: Look, points: &[(f64, Vec<f64>)]) -> Series {
    line((look, label.to_owned(), points.iter().map(mark).collect()))
}

/// With a band of one standard deviation over seeds instead of bars.
fn banded(label: &str, look: Look, points: &[(f64, Vec<f64>)]) -> Series {
    let band = |(x, values): &(f64, Vec<f64>)| {
        let deviation = standard_error(values) * (values.len() as f64).sqrt();
        let deviation = if deviation.is_finite() { deviation } else { 0.0 };
        (*x, mean(values) - deviation, mean(values) + deviation)
    };
    let bands = points.iter().map(band).collect();
    let mut series = series(label, look, points);
    series.points.iter_mut().for_each(|mark| mark.error = None);
    Series { band: bands, ..series }
}

fn figure(
    (name, title, note): (String, String, String),
    (x, y): (Axis, Axis),
    (legend, series): (&str, Vec<Series>),
    caption: &str,
) -> Figure {
    let description = format!("{} against {}", y.label, x.label);
    let legend = legend.to_owned();
    let plot = Plot { name, title, note, description, x, y, legend, series, guides: vec![] };
    Figure { caption: caption.to_owned(), plot }
}

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.to_owned(), scale }
}

/// Loss and accuracy over the updates, exact and gia, for every parametrization; their gap by depth.
fn curves_of_training(report: &Report) -> Vec<Figure> {
    let ensemble = &report.experiment.ensemble;
    let (Some(&width), Some(&deepest)) = (ensemble.widths.last(), ensemble.depths.last()) else {
        return vec![];
    };
    let settings = report.experiment.parametrizations();
    let rate = report.experiment.learning_rates()[0];
    let mut figures = Vec::new();
    for (observable, what) in [
        ("loss.train", "Training loss"),
        ("loss.test", "Test loss"),
        ("accuracy.train", "Training accuracy"),
        ("accuracy.test", "Test accuracy"),
    ] {
        for &parametrization in &settings {
            let name = parametrization.name();
            let of = |&closure: &Closure| {
                let at = points(report, |row| {
                    let is = row.observable == observable
                        && (row.closure, row.parametrization) == (closure.name(), name)
                        && (row.width, row.depth, row.learning_rate) == (width, deepest, rate);
                    is.then(|| f64::from(row.step))
                });
                banded(closure.name(), Look::Kind(closure as usize), &at)
            };
            let series = ensemble.closures.iter().map(of).collect();
            let file = format!("{}-{name}", observable.replace('.', "-"));
            let note = format!("L = {deepest}, n = {width}");
            let y = axis(&what.to_lowercase(), Scale::Linear);
            figures.push(figure(
                (file, format!("{what}, {name}"), note),
                (axis("updates k", Scale::Count), y),
                ("", series),
                "Means, bands of one standard deviation over seeds.",
            ));
        }
    }
    for (observable, what) in [
        ("closure_gap.f", "gap of f to exact, mean square"),
        ("closure_gap.loss.test", "test loss of gia minus that of exact"),
    ] {
        let last = report.experiment.training.steps;
        let of = |(i, parametrization): (usize, &Parametrization)| {
            let name = parametrization.name();
            let at = points(report, |row| {
                let is = row.observable == observable
                    && (row.closure, row.parametrization) == (Closure::Gia.name(), name)
                    && (row.width, row.step, row.learning_rate) == (width, last, rate);
                is.then_some(row.depth as f64)
            });
            series(name, Look::Kind(i % 3), &at)
        };
        let scale = if observable == "closure_gap.f" { Scale::Log } else { Scale::Linear };
        figures.push(figure(
            (
                format!("{}-by-depth", observable.replace(['.', '_'], "-")),
                format!("The gap against depth: {what}"),
                format!("n = {width}, after {last} updates"),
            ),
            (axis("depth L", Scale::Sizes), axis(what, scale)),
            ("", settings.iter().enumerate().map(of).collect()),
            "A gap that falls with L would make independent backward weights harmless in the limit. \
             Bars of one standard error.",
        ));
    }
    figures
}

/// Loss after the last update against the learning rate, a curve a depth, for every parametrization.
fn losses_by_rate(report: &Report) -> Vec<Figure> {
    let ensemble = &report.experiment.ensemble;
    let Some(&width) = ensemble.widths.last() else { return vec![] };
    let Some(&closure) = ensemble.closures.first() else { return vec![] };
    let last = report.experiment.training.steps;
    let of = |parametrization: Parametrization| {
        let name = parametrization.name();
        let of_depth = |(i, &depth): (usize, &usize)| {
            let at = points(report, |row| {
                let is = row.observable == "loss.train"
                    && (row.closure, row.parametrization) == (closure.name(), name)
                    && (row.width, row.depth, row.step) == (width, depth, last);
                is.then_some(row.learning_rate)
            });
            series(&depth.to_string(), Look::rank(i, ensemble.depths.len()), &at)
        };
        figure(
            (
                format!("loss-by-rate-{name}"),
                format!("Loss against learning rate, {name}"),
                format!("{}, n = {width}, after {last} updates", closure.name()),
            ),
            (axis("learning rate η", Scale::Log), axis("training loss", Scale::Log)),
            ("L =", ensemble.depths.iter().enumerate().map(of_depth).collect()),
            "Where all curves have their least loss at one place, the learning rate transfers between \
             depths. Rates at which runs diverged have no point.",
        )
    };
    report.experiment.parametrizations().into_iter().map(of).collect()
}

/// Couplings of the exact network by direction and age, per layer and summed.
fn couplings(report: &Report) -> Vec<Figure> {
    let ensemble = &report.experiment.ensemble;
    let Some(&width) = ensemble.widths.last() else { return vec![] };
    let last = report.experiment.training.steps;
    let (rate, setting) =
        (report.experiment.learning_rates()[0], report.experiment.model.parametrization);
    let mut figures = Vec::new();
    for &closure in ensemble.closures.iter().filter(|closure| **closure != Closure::Gia) {
        for (kind, what) in [("layer", "per layer"), ("accumulated", "summed along depth")] {
            let parts = [
                (format!("coupling.forward.{kind}"), "forward"),
                (format!("coupling.backward.{kind}.past"), "backward, past"),
                (format!("coupling.backward.{kind}.same"), "backward, same pass"),
            ];
            let of = |(i, (observable, label)): (usize, &(String, &str))| {
                let at = points(report, |row| {
                    let is = row.observable == *observable
                        && (row.closure, row.parametrization) == (closure.name(), setting.name())
                        && (row.width, row.step, row.learning_rate) == (width, last, rate);
                    is.then_some(row.depth as f64)
                });
                series(label, Look::Kind(i), &at)
            };
            figures.push(figure(
                (
                    format!("couplings-{kind}-{}", closure.name()),
                    format!("Couplings {what}, {}", closure.name()),
                    format!("n = {width}, after {} updates", plain(f64::from(last))),
                ),
                (axis("depth L", Scale::Sizes), axis("coupling, mean square", Scale::Log)),
                ("", parts.iter().enumerate().map(of).collect()),
                "Forward answers owe to backward queries of earlier passes; backward ones to forward \
                 queries of earlier passes and of the same. Bars of one standard error.",
            ));
        }
    }
    figures
}
