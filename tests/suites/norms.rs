//! Matrices divided by a norm of theirs: polar factors, Newton–Schulz and the others against other ways to them.

use nalgebra::DMatrix;
use nfd::backend::normalized::{CUT_OFF, QUINTIC, STEPS, normalized};
use nfd::model::Norm;
use nfd::rng::philox::Philox;
use rand::RngExt;

/// A matrix of entries between −1 and 1.
fn random(rows: usize, columns: usize, stream: u64) -> DMatrix<f64> {
    let mut random = Philox::stream(17, stream);
    DMatrix::from_fn(rows, columns, |_, _| 2.0 * random.random::<f64>() - 1.0)
}

/// v (vᵀv)^{-1/2} over the eigenvectors of vᵀv whose eigenvalues are above the cut-off.
fn polar_by_eigenvectors(v: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = v.tr_mul(v).symmetric_eigen();
    let least = eigen.eigenvalues.max() * CUT_OFF * CUT_OFF;
    let root = eigen.eigenvalues.map(|x| if x > least { x.sqrt().recip() } else { 0.0 });
    let basis = eigen.eigenvectors;
    v * &basis * DMatrix::from_diagonal(&root) * basis.transpose()
}

/// Full rank, and rank 3 of matrices that are wide, tall, square and of a single column.
#[test]
fn polar_factors_are_those_of_the_root_of_a_gram_matrix() {
    for (stream, (m, n)) in [(7, 7), (5, 12), (12, 5), (9, 1), (40, 40)].into_iter().enumerate() {
        let stream = stream as u64;
        let low = random(m, 3, 10 + stream) * random(3, n, 20 + stream);
        for (v, rank) in [(random(m, n, stream), m.min(n)), (low, 3.min(n))] {
            // At any size of its entries.
            for scale in [1.0, 1e-200, 1e200] {
                let got = normalized(&(&v * scale), Norm::Polar);
                let values = got.singular_values();
                let ones = values.iter().filter(|s| (*s - 1.0).abs() <= 1e-12).count();
                let zeros = values.iter().filter(|s| s.abs() <= 1e-12).count();
                assert_eq!((ones, zeros), (rank, m.min(n) - rank), "{m}×{n}: {values}");
                // The Gram matrix has the square of the condition number, up to 1e4 here: rounding of 1e-16
                // becomes 1e-12, and of rank 3 what is beyond rank adds the root of nothing.
                let gap = (got - polar_by_eigenvectors(&v)).amax();
                assert!(gap <= 1e-10, "{m}×{n} of rank {rank}: {gap:e}");
            }
        }
    }
}

/// Orthonormal columns times singular values have a polar factor that is known; of low rank, where a decomposition
/// of the whole matrix was seen to pair wrong vectors.
#[test]
fn polar_factors_of_low_rank_are_products_of_their_bases() {
    for (stream, (n, rank)) in [(24, 1), (40, 1), (40, 2), (96, 1), (96, 5), (33, 1)]
        .into_iter()
        .cycle()
        .take(60)
        .enumerate()
    {
        let stream = 100 + 2 * stream as u64;
        let (u, w) = (random(n, rank, stream).qr().q(), random(n, rank, stream + 1).qr().q());
        let sigma =
            DMatrix::from_fn(
                rank,
                rank,
                |i, j| if i == j { 3.0_f64.powi(-(i as i32)) } else { 0.0 },
            );
        let got = normalized(&(&u * sigma * w.transpose()), Norm::Polar);
        let gap = (got - u * w.transpose()).amax();
        // Rounding over the least singular value, 1/81.
        assert!(gap <= 1e-12, "n = {n}, rank {rank}: {gap:e}");
    }
}

/// A singular value just above the cut-off becomes one, just below it none.
#[test]
fn a_polar_factor_leaves_out_what_is_below_the_cut_off() {
    let (u, w) = (random(6, 6, 1).qr().q(), random(6, 6, 2).qr().q());
    for (factor, rank) in [(1.01, 3.0), (0.99, 2.0)] {
        let sigma = [2.0, 0.5, 2.0 * CUT_OFF * factor, 0.0, 0.0, 0.0];
        let v = &u * DMatrix::from_diagonal(&sigma.to_vec().into()) * w.transpose();
        let got = normalized(&v, Norm::Polar);
        // What rounding of 1e-16 is beside 1e-6.
        assert!((got.norm_squared() - rank).abs() <= 1e-9, "{}", got.norm_squared());
    }
}

/// Every singular value goes through the quintic five times, from its share of the root of their squares.
#[test]
fn newton_schulz_acts_on_singular_values() {
    let [a, b, c] = QUINTIC;
    for (stream, (m, n)) in [(6, 6), (4, 9), (9, 4)].into_iter().enumerate() {
        let v = random(m, n, 30 + stream as u64);
        let svd = v.clone().svd(true, true);
        let through = svd.singular_values.map(|sigma| {
            let first = sigma / v.norm();
            (0..STEPS).fold(first, |x, _| a * x + b * x.powi(3) + c * x.powi(5))
        });
        assert!(through.iter().all(|x| (0.6..1.2).contains(x)), "{through}");
        let want = svd.u.unwrap() * DMatrix::from_diagonal(&through) * svd.v_t.unwrap();
        let gap = (normalized(&v, Norm::NewtonSchulz) - want).amax();
        // The quintic takes rounding apart by at most 3.4445^5 = 485.
        assert!(gap <= 1e-12, "{m}×{n}: {gap:e}");
    }
}

#[test]
fn norms_become_one_and_what_has_none_stays() {
    let v = random(5, 8, 40);
    assert!((normalized(&v, Norm::Frobenius).norm() - 1.0).abs() <= 1e-14);
    assert!((normalized(&v, Norm::Spectral).singular_values()[0] - 1.0).abs() <= 1e-14);
    for norm in [Norm::Polar, Norm::NewtonSchulz, Norm::Frobenius, Norm::Spectral] {
        let none = DMatrix::zeros(4, 3);
        assert_eq!(normalized(&none, norm), none, "{norm:?}");
        let empty = DMatrix::zeros(0, 3);
        assert_eq!(normalized(&empty, norm), empty, "{norm:?}");
        for bad in [f64::NAN, f64::INFINITY] {
            let mut v = v.clone();
            v[(2, 1)] = bad;
            assert!(normalized(&v, norm).iter().all(|x| x.is_nan()), "{norm:?} of {bad}");
        }
    }
}
