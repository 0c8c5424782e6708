//! Figures of several runs over each other, and the losses at their ends.

use super::Overlaid;
use super::reading::Run;
use crate::model::Closure;
use crate::numbers::{measured, with_error};
use crate::report::plot::{Axis, KINDS, Look, Plot, Scale, Series};
use crate::report::text::escape;

/// A final loss in all runs.
pub struct Loss {
    /// Which loss, and of which closure.
    pub name: String,
    /// The loss with its standard error, and where it was measured; None where a run has none.
    pub cells: Vec<Option<(String, String)>>,
}

/// The figures that at least two runs have, one for each, with a line a run.
pub fn overlaid(runs: &[Run]) -> Vec<Overlaid> {
    let mut seen: Vec<(&str, &str, &str)> = Vec::new();
    let mut figures = Vec::new();
    for plot in runs.iter().flat_map(|run| &run.figures) {
        let key = key(plot);
        if !seen.contains(&key) {
            seen.push(key);
            figures.extend(figure(runs, key));
        }
    }
    figures
}

/// Figures are one if name and axes are.
fn key(plot: &Plot) -> (&str, &str, &str) {
    (&plot.name, &plot.x.label, &plot.y.label)
}

fn figure(runs: &[Run], wanted: (&str, &str, &str)) -> Option<Overlaid> {
    let having: Vec<(usize, &Plot)> = runs
        .iter()
        .enumerate()
        .filter_map(|(i, run)| Some((i, run.figures.iter().find(|plot| key(plot) == wanted)?)))
        .collect();
    let (_, first) = *having.first().filter(|_| having.len() > 1)?;
    // What the runs have in common: the exact network if it is there, else the last, e.g. the deepest.
    let in_all = |label: &&str| {
        having.iter().all(|(_, plot)| plot.series.iter().any(|series| series.label == **label))
    };
    let labels = first.series.iter().map(|series| series.label.as_str());
    let common: Vec<&str> = labels.filter(in_all).collect();
    let exact = common.iter().find(|label| **label == Closure::Exact.name());
    let label = *exact.or(common.last())?;
    let series = |&(i, plot): &(usize, &Plot)| {
        let own = plot.series.iter().find(|series| series.label == label)?;
        let look = if runs.len() <= KINDS { Look::Kind(i) } else { Look::rank(i, runs.len()) };
        Some(Series { label: runs[i].name.clone(), look, band: vec![], ..own.clone() })
    };
    let scale = |of: fn(&Plot) -> &Axis| {
        let axis = of(first);
        let same = having.iter().all(|(_, plot)| of(plot).scale == axis.scale);
        let scale = if same { axis.scale } else { Scale::Linear };
        Axis { label: axis.label.clone(), scale }
    };
    let shown = [first.legend.as_str(), label].join(" ").trim().to_owned();
    let plot = Plot {
        name: format!("compare-{}", first.name),
        title: first.title.clone(),
        note: shown.clone(),
        description: format!("{} against {}, a line a run", first.y.label, first.x.label),
        x: scale(|plot| &plot.x),
        y: scale(|plot| &plot.y),
        legend: String::new(),
        series: having.iter().filter_map(series).collect(),
        guides: vec![],
    };
    let notes: Vec<String> =
        having.iter().map(|(i, plot)| format!("{}: {}", runs[*i].name, plot.note)).collect();
    let same = having.iter().all(|(_, plot)| plot.note == first.note);
    let caption = match same {
        true => escape(&format!("{shown}, {}.", first.note)),
        false => escape(&format!("{shown}; not at one place: {}.", notes.join("; "))),
    };
    plot.has_points().then_some(Overlaid { plot, caption })
}

/// Training and test losses after the last update, as the figures of the runs have them.
pub fn losses(runs: &[Run]) -> Vec<Loss> {
    let mut losses = Vec::new();
    for (figure, name) in [("loss-by-closure", "training"), ("test-loss-by-closure", "test")] {
        let plots: Vec<Option<&Plot>> =
            runs.iter().map(|run| run.figures.iter().find(|plot| plot.name == figure)).collect();
        let mut closures: Vec<&str> = Vec::new();
        for series in plots.iter().flatten().flat_map(|plot| &plot.series) {
            if !closures.contains(&series.label.as_str()) {
                closures.push(&series.label);
            }
        }
        let cell = |closure: &str, plot: &Option<&Plot>| {
            let plot = (*plot)?;
            let series = plot.series.iter().find(|series| series.label == closure)?;
            let last = series.points.last()?;
            let value = match last.error {
                Some(error) => with_error(last.y, error),
                None => measured(last.y),
            };
            Some((value, format!("{}, k = {}", plot.note, last.x)))
        };
        losses.extend(closures.into_iter().map(|closure| Loss {
            name: format!("{name} loss, {closure}"),
            cells: plots.iter().map(|plot| cell(closure, plot)).collect(),
        }));
    }
    losses
}
