//! Matrices divided by a norm of theirs, as the optimisers of Muon's family do it (docs/theory.md, section 1.4).
//!
//! Of a matrix v = QB N QFᵀ in orthonormal columns it is enough to know the core N: all that is done here is
//! done to singular values, and those of v are those of N.

use nalgebra::DMatrix;

use crate::model::Norm;

/// Singular values below this share of the largest count as zero: a polar factor would make ones of rounding
/// too, which is 1e-7 of the largest in f32.
pub const CUT_OFF: f64 = 1e-6;

/// A pivot below this share of the first is rounding, or far below the cut-off.
const RANK: f64 = 1e-12;

/// Steps of the Newton–Schulz iteration.
pub const STEPS: usize = 5;

/// X ← a X + b (XXᵀ) X + c (XXᵀ)² X, \[a, b, c\]: the coefficients that are in use for Muon, which bring
/// singular values between 0.01 and 1 to between 0.68 and 1.14 in five steps, and not to 1.
pub const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// N(v): `v` divided by its norm, or its polar factor; zero for zero. With an entry that is not finite, no
/// entry is.
pub fn normalized(v: &DMatrix<f64>, norm: Norm) -> DMatrix<f64> {
    let largest = v.amax();
    if largest == 0.0 {
        return v.clone();
    }
    if !v.iter().all(|x| x.is_finite()) {
        return v.map(|_| f64::NAN);
    }
    // Squares of entries neither overflow nor vanish.
    let v = v / largest;
    match norm {
        Norm::Polar => polar(v),
        Norm::NewtonSchulz => newton_schulz(v),
        Norm::Frobenius => v.normalize(),
        Norm::Spectral => &v / v.singular_values().max(),
    }
}

/// U Vᵀ over the singular triples σ u vᵀ with σ above [`CUT_OFF`] of the largest.
///
/// By the decomposition of a core of full rank: of a matrix that is nearly singular nalgebra's can pair singular
/// vectors wrongly (seen in version 0.35 with one of rank one), and a core takes less time.
fn polar(v: DMatrix<f64>) -> DMatrix<f64> {
    let qr = v.col_piv_qr();
    let mut r = qr.r();
    let first = r[(0, 0)].abs();
    let rank = (0..r.nrows()).take_while(|&i| r[(i, i)].abs() > RANK * first).count();
    r.resize_vertically_mut(rank, 0.0);
    qr.p().inv_permute_columns(&mut r);
    let right = r.transpose().qr();
    let svd = right.r().transpose().svd(true, true);
    let (Some(mut u), Some(vt)) = (svd.u, svd.v_t) else { return DMatrix::zeros(0, 0) };
    let least = CUT_OFF * svd.singular_values.max();
    for (mut column, sigma) in u.column_iter_mut().zip(&svd.singular_values) {
        if *sigma <= least {
            column.fill(0.0);
        }
    }
    qr.q().columns(0, rank) * (u * vt) * right.q().transpose()
}

/// Five steps from v/‖v‖_F.
fn newton_schulz(v: DMatrix<f64>) -> DMatrix<f64> {
    // Products of the smaller side.
    if v.nrows() > v.ncols() {
        return newton_schulz(v.transpose()).transpose();
    }
    let [a, b, c] = QUINTIC;
    let mut x = v.normalize();
    for _ in 0..STEPS {
        let gram = &x * x.transpose();
        let factor = &gram * b + &gram * &gram * c;
        x = &x * a + factor * &x;
    }
    x
}
