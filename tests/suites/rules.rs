//! The three answers of every rule on planted curves, and the words in which they are told.

use crate::common::curves::{SIZES, T7, close, curve_of, planted, spread};
use nfd::stats::curve::{Curve, Reference};
use nfd::stats::verdict::{ALPHA, Judgement, Rule, Verdict, judge};

fn judged(rule: Rule, curve: &Curve) -> Judgement {
    judge(rule, curve, "L", ALPHA)
}

/// What cannot be judged is refused with what is missing and what to do.
#[test]
fn refusals_say_what_to_do() {
    let rule = Rule::Falls { exponent: 1.0 };
    let good = planted(&SIZES, Reference::Limit, |x| 1.0 / x);
    let cases = [
        (
            Curve { seeds: 3, ..good.clone() },
            "needs at least 4 seeds at every point, has 3",
            "8 seeds",
        ),
        (
            planted(&SIZES[..4], Reference::Limit, |x| 1.0 / x),
            "needs at least 5 sizes L, has 4",
            "take 6 or more",
        ),
        (
            planted(&SIZES, Reference::Limit, |x| 1.0 / x - 1.0 / 64.0),
            "the value at L = 64 is zero within its noise",
            "more seeds, or a larger width",
        ),
        // Positive by one seed only.
        (
            curve_of(
                &SIZES,
                Reference::Limit,
                |x, seed| if x == 16.0 && seed > 0 { -0.1 } else { 1.0 },
            ),
            "the value at L = 16 is zero within its noise",
            "more seeds",
        ),
        // Negative whichever seed is left out.
        (
            curve_of(&SIZES, Reference::Limit, |x, seed| {
                if x == 32.0 { -0.1 - 0.01 * seed as f64 } else { 1.0 }
            }),
            "the value at L = 32 is below zero, which no power is",
            "more seeds",
        ),
    ];
    for (curve, reason, next) in cases {
        let found = judged(rule, &curve);
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert_eq!((found.reason.as_str(), found.interval), (reason, None));
        assert!(found.next.as_ref().is_some_and(|words| words.contains(next)), "{:?}", found.next);
    }
}

/// x^{−p} with an interval of p ± `half` and no drift: seeds differ in their exponents.
fn slope(p: f64, half: f64) -> Curve {
    let deviation = half * 8_f64.sqrt() / T7;
    curve_of(&SIZES, Reference::Limit, move |x, seed| {
        (x / 23.0).powf(-p - deviation * spread()[seed])
    })
}

