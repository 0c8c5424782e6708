//! The section `model`: the network, and what goes with which form of a residual branch.

use super::check::Check;
use super::section::{Range, section};
use super::{Backend, Engine, Ensemble, Experiment, Storage, WIDEST};
use crate::choice::choice;
use crate::error::Result;
use crate::model::{
    Activation, Block, Exponents, Groups, InnerWidth, Normalization, Parametrization, ScaleLaw,
};

choice! {
    /// A group of weights that is trained or kept at its initial values.
    pub enum Group {
        /// The input weights U, n×d.
        Input = "input",
        /// The hidden weights W_1 … W_L, n×n each (two-layer blocks: W1, M×n, and W2, n×M).
        Hidden = "hidden",
        /// The readout weights V, n×O.
        Readout = "readout",
    }
}

section! {
    /// The network: h_0 = U x/√d, L residual blocks of width n, output f = Vᵀ h_L with the factors of its
    /// parametrization.
    "model": TypedModel (Default) => Model {
        /// Powers of the width n and the depth L in the branches, the output and the learning rates.
        /// Default: depth-mup, or the first of ensemble.parametrizations.
        parametrization: Option<Parametrization> => Parametrization { example: Parametrization::Mup, }
        /// Exponents of the depth in place of the parametrization's own. Default: branch 0.5 (mup and
        /// vanilla: 0, complete-p and mean-field: 1), rate 0 (complete-p and mean-field: -1).
        exponents: Option<Exponents> => Exponents { example: Exponents { branch: 0.75, rate: 0.0 }, }
        /// Form of a residual branch: one weight matrix, or two.
        block: Option<Block> => Block { default: Block::OneLayer, example: Block::TwoLayer, }
        /// Width M of the inner layer of two-layer blocks: a number, or a multiple of n, as in
        /// "4n".
        #[serde(skip_serializing_if = "InnerWidth::is_width")]
        inner_width: Option<InnerWidth> => InnerWidth {
            default: InnerWidth::default(),
            example: "4n",
        }
        /// What the branch of a block reads: the features h, or h over its root mean square.
        #[serde(skip_serializing_if = "Normalization::is_none")]
        normalization: Option<Normalization> => Normalization {
            default: Normalization::None,
            example: Normalization::Rms,
        }
        /// Activation φ, applied entrywise to the features h.
        activation: Option<Activation> => Activation {
            default: Activation::Tanh,
            example: Activation::Relu,
        }
        /// Horizon T: branches have the factor √T, so that depth time t = l T/L runs from 0 to T.
        horizon: Option<f64> => f64 { default: 1.0, range: Range::Positive, example: 2.0, }
        /// Output divisor γ, small for lazy and large for rich training: f is divided by γ, all
        /// learning rates are multiplied by γ².
        gamma: Option<f64> => f64 { default: 1.0, range: Range::Positive, example: 0.5, }
        /// Groups of weights that are trained; the others keep their initial values.
        train: Option<Vec<Group>> => Vec<Group> {
            default: vec![Group::Hidden],
            example: [Group::Input, Group::Hidden, Group::Readout],
        }
    }
}

impl TypedModel {
    /// Fills in the defaults, for the parametrizations of the grid.
    ///
    /// # Errors
    /// At the offending field.
    pub fn resolve(self, ensemble: &Ensemble, check: &Check) -> Result<Model> {
        self.check_ranges(check)?;
        let first = ensemble.parametrizations.as_ref().map(|several| several[0]);
        let parametrization = self.parametrization.or(first).unwrap_or(Parametrization::DepthMup);
        if first.is_some_and(|first| first != parametrization) {
            let problem = "is not the first of ensemble.parametrizations";
            return check.fail("model.parametrization", problem, "remove it");
        }
        if first.is_some() && self.exponents.is_some_and(|own| own != parametrization.exponents()) {
            let problem = "each of ensemble.parametrizations has exponents of its own";
            return check.fail("model.exponents", problem, "remove them");
        }
        let exponents = self.exponents.unwrap_or_else(|| parametrization.exponents());
        for (field, value) in [("branch", exponents.branch), ("rate", exponents.rate)] {
            check.within(&format!("model.exponents.{field}"), value, -10.0, 10.0)?;
        }
        if parametrization == Parametrization::Vanilla && exponents.branch != 0.0 {
            let help = "remove it: vanilla's multiplier is the activation's own σ";
            return check.fail("model.exponents.branch", "vanilla has no branch exponent", help);
        }
        let names: Vec<&str> = self.train().iter().map(|group| group.name()).collect();
        check.distinct("model.train", &names)?;
        Ok(Model {
            parametrization,
            exponents,
            block: self.block(),
            inner_width: self.inner_width(),
            normalization: self.normalization(),
            activation: self.activation(),
            horizon: self.horizon(),
            gamma: self.gamma(),
            train: self.train(),
        })
    }
}

