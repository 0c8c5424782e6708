//! Orthogonalisation of a query against a basis, with the drop test.

use nalgebra::{DMatrix, DVector};

use crate::backend::coefficients::stacked;

/// A block of queries X in coefficients: X = \[basis, new\] \[along; fresh\].
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// C: coefficients along the basis, r×P.
    pub along: DMatrix<f64>,
    /// S: coefficients along the new columns, upper echelon with positive pivots, r'×P.
    pub fresh: DMatrix<f64>,
    /// Q: the new orthonormal columns, n×r'.
    pub new: DMatrix<f64>,
    /// Which columns of X brought a new one, ascending; r' of them.
    pub kept: Vec<usize>,
}

impl Expansion {
    /// The coefficients \[C; S\] of X, (r+r')×P.
    pub fn coefficients(&self) -> DMatrix<f64> {
        stacked(&self.along, &self.fresh)
    }
}

/// Column-wise Gram–Schmidt, every projection done twice (Giraud, Langou and Rozložník 2005: twice
/// is enough); columns with a residual below `tolerance` times their norm are dropped.
pub fn expand(basis: &DMatrix<f64>, x: &DMatrix<f64>, tolerance: f64) -> Expansion {
    let (n, samples) = x.shape();
    let mut along = DMatrix::zeros(basis.ncols(), samples);
    let mut fresh = DMatrix::zeros(samples, samples);
    let mut new: Vec<DVector<f64>> = Vec::new();
    let mut kept = Vec::new();
    for p in 0..samples {
        let mut v = x.column(p).clone_owned();
        let norm = v.norm();
        for _ in 0..2 {
            for (j, q) in basis.column_iter().enumerate() {
                let c = q.dot(&v);
                v.axpy(-c, &q, 1.0);
                along[(j, p)] += c;
            }
            for (j, q) in new.iter().enumerate() {
                let c = q.dot(&v);
                v.axpy(-c, q, 1.0);
                fresh[(j, p)] += c;
            }
        }
        let rest = v.norm();
        // A column that overflowed is kept, so that what comes of it is not finite and is noticed.
        if rest > tolerance * norm || !rest.is_finite() {
            fresh[(new.len(), p)] = rest;
            new.push(v / rest);
            kept.push(p);
        }
    }
    let fresh = fresh.resize_vertically(new.len(), 0.0);
    let new = if new.is_empty() { DMatrix::zeros(n, 0) } else { DMatrix::from_columns(&new) };
    Expansion { along, fresh, new, kept }
}