#[test]
fn rules_have_three_answers() {
    use Verdict::{Contradicted, Inconclusive, Supported};
    let (falls, grows) = (Rule::Falls { exponent: 1.0 }, Rule::Grows { exponent: 1.0 });
    for (rule, p, half, verdict) in [
        (falls, 1.0, 0.001, Supported),
        (falls, 1.6, 0.1, Supported),
        (falls, 0.98, 0.03, Supported),
        (falls, 0.95, 0.14, Inconclusive),
        (falls, 0.95, 0.03, Contradicted),
        (falls, 0.6, 0.1, Contradicted),
        (falls, -0.5, 0.1, Contradicted),
        (grows, -1.0, 0.001, Supported),
        (grows, -0.95, 0.08, Supported),
        (grows, -0.95, 0.14, Inconclusive),
        (grows, -0.9, 0.05, Contradicted),
        (grows, 1.0, 0.05, Contradicted),
        (Rule::Stays, 0.0, 0.05, Supported),
        (Rule::Stays, 0.0, 0.2, Inconclusive),
        (Rule::Stays, 0.2, 0.05, Inconclusive),
        (Rule::Stays, 0.05, 0.02, Inconclusive),
        (Rule::Stays, -0.5, 0.1, Supported),
        (Rule::Stays, 1.0, 0.01, Contradicted),
        (Rule::Flat, 0.0, 0.05, Supported),
        (Rule::Flat, 0.0, 0.15, Inconclusive),
        (Rule::Flat, 0.05, 0.03, Contradicted),
        (Rule::Flat, -0.05, 0.03, Contradicted),
        (Rule::Flat, 0.05, 0.08, Inconclusive),
    ] {
        let found = judged(rule, &slope(p, half));
        let Judgement { interval, reason, .. } = &found;
        assert_eq!(found.verdict, verdict, "{rule:?} {p} ± {half}: {interval:?}, {reason}");
        assert_eq!(found.next.is_some(), verdict == Inconclusive, "{rule:?} {p} ± {half}");
        let sign = if rule == grows { -1.0 } else { 1.0 };
        assert!(
            close(found.exponent.unwrap(), sign * p, 0.02 + 0.5 * half),
            "{rule:?} {p}: {reason}"
        );
    }
    assert!(judged(falls, &slope(0.6, 0.1)).reason.ends_with("slower than 1/L"));
    assert!(judged(grows, &slope(-0.9, 0.05)).reason.starts_with("grows like L^0."));
    assert!(judged(grows, &slope(1.0, 0.05)).reason.starts_with("goes like L^-"));
    assert!(judged(Rule::Flat, &slope(-0.05, 0.03)).reason.ends_with("it grows"));
    let stays = |p, half| judged(Rule::Stays, &slope(p, half)).reason;
    assert!(stays(0.2, 0.05).ends_with("it still falls, and a constant is not excluded"));
    assert!(stays(0.0, 0.2).ends_with("the interval does not exclude a slow fall"));
    assert!(stays(0.0, 0.05).contains("; tends to "));
}

/// A curve that falls as claimed may still end at a constant: how large it may be is told, and from a
/// tenth of the last value on nothing is supported.
#[test]
fn constants_that_the_noise_could_hide_are_told() {
    let rule = Rule::Falls { exponent: 1.0 };
    let with = |noise: f64| {
        let law = |x: f64, seed: usize| 1.0 / x + noise / 128.0 * spread()[seed];
        judged(rule, &curve_of(&SIZES, Reference::Limit, law))
    };
    for (noise, verdict) in [(0.02, Verdict::Supported), (0.2, Verdict::Inconclusive)] {
        let found = with(noise);
        // t of 7 degrees of freedom that is exceeded with 5 % is 1.8946.
        let limit = 1.894_579 * noise / 8_f64.sqrt();
        assert!(close(found.constant_upper.unwrap() * 128.0, limit, 1e-5), "{noise}");
        // 1.34 % and 13.4 %: a limit is rounded up.
        let said = format!("at most {}", if noise < 0.1 { "2 %" } else { "14 %" });
        assert_eq!(found.verdict, verdict, "{}", found.reason);
        assert!(found.reason.contains(&said), "{}", found.reason);
    }
    // Half of the last value is a constant, and none of it is taken for a slower power that vanishes.
    let half = judged(rule, &planted(&SIZES, Reference::Limit, |x| 1.0 / x + 1.0 / 128.0));
    assert_eq!(half.verdict, Verdict::Contradicted);
    assert!(close(half.constant.unwrap() * 128.0, 1.0, 1e-6));
    // A law that is steeper than claimed is not taken for a slow one with a constant.
    let steep = judged(rule, &slope(3.0, 0.05));
    assert!(steep.constant_upper.unwrap() < 0.1 * (128.0_f64 / 23.0).powi(-3), "{steep:?}");
}

#[test]
fn rules_are_told_with_their_numbers() {
    for (rule, numbers) in [
        (Rule::Falls { exponent: 2.0 }, ["2", "1.70", "0.1"]),
        (Rule::Grows { exponent: 1.0 }, ["1", "0.85", "growth"]),
        (Rule::Stays, ["0.1", "constant", "down to 0"]),
        (Rule::Flat, ["±0.1", "contains 0", "inconclusive"]),
    ] {
        let words = rule.to_string();
        assert!(numbers.iter().all(|number| words.contains(number)), "{words}");
    }
}