impl Model {
    /// The scales of the network at any width and depth.
    pub fn scale_law(&self) -> ScaleLaw {
        ScaleLaw {
            parametrization: self.parametrization,
            exponents: self.exponents,
            block: self.block,
            inner_width: self.inner_width,
            normalization: self.normalization,
            activation: self.activation,
            horizon: self.horizon,
            gamma: self.gamma,
        }
    }

    /// The trained groups of weights as flags.
    pub fn groups(&self) -> Groups {
        let has = |group| self.train.contains(&group);
        Groups {
            input: has(Group::Input),
            hidden: has(Group::Hidden),
            readout: has(Group::Readout),
        }
    }
}

/// Refuses what the blocks of `model` cannot have.
///
/// # Errors
/// At the offending field.
pub fn check_blocks(
    model: &Model,
    ensemble: &Ensemble,
    storage: Storage,
    check: &Check,
) -> Result<()> {
    let (field, all) = match &ensemble.parametrizations {
        Some(several) => ("ensemble.parametrizations", several.clone()),
        None => ("model.parametrization", vec![model.parametrization]),
    };
    if model.block == Block::OneLayer {
        if all.contains(&Parametrization::DepthMupCorrected) {
            return check.fail(
                field,
                "depth-mup-corrected corrects the rate of an inner matrix, which one-layer blocks lack",
                "take block two-layer, or parametrization depth-mup",
            );
        }
        if all.contains(&Parametrization::MeanField) {
            return check.fail(
                field,
                "mean-field takes means over inner units, which one-layer blocks lack",
                "take block two-layer, or parametrization complete-p",
            );
        }
        if !model.inner_width.is_width() {
            let problem = "one-layer blocks have no inner layer";
            return check.fail("model.inner_width", problem, "take block two-layer, or remove it");
        }
        return Ok(());
    }
    if all.contains(&Parametrization::Vanilla) {
        return check.fail(
            field,
            "two-layer blocks have a skip connection, vanilla has none",
            "take another parametrization, or block one-layer",
        );
    }
    let widest = ensemble.widths.iter().map(|&width| model.inner_width.at(width)).max();
    if let Some(inner) = widest.filter(|inner| *inner > WIDEST) {
        let problem = format!("an inner layer of {inner} units is wider than any machine holds");
        return check.fail("model.inner_width", problem, "take at most 2^30 units");
    }
    if storage == Storage::Bf16 {
        let problem = "two-layer blocks keep all their numbers";
        return check.fail("storage", problem, "take storage full, or leave it out");
    }
    Ok(())
}

/// Refuses inner layers that backend cuda does not have.
///
/// # Errors
/// At `model.inner_width`.
pub fn check_blocks_on_device(experiment: &Experiment, check: &Check) -> Result<()> {
    let Experiment { model, engine, backend, .. } = experiment;
    if model.block == Block::OneLayer || *backend != Backend::Cuda {
        return Ok(());
    }
    if *engine == Engine::Conditional && !model.inner_width.is_width() {
        let problem = "backend cuda has inner layers of width n only in engine conditional";
        let help = "take backend cpu, or engine dense, or remove it";
        return check.fail("model.inner_width", problem, help);
    }
    Ok(())
}
