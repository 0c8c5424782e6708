//! Response functions of the conditional engine: what its answers owe to the other direction's
//! queries, in coefficients of those queries themselves (docs/theory.md, section 3).

use nalgebra::DMatrix;

use super::archive::{Archive, Walked};

/// One direction's responses, by layer − 1 and pass.
///
/// The part of an answer W⁽⁰⁾Φ that backward queries have fixed is QB t, and those queries were
/// G = QB C, side by side over passes and samples. So QB t = G a with C a = t, and the responses are
///
/// ```text
/// A = s a / m²,   s G a = m² G A
/// ```
///
/// s the factor on the answer in a pass and m the branch multiplier (m² = T/L in depth-μP): of order one
/// in n and L. With one matrix a block s = m n^{-1/2}. Where queries repeat one another many a have C a = t; the shortest is taken, which shares
/// alike between equals. A query that is new by a share ρ of itself only has a response known to
/// n^{-1/2}/ρ.
#[derive(Clone, Debug)]
pub struct ResponseFunctions {
    layers: Vec<Vec<DMatrix<f64>>>,
    scale: f64,
}

impl ResponseFunctions {
    /// None yet of the `depth` layers of a network, `scale` the factor s/m² on a.
    pub fn new(depth: usize, scale: f64) -> Self {
        ResponseFunctions { layers: vec![Vec::new(); depth], scale }
    }

    /// Adds those of a pass of layer − 1 = `index` whose answers lie along the other side's columns by
    /// t, `conditioned` (r×P), to the `known` queries, pass by pass.
    pub fn push(&mut self, index: usize, conditioned: &DMatrix<f64>, known: &[DMatrix<f64>]) {
        self.layers[index].push(shortest(known, conditioned) * self.scale);
    }

    /// Walks over the responses of all layers.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        for passes in &mut self.layers {
            archive.list(passes, || DMatrix::zeros(0, 0), Archive::matrix)?;
        }
        Ok(())
    }

    /// All of layer − 1 = `index`, the entry of pass k, sample p to pass k', sample p' at
    /// (kP+p, k'P+p'); None where there is no such layer or none was added.
    pub fn all(&self, index: usize) -> Option<DMatrix<f64>> {
        let passes = self.layers.get(index)?;
        let samples = passes.first()?.ncols();
        let columns = passes.len() * samples;
        let mut all = DMatrix::zeros(columns, columns);
        for (k, response) in passes.iter().enumerate() {
            let to = response.nrows();
            all.view_mut((k * samples, 0), (samples, to)).copy_from(&response.transpose());
        }
        Some(all)
    }
}

/// The shortest a with C a = t, C the blocks side by side: echelon of full row rank, as columns enter a
/// basis with positive pivots only. NaN where C is singular all the same.
fn shortest(blocks: &[DMatrix<f64>], t: &DMatrix<f64>) -> DMatrix<f64> {
    let rank = blocks.last().map_or(0, |last| last.nrows());
    let length: usize = blocks.iter().map(|block| block.ncols()).sum();
    if rank == 0 {
        return DMatrix::zeros(length, t.ncols());
    }
    let mut transposed = DMatrix::zeros(length, rank);
    let mut first = 0;
    for block in blocks {
        let (rows, columns) = block.shape();
        transposed.view_mut((first, 0), (columns, rows)).copy_from(&block.transpose());
        first += columns;
    }
    // Cᵀ = Q R, so a = Q R^{-T} t.
    let qr = transposed.qr();
    let along = qr.r().tr_solve_upper_triangular(&t.rows(0, rank));
    along.map_or_else(|| DMatrix::from_element(length, t.ncols(), f64::NAN), |along| qr.q() * along)
}
