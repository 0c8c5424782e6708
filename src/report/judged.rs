//! What is said of anybody's curve: text, JSON and a plot.

use serde_json::{Value, json};

use super::plot::{Axis, Look, Mark, Plot, Scale, Series};
use crate::claims::curves::Judged;
use crate::numbers::{count, exponent, measured};
use crate::stats::curve::local_exponents;
use crate::stats::verdict::{ALPHA, Rule};
use crate::stats::{constant, power};

/// Points (x, y), with the error of each.
fn points(judged: &Judged) -> Vec<(f64, f64, Option<f64>)> {
    let curve = &judged.curve;
    let errors = curve.standard_errors();
    let values = curve.values(None).unwrap_or_default();
    let sizes = curve.sizes().into_iter().zip(values).zip(errors);
    sizes.map(|((x, y), error)| (x, y, error)).collect()
}

fn local(judged: &Judged) -> Vec<Option<f64>> {
    let pairs: Vec<(f64, f64)> = points(judged).iter().map(|(x, y, _)| (*x, *y)).collect();
    local_exponents(&pairs)
}

/// What was claimed, what is said of it and why, in a few lines.
pub fn text(claim: &str, judged: &Judged) -> String {
    let Judged { judgement, curve, slice, size, .. } = judged;
    let points = points(judged);
    let end = |at: Option<&(f64, f64, Option<f64>)>| {
        at.map(|(x, y, _)| format!("{} at {size} = {x}", measured(*y))).unwrap_or_default()
    };
    let seeds = count(curve.seeds as u64, "seed");
    let local = local(judged).into_iter().map(|p| p.map_or("–".to_owned(), exponent));
    let mut lines = vec![
        format!("{claim}, {slice}: {}", judgement.verdict.name()),
        format!("  {}", judgement.reason),
    ];
    if let Some(next) = &judgement.next {
        lines.push(format!("  next: {next}"));
    }
    if let Some(upper) = judgement.constant_upper {
        lines.push(format!("  largest constant that the data allow: {}", measured(upper)));
    }
    lines.push(format!(
        "  {}, {}: {} to {}",
        seeds,
        count(points.len() as u64, "size"),
        end(points.first()),
        end(points.last())
    ));
    lines.push(format!("  local exponents {}", local.collect::<Vec<_>>().join(" ")));
    lines.join("\n") + "\n"
}

/// The same with all digits.
pub fn json(claim: &str, judged: &Judged) -> Value {
    let Judged { judgement, curve, slice, left_out, .. } = judged;
    let points = points(judged);
    json!({
        "claim": claim,
        "slice": slice,
        "verdict": judgement.verdict.name(),
        "exponent": judgement.exponent,
        "ci95": judgement.interval,
        "plateau": judgement.constant,
        "plateau_ci95": judgement.constant_interval,
        "plateau_upper": judgement.constant_upper,
        "reason": judgement.reason,
        "next": judgement.next,
        "sizes": points.iter().map(|(x, ..)| *x).collect::<Vec<_>>(),
        "values": points.iter().map(|(_, y, _)| *y).collect::<Vec<_>>(),
        "standard_errors": points.iter().map(|(.., error)| *error).collect::<Vec<_>>(),
        "local_exponents": local(judged),
        "seeds": curve.seeds,
        "left_out": left_out,
    })
}

/// Points with one standard error, the fit of all sizes with its 95 % band.
pub fn plot(claim: &str, rule: Rule, judged: &Judged) -> Plot {
    const POINTS: i32 = 40;
    let Judged { curve, slice, size, .. } = judged;
    let points = points(judged);
    let ends = points.first().zip(points.last()).map(|(first, last)| (first.0, last.0));
    let (low, high) = ends.unwrap_or((1.0, 1.0));
    let at = |i: i32| low * (high / low).powf(f64::from(i) / f64::from(POINTS));
    let grid: Vec<f64> = (0..=POINTS).map(at).collect();
    let fitted = match (judged.judgement.interval, rule) {
        (None, _) => None,
        (_, Rule::Stays) => constant::fitted(curve, &grid),
        _ => power::fitted(curve, &grid),
    };
    let fitted = fitted.unwrap_or_default();
    let band = grid.iter().zip(&fitted).filter_map(|(x, fit)| {
        let [low, high] = fit.interval(ALPHA)?;
        Some((*x, low, high))
    });
    let label = if *size == "L" { "depth L" } else { "width n" };
    let series = Series {
        label: "value".to_owned(),
        look: Look::Kind(0),
        points: points.iter().map(|&(x, y, error)| Mark { x, y, error }).collect(),
        joined: fitted.is_empty(),
        curve: grid.iter().zip(&fitted).map(|(x, fit)| (*x, fit.value)).collect(),
        band: band.collect(),
        level: judged.judgement.constant.filter(|c| rule == Rule::Stays && *c > 0.0),
    };
    Plot {
        name: "judged".to_owned(),
        title: format!("{claim}: {}", judged.judgement.verdict.name()),
        note: slice.clone(),
        description: format!("value against {label}"),
        x: Axis { label: label.to_owned(), scale: Scale::Sizes },
        y: Axis { label: "value".to_owned(), scale: Scale::Log },
        legend: String::new(),
        series: vec![series],
        guides: vec![],
    }
}
