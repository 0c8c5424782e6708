//! Anybody's curves: values by seed and size in a CSV file, judged as the claims of a run are.

use std::collections::BTreeMap;
use std::io::Read;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::stats::curve::{Curve, Point, Reduction, Reference, Values, without_floor};
use crate::stats::verdict::{Judgement, Rule, judge};

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
        let (family, has_floor) = match text.strip_suffix("+floor") {
            Some(family) => (family, true),
            None => (text, false),
        };
        let (name, exponent) = match family.split_once(':') {
            Some((name, exponent)) => {
                let exponent = exponent.parse::<f64>().ok();
                let exponent = exponent.filter(|p| *p > 0.0 && p.is_finite());
                (name, Some(exponent.ok_or("the exponent is a number above 0")?))
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

/// The size along which a curve is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Along {
    /// Along the column depth.
    Depth,
    /// Along the column width.
    Width,
}

/// A file of values: by width and depth (0 without such a column), then by seed.
pub struct CurveFile {
    name: String,
    has: [bool; 2],
    values: BTreeMap<[Size; 2], BySeed>,
}

/// The line of each seed's value, and the value if it is finite.
type BySeed = BTreeMap<u64, (u64, Option<f64>)>;

/// A size in order.
#[derive(Clone, Copy, PartialEq)]
struct Size(f64);

impl Eq for Size {}

impl Ord for Size {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A curve of a file, and what is said of it.
pub struct Judged {
    /// "L" or "n".
    pub size: &'static str,
    /// The points, and the values by seed.
    pub curve: Curve,
    /// Which of the file's values they are, in words.
    pub slice: String,
    /// Seeds that lack a value at some size, and are left out at all of them.
    pub left_out: Vec<u64>,
    /// What the rule says.
    pub judgement: Judgement,
}

const WIDTH: usize = 0;
const DEPTH: usize = 1;

impl CurveFile {
    /// Reads columns `seed`, `value`, and `depth` or `width` or both; others are passed over. A value
    /// that is not finite stands for a run that diverged.
    ///
    /// # Errors
    /// At a line that does not say one number of one seed.
    pub fn read(name: &str, file: impl Read) -> Result<CurveFile> {
        let fail = |row: Option<u64>, problem: String, help: &str| Error::Data {
            source_name: name.to_owned(),
            row,
            problem,
            help: help.to_owned(),
        };
        let csv_error = |error: csv::Error| {
            let row = error.position().map(csv::Position::line);
            fail(row, error.to_string(), "every line needs as many fields as the header")
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let header = reader.headers().map_err(csv_error)?.clone();
        let known = "columns are seed, value, and depth or width or both, separated by commas";
        let of = |wanted: &str| {
            let is = |name: &str| {
                name.trim_start_matches('\u{feff}').trim_matches('"').eq_ignore_ascii_case(wanted)
            };
            header.iter().position(is)
        };
        let column = |wanted: &str| {
            let problem = || match header.len() {
                1 if header[0].contains([';', '\t']) => {
                    format!("no column {wanted}: fields are not separated by commas")
                }
                0 => "the file is empty".to_owned(),
                _ => format!("no column {wanted} in the header"),
            };
            of(wanted).ok_or_else(|| fail(Some(1), problem(), known))
        };
        let (seed, value, sizes) = (column("seed")?, column("value")?, [of("width"), of("depth")]);
        if sizes == [None, None] {
            return Err(fail(Some(1), "no column depth or width in the header".to_owned(), known));
        }
        let has = sizes.map(|column| column.is_some());
        let mut file = CurveFile { name: name.to_owned(), has, values: BTreeMap::new() };
        for record in reader.records() {
            let record = record.map_err(csv_error)?;
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |column: usize, what: &str| {
                let problem = format!("{}: '{}' is not {what}", &header[column], &record[column]);
                fail(Some(line), problem, "mend or remove the line")
            };
            let number: u64 = record[seed].parse().map_err(|_| wrong(seed, "a whole number"))?;
            let at: f64 = record[value].parse().map_err(|_| wrong(value, "a number"))?;
            let mut place = [Size(0.0); 2];
            for (place, column) in place.iter_mut().zip(sizes) {
                let Some(column) = column else { continue };
                let size = record[column].parse::<f64>().ok();
                let size = size.filter(|size| *size > 0.0 && size.is_finite());
                *place = Size(size.ok_or_else(|| wrong(column, "a number above 0"))?);
            }
            let entry = (line, Some(at).filter(|value| value.is_finite()));
            let before = file.values.entry(place).or_default().insert(number, entry);
            if let Some((other, _)) = before {
                let problem =
                    format!("seed {number} has a value of these sizes on line {other} too");
                return Err(fail(
                    Some(line),
                    problem,
                    "give one value a seed and size, as their mean",
                ));
            }
        }
        if file.values.is_empty() {
            return Err(fail(None, "has no line below its header".to_owned(), known));
        }
        Ok(file)
    }

    /// What the rule says of the file's curve, with an interval that misses with probability `alpha`:
    /// along the size that varies, the depth if both do and nothing else is said, at the largest of the
    /// other; a floor in 1/n is removed by the two largest widths.
    ///
    /// # Errors
    /// When the file has no such curve.
    pub fn judge(&self, claim: CurveClaim, along: Option<Along>, alpha: f64) -> Result<Judged> {
        let fail = |problem: &str, help: &str| {
            Err(Error::Data {
                source_name: self.name.clone(),
                row: None,
                problem: problem.to_owned(),
                help: help.to_owned(),
            })
        };
        let along = match (along, self.has) {
            (Some(Along::Depth) | None, [_, true]) => DEPTH,
            (Some(Along::Width) | None, [true, _]) => WIDTH,
            (Some(Along::Depth), _) => return fail("has no column depth", "judge it along width"),
            (Some(Along::Width), _) => return fail("has no column width", "judge it along depth"),
            (None, _) => return fail("has no size", "give a column depth or width"),
        };
        if claim.has_floor && !(along == DEPTH && self.has[WIDTH]) {
            return fail(
                "a floor in 1/n is told by its widths, along the depth",
                "give columns depth and width, or a claim without +floor",
            );
        }
        let other = 1 - along;
        let mut others: Vec<Size> = self.values.keys().map(|place| place[other]).collect();
        others.sort_unstable();
        others.dedup();
        let (held, narrower) = match others[..] {
            [.., narrower, held] if claim.has_floor => (held, Some(narrower)),
            [.., held] => (held, None),
            [] => return fail("has no values", "give a line a seed and size"),
        };
        let (curve, left_out) = self.curve(along, held, narrower);
        let size = if along == DEPTH { "L" } else { "n" };
        let judgement = judge(claim.rule, &curve, size, alpha);
        let judgement = match claim.has_floor && narrower.is_none() {
            true => judgement.at_one_width(held.0),
            false => judgement,
        };
        let letter = if other == DEPTH { "L" } else { "n" };
        let slice = match (self.has[other], narrower) {
            (_, Some(narrower)) => {
                format!("at infinite width, from n = {} and {}", narrower.0, held.0)
            }
            (true, None) if others.len() > 1 => {
                format!("at {letter} = {}, the largest of {}", held.0, others.len())
            }
            (true, None) => format!("at {letter} = {}", held.0),
            (false, None) => format!("along {size}"),
        };
        Ok(Judged { size, curve, slice, left_out, judgement })
    }

    /// The values along a size, and the seeds that lack one at some size.
    fn curve(&self, along: usize, held: Size, narrower: Option<Size>) -> (Curve, Vec<u64>) {
        let other = 1 - along;
        let at = |x: Size, held: Size| {
            let mut place = [x; 2];
            place[other] = held;
            self.values.get(&place)
        };
        let has = |x: &Size| {
            let narrow = narrower.is_none_or(|narrower| at(*x, narrower).is_some());
            at(*x, held).is_some() && narrow
        };
        let mut sizes: Vec<Size> = self.values.keys().map(|place| place[along]).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.retain(has);
        let all: std::collections::BTreeSet<u64> = sizes
            .iter()
            .flat_map(|x| [Some(held), narrower].into_iter().flatten().map(|h| (*x, h)))
            .flat_map(|(x, held)| at(x, held).into_iter().flat_map(BTreeMap::keys).copied())
            .collect();
        let value = |x: Size, held: Size, seed: u64| at(x, held)?.get(&seed)?.1;
        let whole = |seed: &u64| {
            let of = |x: &Size| {
                value(*x, held, *seed).is_some()
                    && narrower.is_none_or(|narrower| value(*x, narrower, *seed).is_some())
            };
            sizes.iter().all(of)
        };
        let (kept, left_out): (Vec<u64>, Vec<u64>) = all.into_iter().partition(whole);
        let values = |x: Size, held: Size| -> Values {
            vec![kept.iter().map(|&seed| value(x, held, seed)).collect()]
        };
        let point = |&x: &Size| {
            let wide = values(x, held);
            let values = match narrower {
                None => wide,
                Some(n) => without_floor([(n.0, &values(x, n)), (held.0, &wide)]),
            };
            Point { x: x.0, z: 0.0, values }
        };
        let points = sizes.iter().map(point).collect();
        let (reduction, reference) = (Reduction::Mean, Reference::Limit);
        (Curve { points, reduction, reference, seeds: kept.len() }, left_out)
    }
}
