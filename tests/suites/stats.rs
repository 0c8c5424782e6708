//! Exponents and constants of planted curves, against closed forms and other ways to the same
//! number.

use crate::common::curves::{SEEDS, SIZES, T7, close, curve_of, planted, spread};
use nfd::stats::constant::{self, Constant};
use nfd::stats::curve::{
    Curve, Point, Reduction, Reference, Values, distinct, local_exponents, without_floor,
};
use nfd::stats::jackknife::{Estimate, hull, jackknife};
use nfd::stats::power::{self, Exponent, Sparing};
use nfd::stats::sum::{self, Other, SumExponent};
use nfd::stats::verdict::ALPHA;
use nfd::stats::{mean, standard_error};

/// Student's t of 4 degrees of freedom that is exceeded with probability 2.5 %, from tables.
const T4: f64 = 2.776_445_105_2;
/// The model of the fits, a x^{−p} e^{β/x}, comes back, at sizes that double and at others, against the
/// limit and against a network of finite size.
#[test]
fn planted_exponents_are_recovered() {
    let uneven = [4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0];
    for sizes in [&SIZES[..5], &SIZES, &uneven] {
        let r = 4.0 * sizes[sizes.len() - 1];
        for reference in [Reference::Limit, Reference::Added(r), Reference::Aligned(r)] {
            for (p, beta) in [(0.5, 0.0), (0.8, 3.0), (1.0, -1.5), (2.0, 4.0), (3.2, 0.0)] {
                let law = |x: f64| 3.0 * reference.fall(x, p) * (beta / x).exp();
                let curve = planted(sizes, reference, law);
                let found = Exponent::of(&curve).unwrap();
                for fit in found.fits {
                    assert!(close(fit.value, p, 1e-9), "{reference:?} {p} {beta}: {}", fit.value);
                    assert!(fit.standard_error.unwrap() < 1e-9);
                }
                assert!(close(found.value(), p, 1e-9));
                let [at] = power::fitted(&curve, &[11.0]).unwrap()[..] else { panic!() };
                assert!(close(at.value / law(11.0), 1.0, 1e-9), "{reference:?} {p} {beta}");
            }
        }
    }
    // Growth is a negative exponent.
    let found = Exponent::of(&planted(&SIZES, Reference::Limit, |x| 0.2 * x.powf(0.7))).unwrap();
    assert!(close(found.value(), -0.7, 1e-9));
    assert!(Exponent::of(&planted(&SIZES[..4], Reference::Limit, |x| 1.0 / x)).is_none());
}

/// Taken for differences to the limit, those to a finite network fall too fast.
#[test]
fn references_of_finite_size_bend_no_exponent() {
    let law = |x: f64| 0.3 * (1.0 / x - 1.0 / 512.0);
    let value = |reference| Exponent::of(&planted(&SIZES, reference, law)).unwrap().value();
    assert!(close(value(Reference::Added(512.0)), 1.0, 1e-9));
    assert!(value(Reference::Limit) > 1.05);
}

/// log y = −p log x − q (log x)²: the exponent between neighbours grows by 2 q log 2 a doubling.
#[test]
fn a_drift_moves_the_end_towards_which_it_goes() {
    for q in [0.02, -0.02] {
        let law = |x: f64| (-x.ln() - q * x.ln().powi(2)).exp();
        let found = Exponent::of(&planted(&SIZES, Reference::Limit, law)).unwrap();
        let drift = 2.0 * q * 2_f64.ln();
        assert!(close(found.drift.value, drift, 1e-9), "{}", found.drift.value);
        let [low, high] = hull(&found.fits, ALPHA).unwrap();
        // The end that would contradict "falls", above, and the one that would contradict "grows", below.
        let moved = |sparing| {
            let [a, b] = found.interval(ALPHA, sparing).unwrap();
            [low - a, b - high].map(|distance| distance / drift.abs())
        };
        let close = |[a, b]: [f64; 2], [c, d]: [f64; 2]| close(a, c, 1e-6) && close(b, d, 1e-6);
        if q > 0.0 {
            assert!(close(moved(Sparing::Upper), [0.0, 3.5]), "{:?}", moved(Sparing::Upper));
            assert!(close(moved(Sparing::Lower), [0.0, 1.25]));
            assert!(close(moved(Sparing::Both), [0.0, 3.5]));
        } else {
            assert!(close(moved(Sparing::Upper), [1.25, 0.0]), "{:?}", moved(Sparing::Upper));
            assert!(close(moved(Sparing::Lower), [3.5, 0.0]));
        }
    }
}

