//! Queries of the conditional engine by their coefficients along the stored columns: what is left
//! to know of them once the columns are orthonormal.

use nalgebra::DMatrix;

use super::archive::{Archive, Walked};
use super::normalized::normalized;
use super::responses::ResponseFunctions;
use super::{Covariances, Probe, Update};
use crate::model::{Rates, Rule};

/// The coefficients of one direction's queries, by layer − 1 and step.
#[derive(Clone, Debug)]
pub struct Queries {
    layers: Vec<Vec<DMatrix<f64>>>,
}

impl Queries {
    /// No queries yet of `depth` layers.
    pub fn new(depth: usize) -> Self {
        Queries { layers: vec![Vec::new(); depth] }
    }

    /// Adds a query of layer − 1 = `index`, r×P; earlier ones are kept only while `all` are wanted.
    pub fn push(&mut self, index: usize, query: DMatrix<f64>, all: bool) {
        let queries = &mut self.layers[index];
        if !all {
            queries.clear();
        }
        queries.push(query);
    }

    /// The coefficients of the last query of layer − 1 = `index`, r×P.
    pub fn last(&self, index: usize) -> Option<&DMatrix<f64>> {
        self.layers[index].last()
    }

    /// The queries of layer − 1 = `index`, pass by pass, r×P each with the rank r of its pass.
    pub fn of(&self, index: usize) -> &[DMatrix<f64>] {
        &self.layers[index]
    }

    /// Walks over the queries of all layers.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        for queries in &mut self.layers {
            archive.list(queries, || DMatrix::zeros(0, 0), Archive::matrix)?;
        }
        Ok(())
    }

    /// n^{-1} times the inner products of all queries of layer − 1 = `index`, columns ordered by
    /// step, then sample; None where there is no such layer.
    pub fn covariance(&self, index: usize, width: usize) -> Option<DMatrix<f64>> {
        let queries = self.layers.get(index)?;
        let rank = queries.last().map_or(0, |last| last.nrows());
        let padded: Vec<_> =
            queries.iter().map(|q| q.clone().resize_vertically(rank, 0.0)).collect();
        Some(covariance(&padded, width))
    }
}

/// The queries of all matrices of one kind, of both directions.
#[derive(Clone, Debug)]
pub struct Asked {
    /// φ(h), or φ(z) where there is an inner layer and the matrix is W2.
    pub forward: Queries,
    /// g (δ when O > 1), or r of the inner matrix.
    pub backward: Queries,
}

impl Asked {
    /// No queries yet of the matrices of `depth` layers.
    pub fn new(depth: usize) -> Self {
        Asked { forward: Queries::new(depth), backward: Queries::new(depth) }
    }

    /// Walks over the queries of both directions.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.forward.archive(archive)?;
        self.backward.archive(archive)
    }
}

/// Covariances of all queries so far and, where they were followed, the responses of their answers, both
/// `(forward, backward)`, at the probed layers.
pub fn covariances(
    probe: &Probe,
    (forward, backward): (&Queries, &Queries),
    responses: Option<(&ResponseFunctions, &ResponseFunctions)>,
    width: usize,
) -> Vec<Covariances> {
    let at = |&layer: &usize| {
        let below = layer.checked_sub(1);
        Covariances {
            features: forward.covariance(layer, width),
            gradients: below.and_then(|index| backward.covariance(index, width)),
            forward_response: responses.zip(below).and_then(|((a, _), index)| a.all(index)),
            backward_response: responses.and_then(|(_, b)| b.all(layer)),
        }
    };
    probe.layers.iter().map(at).collect()
}

/// Σ_l C_φ ∘ C_g of the last queries of all layers (see [`super::BackwardSweep::kernel`]).
pub fn kernel((forward, backward): (&Queries, &Queries), width: usize) -> Option<DMatrix<f64>> {
    let scale = (width as f64).powi(2).recip();
    let layers = forward.layers.iter().zip(&backward.layers);
    let layers: Option<Vec<_>> = layers.map(|(f, b)| Some((f.last()?, b.last()?))).collect();
    let parts = layers?.into_iter().map(|(f, b)| f.tr_mul(f).component_mul(&b.tr_mul(b)) * scale);
    parts.reduce(|sum, part| sum + part)
}

/// The coefficients \[along; fresh\] as one matrix, (r+r')×P.
pub fn stacked(along: &DMatrix<f64>, fresh: &DMatrix<f64>) -> DMatrix<f64> {
    let (r, s) = (along.nrows(), fresh.nrows());
    let mut all = along.clone().resize_vertically(r + s, 0.0);
    all.rows_mut(r, s).copy_from(fresh);
    all
}

/// n^{-1} AᵀA, A the columns of all blocks side by side.
pub fn covariance(blocks: &[DMatrix<f64>], width: usize) -> DMatrix<f64> {
    let columns: Vec<_> = blocks.iter().flat_map(|block| block.column_iter()).collect();
    let all = DMatrix::from_columns(&columns);
    all.tr_mul(&all) / width as f64
}

/// One weight matrix W of the conditional engine and its velocity v in training (see
/// [`Update`]), as they depend on the initial one:
///
/// ```text
/// W = a W⁽⁰⁾ − u QB M QFᵀ,   v = b W⁽⁰⁾ + u QB N QFᵀ
/// ```
///
/// over the columns present at the last update, u the factor of updates. D = u QB C_B diag(χ) C_Fᵀ
/// QFᵀ in the coefficients of a pass, so M and N, a and b stay among themselves: momentum and weight
/// decay are exact. A norm of v is that of N, and so is a polar factor, QB polar(N) QFᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// M, in the coefficients of QB and QF.
    matrix: DMatrix<f64>,
    /// N, in the same coefficients; empty while there is no momentum.
    velocity: DMatrix<f64>,
    /// a
    kept: f64,
    /// b
    fading: f64,
}

