//! What the rules of `rule` say of a curve.
//!
//! A verdict comes from an interval that has the model's error in it. "Supported" needs two things: the
//! interval holds what is claimed, and it excludes what would make the sentence false. "Contradicted"
//! needs the whole interval on the wrong side. All else is inconclusive, with the next thing to do.

use serde::Serialize;

use super::constant::Constant;
use super::curve::{Curve, distinct};
use super::power::{self, Exponent, Sparing};
pub use super::rule::{ALPHA, LARGEST_CONSTANT, LEAST_SEEDS, LEVEL, NEARLY, Rule};
use super::sum::{self, Other, SumExponent};
use crate::numbers::measured;

/// What a rule says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The numbers meet the rule.
    Supported,
    /// The numbers exclude what is claimed.
    Contradicted,
    /// The numbers do neither, or there are too few of them.
    Inconclusive,
}

impl Verdict {
    /// Every verdict, the good news first.
    pub const ALL: [Verdict; 3] =
        [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];

    /// The verdict's name in summary.json.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Contradicted => "contradicted",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

/// What is said of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Exponent p of x^{−p}; of a rule of growth, that of x^{p}.
    pub exponent: Option<f64>,
    /// Ends of its interval, the model's error included.
    pub interval: Option<[f64; 2]>,
    /// The constant that fits best beside what falls.
    pub constant: Option<f64>,
    /// Ends of its interval.
    pub constant_interval: Option<[f64; 2]>,
    /// The largest constant that the data allow.
    pub constant_upper: Option<f64>,
    /// What the rule says.
    pub verdict: Verdict,
    /// The verdict in words, with the numbers that decided it.
    pub reason: String,
    /// What would decide an inconclusive claim, in words.
    pub next: Option<String>,
}

impl Judgement {
    /// Nothing but an inconclusive verdict.
    pub fn inconclusive(reason: String, next: Option<String>) -> Judgement {
        Judgement {
            exponent: None,
            interval: None,
            constant: None,
            constant_interval: None,
            constant_upper: None,
            verdict: Verdict::Inconclusive,
            reason,
            next,
        }
    }

    /// What may be said of a law of infinite width from one width: the numbers, and no verdict.
    pub fn at_one_width(self, width: f64) -> Judgement {
        let reason = match self.exponent {
            Some(_) => format!(
                "at n = {width} alone {}; one width does not tell the law of infinite width from a \
                 floor in 1/n",
                self.reason
            ),
            None => self.reason,
        };
        let next = Some(format!("add a second width, n = {} or more", 4.0 * width));
        Judgement { verdict: Verdict::Inconclusive, reason, next, ..self }
    }
}

/// What `rule` says of a curve along `size` ("L", "n"), by intervals that miss with probability
/// `alpha`.
pub fn judge(rule: Rule, curve: &Curve, size: &str, alpha: f64) -> Judgement {
    if let Some((reason, next)) = refusal(rule, curve, size) {
        return Judgement::inconclusive(reason, Some(next));
    }
    match rule {
        Rule::FallsInSum { exponent, other } => in_sum(exponent, other, curve, size, alpha),
        _ => along(rule, curve, size, alpha),
    }
}

/// Why a curve is not judged, and what to do: too few points or seeds, or a value that has no logarithm.
fn refusal(rule: Rule, curve: &Curve, size: &str) -> Option<(String, String)> {
    let sizes = distinct(curve.points.iter().map(|point| point.x));
    let least = match rule {
        Rule::FallsInSum { .. } => sum::LEAST_SIZES,
        _ => power::LEAST_SIZES,
    };
    if curve.seeds < LEAST_SEEDS {
        let reason =
            format!("needs at least {LEAST_SEEDS} seeds at every point, has {}", curve.seeds);
        return Some((reason, "take 8 seeds or more".to_owned()));
    }
    if sizes < least {
        let reason = format!("needs at least {least} sizes {size}, has {sizes}");
        return Some((reason, format!("take {} or more", least + 1)));
    }
    let positive = |values: &Option<Vec<f64>>| {
        values.as_ref().is_some_and(|values| values.iter().all(|value| *value > 0.0))
    };
    if positive(&curve.values(None)) && curve.values_without().iter().all(positive) {
        return None;
    }
    let first = |without| {
        let hidden = |point: &&super::curve::Point| {
            curve.value(point, without).is_none_or(|value| value <= 0.0)
        };
        curve.points.iter().find(hidden)
    };
    let hidden = std::iter::once(None).chain((0..curve.seeds).map(Some)).find_map(first)?;
    let mut without_any = (0..curve.seeds).map(|seed| curve.value(hidden, Some(seed)));
    let below = |value: Option<f64>| value.is_some_and(|value| value < 0.0);
    let reason = if below(curve.value(hidden, None)) && without_any.all(below) {
        format!("the value at {size} = {} is below zero, which no power is", hidden.x)
    } else {
        format!("the value at {size} = {} is zero within its noise", hidden.x)
    };
    Some((reason, "take more seeds, or a larger width where a floor of 1/n covers it".to_owned()))
}

