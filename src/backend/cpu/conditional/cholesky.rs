//! Cholesky with column dropping: which columns of a residual are new, and how the others follow
//! from them, told from the residual's Gram matrix.

use nalgebra::DMatrix;

/// Pivots of a Gram matrix summed in f64 carry errors of this share of their diagonal entry, with a
/// margin of a thousand.
const RESOLUTION: f64 = 1e-13;

/// The factor S of a residual X ≈ Q S over its kept columns, from its Gram matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Columns of X that bring something new, ascending.
    pub kept: Vec<usize>,
    /// S, kept × settled: upper echelon with positive pivots.
    pub rows: DMatrix<f64>,
    /// Leading columns about which the Gram matrix can tell; at least one. Whether the next one is
    /// new is lost in rounding: it has to be asked again, as a residual against the kept ones.
    pub settled: usize,
}

impl Factor {
    /// The inverse of S\[:, kept\], which turns the kept columns of X into Q.
    pub fn inverse(&self) -> DMatrix<f64> {
        let count = self.kept.len();
        let square = DMatrix::from_fn(count, count, |i, j| self.rows[(i, self.kept[j])]);
        let mut inverse = DMatrix::identity(count, count);
        // Pivots are positive. If one is not finite, so is what comes of it: to be noticed.
        square.solve_upper_triangular_mut(&mut inverse);
        inverse
    }
}

/// Factors `gram`, P×P of which only j ≥ i is read. A column is dropped when its pivot is not above
/// its entry of `least`: the tolerance times the norm that it had before all projections, squared
/// (docs/theory.md, section 3), or infinity.
pub fn factor(gram: &DMatrix<f64>, least: &[f64]) -> Factor {
    let columns = gram.ncols();
    let mut kept: Vec<usize> = Vec::new();
    let mut rows = DMatrix::<f64>::zeros(columns, columns);
    let mut settled = columns;
    for j in 0..columns {
        for (i, &column) in kept.iter().enumerate() {
            let known: f64 = (0..i).map(|a| rows[(a, column)] * rows[(a, j)]).sum();
            rows[(i, j)] = (gram[(column, j)] - known) / rows[(i, column)];
        }
        let explained: f64 = (0..kept.len()).map(|i| rows[(i, j)].powi(2)).sum();
        let pivot = gram[(j, j)] - explained;
        let least = least[j];
        let noise = if kept.is_empty() { 0.0 } else { RESOLUTION * gram[(j, j)] };
        // A column that overflowed is kept, so that what comes of it is not finite and is noticed.
        if pivot > least.max(noise) || (!pivot.is_finite() && least.is_finite()) {
            rows[(kept.len(), j)] = pivot.sqrt();
            kept.push(j);
        } else if gram[(j, j)] > least && noise > least {
            settled = j;
            break;
        }
    }
    let rows = rows.resize(kept.len(), settled, 0.0);
    Factor { kept, rows, settled }
}
