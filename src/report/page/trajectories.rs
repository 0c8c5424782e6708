//! What the runs did: outputs, losses, movement, ranks, spectra; means over seeds.

use std::collections::HashMap;

use crate::model::{Closure, Parametrization};
use crate::observables::results::Row;
use crate::report::Report;
use crate::report::plot::{Axis, Look, Mark, Plot, Scale, Series};
use crate::stats::{mean, standard_error};

/// A plot with its caption.
pub struct Figure {
    /// HTML
    pub caption: String,
    /// The plot.
    pub plot: Plot,
}

/// Closure, depth, observable.
type Key<'a> = (&'a str, usize, &'a str);

/// results.csv at the greatest width, in one parametrization at the least learning rate, in its order.
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
    fn new(report: &Report<'a>, width: usize, parametrization: Parametrization) -> Self {
        let mut rows: HashMap<Key, Vec<&Row>> = HashMap::new();
        let rate = report.experiment.learning_rates()[0];
        let here = |row: &&Row| {
            (row.width, row.parametrization) == (width, parametrization.name())
                && row.learning_rate == rate
                && row.value.is_finite()
        };
        for row in report.rows.iter().filter(here) {
            rows.entry((row.closure, row.depth, &row.observable)).or_default().push(row);
        }
        Index { rows }
    }

    /// Means over seeds, from left to right.
    fn curve(&self, closure: Closure, depth: usize, observable: &str, over: Over) -> Vec<Mark> {
        let rows = self.rows.get(&(closure.name(), depth, observable)).into_iter().flatten();
        let point = |row: &&'a Row| {
            let x = match over {
                Over::Steps => Some(f64::from(row.step)),
                Over::Depth(step) => row.depth_time.filter(|_| row.step == step),
            };
            Some((x?, row.value))
        };
        by_x(rows.filter_map(point)).iter().map(mark).collect()
    }
}