/// The part of a sum.
fn in_sum(claimed: f64, other: Other, curve: &Curve, size: &str, alpha: f64) -> Judgement {
    let found = SumExponent::of(curve, other);
    let Some((value, ends)) = found.and_then(|e| Some((e.value(), e.interval(alpha)?))) else {
        return Judgement::inconclusive(
            format!("the data do not determine the exponent of {size}"),
            Some(format!("take more sizes of {size}, or more seeds")),
        );
    };
    let words = format!("this part falls like {}", power(size, value, ends));
    let (verdict, reason, next) = at_least(claimed, ends, words, size, || {
        format!("take more seeds, or a wider range of {size}")
    });
    let judged = Judgement::inconclusive(reason, next);
    Judgement { exponent: Some(value), interval: Some(ends), verdict, ..judged }
}

/// "L^-1.96 [1.90, 2.02]" of what falls, "L^-p with p = -0.05 [-0.11, 0.01]" where the sign is open.
fn power(size: &str, value: f64, [low, high]: [f64; 2]) -> String {
    if low > 0.0 {
        format!("{size}^-{value:.2} [{low:.2}, {high:.2}]")
    } else {
        let [value, low, high] = [value, low, high].map(|p| if p.abs() < 0.005 { 0.0 } else { p });
        format!("{size}^-p with p = {value:.2} [{low:.2}, {high:.2}]")
    }
}

/// A claimed power: verdict, words and next step from an interval.
fn at_least(
    claimed: f64,
    [low, high]: [f64; 2],
    words: String,
    size: &str,
    next: impl Fn() -> String,
) -> (Verdict, String, Option<String>) {
    let law = if claimed == 1.0 { format!("1/{size}") } else { format!("1/{size}^{claimed}") };
    if high < claimed {
        (Verdict::Contradicted, format!("{words}, slower than {law}"), None)
    } else if low > NEARLY * claimed {
        (Verdict::Supported, words, None)
    } else {
        let least = NEARLY * claimed;
        let reason = format!("{words}: the interval reaches below {least:.2}");
        (Verdict::Inconclusive, reason, Some(next()))
    }
}

