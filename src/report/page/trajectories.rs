//! What the runs did: outputs, losses, movement, ranks, spectra; means over seeds.

use std::collections::HashMap;
use std::fmt::Write;

use super::words;
use crate::model::Closure;
use crate::report::Report;
use crate::report::plot::{self, Axis, Look, Mark, Plot, Scale, Series};
use crate::report::text::{escape, plain};
use crate::stats::{mean, standard_error};
use crate::store::results::Row;

/// A plot with its heading and caption, both HTML.
pub struct Figure {
    heading: String,
    caption: String,
    /// The plot.
    pub plot: Plot,
}

/// Closure, depth, observable.
type Key<'a> = (&'a str, usize, &'a str);

/// results.csv at the greatest width, in its order.
struct Index<'a> {
    rows: HashMap<Key<'a>, Vec<&'a Row>>,
}

/// What the horizontal axis shows.
#[derive(Clone, Copy)]
enum Over {
    Steps,
    /// Depth time, after so many updates.
    Depth(u32),
}

impl<'a> Index<'a> {
    fn new(report: &Report<'a>, width: usize) -> Self {
        let mut rows: HashMap<Key, Vec<&Row>> = HashMap::new();
        for row in report.rows.iter().filter(|row| row.width == width && row.value.is_finite()) {
            rows.entry((row.closure, row.depth, &row.observable)).or_default().push(row);
        }
        Index { rows }
    }

