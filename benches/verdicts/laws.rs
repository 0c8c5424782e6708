//! Laws whose exponent and constant are known, and what is claimed of each.

use nfd::stats::curve::Reference;
use nfd::stats::verdict::Rule;

/// What becomes of a law at large sizes besides its power.
#[derive(Clone, Copy)]
pub enum Tail {
    /// It falls, or grows, for ever.
    None,
    /// A constant is added that is this share of the last value.
    Share(f64),
    /// It tends to this by itself.
    Tends(f64),
}

/// Whether a claim's sentence is true of a law.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sentence {
    True,
    False,
    /// Not as it stands, but by less than the verdict's own words leave open.
    Nearly,
}

/// A curve without noise.
pub struct Law {
    pub name: &'static str,
    /// Its value at a size.
    pub at: fn(f64) -> f64,
    pub tail: Tail,
    /// Exponent p of x^{−p} as x grows without bound; None where there is none to cover.
    pub exponent: Option<f64>,
    pub claims: Vec<(Rule, Sentence)>,
}

impl Law {
    /// The values at some sizes, as differences to `reference`.
    pub fn values(&self, sizes: &[f64], reference: Reference) -> Vec<f64> {
        let values = sizes.iter().map(|&x| match reference {
            Reference::Limit => (self.at)(x),
            Reference::Added(r) => (self.at)(x) - (self.at)(r),
            Reference::Aligned(r) => ((self.at)(x).sqrt() - (self.at)(r).sqrt()).powi(2),
        });
        match self.tail {
            Tail::Share(c) => {
                let last = (self.at)(sizes[sizes.len() - 1]);
                values.map(|y| (1.0 - c) * y / last + c).collect()
            }
            _ => values.collect(),
        }
    }

    /// The constant that it tends to, where that is positive.
    pub fn constant(&self) -> Option<f64> {
        match self.tail {
            Tail::None => None,
            Tail::Share(c) | Tail::Tends(c) => Some(c),
        }
    }
}

const fn falls(exponent: f64) -> Rule {
    Rule::Falls { exponent }
}

const fn grows(exponent: f64) -> Rule {
    Rule::Grows { exponent }
}

const STAYS: Rule = Rule::Stays;
const FLAT: Rule = Rule::Flat;

/// All of them.
pub fn laws() -> Vec<Law> {
    let mut laws = falling();
    laws.extend(slow());
    laws.extend(beside_a_constant());
    laws.extend(staying());
    laws.extend(growing());
    laws
}

type Claims<'a> = &'a [(Rule, Sentence)];
use Sentence::{False, Nearly, True};

fn power(name: &'static str, exponent: f64, at: fn(f64) -> f64, claims: Claims) -> Law {
    Law { name, at, tail: Tail::None, exponent: Some(exponent), claims: claims.to_vec() }
}

fn tends(name: &'static str, constant: f64, at: fn(f64) -> f64, claims: Claims) -> Law {
    let (tail, exponent) = (Tail::Tends(constant), Some(0.0));
    Law { name, at, tail, exponent, claims: claims.to_vec() }
}

fn beside(name: &'static str, share: f64, at: fn(f64) -> f64, claims: Claims) -> Law {
    let (tail, exponent) = (Tail::Share(share), Some(0.0));
    Law { name, at, tail, exponent, claims: claims.to_vec() }
}

const ONE: Claims = &[(falls(1.0), True)];
const TWO: Claims = &[(falls(2.0), True), (falls(1.0), True), (STAYS, False)];
const ONE_NOT_TWO: Claims = &[(falls(1.0), True), (falls(2.0), False)];
const NOT_ONE: Claims = &[(falls(1.0), False)];