impl Drift {
    /// The drift of a matrix that was not trained yet.
    pub fn new() -> Self {
        let none = DMatrix::zeros(0, 0);
        Drift { matrix: none.clone(), velocity: none, kept: 1.0, fading: 0.0 }
    }

    /// The factor a on every answer of W⁽⁰⁾; 1 without weight decay.
    pub fn kept(&self) -> f64 {
        self.kept
    }

    /// Walks over M, N, a and b.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        archive.matrix(&mut self.matrix)?;
        archive.matrix(&mut self.velocity)?;
        archive.number(&mut self.kept)?;
        archive.number(&mut self.fading)
    }

    /// M C: what a forward query with coefficients `along` (r×P) meets, along QB.
    pub fn forward(&self, along: &DMatrix<f64>) -> DMatrix<f64> {
        &self.matrix * along.rows(0, self.matrix.ncols())
    }

    /// Mᵀ C: what a backward query meets, along QF.
    pub fn backward(&self, along: &DMatrix<f64>) -> DMatrix<f64> {
        self.matrix.tr_mul(&along.rows(0, self.matrix.nrows()))
    }

    /// N ← μ pad(N) + C_B diag(weights) C_Fᵀ − λ pad(M), b ← μ b + λ a, then M ← pad(M) + η N,
    /// a ← a − η b, from the coefficients C_F (`forward`) and C_B (`backward`) of one pass; by a rule that
    /// normalises N ← μ pad(N) + C_B diag(weights) C_Fᵀ, then M ← (1 − ηλ) pad(M) + η `norm` N/‖N‖,
    /// a ← (1 − ηλ) a, with the `norm` that a sum of one term g φᵀ has.
    ///
    /// # Panics
    /// With a rule whose updates are not of low rank: experiments are validated before.
    pub fn update(
        &mut self,
        (update, norm): (&Update, f64),
        weights: &[f64],
        forward: &DMatrix<f64>,
        backward: &DMatrix<f64>,
    ) {
        let Update { rates: Rates { hidden: rate, .. }, momentum, weight_decay, rule, .. } =
            *update;
        if rate == 0.0 {
            return;
        }
        let (rows, columns) = (backward.nrows(), forward.nrows());
        self.matrix.resize_mut(rows, columns, 0.0);
        let mut weighted = backward.clone();
        for (mut column, weight) in weighted.column_iter_mut().zip(weights) {
            column *= *weight;
        }
        let sum = weighted * forward.transpose();
        let mut velocity = sum.clone();
        if rule == Rule::Descent && weight_decay > 0.0 {
            velocity -= &self.matrix * weight_decay;
        }
        if momentum > 0.0 {
            self.velocity.resize_mut(rows, columns, 0.0);
            velocity += &self.velocity * momentum;
        }
        match rule {
            Rule::Descent => {
                self.matrix += &velocity * rate;
                self.fading = momentum * self.fading + weight_decay * self.kept;
                self.kept -= rate * self.fading;
            }
            Rule::Normalized { norm: by, nesterov } => {
                let ahead = if nesterov { sum + &velocity * momentum } else { velocity.clone() };
                self.matrix *= 1.0 - rate * weight_decay;
                self.matrix += normalized(&ahead, by) * (rate * norm);
                self.kept -= rate * weight_decay * self.kept;
            }
            Rule::Adam { .. } | Rule::Sign => unreachable!("its updates are not of low rank"),
        }
        if momentum > 0.0 {
            self.velocity = velocity;
        }
    }
}

impl Default for Drift {
    fn default() -> Self {
        Drift::new()
    }
}

/// Weights as shares of the initial ones and of the directions D_k of all updates:
///
/// ```text
/// W = a W⁽⁰⁾ + Σ_k α_k D_k,   v = b W⁽⁰⁾ + Σ_k β_k D_k
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// a, b
    initial: (f64, f64),
    /// α_k, β_k
    updates: Vec<(f64, f64)>,
}

impl Shares {
    /// The shares of a matrix that was not trained yet: W = W⁽⁰⁾, v = 0.
    pub fn new() -> Self {
        Shares { initial: (1.0, 0.0), updates: Vec::new() }
    }

    /// Walks over all shares.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        let pair = |archive: &mut Archive, (of_w, of_v): &mut (f64, f64)| {
            archive.number(of_w)?;
            archive.number(of_v)
        };
        pair(archive, &mut self.initial)?;
        archive.list(&mut self.updates, Default::default, pair)
    }

    /// The share a of the initial weights in W; 1 without weight decay.
    pub fn kept(&self) -> f64 {
        self.initial.0
    }

    /// The share α_k of every update in W, in the order of the updates.
    pub fn of_updates(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.updates.iter().map(|(alpha, _)| *alpha)
    }

    /// v ← μ v + D + λ W, W ← W − η v, with a new D.
    pub fn update(&mut self, update: &Update) {
        let Update { rates: Rates { hidden: rate, .. }, momentum, weight_decay, .. } = *update;
        for (alpha, beta) in &mut self.updates {
            *beta = momentum * *beta + weight_decay * *alpha;
            *alpha -= rate * *beta;
        }
        self.updates.push((-rate, 1.0));
        let (a, b) = &mut self.initial;
        *b = momentum * *b + weight_decay * *a;
        *a -= rate * *b;
    }
}

impl Default for Shares {
    fn default() -> Self {
        Shares::new()
    }
}