/// Everything but a sum.
fn along(rule: Rule, curve: &Curve, size: &str, alpha: f64) -> Judgement {
    let sparing = match rule {
        Rule::Falls { .. } => Sparing::Upper,
        Rule::Grows { .. } | Rule::Stays => Sparing::Lower,
        Rule::Flat | Rule::FallsInSum { .. } => Sparing::Both,
    };
    let found = Exponent::of(curve);
    let Some((found, ends)) = found.and_then(|e| e.interval(alpha, sparing).map(|ends| (e, ends)))
    else {
        return Judgement::inconclusive(
            "no interval for the exponent".to_owned(),
            Some("take more seeds".to_owned()),
        );
    };
    let constant = match rule {
        Rule::Falls { exponent } => Constant::beside(curve, steepest(&found, exponent, alpha)),
        _ => Constant::of(curve, steepest(&found, 1.0, alpha)),
    };
    let value = found.value();
    // Beside a decay a limit on one side; of a curve that stays the upper end of the interval.
    let miss = if rule == Rule::Stays { alpha / 2.0 } else { alpha };
    let upper = constant.as_ref().and_then(|c| c.upper(miss));
    let judged = Judgement {
        exponent: Some(value),
        interval: Some(ends),
        constant: constant.as_ref().map(Constant::value),
        constant_interval: constant.as_ref().and_then(|c| c.interval(alpha)),
        constant_upper: upper.map(|(upper, _)| upper),
        ..Judgement::inconclusive(String::new(), None)
    };
    let share = upper.map(|(_, share)| share);
    let next = || next_step(&found, curve, size, alpha, ends);
    let [low, high] = ends;
    let (verdict, reason, next) = match rule {
        Rule::Falls { exponent } => {
            let verb = if value > 0.0 { "falls" } else { "goes" };
            let words = format!("{verb} like {}", power(size, value, ends));
            let decided = at_least(exponent, ends, words, size, next);
            match (decided, share) {
                ((Verdict::Supported, words, _), Some(share)) => {
                    let words = format!(
                        "{words}; a constant beside it is at most {} of the last value",
                        percent(share)
                    );
                    if share < LARGEST_CONSTANT {
                        (Verdict::Supported, words, None)
                    } else {
                        (Verdict::Inconclusive, words, Some(next()))
                    }
                }
                ((Verdict::Supported, words, _), None) => (
                    Verdict::Inconclusive,
                    format!("{words}; no limit for a constant beside it"),
                    Some(next()),
                ),
                (decided, _) => decided,
            }
        }
        Rule::Grows { exponent } => {
            let (value, ends) = (-value, [-high, -low]);
            let [low, high] = ends;
            let verb = if value > 0.0 { "grows" } else { "goes" };
            let words = format!("{verb} like {size}^{value:.2} [{low:.2}, {high:.2}]");
            let decided = if high < exponent {
                (Verdict::Contradicted, format!("{words}, slower than {size}^{exponent}"), None)
            } else if low > NEARLY * exponent {
                (Verdict::Supported, words, None)
            } else {
                let least = NEARLY * exponent;
                let reason = format!("{words}: the interval reaches below {least:.2}");
                (Verdict::Inconclusive, reason, Some(next()))
            };
            let (verdict, reason, next) = decided;
            return Judgement {
                exponent: Some(value),
                interval: Some(ends),
                verdict,
                reason,
                next,
                ..judged
            };
        }
        Rule::Stays => {
            let words = match (judged.constant, judged.constant_interval) {
                // What grows tends to nothing.
                (Some(c), Some([a, b])) if low <= 0.0 && (0.0..LEVEL).contains(&high) => format!(
                    "goes like {} at the largest {size}; tends to {} [{}, {}]",
                    power(size, value, ends),
                    measured(c),
                    measured(a),
                    measured(b)
                ),
                _ => format!("goes like {} at the largest {size}", power(size, value, ends)),
            };
            if low <= 0.0 && high < LEVEL {
                (Verdict::Supported, words, None)
            } else if low > LEVEL && share.is_some_and(|share| share < LARGEST_CONSTANT) {
                (Verdict::Contradicted, format!("{words}, and no constant fits"), None)
            } else if low > 0.0 {
                let words = format!("{words}: it still falls, and a constant is not excluded");
                (Verdict::Inconclusive, words, Some(next()))
            } else {
                let words = format!("{words}: the interval does not exclude a slow fall");
                (Verdict::Inconclusive, words, Some(next()))
            }
        }
        Rule::Flat | Rule::FallsInSum { .. } => {
            let words = format!("goes like {}", power(size, value, ends));
            if low > 0.0 {
                (Verdict::Contradicted, format!("{words}: it falls"), None)
            } else if high < 0.0 {
                (Verdict::Contradicted, format!("{words}: it grows"), None)
            } else if low > -LEVEL && high < LEVEL {
                (Verdict::Supported, words, None)
            } else {
                let words = format!("{words}: the interval is not within ±{LEVEL}");
                (Verdict::Inconclusive, words, Some(next()))
            }
        }
    };
    Judgement { verdict, reason, next, ..judged }
}

/// The exponent beside which a constant is sought: the claimed one; where the fits exclude it from below,
/// more by as many whole steps as they allow. The correction b/x covers what lies between two steps, and
/// a law that falls faster than claimed is not taken for a slower one that could hide a constant.
fn steepest(found: &Exponent, claimed: f64, alpha: f64) -> f64 {
    match found.hull(alpha) {
        Some([low, high]) if low > claimed => claimed + (high - claimed).floor(),
        _ => claimed,
    }
}

/// "4 %", rounded up: what is at most 3.2 % is not at most 3 %.
fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p < 1.0 => format!("{:.1} %", (10.0 * p).ceil().max(1.0) / 10.0),
        p => format!("{:.0} %", p.ceil()),
    }
}

/// What narrows an interval most: more seeds where noise makes it wide, larger sizes where the fits
/// disagree or the exponent still drifts.
fn next_step(found: &Exponent, curve: &Curve, size: &str, alpha: f64, ends: [f64; 2]) -> String {
    let noise = found.fits.iter().filter_map(|fit| fit.interval(alpha)).map(|[a, b]| b - a);
    let noise = noise.fold(0.0, f64::max);
    let further = 2.0 * curve.points.last().map_or(0.0, |point| point.x);
    if noise > 0.6 * (ends[1] - ends[0]) {
        format!("take {} seeds, or add {size} = {further}", 2 * curve.seeds)
    } else {
        format!("the exponent still changes between the sizes: add {size} = {further}")
    }
}
