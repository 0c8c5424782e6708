//! Intervals hold the truth and verdicts err as seldom as docs/verdicts.md says: a part of
//! benches/verdicts.rs, with fixed keys. Bounds are what the bench finds, ± 4 standard errors of 1000
//! ensembles, 5 % of wrong verdicts and 90 % of intervals that hold the truth.

use nfd::stats::curve::Reference;
use nfd::stats::verdict::{ALPHA, Rule};

// The bench prints more than is asked here.
#[allow(dead_code)]
#[path = "../../benches/verdicts/ensembles.rs"]
mod ensembles;
#[allow(dead_code)]
#[path = "../../benches/verdicts/laws.rs"]
mod laws;
#[allow(dead_code)]
#[path = "../../benches/verdicts/tally.rs"]
mod tally;

use ensembles::{Design, Floor, Noise, doubling};
use tally::{Ensembles, tally};

const ENSEMBLES: usize = 1000;

fn design(noise: Noise, seeds: usize, sizes: usize) -> Design {
    Design { sizes: doubling(sizes), seeds, noise, floor: None, reference: Reference::Limit }
}

/// Percent of verdicts that are wrong and right on a claim of a law of the bench, and of intervals that
/// hold the truth, by intervals that miss with `alpha`.
fn measured(law: &str, rule: Rule, design: &Design, alpha: f64) -> [f64; 3] {
    let mut laws: Vec<_> = laws::laws().into_iter().filter(|known| known.name == law).collect();
    laws[0].claims.retain(|(claim, _)| *claim == rule);
    let sentence = laws[0].claims[0].1;
    let ensembles = Ensembles { count: ENSEMBLES, key: 77, alpha };
    let cells = tally(&laws, std::slice::from_ref(design), ensembles);
    let cell = &cells[0][0][0];
    [cell.wrong(sentence), cell.right(sentence), cell.covered().unwrap()].map(|share| 100.0 * share)
}

/// Whether a share of 1000 ensembles is within 4 standard errors of what is expected, in percent; of
/// shares near 0 and 100 those of 0.2 and 99.8.
fn within(found: f64, expected: f64) -> bool {
    let share = (expected / 100.0).clamp(0.002, 0.998);
    (found - expected).abs() <= 400.0 * (share * (1.0 - share) / ENSEMBLES as f64).sqrt()
}

#[test]
fn verdicts_and_intervals_are_those_of_the_bench() {
    let (falls, grows) = (Rule::Falls { exponent: 1.0 }, Rule::Grows { exponent: 1.0 });
    let usual = design(Noise::Normal, 8, 6);
    let square = Rule::Falls { exponent: 2.0 };
    let floor = Design { floor: Some(Floor { ratio: 8.0, share: 0.5 }), ..usual.clone() };
    let reference = Design { reference: Reference::Aligned(512.0), ..usual.clone() };
    let growing = |seeds, sizes| design(Noise::Growing, seeds, sizes);
    // Wrong, right, held.
    let cases: [(&str, Rule, Design, [f64; 3]); 18] = [
        ("L^-1", falls, usual.clone(), [0.0, 99.8, 99.9]),
        ("L^-1", falls, growing(64, 5), [1.5, 98.5, 97.5]),
        ("L^-1", Rule::Stays, usual.clone(), [0.0, 100.0, 99.9]),
        ("L^-1 (1 + 4/L)", falls, design(Noise::Common, 8, 6), [0.0, 99.3, 99.9]),
        ("L^-1 + 16 L^-2", falls, design(Noise::Outlier, 8, 6), [0.0, 35.5, 92.1]),
        ("1/(L + 40)", falls, growing(4, 5), [3.2, 0.0, 96.8]),
        ("L^-0.9", falls, growing(4, 5), [0.2, 14.6, 98.3]),
        ("L^-0.8", falls, design(Noise::Heavy, 8, 6), [0.0, 98.2, 99.9]),
        ("L^-1 + 10 %", falls, growing(16, 6), [4.0, 75.0, 94.3]),
        ("L^-1 (1 + 4/L) + 10 %", Rule::Stays, design(Noise::Outlier, 64, 6), [3.0, 0.0, 97.1]),
        ("L^-1 + 30 %", falls, usual.clone(), [0.0, 100.0, 95.3]),
        ("L^-2", falls, usual.clone(), [0.0, 99.9, 99.9]),
        ("1", Rule::Stays, usual.clone(), [0.0, 91.2, 96.6]),
        ("1", Rule::Flat, growing(64, 5), [1.9, 89.0, 98.1]),
        ("L", grows, usual.clone(), [0.0, 99.9, 99.9]),
        ("L^0.8", grows, usual, [0.0, 98.4, 99.9]),
        ("L^-2", square, floor, [0.3, 90.2, 99.4]),
        ("L^-2", square, reference, [0.1, 99.9, 99.9]),
    ];
    let mut failures = Vec::new();
    for (law, rule, design, expected) in cases {
        let found = measured(law, rule, &design, ALPHA);
        let place = format!("{}, {}×{}", design.noise.name(), design.seeds, design.sizes.len());
        eprintln!("{law}, {rule:?}, {place}: {found:.1?}");
        let fine = found.iter().zip(expected).all(|(found, expected)| within(*found, expected));
        if !fine || found[0] > 5.0 || found[2] < 90.0 {
            failures.push(format!("{law}, {rule:?}, {place}: {found:.1?}, expected {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Narrower intervals would be seen: those that miss half the time each.
#[test]
fn intervals_that_are_too_narrow_do_not_pass() {
    let design = design(Noise::Growing, 64, 5);
    let [wrong, _, held] = measured("L^-1", Rule::Falls { exponent: 1.0 }, &design, 0.5);
    assert!(wrong > 5.0 && !within(wrong, 1.5), "{wrong}");
    assert!(held < 90.0 && !within(held, 97.5), "{held}");
}
