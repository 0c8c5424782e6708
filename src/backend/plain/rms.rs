//! Branches that read h over its root mean square. Source: docs/theory.md, section 1.5.
//!
//! ```text
//! x = h/ρ,  ρ² = |h|²/n;   what comes back to x goes on to h as J v,  J = (I − x xᵀ/n)/ρ
//! ```

use nalgebra::{DMatrix, DVectorView};

use crate::model::Normalization;

/// What branches read of the features `h`, n×P. A column of zeros has no direction and becomes NaN.
pub fn read(normalization: Normalization, h: &DMatrix<f64>) -> DMatrix<f64> {
    let mut x = h.clone();
    if normalization == Normalization::Rms {
        for mut column in x.column_iter_mut() {
            let rho = root_mean_square(column.as_view());
            column /= rho;
        }
    }
    x
}

/// Carries `v`, which came back to what branches read of `h`, on to h: both are n×P.
pub fn back(normalization: Normalization, h: &DMatrix<f64>, v: DMatrix<f64>) -> DMatrix<f64> {
    let mut back = v;
    if normalization == Normalization::Rms {
        for (mut v, h) in back.column_iter_mut().zip(h.column_iter()) {
            let rho = root_mean_square(h);
            let x = h / rho;
            let along = x.dot(&v) / h.len() as f64;
            v.axpy(-along, &x, 1.0);
            v /= rho;
        }
    }
    back
}

/// ρ of one column.
fn root_mean_square(h: DVectorView<f64>) -> f64 {
    (h.norm_squared() / h.len() as f64).sqrt()
}
