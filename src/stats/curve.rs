//! An ensemble's curve: values over seeds at several sizes, reduced to one number a size, with
//! jackknife errors of whatever is formed from those numbers.

use super::jackknife::{Estimate, jackknife};
use super::mean;

/// Values of one point, several outputs by seeds; None where a run diverged.
pub type Values = Vec<Vec<Option<f64>>>;

/// How seeds and outputs become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The mean over seeds and outputs.
    Mean,
    /// The root mean square over outputs of means over seeds: the weak error (docs/theory.md,
    /// section 4).
    RootMeanSquareOfMeans,
}

/// What the values are differences to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reference {
    /// The limit, or a partner in a fixed proportion, as L against 2L: the power stays itself.
    Limit,
    /// Size r, with errors that add up in mean square, as those of nested sums of independent parts,
    /// or of a signed mean: x^{−p} − r^{−p}.
    Added(f64),
    /// Size r, in mean square of errors that are one direction times x^{−p/2}, as those of an Euler
    /// scheme: (x^{−p/2} − r^{−p/2})².
    Aligned(f64),
}

impl Reference {
    /// What takes the place of x^{−p}.
    pub fn fall(self, x: f64, p: f64) -> f64 {
        match self {
            Reference::Limit => x.powf(-p),
            Reference::Added(r) => x.powf(-p) - r.powf(-p),
            Reference::Aligned(r) => (x.powf(-p / 2.0) - r.powf(-p / 2.0)).powi(2),
        }
    }
}

/// A point of a curve before seeds and outputs are reduced to one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The depth or width that varies.
    pub x: f64,
    /// The other size of a sum of errors in both; unused otherwise.
    pub z: f64,
    /// Values by output and seed.
    pub values: Values,
}

/// An observable of an ensemble at several sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The points, in ascending order of x.
    pub points: Vec<Point>,
    /// How seeds and outputs become one value at each point.
    pub reduction: Reduction,
    /// What the values are differences to.
    pub reference: Reference,
    /// Number of seeds of the ensemble.
    pub seeds: usize,
    /// An error that the values of all seeds and points share, by output, as that of a limit to which
    /// they are differences; empty for none.
    pub shared_error: Vec<f64>,
}

/// Both sides of a shared error.
const SIDES: [f64; 2] = [-1.0, 1.0];

/// What [`Curve::keep_whole`] has kept, by former positions.
pub struct Kept {
    /// The points that have a number.
    pub points: Vec<usize>,
    /// The seeds that have one at every such point.
    pub seeds: Vec<usize>,
}

impl Curve {
    /// Leaves out the points without any number and those whose value the shared error covers, then the seeds that lack one at any of the others:
    /// every point is of the same seeds, or survivors of the deepest networks would be compared with
    /// all of the shallow ones.
    pub fn keep_whole(&mut self) -> Kept {
        let all = std::mem::take(&mut self.points).into_iter().enumerate();
        let there: Vec<(usize, Point)> = all.filter(|(_, point)| self.is_known(point)).collect();
        let (points, mut there): (Vec<usize>, Vec<Point>) = there.into_iter().unzip();
        let whole = |seed: &usize| {
            there.iter().flat_map(|point| &point.values).all(|seeds| seeds[*seed].is_some())
        };
        let seeds: Vec<usize> = (0..self.seeds).filter(whole).collect();
        for values in there.iter_mut().flat_map(|point| &mut point.values) {
            *values = seeds.iter().map(|&seed| values[seed]).collect();
        }
        (self.points, self.seeds) = (there, seeds.len());
        Kept { points, seeds }
    }

    /// Whether a point has a value, of which the error that all values share is a tenth at most: beyond, the
    /// curve would be that of the shared error.
    fn is_known(&self, point: &Point) -> bool {
        const SHARE: f64 = 0.1;
        let squares: f64 = self.shared_error.iter().map(|error| error * error).sum();
        let error = (squares / self.shared_error.len().max(1) as f64).sqrt();
        self.value(point, None).is_some_and(|value| error <= SHARE * value.abs() || error == 0.0)
    }

    /// The value of one point, optionally without one seed; None without any finite value.
    pub fn value(&self, point: &Point, without: Option<usize>) -> Option<f64> {
        self.reduced(point.values.iter().map(|seeds| {
            let left = seeds.iter().enumerate().filter(|(seed, _)| Some(*seed) != without);
            mean(&left.filter_map(|(_, value)| *value).collect::<Vec<_>>())
        }))
    }

    /// One value from the means over seeds of every output.
    fn reduced(&self, means: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
        let outputs = means.len() as f64;
        let value = match self.reduction {
            Reduction::Mean => means.sum::<f64>() / outputs,
            Reduction::RootMeanSquareOfMeans => {
                (means.map(|m| m * m).sum::<f64>() / outputs).sqrt()
            }
        };
        value.is_finite().then_some(value)
    }

    /// The values of all points, optionally without one seed.
    pub fn values(&self, without: Option<usize>) -> Option<Vec<f64>> {
        self.points.iter().map(|point| self.value(point, without)).collect()
    }

