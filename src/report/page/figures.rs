//! The builder of figures: from the data that a study declares, and from claims.

use super::words;
use crate::claims::{Claim, Family, Point, SizeAxis};
use crate::experiment::Experiment;
use crate::model::{Closure, Parametrization};
use crate::observables::{Observable, Row, Unit};
use crate::report::Report;
use crate::report::plot::{Axis, Guide, Look, Mark, Plot, Scale, Series};
use crate::report::text::capital;
use crate::stats::{mean, standard_error};
use crate::studies::figures::{Across, By, COMMON, Figure};

/// A plot with its caption.
pub struct Drawn {
    /// Below the plot, as HTML.
    pub caption: String,
    /// The plot that the caption describes.
    pub plot: Plot,
}

/// The figures that every experiment shows; those without points are left out.
pub fn common(report: &Report) -> Vec<Drawn> {
    COMMON.iter().flat_map(|figure| drawn(report, figure)).collect()
}

/// The figures that the study adds; those without points are left out.
pub fn of_study(report: &Report) -> Vec<Drawn> {
    let figures = report.experiment.study.design().figures;
    figures.iter().flat_map(|figure| drawn(report, figure)).collect()
}

/// Of several parametrizations the one that is shown.
pub fn shown(experiment: &Experiment) -> Parametrization {
    let all = experiment.parametrizations();
    all.iter().copied().find(|p| *p == Parametrization::DepthMup).unwrap_or(all[0])
}

/// What a line holds; one of them at most varies along the horizontal axis instead.
#[derive(Clone, Copy)]
struct Held {
    observable: Observable,
    closure: Closure,
    parametrization: Parametrization,
    depth: usize,
    step: u32,
}

/// One of those that `By` tells apart.
struct Variant {
    label: String,
    look: Look,
    held: Held,
}

/// A figure, or one for each of what it asks for.
fn drawn(report: &Report, figure: &Figure) -> Vec<Drawn> {
    let experiment = report.experiment;
    let ensemble = &experiment.ensemble;
    let leading = ensemble.closures.iter().find(|c| **c == Closure::Exact);
    let leading = leading.or(ensemble.closures.first()).copied();
    let (Some(&width), Some(&depth), Some(closure), Some(&(observable, _))) =
        (ensemble.widths.last(), ensemble.depths.last(), leading, figure.shown.first())
    else {
        return vec![];
    };
    let held = Held {
        observable,
        closure: figure.closure.unwrap_or(closure),
        parametrization: shown(experiment),
        depth,
        step: experiment.training.steps,
    };
    // Of the outputs the first.
    let output = report.rows.iter().find(|row| row.observable == Observable::Output);
    let output = output.map(|row| (row.sample, row.output));
    let rows: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| figure.shown.iter().any(|(observable, _)| *observable == row.observable))
        .filter(|row| row.task.width == width && row.value.is_finite())
        .filter(|row| row.sample.is_none() || Some((row.sample, row.output)) == output)
        .collect();
    let figures = match figure.each {
        None => vec![one(experiment, figure, held, &rows, width, "")],
        Some(each) => variants(experiment, figure, each, held)
            .into_iter()
            .map(|of| one(experiment, figure, of.held, &rows, width, &of.label))
            .collect(),
    };
    figures.into_iter().filter(|figure| figure.plot.has_points()).collect()
}

/// The figure of one closure or parametrization; `of` names it where there are several.
fn one(
    experiment: &Experiment,
    figure: &Figure,
    held: Held,
    rows: &[&Row],
    width: usize,
    of: &str,
) -> Drawn {
    let least_rate = experiment.learning_rates()[0];
    let series: Vec<Series> = variants(experiment, figure, figure.by, held)
        .into_iter()
        .map(|Variant { label, look, held }| {
            let x = |row: &Row| across(figure.across, held, least_rate, row);
            let points = by_x(rows.iter().filter_map(|row| Some((x(row)?, row.value))));
            line(label, look, &points, figure.has_bands)
        })
        .collect();
    let (label, scale) = match figure.across {
        Across::Step => ("updates k", Scale::Count),
        Across::DepthTime => ("depth time t", Scale::Linear),
        Across::Depth => ("depth L", Scale::Sizes),
        Across::LearningRate => ("learning rate η", Scale::Log),
    };
    let x = Axis { label: label.to_owned(), scale };
    let y = match figure.shown {
        [(observable, _)] => observable.label(),
        _ => held.observable.entry().unit.name().to_owned(),
    };
    let y = Axis { label: y, scale: vertical(&series, x.scale, held.observable) };
    let note = note(figure, held, width, of);
    let (name, title) = match of {
        "" => (figure.name.to_owned(), figure.title.to_owned()),
        of => (format!("{}-{of}", figure.name), format!("{}, {of}", figure.title)),
    };
    let caption = match figure.caption {
        "" => held.observable.entry().meaning,
        caption => caption,
    };
    let caption = format!("{} {}.", words::math(caption), note.replace(" = ", "\u{a0}=\u{a0}"));
    let legend = match figure.by {
        By::Depth => "L =",
        By::Step => "k =",
        By::Closure | By::Parametrization | By::Observable => "",
    };
    let description = format!("{} against {}", y.label, x.label);
    let (legend, guides) = (legend.to_owned(), vec![]);
    Drawn { caption, plot: Plot { name, title, note, description, x, y, legend, series, guides } }
}

