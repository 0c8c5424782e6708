//! What is said of anybody's curve: text, JSON and a plot.

use serde_json::{Value, json};

use super::plot::{Axis, Look, Mark, Plot, Scale, Series};
use crate::claims::curves::Judged;
use crate::numbers::{count, exponent, measured};
use crate::stats::verdict::Rule;

/// What was claimed, what is said of it and why, in a few lines.
pub fn text(judged: &Judged) -> String {
    let Judged { question, judgement, slice, size, points, .. } = judged;
    let end = |at: Option<&(f64, f64, Option<f64>)>| {
        at.map(|(x, y, _)| format!("{} at {size} = {x}", measured(*y)))
    };
    let claim = question.claim;
    let mut lines = vec![
        format!("{claim}, {slice}: {}", claim.statement(size)),
        format!("  {}: {}", judgement.verdict.name(), judgement.reason),
    ];
    if let Some(next) = &judgement.next {
        lines.push(format!("  next: {next}"));
    }
    if let (Some(c), Some([low, high])) = (judgement.constant, judgement.constant_interval) {
        let [c, low, high] = [c, low, high].map(measured);
        let upper = judgement.constant_upper.map(measured);
        let upper = upper.map(|upper| format!(", at most {upper}")).unwrap_or_default();
        lines.push(format!("  constant {c} [{low}, {high}]{upper}"));
    }
    let ends = [end(points.first()), end(points.last())].into_iter().flatten();
    let (seeds, sizes) = (count(judged.seeds as u64, "seed"), count(points.len() as u64, "size"));
    lines.push(match ends.collect::<Vec<_>>().join(" to ").as_str() {
        "" => format!("  {seeds}, {sizes}"),
        ends => format!("  {seeds}, {sizes}: {ends}"),
    });
    if !judged.local_exponents.is_empty() {
        let local = judged.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
        lines.push(format!("  local exponents {}", local.collect::<Vec<_>>().join(" ")));
    }
    if question.simultaneous > 1 && judgement.interval.is_some() {
        let number = question.simultaneous;
        lines.push(format!("  its interval is one of {number} that hold simultaneously with 95 %"));
    }
    lines.join("\n") + "\n"
}

/// The same with all digits.
pub fn json(judged: &Judged) -> Value {
    let Judged { question, judgement, points, .. } = judged;
    json!({
        "claim": question.claim.to_string(),
        "statement": question.claim.statement(judged.size),
        "slice": judged.slice,
        "simultaneous": question.simultaneous,
        "verdict": judgement.verdict.name(),
        "exponent": judgement.exponent,
        "ci95": judgement.interval,
        "plateau": judgement.constant,
        "plateau_ci95": judgement.constant_interval,
        "plateau_upper": judgement.constant_upper,
        "reason": judgement.reason,
        "next": judgement.next,
        "sizes": points.iter().map(|(x, ..)| *x as u64).collect::<Vec<_>>(),
        "values": points.iter().map(|(_, y, _)| *y).collect::<Vec<_>>(),
        "standard_errors": points.iter().map(|(.., error)| *error).collect::<Vec<_>>(),
        "local_exponents": judged.local_exponents,
        "seeds": judged.seeds,
        "seeds_left_out": judged.seeds_left_out,
        "sizes_left_out": judged.sizes_left_out,
    })
}

/// Points with one standard error, the fit of all sizes with its 95 % band.
pub fn plot(judged: &Judged) -> Plot {
    let Judged { question, judgement, points, fitted, .. } = judged;
    let label = if judged.size == "L" { "depth L" } else { "width n" };
    let positive = points.iter().all(|(_, y, _)| *y > 0.0);
    let series = Series {
        label: "value".to_owned(),
        look: Look::Kind(0),
        points: points.iter().map(|&(x, y, error)| Mark { x, y, error }).collect(),
        // Without a fit a plain line leads the eye.
        joined: fitted.is_empty(),
        curve: fitted.iter().map(|p| (p.x, p.value)).collect(),
        band: fitted.iter().filter_map(|p| p.ci95.map(|[low, high]| (p.x, low, high))).collect(),
        level: judgement.constant.filter(|c| question.claim.rule == Rule::Stays && *c > 0.0),
    };
    Plot {
        name: "judged".to_owned(),
        title: format!("{}: {}", question.claim, judgement.verdict.name()),
        note: judged.slice.clone(),
        description: format!("value against {label}"),
        x: Axis { label: label.to_owned(), scale: Scale::Sizes },
        y: Axis {
            label: "value".to_owned(),
            scale: if positive { Scale::Log } else { Scale::Linear },
        },
        legend: String::new(),
        series: vec![series],
        guides: vec![],
    }
}
