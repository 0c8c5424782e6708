//! Medians, and intervals for them that assume nothing of a distribution.

use statrs::distribution::{Binomial, DiscreteCDF};

/// The median; NaN of nothing. Infinite values have their place in the order.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n if values[n / 2 - 1] == values[n / 2] => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

/// An interval that holds the median of the distribution of a number with probability 1 − `alpha` at least, from
/// independent draws that are each known to lie between two ends: between order statistics of the lower and of the
/// upper ends, since as many draws lie below the median as heads fall. None of too few draws: at `alpha` = 0.05 of
/// fewer than six.
pub fn median_interval(draws: &[[f64; 2]], alpha: f64) -> Option<[f64; 2]> {
    let n = draws.len();
    let heads = Binomial::new(0.5, n as u64).ok()?;
    // The largest number of draws that may be left out at each end.
    let left_out = (0..n / 2).rev().find(|&k| heads.cdf(k as u64) <= alpha / 2.0)?;
    let sorted = |end: usize| {
        let mut ends: Vec<f64> = draws.iter().map(|draw| draw[end]).collect();
        ends.sort_unstable_by(f64::total_cmp);
        ends
    };
    Some([sorted(0)[left_out], sorted(1)[n - 1 - left_out]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::philox::Philox;
    use rand::RngExt;

    #[test]
    fn medians_know_infinities() {
        assert!(median([]).is_nan());
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([1.0, f64::INFINITY, f64::INFINITY]), f64::INFINITY);
        assert_eq!(median([f64::INFINITY; 4]), f64::INFINITY);
    }

    /// Tables of the sign test: ranks 1 and 6 of 6, 2 and 9 of 10, 14 and 27 of 40.
    #[test]
    fn ranks_are_those_of_the_sign_test() {
        let draws = |n: usize| (1..=n).map(|i| [i as f64; 2]).collect::<Vec<_>>();
        assert_eq!(median_interval(&draws(5), 0.05), None);
        assert_eq!(median_interval(&draws(6), 0.05), Some([1.0, 6.0]));
        assert_eq!(median_interval(&draws(10), 0.05), Some([2.0, 9.0]));
        assert_eq!(median_interval(&draws(40), 0.05), Some([14.0, 27.0]));
    }

    /// Draws that are known but to a grid, of a skewed distribution: the interval is wider, and covers.
    #[test]
    fn intervals_cover_what_is_known_to_a_grid() {
        const TRIALS: usize = 2000;
        let mut random = Philox::stream(7, 5);
        for seeds in [6, 9, 40] {
            let mut held = 0;
            for _ in 0..TRIALS {
                let mut draw = || {
                    let u: f64 = random.random();
                    let log = (-u.ln()).ln();
                    [(2.0 * log).floor() / 2.0, (2.0 * log).ceil() / 2.0]
                };
                let draws: Vec<[f64; 2]> = (0..seeds).map(|_| draw()).collect();
                let truth = 2.0_f64.ln().ln();
                let interval = median_interval(&draws, 0.05).unwrap();
                held += usize::from(interval[0] <= truth && truth <= interval[1]);
            }
            // Three standard errors of 2000 trials below 95 %.
            assert!(held as f64 > (0.95 - 0.015) * TRIALS as f64, "{seeds} seeds: {held}");
        }
    }
}