    /// Means over seeds, from left to right.
    fn curve(&self, closure: Closure, depth: usize, observable: &str, over: Over) -> Vec<Mark> {
        let mut points: Vec<(f64, Vec<f64>)> = Vec::new();
        for row in self.rows.get(&(closure.name(), depth, observable)).into_iter().flatten() {
            let x = match over {
                Over::Steps => Some(f64::from(row.step)),
                Over::Depth(step) => row.depth_time.filter(|_| row.step == step),
            };
            let Some(x) = x else { continue };
            match points.iter_mut().find(|(at, _)| *at == x) {
                Some((_, values)) => values.push(row.value),
                None => points.push((x, vec![row.value])),
            }
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mark = |(x, values): (f64, Vec<f64>)| {
            let error = standard_error(&values);
            Mark { x, y: mean(&values), error: error.is_finite().then_some(error) }
        };
        points.into_iter().map(mark).collect()
    }
}

/// At most six of `all`, the first and the last among them.
fn six<T: Copy>(all: &[T]) -> Vec<T> {
    match all.len() {
        0..=6 => all.to_vec(),
        n => (0..6).map(|i| all[i * (n - 1) / 5]).collect(),
    }
}

fn line(label: String, look: Look, points: Vec<Mark>) -> Series {
    let (curve, band) = (vec![], vec![]);
    Series { label, look, points, joined: true, curve, band, level: None }
}

/// All that have points.
pub fn figures(report: &Report) -> Vec<Figure> {
    let ensemble = &report.experiment.ensemble;
    let closures = &ensemble.closures;
    let (Some(&width), Some(&deepest)) = (ensemble.widths.last(), ensemble.depths.last()) else {
        return vec![];
    };
    let Some(&closure) = closures.iter().find(|c| **c == Closure::Exact).or(closures.first())
    else {
        return vec![];
    };
    let index = Index::new(report, width);
    let by_depth = |observable: &str| -> Vec<Series> {
        let depths = six(&ensemble.depths).into_iter().enumerate();
        let curve = |(i, depth)| {
            let points = index.curve(closure, depth, observable, Over::Steps);
            line(format!("L = {depth}"), Look::Rank(i), points)
        };
        depths.map(curve).collect()
    };
    let by_closure = |observable: &str| -> Vec<Series> {
        let curve = |&closure: &Closure| {
            let points = index.curve(closure, deepest, observable, Over::Steps);
            line(closure.name().to_owned(), Look::Kind(closure as usize), points)
        };
        closures.iter().map(curve).collect()
    };
    let along_depth = |observable: &str, first: u32| -> Vec<Series> {
        let steps: Vec<u32> = (first..=report.experiment.training.steps).collect();
        let curve = |(i, step)| {
            let points = index.curve(closure, deepest, observable, Over::Depth(step));
            line(format!("k = {step}"), Look::Rank(i), points)
        };
        six(&steps).into_iter().enumerate().map(curve).collect()
    };
    let output = report.rows.iter().map(|row| &row.observable).find(|name| name.starts_with("f."));
    let output = output.map_or("f", String::as_str);
    let sample = escape(output.strip_prefix("f.").unwrap_or(output));
    let of = format!("<code>{}</code>, n = {width}", closure.name());
    let deep = format!("L = {deepest}, n = {width}");

    let candidates = [
        (
            "loss-by-depth",
            "Training loss by depth",
            format!(
                "{of}. Under depth-μP the curves of all \
          depths approach one another."
            ),
            "training loss",
            by_depth("loss.train"),
            None,
        ),
        (
            "loss-by-closure",
            "Training loss by closure",
            deep.clone(),
            "training loss",
            by_closure("loss.train"),
            None,
        ),
        (
            "test-loss-by-closure",
            "Test loss by closure",
            format!(
                "{deep}. Each step is exact in \
          law; steps are not jointly consistent."
            ),
            "test loss",
            by_closure("loss.test"),
            None,
        ),
        (
            "output-by-depth",
            "Output by depth",
            format!("f of sample {sample}; {of}."),
            "f",
            by_depth(output),
            None,
        ),
        (
            "output-by-closure",
            "Output by closure",
            format!("f of sample {sample}; {deep}."),
            "f",
            by_closure(output),
            None,
        ),
        (
            "movement-along-depth",
            "How far features move",
            format!(
                "Mean square of \
          h<sup>(k)</sup> − h<sup>(0)</sup> along depth time t = lT/L; {of}, L = {deepest}."
            ),
            "movement of h, mean square",
            along_depth("movement.total", 1),
            Some("depth time t"),
        ),
        (
            "own-movement",
            "Movement by a layer’s own weights",
            format!(
                "Mean square of \
          n<sup>−1/2</sup>(W − W<sup>(0)</sup>)φ(h) over layers; {of}."
            ),
            "own movement, mean square",
            by_depth("movement.own"),
            None,
        ),
        (
            "rank-features",
            "Rank of stored features",
            format!(
                "Directions kept a layer, mean over \
          layers; {deep}."
            ),
            "columns kept",
            by_closure("rank.features"),
            None,
        ),
        (
            "rank-gradients",
            "Rank of stored gradients",
            format!(
                "Directions kept a layer, mean over \
          layers; {deep}."
            ),
            "columns kept",
            by_closure("rank.gradients"),
            None,
        ),
        (
            "eigmin-features",
            "Smallest eigenvalue, features",
            format!(
                "Of the covariance of features \
          over samples and the first k + 1 passes; {of}, L = {deepest}."
            ),
            "smallest eigenvalue",
            along_depth("eigmin.features", 0),
            Some("depth time t"),
        ),
        (
            "eigmin-gradients",
            "Smallest eigenvalue, gradients",
            format!(
                "Of the covariance of \
          backward features over samples and the first k + 1 passes; {of}, L = {deepest}."
            ),
            "smallest eigenvalue",
            along_depth("eigmin.gradients", 0),
            Some("depth time t"),
        ),
    ];
    let figure = |(name, heading, caption, y, series, x): (
        _,
        &str,
        String,
        &str,
        Vec<Series>,
        Option<&str>,
    )| {
        let x = match x {
            Some(label) => Axis { label: label.to_owned(), scale: Scale::Linear },
            None => Axis { label: "updates k".to_owned(), scale: Scale::Count },
        };
        let y = Axis { label: y.to_owned(), scale: scale_for(&series, y == "smallest eigenvalue") };
        Figure {
            heading: heading.to_owned(),
            caption,
            plot: Plot {
                name: String::from(name),
                title: heading.to_owned(),
                description: format!("{} against {}", y.label, x.label),
                x,
                y,
                series,
                guides: vec![],
            },
        }
    };
    candidates.into_iter().map(figure).filter(|figure| figure.plot.has_points()).collect()
}

/// Logarithmic where all is positive and spreads far; spectra always are.
fn scale_for(series: &[Series], spectrum: bool) -> Scale {
    let values = || series.iter().flat_map(|s| &s.points).map(|mark| mark.y);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let wide = low > 0.0 && high > 20.0 * low;
    if wide || (spectrum && high > 0.0) { Scale::Log } else { Scale::Linear }
}

pub fn section(report: &Report, figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let bars = match report.experiment.ensemble.seeds {
        1 => "One seed, so no error bars.".to_owned(),
        seeds => format!("Means over {seeds} seeds, bars of one standard error."),
    };
    let mut out = format!("<p>{bars}</p>\n<div class=\"grid\">\n");
    for Figure { heading, caption, plot } in figures {
        let _ =
            write!(out, "<figure><h3>{heading}</h3>{}<figcaption>{caption}", plot::embedded(plot));
        if plot.hidden() > 0 {
            let _ = write!(out, " Points not drawn, as not positive: {}.", plot.hidden());
        }
        out.push_str("</figcaption></figure>\n");
    }
    out.push_str("</div>\n");
    let horizon = plain(report.experiment.model.horizon);
    let last = words::step(report.experiment.training.steps);
    let _ = write!(
        out,
        "<p class=\"note\">k counts updates; pass k uses the weights after k of them, the last is {last}. \
         Depth time runs from 0 to T = {horizon}.</p>\n"
    );
    out
}
