//! Anybody's curves, judged as the claims of a run are.

use std::fmt;
use std::str::FromStr;

use super::FittedPoint;
use super::curve_file::{CurveFile, DEPTH, WIDTH};
use super::fitted::band;
use crate::error::{Error, Result};
use crate::stats::curve::{
    Curve, Point, Reduction, Reference, Values, local_exponents, without_floor,
};
use crate::stats::verdict::{ALPHA, Judgement, Rule, judge};

/// What is claimed of a curve: "falls:1", "falls:2+floor", "plateau", "grows:0.5", "flat".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveClaim {
    /// The rule by which it is judged.
    pub rule: Rule,
    /// Whether values have a term in 1/n at finite width, which a pair of widths removes.
    pub has_floor: bool,
}

impl FromStr for CurveClaim {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<CurveClaim, String> {
        /// Beyond this no size shows what else there is.
        const STEEPEST: f64 = 20.0;
        let (family, has_floor) = match text.strip_suffix("+floor") {
            Some(family) => (family, true),
            None => (text, false),
        };
        let (name, exponent) = match family.split_once(':') {
            Some((name, exponent)) => {
                let exponent = exponent.parse::<f64>().ok();
                let exponent = exponent.filter(|p| *p > 0.0 && *p <= STEEPEST);
                let what = || format!("the exponent is a number above 0, at most {STEEPEST}");
                (name, Some(exponent.ok_or_else(what)?))
            }
            None => (family, None),
        };
        let rule = match (name, exponent) {
            ("falls", Some(exponent)) => Rule::Falls { exponent },
            ("grows", Some(exponent)) => Rule::Grows { exponent },
            ("plateau", None) => Rule::Stays,
            ("flat", None) => Rule::Flat,
            _ => {
                let known = "falls:P, grows:P, plateau or flat, each with +floor if values have a \
                             term in 1/width";
                return Err(format!("a claim is {known}"));
            }
        };
        Ok(CurveClaim { rule, has_floor })
    }
}

impl fmt::Display for CurveClaim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Falls { exponent } | Rule::FallsInSum { exponent, .. } => {
                write!(out, "falls:{exponent}")?;
            }
            Rule::Grows { exponent } => write!(out, "grows:{exponent}")?,
            Rule::Stays => write!(out, "plateau")?,
            Rule::Flat => write!(out, "flat")?,
        }
        if self.has_floor { write!(out, "+floor") } else { Ok(()) }
    }
}

impl CurveClaim {
    /// The claim in words, along a size "L" or "n".
    pub fn statement(&self, size: &str) -> String {
        match self.rule {
            Rule::Falls { exponent: 1.0 } => format!("falls at least like 1/{size}"),
            Rule::Falls { exponent } | Rule::FallsInSum { exponent, .. } => {
                format!("falls at least like 1/{size}^{exponent}")
            }
            Rule::Grows { exponent: 1.0 } => format!("grows at least like {size}"),
            Rule::Grows { exponent } => format!("grows at least like {size}^{exponent}"),
            Rule::Stays => format!("does not fall with {size}"),
            Rule::Flat => format!("neither grows nor falls with {size}"),
        }
    }
}

/// The size along which a curve is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Along {
    /// Along the column depth.
    Depth,
    /// Along the column width.
    Width,
}

/// What is asked of a file's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// What is claimed.
    pub claim: CurveClaim,
    /// The size along which it is claimed; None for the one that varies, the depth if both do.
    pub along: Option<Along>,
    /// The size of the network to which the values are differences, x^{−p} − r^{−p}; None of errors
    /// against the limit.
    pub reference: Option<u64>,
    /// The number of claims whose intervals are to hold together with 95 %.
    pub simultaneous: u16,
}

/// A curve of a file, and what is said of it.
pub struct Judged {
    /// What was asked.
    pub question: Question,
    /// "L" or "n".
    pub size: &'static str,
    /// Which of the file's values they are, in words.
    pub slice: String,
    /// Size, value and jackknife standard error of each point.
    pub points: Vec<(f64, f64, Option<f64>)>,
    /// Number of seeds at every point.
    pub seeds: usize,
    /// Seeds that lack a value at some size, and are left out at all of them.
    pub seeds_left_out: Vec<u64>,
    /// Sizes at which no seed has a value, of an extrapolation at both widths.
    pub sizes_left_out: Vec<u64>,
    /// What the rule says.
    pub judgement: Judgement,
    /// Exponents between neighbouring points.
    pub local_exponents: Vec<Option<f64>>,
    /// The fit of all sizes with its 95 % band; none without an interval.
    pub fitted: Vec<FittedPoint>,
}

/// A curve's values among those of a file: along one size, at one or two of the other.
struct Slice {
    along: usize,
    held: u64,
    narrower: Option<u64>,
}