/// The first fit of a noisy ensemble against normal equations solved by Cramer's rule, left-out seeds
/// and all.
#[test]
fn exponents_and_their_errors_are_those_of_another_way() {
    let value = |x: f64, seed: usize| {
        let noise = 0.05 * (seed as f64 * 1.7).sin() + 0.03 * (x * (seed + 1) as f64).cos();
        (1.0 + 4.0 / x) / x * (1.0 + noise)
    };
    let curve = curve_of(&SIZES, Reference::Limit, value);
    let p = |without: Option<usize>| {
        let kept = (0..SEEDS).filter(|seed| Some(*seed) != without);
        let y = SIZES.map(|x| mean(&kept.clone().map(|s| value(x, s)).collect::<Vec<_>>()).ln());
        let rows = SIZES.map(|x| [1.0, x.ln(), 1.0 / x]);
        let sum = |f: &dyn Fn(usize) -> f64| (0..SIZES.len()).map(f).sum::<f64>();
        let matrix: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| sum(&|row| rows[row][i] * rows[row][j]))
        });
        let right: [f64; 3] = std::array::from_fn(|i| sum(&|row| rows[row][i] * y[row]));
        let determinant = |m: [[f64; 3]; 3]| {
            let minor = |i: usize| {
                let [j, k] = [(i + 1) % 3, (i + 2) % 3];
                m[0][i] * (m[1][j] * m[2][k] - m[1][k] * m[2][j])
            };
            (0..3).map(minor).sum::<f64>()
        };
        let mut replaced = matrix;
        (0..3).for_each(|row| replaced[row][1] = right[row]);
        -determinant(replaced) / determinant(matrix)
    };
    let left: Vec<f64> = (0..SEEDS).map(|seed| p(Some(seed))).collect();
    let squares: f64 = left.iter().map(|q| (q - mean(&left)).powi(2)).sum();
    let error = (7.0 / 8.0 * squares).sqrt();
    let fit = Exponent::of(&curve).unwrap().fits[0];
    assert!(close(fit.value, p(None), 1e-9), "{} {}", fit.value, p(None));
    assert!(close(fit.standard_error.unwrap() / error, 1.0, 1e-6));
    let [low, high] = fit.interval(ALPHA).unwrap();
    assert!(close(high - low, 2.0 * T7 * error, 1e-6));
}

/// c + a x^{−p} (1 + b/x) comes back, alone and as a share of the last value.
#[test]
fn planted_constants_are_recovered() {
    for (c, p, b) in [(0.01, 1.0, 4.0), (0.3, 2.0, -1.4), (1e-6, 1.5, 0.0), (0.02, 0.5, 2.0)] {
        let law = |x: f64| c + 0.3 * x.powf(-p) * (1.0 + b / x);
        let found = Constant::beside(&planted(&SIZES, Reference::Limit, law), p).unwrap();
        assert!((found.value() - c).abs() <= 1e-9, "{c} {p}: {}", found.value());
        let (upper, share) = found.upper(ALPHA).unwrap();
        assert!((upper - c).abs() <= 1e-9 && (share - c / law(128.0)).abs() <= 1e-8, "{share}");
    }
    // Claimed to stay: the three fits, each exact for its own law.
    let fits = |law: fn(f64) -> f64| {
        let found = Constant::of(&planted(&SIZES, Reference::Limit, law), 1.0).unwrap();
        found.fits.iter().map(|fit| fit.value).collect::<Vec<_>>()
    };
    let [all, four, slow] = fits(|x| 0.5 - 1.0 / x)[..] else { panic!() };
    assert!(close(all, 0.5, 1e-9) && close(four, 0.5, 1e-9) && !close(slow, 0.5, 1e-3));
    let [all, _, slow] = fits(|x| 0.5 + x.powf(-0.5) - 2.0 * x.powf(-1.5))[..] else { panic!() };
    assert!(close(slow, 0.5, 1e-9) && !close(all, 0.5, 1e-3));
    let law = |x: f64| 0.5 - (1.0 - 2.0 / x) / x;
    let curve = planted(&SIZES, Reference::Limit, law);
    assert!(close(constant::fitted(&curve, &[11.0]).unwrap()[0].value, law(11.0), 1e-9));
}

