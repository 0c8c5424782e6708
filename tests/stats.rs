//! Lines, exponents, plateaus and jackknife intervals on planted numbers.

#![allow(clippy::expect_used)]

use nfd::stats::fit::{exponent, line, local_exponents, plateau};
use nfd::stats::jackknife::jackknife;
use nfd::stats::{mean, standard_error};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs().max(1.0)
}

#[test]
fn planted_laws_are_recovered() {
    let depths = [4.0, 8.0, 16.0, 64.0];
    let curve = |f: &dyn Fn(f64) -> f64| depths.map(|x| (x, f(x)));
    assert!(exponent(&curve(&|x| 3.0 * x.powf(-1.7))).is_some_and(|p| close(p, 1.7)));
    // Signed observables: the size counts.
    assert!(exponent(&curve(&|x| -3.0 / x)).is_some_and(|p| close(p, 1.0)));
    assert!(plateau(&curve(&|x| 0.7 - 2.0 / x)).is_some_and(|c| close(c, 0.7)));
    let local = local_exponents(&curve(&|x| x.powi(-2)));
    assert_eq!(local.len(), 3);
    assert!(local.iter().all(|p| p.is_some_and(|p| close(p, 2.0))));
    assert!(line(&[(1.0, 1.0), (3.0, 5.0)]).is_some_and(|(a, b)| close(a, -1.0) && close(b, 2.0)));
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    assert_eq!(line(&[]), None);
    assert_eq!(line(&[(1.0, 2.0)]), None);
    assert_eq!(line(&[(1.0, 2.0), (1.0, 3.0)]), None);
    assert_eq!(exponent(&[(4.0, 1.0), (8.0, 0.0)]), None);
    assert_eq!(exponent(&[(4.0, 1.0), (8.0, f64::NAN)]), None);
}

/// For the mean the jackknife is the textbook interval: mean ± t · standard error.
#[test]
fn jackknife_of_the_mean_is_students_interval() {
    let values = [1.0, 2.5, 0.3, 4.0, 2.2];
    let of = |without: Option<usize>| {
        let left: Vec<f64> = (0..5).filter(|i| Some(*i) != without).map(|i| values[i]).collect();
        Some(mean(&left))
    };
    let estimate = jackknife(5, of).expect("a mean exists");
    let [low, high] = estimate.ci95.expect("five seeds give an interval");
    // t quantile 0.975 with four degrees of freedom, from tables.
    let half = 2.776_445_105 * standard_error(&values);
    assert!(close(estimate.value, 2.0));
    assert!((low - (2.0 - half)).abs() <= 1e-8 && (high - (2.0 + half)).abs() <= 1e-8);
}

#[test]
fn jackknife_without_enough_has_no_interval() {
    assert_eq!(jackknife(1, |_| Some(1.0)).and_then(|e| e.ci95), None);
    assert_eq!(jackknife(4, |_| None), None);
    assert_eq!(jackknife(4, |_| Some(f64::NAN)), None);
    let fragile = jackknife(4, |without| without.is_none().then_some(1.0));
    assert_eq!(fragile.map(|e| (e.value, e.ci95)), Some((1.0, None)));
}