    /// The values of all points without each seed in turn, by seed: from the sums over seeds, since a
    /// mean anew for every seed would take the square of their number.
    pub fn values_without(&self) -> Vec<Option<Vec<f64>>> {
        let sums = |seeds: &Vec<Option<f64>>| {
            let finite = seeds.iter().flatten();
            (finite.clone().sum::<f64>(), finite.count())
        };
        let sums: Vec<Vec<(f64, usize)>> =
            self.points.iter().map(|point| point.values.iter().map(sums).collect()).collect();
        let without = |seed: usize| {
            let value = |(point, sums): (&Point, &Vec<(f64, usize)>)| {
                let mean = |(seeds, (sum, count)): (&Vec<Option<f64>>, &(f64, usize))| match seeds
                    .get(seed)
                    .copied()
                    .flatten()
                {
                    Some(value) => (sum - value) / (count - 1) as f64,
                    None => sum / *count as f64,
                };
                self.reduced(point.values.iter().zip(sums).map(mean))
            };
            self.points.iter().zip(&sums).map(value).collect()
        };
        (0..self.seeds).map(without).collect()
    }

    /// The sizes of all points.
    pub fn sizes(&self) -> Vec<f64> {
        self.points.iter().map(|point| point.x).collect()
    }

    /// Jackknife standard errors of the points, for means over seeds the usual ones; with the error that
    /// they share.
    pub fn standard_errors(&self) -> Vec<Option<f64>> {
        let error = |(i, point): (usize, &Point)| {
            let own = jackknife(self.seeds, |without| self.value(point, without))?;
            let whole = own.value;
            let shared = SIDES.map(|side| Some((self.moved(side)?[i]? - whole).abs()));
            let shared = shared.into_iter().flatten().fold(0.0, f64::max);
            Some(own.standard_error?.hypot(shared))
        };
        self.points.iter().enumerate().map(error).collect()
    }

    /// The values of all points were the shared error of every output to show on this side, towards zero
    /// (−1) or away from it (1): the most that it can do. None without such an error.
    fn moved(&self, side: f64) -> Option<Vec<Option<f64>>> {
        if self.shared_error.is_empty() {
            return None;
        }
        let value = |point: &Point| {
            let outputs = point.values.iter().zip(&self.shared_error);
            self.reduced(outputs.map(|(seeds, error)| {
                let mean = mean(&seeds.iter().flatten().copied().collect::<Vec<_>>());
                mean + side * error.copysign(mean)
            }))
        };
        Some(self.points.iter().map(value).collect())
    }

    /// What `of` makes of the points' values, with its jackknife error.
    pub fn estimate(&self, of: impl Fn(&[f64]) -> Option<f64>) -> Option<Estimate> {
        self.estimates(|values| Some(vec![of(values)?]))?.pop()
    }

    /// Several numbers that `of` makes of the points' values, each with its jackknife error.
    pub fn estimates(&self, of: impl Fn(&[f64]) -> Option<Vec<f64>>) -> Option<Vec<Estimate>> {
        let whole = of(&self.values(None)?)?;
        let left_out: Vec<Option<Vec<f64>>> =
            self.values_without().into_iter().map(|values| of(&values?)).collect();
        // What the shared error does to each number, whichever side does more.
        let moved =
            SIDES.map(|side| of(&self.moved(side)?.into_iter().collect::<Option<Vec<_>>>()?));
        let shared = |i: usize| {
            let moves = moved.iter().flatten().map(|moved| (moved[i] - whole[i]).abs());
            moves.fold(0.0, f64::max)
        };
        let lost = !self.shared_error.is_empty() && moved.iter().all(Option::is_none);
        let number = |i: usize| {
            let own = jackknife(self.seeds, |left| match left {
                None => Some(whole[i]),
                Some(seed) => left_out[seed].as_ref().map(|numbers| numbers[i]),
            })?;
            let error = own.standard_error.filter(|_| !lost).map(|error| error.hypot(shared(i)));
            Some(Estimate { standard_error: error, ..own })
        };
        (0..whole.len()).map(number).collect()
    }
}

/// Per-seed values at infinite width from those at widths n < n′ of one noise, if they differ by a term
/// in 1/n: (n′ y′ − n y)/(n′ − n). None where a run of either diverged.
pub fn without_floor([narrow, wide]: [(f64, &Values); 2]) -> Values {
    let ((n, low), (m, high)) = (narrow, wide);
    let seed =
        |(low, high): (&Option<f64>, &Option<f64>)| Some((m * (*high)? - n * (*low)?) / (m - n));
    let output = |(low, high): (&Vec<Option<f64>>, &Vec<Option<f64>>)| {
        low.iter().zip(high).map(seed).collect()
    };
    low.iter().zip(high).map(output).collect()
}

/// Exponents between neighbouring points: −log(y'/y)/log(x'/x).
pub fn local_exponents(points: &[(f64, f64)]) -> Vec<Option<f64>> {
    let slope = |pair: &[(f64, f64)]| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        let p = -(y1 / y0).abs().ln() / (x1 / x0).ln();
        p.is_finite().then_some(p)
    };
    points.windows(2).map(slope).collect()
}

/// How many different numbers there are among some.
pub fn distinct(numbers: impl Iterator<Item = f64>) -> usize {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    sorted.len()
}