/// Laws that fall like 1/L or faster.
fn falling() -> Vec<Law> {
    let every: Claims = &[
        (falls(0.5), True),
        (falls(1.0), True),
        (falls(2.0), False),
        (STAYS, False),
        (FLAT, False),
        (grows(0.5), False),
    ];
    vec![
        power("L^-1", 1.0, |x| 1.0 / x, every),
        power("L^-1 (1 + 4/L)", 1.0, |x| (1.0 + 4.0 / x) / x, ONE_NOT_TWO),
        power("L^-1 (1 + 4/L)^3", 1.0, |x| (1.0 + 4.0 / x).powi(3) / x, ONE_NOT_TWO),
        power("L^-1 (1 + 20/L)^2", 1.0, |x| (1.0 + 20.0 / x).powi(2) / x, ONE_NOT_TWO),
        power("L^-1 (1 − 2/L)", 1.0, |x| (1.0 - 2.0 / x) / x, ONE),
        power("1/(L + 4)", 1.0, |x| 1.0 / (x + 4.0), ONE),
        power("1/(L + 20)", 1.0, |x| 1.0 / (x + 20.0), ONE),
        power("1/(L + 40)", 1.0, |x| 1.0 / (x + 40.0), ONE),
        power("L^-1 + 16 L^-2", 1.0, |x| 1.0 / x + 16.0 / (x * x), ONE_NOT_TWO),
        power("L^-1 + 64 L^-2", 1.0, |x| 1.0 / x + 64.0 / (x * x), ONE_NOT_TWO),
        power("L^-1 + 256 L^-3", 1.0, |x| 1.0 / x + 256.0 / x.powi(3), ONE_NOT_TWO),
        power("L^-1 + exp(−L/8)", 1.0, |x| 1.0 / x + (-x / 8.0).exp(), ONE),
        power("L^-1 + 4 L^-1.5", 1.0, |x| 1.0 / x + 4.0 * x.powf(-1.5), ONE_NOT_TWO),
        power("L^-1 + L^-1.2", 1.0, |x| 1.0 / x + x.powf(-1.2), ONE_NOT_TWO),
        power("L^-1.5", 1.5, |x| x.powf(-1.5), ONE_NOT_TWO),
        power("L^-1.5 + 4 L^-2", 1.5, |x| x.powf(-1.5) + 4.0 / (x * x), ONE_NOT_TWO),
        power("L^-1.8", 1.8, |x| x.powf(-1.8), ONE_NOT_TWO),
        power("L^-2", 2.0, |x| x.powi(-2), TWO),
        power("L^-2 (1 + 4/L)", 2.0, |x| x.powi(-2) * (1.0 + 4.0 / x), TWO),
        power("L^-2 (1 − 1.4/L)", 2.0, |x| x.powi(-2) * (1.0 - 1.4 / x), TWO),
        power("L^-2 + 16 L^-3", 2.0, |x| x.powi(-2) + 16.0 * x.powi(-3), TWO),
        power("1/(L + 4)^2", 2.0, |x| (x + 4.0).powi(-2), TWO),
        power("L^-3", 3.0, |x| x.powi(-3), TWO),
        Law { exponent: None, ..power("exp(−L/64)", 0.0, |x| (-x / 64.0).exp(), ONE) },
    ]
}

