//! Losses and their derivatives χ with respect to the outputs.

use crate::choice::choice;

choice! {
    /// A loss, averaged over samples.
    pub enum Loss {
        /// Half the squared error, ½ mean_p Σ_o (f_po − y_po)².
        Squared = "squared",
        /// Cross-entropy of one-hot labels, −mean_p Σ_o y_po ln softmax(f_p)_o.
        CrossEntropy = "cross-entropy",
    }
}

impl Loss {
    /// The loss of outputs `f` against `labels`, both P×O with the output index fastest.
    pub fn value(self, f: &[f64], labels: &[f64], outputs: usize) -> f64 {
        let samples = f.chunks(outputs).zip(labels.chunks(outputs));
        let count = (f.len() / outputs) as f64;
        match self {
            Loss::Squared => {
                let squares: f64 = f.iter().zip(labels).map(|(f, y)| (f - y).powi(2)).sum();
                0.5 * squares / count
            }
            Loss::CrossEntropy => {
                let of = |(f, y): (&[f64], &[f64])| {
                    // −ln softmax(f)_o = ln Σ exp(f − max) − (f_o − max): no term overflows, and
                    // what underflows is below rounding beside exp(0).
                    let top = largest(f);
                    let rest = libm::log(f.iter().map(|f| libm::exp(f - top)).sum());
                    f.iter().zip(y).map(|(f, y)| y * (rest - (f - top))).sum::<f64>()
                };
                samples.map(of).sum::<f64>() / count
            }
        }
    }

    /// The derivatives χ_po = ∂loss/∂f_po, P×O with the output index fastest.
    pub fn chi(self, f: &[f64], labels: &[f64], outputs: usize) -> Vec<f64> {
        let samples = f.chunks(outputs).zip(labels.chunks(outputs));
        let count = (f.len() / outputs) as f64;
        match self {
            Loss::Squared => f.iter().zip(labels).map(|(f, y)| (f - y) / count).collect(),
            // (softmax(f) Σ_o y_o − y)/P
            Loss::CrossEntropy => {
                let of = |(f, y): (&[f64], &[f64])| {
                    let top = largest(f);
                    let powers: Vec<f64> = f.iter().map(|f| libm::exp(f - top)).collect();
                    let share = y.iter().sum::<f64>() / powers.iter().sum::<f64>();
                    let chi = powers.iter().zip(y).map(|(e, y)| (e * share - y) / count);
                    chi.collect::<Vec<_>>()
                };
                samples.flat_map(of).collect()
            }
        }
    }
}

/// The share of samples whose class the outputs name: the largest of several, the sign of one. `f`
/// and `labels` are P×O, output fastest; NaN of no samples.
pub fn accuracy(f: &[f64], labels: &[f64], outputs: usize) -> f64 {
    let class = |values: &[f64]| match values {
        [one] => usize::from(*one > 0.0),
        // The first of equal ones.
        _ => (0..values.len()).rev().max_by(|&i, &j| values[i].total_cmp(&values[j])).unwrap_or(0),
    };
    let samples = f.chunks(outputs).zip(labels.chunks(outputs));
    let right = samples.filter(|(f, y)| class(f) == class(y)).count();
    right as f64 / (f.len() / outputs) as f64
}

/// The largest of some outputs. A NaN among them is passed over here and found by the sums.
fn largest(f: &[f64]) -> f64 {
    f.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::accuracy;

    #[test]
    fn accuracy_counts_named_classes() {
        let one_hot = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(accuracy(&[0.3, 0.2, -1.0, 5.0, 5.5, 5.4], &one_hot, 3), 1.0);
        assert_eq!(accuracy(&[0.3, 0.4, -1.0, 5.0, 5.5, 5.4], &one_hot, 3), 0.5);
        assert_eq!(accuracy(&[0.2, -0.1, 0.0, -3.0], &[1.0, 1.0, -1.0, -1.0], 1), 0.75);
        // Equal outputs name the first class.
        assert_eq!(accuracy(&[0.0, 0.0], &[1.0, 0.0], 2), 1.0);
        assert_eq!(accuracy(&[0.0, 0.0], &[0.0, 1.0], 2), 0.0);
    }
}
