//! How gradients become updates: the rule of each optimiser. Source: docs/theory.md, section 1.4.
//!
//! Gradient descent changes a matrix by −η D, D = q S with a factor q that has all powers of n and L and a sum
//! S = Σ_p χ_p g_p φ_pᵀ (of U and V likewise) whose entries are of order one. Every other rule puts a
//! matrix of the same order in the place of S.

/// What a norm of S becomes n, that of a sum of rank one with entries of order one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Every singular value: S becomes n times its polar factor.
    Polar,
    /// About every singular value, by five steps of the quintic Newton–Schulz iteration.
    NewtonSchulz,
    /// The root of the sum of squares of all entries.
    Frobenius,
    /// The largest singular value.
    Spectral,
}

/// What turns the gradients of a run into updates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rule {
    /// v ← μ v + D + λ W, W ← W − η v.
    #[default]
    Descent,
    /// Hidden matrices: v ← μ v + S, W ← (1 − η λ) W − η q n N(v), with N(v) of norm one; U and V
    /// follow [`Rule::Descent`].
    Normalized {
        /// The norm by which v is divided.
        norm: Norm,
        /// Whether N is that of μ v + S with the new v, in the place of v.
        nesterov: bool,
    },
    /// Adam with decoupled weight decay, in every group: W ← (1 − η λ) W − η q m̂/(√v̂ + ε), with m and v
    /// running means of S and S², divided by 1 − β^k after k updates.
    Adam {
        /// β₁ and β₂
        betas: [f64; 2],
        /// ε, beside entries of S that are of order one.
        epsilon: f64,
    },
    /// Every group: v ← μ v + S, W ← (1 − η λ) W − η q sign(v), with sign(0) = 0.
    Sign,
}

impl Rule {
    /// The rule of U and V.
    pub fn of_ends(self) -> Rule {
        if let Rule::Normalized { .. } = self { Rule::Descent } else { self }
    }

    /// Whether a matrix differs from its initial one by factors of few columns, whose spans are those of past
    /// features and gradients.
    pub fn keeps_low_rank(self) -> bool {
        matches!(self, Rule::Descent | Rule::Normalized { .. })
    }

    /// Numbers that are kept from update to update for each number that is trained, at momentum μ.
    pub fn kept(self, momentum: f64) -> usize {
        match self {
            Rule::Adam { .. } => 2,
            _ => usize::from(momentum > 0.0),
        }
    }
}