/// What there is a line, or a figure, for each of.
fn variants(experiment: &Experiment, figure: &Figure, by: By, held: Held) -> Vec<Variant> {
    let ensemble = &experiment.ensemble;
    let ranked =
        |(i, (label, held)): (usize, (String, Held))| Variant { label, look: Look::Rank(i), held };
    let kinds =
        |(i, (label, held)): (usize, (String, Held))| Variant { label, look: Look::Kind(i), held };
    match by {
        By::Depth => {
            // A curve a depth over the learning rates is what transfer is judged by: all are drawn.
            let depths = match figure.across {
                Across::LearningRate => ensemble.depths.clone(),
                _ => six(&ensemble.depths),
            };
            let of = depths.into_iter().map(|depth| (depth.to_string(), Held { depth, ..held }));
            of.enumerate().map(ranked).collect()
        }
        By::Step => {
            let first = held.observable.entry().first_step;
            let steps = experiment.training.recorded_steps().filter(|&step| step >= first);
            let steps = six(&steps.collect::<Vec<_>>()).into_iter();
            let of = steps.map(|step| (step.to_string(), Held { step, ..held }));
            of.enumerate().map(ranked).collect()
        }
        By::Closure => ensemble
            .closures
            .iter()
            .map(|&closure| Variant {
                label: closure.name().to_owned(),
                look: Look::Kind(closure as usize),
                held: Held { closure, ..held },
            })
            .collect(),
        By::Parametrization => {
            let all = experiment.parametrizations().into_iter();
            let of = all.map(|p| (p.name().to_owned(), Held { parametrization: p, ..held }));
            of.enumerate().map(ranked).collect()
        }
        By::Observable => {
            let all = figure.shown.iter();
            let of = all.map(|&(o, label)| (label.to_owned(), Held { observable: o, ..held }));
            of.enumerate().map(kinds).collect()
        }
    }
}

/// Where a row stands on the horizontal axis, if it belongs to the line.
fn across(across: Across, held: Held, least_rate: f64, row: &Row) -> Option<f64> {
    let (task, rate) = (row.task, row.task.learning_rate.value());
    let belongs = row.observable == held.observable
        && (task.closure, task.parametrization) == (held.closure, held.parametrization)
        && (across == Across::Step || row.step == held.step)
        && (across == Across::Depth || task.depth == held.depth)
        && (across == Across::LearningRate || rate == least_rate);
    let x = match across {
        Across::Step => Some(f64::from(row.step)),
        Across::DepthTime => row.depth_time,
        Across::Depth => Some(task.depth as f64),
        Across::LearningRate => Some(rate),
    };
    x.filter(|_| belongs)
}

/// What a figure holds, in words: "exact, L = 64, n = 4096, after 3 updates".
fn note(figure: &Figure, held: Held, width: usize, of: &str) -> String {
    let varies = |by: By| figure.by == by || figure.each == Some(by);
    let mut parts = Vec::new();
    if !varies(By::Closure) {
        parts.push(held.closure.name().to_owned());
    }
    if !of.is_empty() {
        parts.push(of.to_owned());
    }
    if !varies(By::Depth) && figure.across != Across::Depth {
        parts.push(format!("L = {}", held.depth));
    }
    parts.push(format!("n = {width}"));
    if !varies(By::Step) && figure.across != Across::Step {
        parts.push(words::step(held.step));
    }
    parts.join(", ")
}

/// Logarithmic beside a logarithmic axis, for spectra, and where all is positive and spreads far;
/// never where numbers have a sign, are shares, or have a band of deviations that may reach below zero.
fn vertical(series: &[Series], x: Scale, observable: Observable) -> Scale {
    let values = || series.iter().flat_map(|s| &s.points).map(|mark| mark.y);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let wide = low > 0.0 && high > 20.0 * low;
    match observable.entry().unit {
        Unit::Output | Unit::Difference | Unit::Share => Scale::Linear,
        _ if series.iter().any(|s| !s.band.is_empty()) => Scale::Linear,
        Unit::Eigenvalue if high > 0.0 => Scale::Log,
        _ if wide || x.is_log() => Scale::Log,
        _ => Scale::Linear,
    }
}

/// At most six of `all`, the first and the last among them.
fn six<T: Copy>(all: &[T]) -> Vec<T> {
    match all.len() {
        0..=6 => all.to_vec(),
        n => (0..6).map(|i| all[i * (n - 1) / 5]).collect(),
    }
}

