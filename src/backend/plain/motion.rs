//! How a matrix follows its gradients, by every rule (docs/theory.md, section 1.4).

use nalgebra::DMatrix;

use crate::backend::Update;
use crate::backend::normalized::normalized;
use crate::model::Rule;

/// What a matrix keeps from update to update; nothing before the first one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Motion {
    /// v, where there is momentum; Adam's m.
    velocity: Option<DMatrix<f64>>,
    /// Adam's v.
    squares: Option<DMatrix<f64>>,
}

/// One update of one matrix.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Momentum, decay and number of the update.
    pub update: &'a Update,
    /// η of the matrix's group.
    pub rate: f64,
    /// The rule of its group.
    pub rule: Rule,
    /// q, the size of the entries of D.
    pub size: f64,
}

impl Motion {
    /// `weights` follow D = `direction`.
    pub fn follow(&mut self, weights: &mut DMatrix<f64>, step: Step, direction: DMatrix<f64>) {
        let Step { update, rate, rule, size } = step;
        let Update { momentum, weight_decay, number, .. } = *update;
        if rate == 0.0 {
            return;
        }
        if rule == Rule::Descent {
            self.descend(weights, step, direction);
            return;
        }
        let sum = direction / size;
        let towards = match rule {
            Rule::Adam { betas: [beta1, beta2], epsilon } => {
                let squares = sum.map(|s| (1.0 - beta2) * s * s);
                let mean = running(&mut self.velocity, beta1, sum * (1.0 - beta1));
                let squares = running(&mut self.squares, beta2, squares);
                let [c1, c2] = [beta1, beta2].map(|beta| 1.0 - beta.powi(number as i32));
                mean.zip_map(&squares, |m, v| m / c1 / ((v / c2).sqrt() + epsilon))
            }
            Rule::Sign => running(&mut self.velocity, momentum, sum).map(sign),
            Rule::Normalized { norm, nesterov } => {
                let velocity = running(&mut self.velocity, momentum, sum.clone());
                let ahead = if nesterov { sum + velocity * momentum } else { velocity };
                normalized(&ahead, norm) * (weights.len() as f64).sqrt()
            }
            Rule::Descent => return,
        };
        weights.zip_apply(&towards, |w, s| *w = (1.0 - rate * weight_decay) * *w - rate * size * s);
    }

    /// v ← μ v + D + λ W, then W ← W − η v; v is kept only where there is momentum.
    fn descend(&mut self, weights: &mut DMatrix<f64>, step: Step, mut direction: DMatrix<f64>) {
        let Update { momentum, weight_decay, .. } = *step.update;
        if weight_decay > 0.0 {
            direction.zip_apply(weights, |v, w| *v += weight_decay * w);
        }
        if let Some(old) = self.velocity.take() {
            direction.zip_apply(&old, |v, old| *v += momentum * old);
        }
        weights.zip_apply(&direction, |w, v| *w -= step.rate * v);
        self.velocity = (momentum > 0.0).then_some(direction);
    }
}

/// x ← β x + `new`, from x = 0 on.
fn running(kept: &mut Option<DMatrix<f64>>, beta: f64, new: DMatrix<f64>) -> DMatrix<f64> {
    let now = match kept.take() {
        Some(old) => old * beta + new,
        None => new,
    };
    *kept = (beta > 0.0).then(|| now.clone());
    now
}

/// −1, 0 or 1, and NaN for NaN.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}