/// What all sizes of a seed have in common makes a constant uncertain, but no share of the last value.
#[test]
fn common_errors_cancel_in_shares() {
    let law = |x: f64, seed: usize| (0.1 + 1.0 / x) * (1.0 + 0.08 * spread()[seed]);
    let found = Constant::beside(&curve_of(&SIZES, Reference::Limit, law), 1.0).unwrap();
    let (error, share) = (found.fits[0].standard_error, found.shares[0].standard_error);
    assert!(close(error.unwrap(), 0.1 * 0.08 / 8_f64.sqrt(), 1e-6) && share.unwrap() < 1e-9);
}

/// For a mean the jackknife is Student's interval: 1 to 5 have mean 3 and variance 2.5.
#[test]
fn jackknife_of_a_mean_is_students_interval() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0];
    let of = |without: Option<usize>| {
        let kept = values.iter().enumerate().filter(|(i, _)| Some(*i) != without);
        Some(mean(&kept.map(|(_, v)| *v).collect::<Vec<_>>()))
    };
    let found = jackknife(5, of).unwrap();
    assert!(close(found.value, 3.0, 1e-14));
    assert!(close(found.standard_error.unwrap(), 0.5_f64.sqrt(), 1e-14));
    assert!(close(standard_error(&values), 0.5_f64.sqrt(), 1e-14));
    let half = T4 * 0.5_f64.sqrt();
    let [low, high] = found.interval(0.05).unwrap();
    assert!((low - (3.0 - half)).abs() <= 1e-8 && (high - (3.0 + half)).abs() <= 1e-8);
    let twice = Estimate { value: 4.0, ..found };
    assert_eq!(hull(&[found, twice], 0.05), Some([low, high + 1.0]));
}

#[test]
fn jackknife_without_enough_has_no_interval() {
    assert_eq!(jackknife(1, |_| Some(1.0)).unwrap().interval(0.05), None);
    assert_eq!(jackknife(4, |_| None), None);
    assert_eq!(jackknife(4, |_| Some(f64::NAN)), None);
    let fragile = jackknife(4, |without| without.is_none().then_some(1.0)).unwrap();
    assert_eq!((fragile.value, fragile.standard_error), (1.0, None));
    assert_eq!(hull(&[fragile], 0.05), None);
}

/// Weak errors: the root mean square over outputs of means over seeds, not of single seeds; and values
/// without a seed are those that are formed without it, lost runs among them.
#[test]
fn values_are_reduced_over_seeds_first() {
    let values: Values =
        vec![vec![Some(3.0), Some(-1.0), None], vec![Some(1.0), Some(1.0), Some(4.0)]];
    let point = Point { x: 4.0, z: 0.0, values };
    let lost = Point { values: vec![vec![None, None, Some(1.0)]], ..point.clone() };
    let reference = Reference::Limit;
    for reduction in [Reduction::Mean, Reduction::RootMeanSquareOfMeans] {
        let curve = Curve {
            points: vec![point.clone()],
            reduction,
            reference,
            seeds: 3,
            shared_error: vec![],
        };
        for (seed, values) in curve.values_without().into_iter().enumerate() {
            let [value] = values.unwrap()[..] else { panic!() };
            assert!(close(value, curve.value(&point, Some(seed)).unwrap(), 1e-14), "{seed}");
        }
        let gone = Curve { points: vec![lost.clone()], ..curve.clone() };
        assert_eq!(gone.values_without(), [Some(vec![1.0]), Some(vec![1.0]), None]);
        match reduction {
            Reduction::Mean => assert_eq!(curve.values(None), Some(vec![1.5])),
            Reduction::RootMeanSquareOfMeans => {
                assert_eq!(curve.values(None), Some(vec![((1.0 + 4.0) / 2.0_f64).sqrt()]));
                assert_eq!(curve.values(Some(2)), Some(vec![1.0]));
            }
        }
    }
}

#[test]
fn local_exponents_are_slopes_between_neighbours() {
    let local = local_exponents(&[(4.0, 1.0), (8.0, 0.25), (16.0, -0.125), (32.0, 0.0)]);
    assert_eq!(local, [Some(2.0), Some(1.0), None]);
    assert_eq!(distinct([2.0, 1.0, 2.0, 4.0].into_iter()), 3);
}