/// Values of several seeds by x, from left to right.
fn by_x(values: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, Vec<f64>)> {
    let mut points: Vec<(f64, Vec<f64>)> = Vec::new();
    for (x, value) in values {
        match points.iter_mut().find(|(at, _)| *at == x) {
            Some((_, values)) => values.push(value),
            None => points.push((x, vec![value])),
        }
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Means over seeds, joined, with standard errors, or in a band of one standard deviation.
fn line(label: String, look: Look, points: &[(f64, Vec<f64>)], has_band: bool) -> Series {
    let mark = |(x, values): &(f64, Vec<f64>)| {
        let error = Some(standard_error(values)).filter(|e| e.is_finite() && !has_band);
        Mark { x: *x, y: mean(values), error }
    };
    let band = |(x, values): &(f64, Vec<f64>)| {
        let deviation = standard_error(values) * (values.len() as f64).sqrt();
        let deviation = if deviation.is_finite() { deviation } else { 0.0 };
        (*x, mean(values) - deviation, mean(values) + deviation)
    };
    let band = if has_band { points.iter().map(band).collect() } else { vec![] };
    let points = points.iter().map(mark).collect();
    Series { label, look, points, joined: true, curve: vec![], band, level: None }
}

/// One observable, one series a closure: points, fitted family with band, slope of theory.
pub fn claim_plot(id: &str, statement: &str, claims: &[&Claim]) -> Plot {
    let name = claims.first().map(|claim| claim.observable.label()).unwrap_or_default();
    let label = match claims.first().map(|claim| claim.axis) {
        Some(axis) if axis.is_width() => "width n",
        _ => "depth L",
    };
    let at = claims.first().map(|claim| format!("{}, {}", claim.at(), words::step(claim.step)));
    let closures: Vec<&str> = claims.iter().map(|claim| claim.closure.name()).collect();
    Plot {
        name: id.to_owned(),
        title: capital(statement),
        note: at.unwrap_or_default(),
        description: format!("{name} against {label} for {}", closures.join(", ")),
        x: Axis { label: label.to_owned(), scale: Scale::Sizes },
        y: Axis { label: name, scale: Scale::Log },
        legend: String::new(),
        series: match claims {
            [one] if one.held.is_none() => by_other_size(one),
            _ => claims.iter().map(|claim| series(claim)).collect(),
        },
        guides: theory(claims).into_iter().collect(),
    }
}

fn mark(p: &Point) -> Mark {
    Mark { x: p.x as f64, y: p.value, error: p.standard_error }
}

/// A series for each of the sizes that a claim holds together, with its fitted curve.
fn by_other_size(claim: &Claim) -> Vec<Series> {
    let by_width = claim.axis == SizeAxis::DepthOfAll;
    let other = |p: &Point| if by_width { p.width } else { p.depth };
    let mut others: Vec<usize> = claim.curve.iter().map(other).collect();
    others.sort_unstable();
    others.dedup();
    let of = |(i, &size): (usize, &usize)| {
        let fitted = || claim.fitted.iter().filter(move |p| p.held == Some(size));
        let band = fitted().filter_map(|p| p.ci95.map(|[low, high]| (p.x, low, high)));
        Series {
            label: format!("{} = {size}", if by_width { "n" } else { "L" }),
            look: Look::rank(i, others.len()),
            points: claim.curve.iter().filter(|p| other(p) == size).map(mark).collect(),
            joined: claim.fitted.is_empty(),
            curve: fitted().map(|p| (p.x, p.value)).collect(),
            band: band.collect(),
            level: None,
        }
    };
    others.iter().enumerate().map(of).collect()
}

fn series(claim: &Claim) -> Series {
    // Of several curves the one at the largest other size.
    let held = claim.fitted.iter().map(|p| p.held).max().flatten();
    let fitted = || claim.fitted.iter().filter(move |p| p.held == held);
    Series {
        label: claim.closure.name().to_owned(),
        look: Look::Kind(claim.closure as usize),
        points: claim.curve.iter().map(mark).collect(),
        // Without a fit a plain line leads the eye.
        joined: claim.fitted.is_empty(),
        curve: fitted().map(|p| (p.x, p.value)).collect(),
        band: fitted().filter_map(|p| p.ci95.map(|[low, high]| (p.x, low, high))).collect(),
        level: claim.plateau.filter(|c| claim.family == Family::Stays && *c > 0.0),
    }
}

/// The slope of theory, just below all points.
fn theory(claims: &[&Claim]) -> Option<Guide> {
    let growing = claims.iter().any(|claim| claim.family == Family::Growth);
    let p = claims.iter().find_map(|claim| claim.expected)? * if growing { -1.0 } else { 1.0 };
    let points = claims.iter().flat_map(|claim| &claim.curve);
    let mut ends = (f64::INFINITY, 0.0_f64);
    let mut height = f64::INFINITY;
    for point in points.filter(|point| point.value > 0.0 && point.value.is_finite()) {
        let x = point.x as f64;
        ends = (ends.0.min(x), ends.1.max(x));
        height = height.min(point.value * libm::pow(x, p));
    }
    let curve = [ends.0, ends.1].map(|x| (x, height / 1.7 * libm::pow(x, -p)));
    let fine = ends.0 < ends.1 && height.is_finite();
    fine.then(|| Guide {
        label: match p {
            0.0 => "no drift".to_owned(),
            p if p < 0.0 => format!("slope {} (theory)", words::exponent_of_theory(-p)),
            p => format!("slope −{} (theory)", words::exponent_of_theory(p)),
        },
        curve: curve.to_vec(),
    })
}