impl CurveFile {
    /// What the rule says of the file's curve along the size that varies, the depth if both do and
    /// nothing else is said, at the largest of the other; a floor in 1/n is removed by the two largest
    /// widths.
    ///
    /// # Errors
    /// When the file has no such curve.
    pub fn judge(&self, question: Question) -> Result<Judged> {
        let Question { claim, reference, simultaneous, .. } = question;
        let slice = self.slice(&question)?;
        let Slice { along, held, narrower } = slice;
        let (curve, [sizes_left_out, seeds_left_out]) = self.curve(&slice, reference);
        let size = letter(along);
        let largest = curve.points.last().map_or(0.0, |point| point.x);
        if let Some(r) = reference.filter(|r| *r as f64 <= largest) {
            return Err(self.error(
                format!("a reference of {size} = {r} is not above the largest size, {largest}"),
                "name the reference's own size, and leave out its own lines",
            ));
        }
        let judgement = judge(claim.rule, &curve, size, ALPHA / f64::from(simultaneous));
        let judgement = match claim.has_floor && narrower.is_none() {
            true => judgement.at_one_width(held as f64),
            false => judgement,
        };
        let values = curve.values(None).unwrap_or_default();
        let points: Vec<_> = curve.sizes().into_iter().zip(values).collect();
        let with_error = points.iter().zip(curve.standard_errors());
        let along_curve: Vec<_> = points.iter().map(|&(x, _)| (x, 0.0)).collect();
        Ok(Judged {
            question,
            size,
            slice: self.in_words(&slice, reference),
            points: with_error.map(|(&(x, y), error)| (x, y, error)).collect(),
            seeds: curve.seeds,
            seeds_left_out,
            sizes_left_out,
            local_exponents: local_exponents(&points),
            fitted: match judgement.interval {
                Some(_) => band(&curve, claim.rule, None, &along_curve),
                None => vec![],
            },
            judgement,
        })
    }

    fn error(&self, problem: String, help: &str) -> Error {
        let (source_name, help) = (self.name.clone(), help.to_owned());
        Error::Data { source_name, row: None, problem, help }
    }

    /// Which of the values a question is about.
    fn slice(&self, &Question { claim, along, .. }: &Question) -> Result<Slice> {
        let fail = |problem: &str, help: &str| Err(self.error(problem.to_owned(), help));
        let varies = |which: usize| self.sizes(which).len() > 1;
        let along = match (along, self.has) {
            (Some(Along::Depth), [_, false]) => {
                return fail("has no column depth", "judge it along width");
            }
            (Some(Along::Width), [false, _]) => {
                return fail("has no column width", "judge it along depth");
            }
            (Some(Along::Depth), _) | (None, [false, _]) => DEPTH,
            (Some(Along::Width), _) | (None, [_, false]) => WIDTH,
            (None, _) if varies(WIDTH) && !varies(DEPTH) && !claim.has_floor => WIDTH,
            (None, _) => DEPTH,
        };
        if claim.has_floor && !(along == DEPTH && self.has[WIDTH]) {
            return fail(
                "a floor in 1/n is found from several widths, along the depth",
                "give columns depth and width, or a claim without +floor",
            );
        }
        let others: Vec<u64> = self.sizes(1 - along).into_iter().collect();
        match others[..] {
            [.., narrower, held] if claim.has_floor => {
                Ok(Slice { along, held, narrower: Some(narrower) })
            }
            [.., held] => Ok(Slice { along, held, narrower: None }),
            [] => fail("has no values", "give one line per seed and size"),
        }
    }

    /// "at n = 512, the largest of 3".
    fn in_words(&self, slice: &Slice, reference: Option<u64>) -> String {
        let &Slice { along, held, narrower } = slice;
        let (size, other) = (letter(along), letter(1 - along));
        let of = self.sizes(1 - along).len();
        let words = match narrower {
            Some(narrower) => format!("at infinite width, from n = {narrower} and {held}"),
            None if !self.has[1 - along] => format!("along {size}"),
            None if of > 1 => format!("at {other} = {held}, the largest of {of}"),
            None => format!("at {other} = {held}"),
        };
        match reference {
            Some(r) => format!("{words}, as differences to {size} = {r}"),
            None => words,
        }
    }

    /// The values of a slice, and what is left out of it: sizes without any value, then seeds that
    /// lack one at some other size.
    fn curve(&self, slice: &Slice, reference: Option<u64>) -> (Curve, [Vec<u64>; 2]) {
        let &Slice { along, held, narrower } = slice;
        let at = |x: u64, held: u64| if along == DEPTH { [held, x] } else { [x, held] };
        let held_at = |x: u64| [Some(held), narrower].into_iter().flatten().map(move |h| at(x, h));
        let sizes: Vec<u64> = self.sizes(along).into_iter().collect();
        let sizes: Vec<u64> =
            sizes.into_iter().filter(|&x| !self.seeds(held_at(x)).is_empty()).collect();
        let seeds = self.seeds(sizes.iter().flat_map(|&x| held_at(x)));
        let values = |x: u64, held: u64| -> Values {
            vec![seeds.iter().map(|&seed| self.value(at(x, held), seed)).collect()]
        };
        let point = |&x: &u64| {
            let wide = values(x, held);
            let values = match narrower {
                None => wide,
                Some(n) => without_floor([(n as f64, &values(x, n)), (held as f64, &wide)]),
            };
            Point { x: x as f64, z: 0.0, values }
        };
        let mut curve = Curve {
            points: sizes.iter().map(point).collect(),
            reduction: Reduction::Mean,
            reference: reference.map_or(Reference::Limit, |r| Reference::Added(r as f64)),
            seeds: seeds.len(),
            shared_error: vec![],
        };
        let kept = curve.keep_whole();
        let lost = |all: &[u64], kept: &[usize]| {
            let lost = all.iter().enumerate().filter(|(i, _)| !kept.contains(i));
            lost.map(|(_, number)| *number).collect()
        };
        (curve, [lost(&sizes, &kept.points), lost(&seeds, &kept.seeds)])
    }
}

/// The letter of a size.
fn letter(which: usize) -> &'static str {
    if which == DEPTH { "L" } else { "n" }
}