/// Where the model of a sum is not quite right, the fit without the smallest depth says so.
#[test]
fn sums_are_fitted_without_their_smallest_sizes_too() {
    let places = [64.0, 256.0, 1024.0, 4096.0].map(|n| [2.0, 4.0, 8.0, 16.0, 32.0].map(|l| (l, n)));
    let point = |&(l, n): &(f64, f64)| {
        let law = 0.1 / n + l.powi(-2) * (1.0 + 1.0 / l);
        let value = |seed: usize| Some(law * (1.0 + 1e-7 * spread()[seed]));
        Point { x: l, z: n, values: vec![(0..SEEDS).map(value).collect()] }
    };
    let points = places.as_flattened().iter().map(point).collect();
    let (reduction, reference) = (Reduction::Mean, Reference::Limit);
    let curve = Curve { points, reduction, reference, seeds: SEEDS, shared_error: vec![] };
    let other = Other { exponent: 1.0, reference, is_width: true };
    let [all, without] = SumExponent::of(&curve, other).unwrap().fits[..] else { panic!() };
    let miss = [all, without].map(|fit| (fit.value - 2.0).abs());
    assert!(miss[0] > 0.05 && miss[1] < 0.7 * miss[0], "{miss:?}");
}

/// A floor of 1/n under a value is taken out seed by seed; a run that diverged at either width is lost.
#[test]
fn floors_are_taken_out_by_two_widths() {
    let at = |n: f64| -> Values { vec![vec![Some(0.2 + 3.0 / n), Some(0.7 - 5.0 / n), Some(1.0)]] };
    let (narrow, mut wide) = (at(512.0), at(4096.0));
    wide[0][2] = None;
    let found = without_floor([(512.0, &narrow), (4096.0, &wide)]);
    assert!(close(found[0][0].unwrap(), 0.2, 1e-14) && close(found[0][1].unwrap(), 0.7, 1e-14));
    assert_eq!(found[0][2], None);
}

/// A sum of both sizes' errors: either exponent comes back with the other declared, correction and all,
/// against the limit and against a reference of finite size.
#[test]
fn sums_of_two_errors_are_taken_apart() {
    let (widths, depths) = ([64.0_f64, 256.0, 1024.0, 4096.0], [2.0_f64, 4.0, 8.0, 16.0, 32.0]);
    for (in_width, in_depth, aligned) in [(1.0, 2.0, true), (0.8, 1.5, false)] {
        let finite = match aligned {
            true => Reference::Aligned(128.0),
            false => Reference::Added(128.0),
        };
        let references =
            [(Reference::Limit, Reference::Limit), (Reference::Added(32768.0), finite)];
        for (of_width, of_depth) in references {
            let law = |n: f64, l: f64| {
                3.0 * of_width.fall(n, in_width) * (1.0 - 0.7 / l)
                    + 0.02 * of_depth.fall(l, in_depth)
            };
            let curve = |by_depth: bool| {
                let places = widths.iter().flat_map(|&n| depths.map(|l| (l, n)));
                let point = |(l, n)| {
                    let (x, z) = if by_depth { (l, n) } else { (n, l) };
                    // Errors of a part in 10⁷, so that there are some.
                    let value = |seed: usize| Some(law(n, l) * (1.0 + 1e-7 * spread()[seed]));
                    Point { x, z, values: vec![(0..SEEDS).map(value).collect()] }
                };
                let points = places.map(point).collect();
                let reference = if by_depth { of_depth } else { of_width };
                Curve {
                    points,
                    reduction: Reduction::Mean,
                    reference,
                    seeds: SEEDS,
                    shared_error: vec![],
                }
            };
            let other = Other { exponent: in_width, reference: of_width, is_width: true };
            let found = SumExponent::of(&curve(true), other).unwrap();
            assert!(found.fits.iter().all(|fit| close(fit.value, in_depth, 1e-4)), "{found:?}");
            let at = sum::fitted(&curve(true), other, &[(8.0, 300.0)]).unwrap()[0].value;
            assert!(close(at / law(300.0, 8.0), 1.0, 1e-4));
            let other = Other { exponent: in_depth, reference: of_depth, is_width: false };
            let found = SumExponent::of(&curve(false), other).unwrap();
            assert!(found.fits.iter().all(|fit| close(fit.value, in_width, 1e-4)), "{found:?}");
        }
    }
}