/// Laws that fall more slowly than 1/L.
fn slow() -> Vec<Law> {
    let half: Claims = &[(falls(0.5), True), (falls(1.0), False)];
    let half_stays: Claims = &[(falls(0.5), True), (falls(1.0), False), (STAYS, False)];
    let slowest: Claims =
        &[(falls(0.5), False), (falls(1.0), False), (STAYS, False), (FLAT, False)];
    vec![
        power("L^-0.9", 0.9, |x| x.powf(-0.9), NOT_ONE),
        power("L^-0.9 (1 + 4/L)", 0.9, |x| x.powf(-0.9) * (1.0 + 4.0 / x), NOT_ONE),
        power("L^-0.9 + 4 L^-1.4", 0.9, |x| x.powf(-0.9) + 4.0 * x.powf(-1.4), NOT_ONE),
        power("L^-0.8 (1 + 64/L)", 0.8, |x| x.powf(-0.8) * (1.0 + 64.0 / x), NOT_ONE),
        power("L^-0.8", 0.8, |x| x.powf(-0.8), half),
        power("L^-0.8 (1 + 4/L)", 0.8, |x| x.powf(-0.8) * (1.0 + 4.0 / x), NOT_ONE),
        power("L^-0.8 (1 − 2/L)", 0.8, |x| x.powf(-0.8) * (1.0 - 2.0 / x), NOT_ONE),
        power("log L / L", 1.0, |x| x.ln() / x, &[(falls(1.0), False), (falls(0.5), True)]),
        power("L^-0.5", 0.5, |x| x.powf(-0.5), half_stays),
        power("L^-0.5 (1 + 4/L)", 0.5, |x| x.powf(-0.5) * (1.0 + 4.0 / x), half),
        power("L^-0.5 + 181 L^-2", 0.5, |x| x.powf(-0.5) + 181.0 / (x * x), NOT_ONE),
        power("L^-0.5 + 4 L^-1", 0.5, |x| x.powf(-0.5) + 4.0 / x, half),
        power("L^-0.5 + 8 L^-1", 0.5, |x| x.powf(-0.5) + 8.0 / x, half),
        power("L^-0.4", 0.4, |x| x.powf(-0.4), &[(falls(0.5), False), (STAYS, False)]),
        power("L^-0.2", 0.2, |x| x.powf(-0.2), slowest),
        power("L^-0.1", 0.1, |x| x.powf(-0.1), &[(STAYS, Nearly), (FLAT, Nearly)]),
        power("L^-0.05", 0.05, |x| x.powf(-0.05), &[(STAYS, Nearly), (FLAT, Nearly)]),
        power("1/log L", 0.0, |x| 1.0 / x.ln(), slowest),
    ]
}

/// A power that falls to a constant.
fn beside_a_constant() -> Vec<Law> {
    let inverse = |x: f64| 1.0 / x;
    let small: Claims = &[(falls(1.0), Nearly), (STAYS, Nearly)];
    let large: Claims = &[(falls(1.0), False), (STAYS, True)];
    let square: Claims = &[(falls(2.0), False), (falls(1.0), False), (STAYS, True)];
    vec![
        beside("L^-1 + 2 %", 0.02, inverse, small),
        beside("L^-1 + 5 %", 0.05, inverse, small),
        beside("L^-1 + 10 %", 0.1, inverse, large),
        beside("L^-1 + 20 %", 0.2, inverse, large),
        beside("L^-1 + 30 %", 0.3, inverse, large),
        beside("L^-1 + 50 %", 0.5, inverse, large),
        beside("L^-1 + 70 %", 0.7, inverse, large),
        beside("L^-1 + 90 %", 0.9, inverse, large),
        beside("L^-1 (1 + 4/L) + 5 %", 0.05, |x| (1.0 + 4.0 / x) / x, small),
        beside("L^-1 (1 + 4/L) + 10 %", 0.1, |x| (1.0 + 4.0 / x) / x, large),
        beside("L^-1 (1 + 4/L) + 30 %", 0.3, |x| (1.0 + 4.0 / x) / x, large),
        beside("1/(L + 20) + 30 %", 0.3, |x| 1.0 / (x + 20.0), large),
        beside("L^-2 + 5 %", 0.05, |x| x.powi(-2), &[(falls(2.0), Nearly), (falls(1.0), Nearly)]),
        beside("L^-2 + 10 %", 0.1, |x| x.powi(-2), square),
        beside("L^-2 + 30 %", 0.3, |x| x.powi(-2), square),
        beside("L^-0.5 + 30 %", 0.3, |x| x.powf(-0.5), &[(falls(0.5), False), (STAYS, True)]),
        beside("L^-0.5 + 70 %", 0.7, |x| x.powf(-0.5), large),
    ]
}

