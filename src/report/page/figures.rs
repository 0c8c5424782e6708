//! Plots of claims.

use super::words;
use crate::claims::{Axis, Claim, Family, Point};
use crate::report::Report;
use crate::report::plot::{self, Guide, Look, Mark, Plot, Scale, Series};
use crate::report::text::capital;

/// One observable, one series a closure: points, fitted family with band, slope of theory.
pub fn claim_plot(report: &Report, id: &str, statement: &str, claims: &[&Claim]) -> Plot {
    let observable = claims.first().map_or("", |claim| claim.observable);
    let (name, _) = words::observable(observable, report);
    let axis = claims.first().map_or(Axis::Depth, |claim| claim.axis);
    let label = match axis {
        Axis::Depth | Axis::Both => "depth L",
        Axis::Width | Axis::WidthOfAll => "width n",
    };
    let at =
        claims.first().map(|claim| format!("{}, {}", words::held(claim), words::step(claim.step)));
    let closures: Vec<&str> = claims.iter().map(|claim| claim.closure.name()).collect();
    Plot {
        name: id.to_owned(),
        title: capital(statement),
        note: at.unwrap_or_default(),
        description: format!("{name} against {label} for {}", closures.join(", ")),
        x: plot::Axis { label: label.to_owned(), scale: Scale::Sizes },
        y: plot::Axis { label: name.to_owned(), scale: Scale::Log },
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
    let by_width = claim.axis == Axis::Both;
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
        level: claim.plateau.filter(|c| claim.family == Family::Plateau && *c > 0.0),
    }
}

/// The slope of theory, just below all points.
fn theory(claims: &[&Claim]) -> Option<Guide> {
    let growing = claims.iter().any(|claim| matches!(claim.family, Family::Growth | Family::Trend));
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
