//! Figures of the limit: how networks of infinite width approach it with depth.

use super::figures::Drawn;
use crate::limit::Depth;
use crate::model::Closure;
use crate::report::Report;
use crate::report::limits::{Distance, Limits};
use crate::report::plot::{Axis, Guide, Look, Mark, Plot, Scale, Series};

/// The distance to the limit by depth, and the first output beside the band of its limit.
pub fn figures(report: &Report) -> Vec<Drawn> {
    let Some(limits) = report.limits else { return Vec::new() };
    let drawn = [distance(limits), output(limits)];
    drawn.into_iter().filter(|figure| figure.plot.has_points()).collect()
}

fn depth() -> Axis {
    Axis { label: "depth L".to_owned(), scale: Scale::Sizes }
}

/// Joined points of a closure, and a band.
fn line(closure: Closure, points: Vec<Mark>, band: Vec<(f64, f64, f64)>) -> Series {
    let (label, look) = (closure.name().to_owned(), Look::Kind(closure as usize));
    Series { label, look, points, joined: true, curve: vec![], band, level: None }
}

fn distance(limits: &Limits) -> Drawn {
    let k = limits.telling_pass();
    let series: Vec<Series> = limits
        .finished
        .iter()
        .map(|limit| {
            let distances = limits.distances(&limit.estimate, k);
            let mark = |&Distance { depth, value, error }: &Distance| Mark {
                x: depth as f64,
                y: value,
                error: Some(error),
            };
            line(limit.closure, distances.iter().map(mark).collect(), vec![])
        })
        .collect();
    let guide = series.first().and_then(|series| {
        let (first, last) = (series.points.first()?, series.points.last()?);
        let at = |x: f64| (x, 0.7 * first.y * first.x / x);
        Some(Guide { label: "1/L".to_owned(), curve: vec![at(first.x), at(last.x)] })
    });
    let step = limits.quantities.steps[k];
    Drawn {
        caption: format!(
            "Networks of infinite width and depth L less the limit, root mean square over outputs, with one \
             error, at k\u{a0}=\u{a0}{step}."
        ),
        plot: Plot {
            name: "limit-distance".to_owned(),
            title: "Distance of f to its limit".to_owned(),
            note: format!("n = ∞, k = {step}"),
            description: "distance of f to its limit against depth L".to_owned(),
            x: depth(),
            y: Axis {
                label: "distance of f to its limit, root mean square over outputs".to_owned(),
                scale: Scale::Log,
            },
            legend: String::new(),
            series,
            guides: guide.into_iter().collect(),
        },
    }
}

fn output(limits: &Limits) -> Drawn {
    let k = limits.telling_pass();
    let i = k * limits.outputs.len();
    let series: Vec<Series> = limits
        .finished
        .iter()
        .map(|limit| {
            let by_depth = limit.estimate.by_depth(i);
            let number = limit.estimate.number(i);
            let (low, high) = (number.value - number.error(), number.value + number.error());
            let ends = [by_depth.first(), by_depth.last()].into_iter().flatten();
            let mark = |at: &Depth| Mark {
                x: at.depth as f64,
                y: at.value,
                error: Some(at.standard_error),
            };
            let band = ends.map(|at| (at.depth as f64, low, high)).collect();
            line(limit.closure, by_depth.iter().map(mark).collect(), band)
        })
        .collect();
    let (step, name) = (limits.quantities.steps[k], limits.output_name(0));
    Drawn {
        caption: format!(
            "Output {name} of networks of infinite width and depth L, and, as a band, its limit with its \
             error, at k\u{a0}=\u{a0}{step}."
        ),
        plot: Plot {
            name: "limit-output".to_owned(),
            title: "Output by depth, and its limit".to_owned(),
            note: format!("output {name}, n = ∞, k = {step}"),
            description: "output f against depth L, and its limit".to_owned(),
            x: depth(),
            y: Axis { label: "output f".to_owned(), scale: Scale::Linear },
            legend: String::new(),
            series,
            guides: vec![],
        },
    }
}