/// Laws that tend to a constant, or to infinity, and are claimed to stay.
fn staying() -> Vec<Law> {
    let flat: Claims = &[(STAYS, True), (FLAT, True)];
    let constant: Claims = &[(STAYS, True), (FLAT, True), (falls(0.5), False), (falls(1.0), False)];
    vec![
        tends("1", 1.0, |_| 1.0, constant),
        tends("1 + 4/L", 1.0, |x| 1.0 + 4.0 / x, flat),
        tends("(1 + 4/L)^2", 1.0, |x| (1.0 + 4.0 / x).powi(2), flat),
        tends("1 − 1/L", 1.0, |x| 1.0 - 1.0 / x, flat),
        tends("1 − 3/L", 1.0, |x| 1.0 - 3.0 / x, flat),
        tends("L/(L + 16)", 1.0, |x| x / (x + 16.0), &[(STAYS, True), (grows(0.5), False)]),
        tends("1 + L^-0.5", 1.0, |x| 1.0 + x.powf(-0.5), flat),
    ]
}

/// Laws that grow.
fn growing() -> Vec<Law> {
    let one: Claims = &[(grows(1.0), True), (grows(0.5), True), (STAYS, True), (FLAT, False)];
    let half: Claims = &[(grows(0.5), True), (grows(1.0), False), (STAYS, True)];
    let slow: Claims = &[(grows(0.5), False), (STAYS, True), (FLAT, False)];
    vec![
        power("L", -1.0, |x| x, one),
        power("L (1 + 2/L)", -1.0, |x| x + 2.0, one),
        power("L^2/(L + 16)", -1.0, |x| x * x / (x + 16.0), &[(grows(1.0), True)]),
        power("L^2", -2.0, |x| x * x, &[(grows(1.0), True)]),
        power("L^0.8", -0.8, |x| x.powf(0.8), &[(grows(1.0), False), (grows(0.5), True)]),
        power("L^0.5", -0.5, |x| x.powf(0.5), half),
        power("(L + 16)^0.5", -0.5, |x| (x + 16.0).sqrt(), half),
        power("L^0.2", -0.2, |x| x.powf(0.2), slow),
        power("L^0.1", -0.1, |x| x.powf(0.1), &[(STAYS, True), (FLAT, Nearly)]),
        power("log L", 0.0, |x| x.ln(), slow),
    ]
}

/// Laws that were written down after every choice in src/stats had been made, and before they were run.
pub fn unseen() -> Vec<Law> {
    let large: Claims = &[(falls(1.0), False), (STAYS, True)];
    vec![
        power("1/(L + 30)", 1.0, |x| 1.0 / (x + 30.0), ONE),
        power("1/(L + 60)", 1.0, |x| 1.0 / (x + 60.0), ONE),
        power("L^-1 (1 + 10/L)", 1.0, |x| (1.0 + 10.0 / x) / x, ONE),
        power("L^-1 + 30 L^-2", 1.0, |x| 1.0 / x + 30.0 / (x * x), ONE),
        power("L^-1 (1 − 8/L^2)", 1.0, |x| (1.0 - 8.0 / (x * x)) / x, ONE),
        power("(L + 10)^-1.5", 1.5, |x| (x + 10.0).powf(-1.5), ONE_NOT_TWO),
        power("L^-1.2 (1 + 6/L)", 1.2, |x| x.powf(-1.2) * (1.0 + 6.0 / x), ONE_NOT_TWO),
        power("L^-0.85", 0.85, |x| x.powf(-0.85), NOT_ONE),
        power("L^-0.7 (1 + 12/L)", 0.7, |x| x.powf(-0.7) * (1.0 + 12.0 / x), NOT_ONE),
        power("(L + 10)^-0.8", 0.8, |x| (x + 10.0).powf(-0.8), NOT_ONE),
        beside("L^-1 (1 + 10/L) + 20 %", 0.2, |x| (1.0 + 10.0 / x) / x, large),
        beside("L^-1.5 + 15 %", 0.15, |x| x.powf(-1.5), large),
        beside("L^-3 + 15 %", 0.15, |x| x.powi(-3), large),
        tends("1 + 8/L", 1.0, |x| 1.0 + 8.0 / x, &[(STAYS, True), (FLAT, True)]),
        tends("L/(L + 30)", 1.0, |x| x / (x + 30.0), &[(STAYS, True)]),
    ]
}