/// Values of several seeds by x, from left to right.
pub fn by_x(values: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, Vec<f64>)> {
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

/// Their mean with its standard error.
pub fn mark((x, values): &(f64, Vec<f64>)) -> Mark {
    let error = standard_error(values);
    Mark { x: *x, y: mean(values), error: error.is_finite().then_some(error) }
}

/// At most six of `all`, the first and the last among them.
fn six<T: Copy>(all: &[T]) -> Vec<T> {
    match all.len() {
        0..=6 => all.to_vec(),
        n => (0..6).map(|i| all[i * (n - 1) / 5]).collect(),
    }
}

/// Joined points.
pub fn line((look, label, points): (Look, String, Vec<Mark>)) -> Series {
    let (curve, band) = (vec![], vec![]);
    Series { label, look, points, joined: true, curve, band, level: None }
}

/// How a figure's series differ.
#[derive(Clone, Copy)]
enum By {
    Depth,
    Closure,
    /// Over depth time, from this step on.
    Step(u32),
}

/// What can be drawn: name, heading, observable, vertical axis, series, caption.
const FIGURES: [(&str, &str, &str, &str, By, &str); 11] = [
    ("loss-by-depth", "Training loss by depth", "loss.train", "training loss", By::Depth, ""),
    ("loss-by-closure", "Training loss by closure", "loss.train", "training loss", By::Closure, ""),
    (
        "test-loss-by-closure",
        "Test loss by closure",
        "loss.test",
        "test loss",
        By::Closure,
        "Each step is exact in law; steps are not jointly consistent.",
    ),
    ("output-by-depth", "Output by depth", OUTPUT, "f", By::Depth, "One sample, the first."),
    ("output-by-closure", "Output by closure", OUTPUT, "f", By::Closure, "One sample, the first."),
    (
        "movement-along-depth",
        "How far features move",
        "movement.total",
        "movement of h, mean square",
        By::Step(1),
        "Mean square of h<sup>(k)</sup> − h<sup>(0)</sup> along depth time t = lT/L.",
    ),
    (
        "own-movement",
        "Movement by a layer’s own weights",
        "movement.own",
        "own movement, mean square",
        By::Depth,
        "Mean square of n<sup>−1/2</sup>(W − W<sup>(0)</sup>)φ(h) over layers.",
    ),
    (
        "rank-features",
        "Rank of stored features",
        "rank.features",
        "columns kept",
        By::Closure,
        RANK,
    ),
    (
        "rank-gradients",
        "Rank of stored gradients",
        "rank.gradients",
        "columns kept",
        By::Closure,
        RANK,
    ),
    (
        "eigmin-features",
        "Smallest eigenvalue, features",
        "eigmin.features",
        SPECTRUM,
        By::Step(0),
        "Of the covariance of features over samples and the first k + 1 passes.",
    ),
    (
        "eigmin-gradients",
        "Smallest eigenvalue, gradients",
        "eigmin.gradients",
        SPECTRUM,
        By::Step(0),
        "Of the covariance of backward features over samples and the first k + 1 passes.",
    ),
];

/// Stands for the first output's observable.
const OUTPUT: &str = "f";
const SPECTRUM: &str = "smallest eigenvalue";
const RANK: &str = "Directions kept a layer, mean over layers.";

/// Of several parametrizations the one that is shown.
pub fn shown(report: &Report) -> Parametrization {
    let all = report.experiment.parametrizations();
    all.iter().copied().find(|p| *p == Parametrization::DepthMup).unwrap_or(all[0])
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
    let parametrization = shown(report);
    let index = Index::new(report, width, parametrization);
    let output = report.rows.iter().map(|row| &row.observable).find(|name| name.starts_with("f."));
    let steps: Vec<u32> = report.experiment.training.recorded_steps().collect();
    let depth_mup = parametrization == Parametrization::DepthMup;

    let figure = |&(name, heading, observable, y, by, caption): &(_, &str, _, &str, By, &str)| {
        let observable = match observable {
            OUTPUT => output.map_or(OUTPUT, String::as_str),
            other => other,
        };
        let curve = |closure, depth, over| index.curve(closure, depth, observable, over);
        let depths = six(&ensemble.depths).into_iter().enumerate();
        let series: Vec<Series> = match by {
            By::Depth => depths
                .map(|(i, l)| (Look::Rank(i), l.to_string(), curve(closure, l, Over::Steps)))
                .map(line)
                .collect(),
            By::Closure => closures
                .iter()
                .map(|&c| {
                    (Look::Kind(c as usize), c.name().to_owned(), curve(c, deepest, Over::Steps))
                })
                .map(line)
                .collect(),
            By::Step(first) => {
                six(&steps.iter().copied().filter(|&k| k >= first).collect::<Vec<_>>())
                    .into_iter()
                    .enumerate()
                    .map(|(i, k)| {
                        (Look::Rank(i), k.to_string(), curve(closure, deepest, Over::Depth(k)))
                    })
                    .map(line)
                    .collect()
            }
        };
        let legend = match by {
            By::Depth => "L =",
            By::Closure => "",
            By::Step(_) => "k =",
        };
        let x = match by {
            By::Step(_) => Axis { label: "depth time t".to_owned(), scale: Scale::Linear },
            _ => Axis { label: "updates k".to_owned(), scale: Scale::Count },
        };
        let y = Axis { label: y.to_owned(), scale: scale_for(&series, y == SPECTRUM) };
        let code = format!("<code>{}</code>", closure.name());
        let size = match by {
            By::Depth => format!("{}, n = {width}", closure.name()),
            By::Closure => format!("L = {deepest}, n = {width}"),
            By::Step(_) => format!("{}, L = {deepest}, n = {width}", closure.name()),
        };
        let of = size.replace(" = ", "\u{a0}=\u{a0}").replace(closure.name(), &code) + ".";
        let remark = match name {
            "loss-by-depth" if depth_mup => " Under depth-μP the curves approach a limit.",
            _ => "",
        };
        let caption = format!("{caption} {of}{remark}").trim().to_owned();
        let (name, title) = (String::from(name), heading.to_owned());
        let description = format!("{} against {}", y.label, x.label);
        let (legend, guides) = (legend.to_owned(), vec![]);
        Figure {
            caption,
            plot: Plot { name, title, note: size, description, x, y, legend, series, guides },
        }
    };
    FIGURES.iter().map(figure).filter(|figure| figure.plot.has_points()).collect()
}

/// Logarithmic where all is positive and spreads far; spectra always are.
fn scale_for(series: &[Series], spectrum: bool) -> Scale {
    let values = || series.iter().flat_map(|s| &s.points).map(|mark| mark.y);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let wide = low > 0.0 && high > 20.0 * low;
    if wide || (spectrum && high > 0.0) { Scale::Log } else { Scale::Linear }
}
