//! The table of observables: everything that is said of one stands in its row.
//!
//! To add an observable is to add a row. What its function computes is recorded, written to
//! results.csv and arrays.npz, titled and explained from here. Rows of one pass are written in the
//! order of the table; the spectra, last, depth time by depth time. It is one table, and so longer than 400 lines.

use super::compute::{feature_gaps, gradient_gaps, mean_square_difference};
use super::{Against, Entry, OUTPUTS_COMPARED, OUTPUTS_SHOWN, Unit, Values};
use crate::data::Labels;
use crate::experiment::Batch;
use crate::model::loss::accuracy;

/// Makes the enum and the table from the same rows.
macro_rules! observables {
    ($($variant:ident { meaning: $meaning:literal, $($field:tt)* })*) => {
        /// What is measured: a row of the table of observables.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Observable {
            $(#[doc = $meaning] $variant,)*
        }

        impl Observable {
            /// Every observable, in the order of the table.
            pub const ALL: &[Observable] = &[$(Observable::$variant),*];

            /// Its row of the table.
            pub fn entry(self) -> &'static Entry {
                static TABLE: &[Entry] = &[$(Entry { meaning: $meaning, $($field)* }),*];
                &TABLE[self as usize]
            }
        }
    };
}

observables! {
    Output {
        meaning: "The output f of each sample, of the first hundred outputs.",
        name: "f",
        title: "output f",
        axis: "",
        unit: Unit::Output,
        first_step: 0,
        against: Against::Start,
        values: Values::Outputs(|at, _| at.pass.f.iter().copied().take(OUTPUTS_SHOWN).collect()),
    }
    TrainingLoss {
        meaning: "Loss of the training samples, a mean over them.",
        name: "loss.train",
        title: "training loss",
        axis: "mean over samples",
        unit: Unit::Loss,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.loss)),
    }
    TestLoss {
        meaning: "Loss of the test samples, a mean over them. Each step is exact in law; values of \
                  different steps are not jointly consistent.",
        name: "loss.test",
        title: "test loss",
        axis: "mean over samples",
        unit: Unit::Loss,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.test_loss),
    }
    TrainingAccuracy {
        meaning: "Share of training samples whose class the output names.",
        name: "accuracy.train",
        title: "training accuracy",
        axis: "share of samples",
        unit: Unit::Share,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| {
            let has_classes = at.experiment.data.labels != Labels::Values;
            has_classes.then(|| accuracy(&at.pass.f, &at.train.labels, at.train.outputs))
        }),
    }
    TestAccuracy {
        meaning: "Share of test samples whose class the output names.",
        name: "accuracy.test",
        title: "test accuracy",
        axis: "share of samples",
        unit: Unit::Share,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| {
            at.pass.test_accuracy.filter(|_| at.experiment.data.labels != Labels::Values)
        }),
    }
    ForwardCoupling {
        meaning: "What a layer’s forward product W_lφ(h) owes to answers that W_l gave in backward \
                  passes; mean square over rows and samples, then over layers.",
        name: "coupling.forward.layer",
        title: "forward coupling per layer",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.forward_coupling?.layer)),
    }
    ForwardCouplingAccumulated {
        meaning: "The forward coupling summed along depth: small terms of one sign add up.",
        name: "coupling.forward.accumulated",
        title: "forward coupling summed",
        axis: "mean square over rows and samples",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.forward_coupling?.accumulated)),
    }
    BackwardCoupling {
        meaning: "What a layer’s backward product W_l^⊤g owes to forward answers of earlier steps; mean \
                  square over rows and samples, then over layers. At finite width it has a floor of \
                  order 1/(nL).",
        name: "coupling.backward.layer.past",
        title: "backward coupling per layer",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.backward_coupling?.layer_past)),
    }
    BackwardCouplingWithin {
        meaning: "What a layer’s backward product W_l^⊤g owes to forward answers of the same pass; mean \
                  square over rows and samples, then over layers.",
        name: "coupling.backward.layer.same",
        title: "backward coupling within a pass, per layer",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.backward_coupling?.layer_same)),
    }
    BackwardCouplingAccumulated {
        meaning: "The backward coupling to earlier steps summed along depth.",
        name: "coupling.backward.accumulated.past",
        title: "backward coupling summed",
        axis: "mean square over rows and samples",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.backward_coupling?.accumulated_past)),
    }
    BackwardCouplingWithinAccumulated {
        meaning: "The backward coupling to answers of the same pass, summed along depth.",
        name: "coupling.backward.accumulated.same",
        title: "backward coupling within a pass, summed",
        axis: "mean square over rows and samples",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.backward_coupling?.accumulated_same)),
    }
    InnerForwardCoupling {
        meaning: "Two-layer blocks: what z_l, the product of the inner matrix W1_l with φ(h), owes to answers \
                  that W1_l gave in backward passes; mean square over rows and samples, then over layers.",
        name: "coupling.inner.forward",
        title: "forward coupling of the inner layer",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.forward_coupling?.inner),
    }
    InnerBackwardCoupling {
        meaning: "Two-layer blocks: what r_l, the signal that reaches the inner layer through W2_l, owes to \
                  forward answers of W2_l; mean square over rows and samples, then over layers.",
        name: "coupling.inner.backward",
        title: "backward coupling of the inner layer",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.backward_coupling?.inner),
    }
    FeatureRank {
        meaning: "Directions of features that a layer keeps, a mean over layers.",
        name: "rank.features",
        title: "rank of stored features",
        axis: "columns, mean over layers",
        unit: Unit::Columns,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.feature_rank),
    }
    GradientRank {
        meaning: "Directions of gradients that a layer keeps, a mean over layers.",
        name: "rank.gradients",
        title: "rank of stored gradients",
        axis: "columns, mean over layers",
        unit: Unit::Columns,
        first_step: 0,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.gradient_rank),
    }
    OwnMovement {
        meaning: "Mean square of n^{−1/2}(W − W^{(0)})φ(h) over rows, samples and layers; in two-layer \
                  blocks of the inner matrix.",
        name: "movement.own",
        title: "movement by own weights",
        axis: "|n^{−1/2}(W − W(0))φ(h)|²/n, mean over samples and layers",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| Some(at.pass.own_movement)),
    }
    OutputMovement {
        meaning: "Mean square over outputs of f^{(k)} − f^{(0)}.",
        name: "movement.f",
        title: "movement of f",
        axis: "(f(k) − f(0))², mean over outputs",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, start| Some(mean_square_difference(&at.pass.f, &start.pass.f))),
    }
    InnerMovement {
        meaning: "Mean square of its change since initialisation, by whatever weights, over rows, \
                  samples and layers.",
        name: "movement.inner",
        title: "movement of the inner pre-activation",
        axis: "mean square over rows, samples and layers",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::Number(|at, _| at.pass.inner_movement),
    }
    FeatureMovement {
        meaning: "Mean square of h^{(k)} − h^{(0)} over rows and samples, along depth time t = lT/L.",
        name: "movement.total",
        title: "movement of h",
        axis: "|h(k) − h(0)|²/n, mean over samples",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Start,
        values: Values::AlongDepth(|at, _| {
            // With minibatches the passes of two steps are of different samples.
            let full = at.experiment.training.batch == Batch::Full;
            let features = at.common(&at.pass.features).filter(|_| full);
            features.map(|(time, features)| (time, features.movement)).collect()
        }),
    }
    LeastFeatureEigenvalue {
        meaning: "Of the covariance n^{−1}φ(h)^⊤φ(h) over samples and the first k + 1 passes.",
        name: "eigmin.features",
        title: "smallest eigenvalue, features",
        axis: "of n^{−1}φ(h)^{T}φ(h)",
        unit: Unit::Eigenvalue,
        first_step: 0,
        against: Against::Start,
        values: Values::Spectrum(|spectra| Some(spectra.features?.least)),
    }
    LargestFeatureEigenvalue {
        meaning: "Of the covariance n^{−1}φ(h)^⊤φ(h) over samples and the first k + 1 passes.",
        name: "eigmax.features",
        title: "largest eigenvalue, features",
        axis: "of n^{−1}φ(h)^{T}φ(h)",
        unit: Unit::Eigenvalue,
        first_step: 0,
        against: Against::Start,
        values: Values::Spectrum(|spectra| Some(spectra.features?.largest)),
    }
    LeastGradientEigenvalue {
        meaning: "Of the covariance n^{−1}g^⊤g over samples and the first k + 1 passes.",
        name: "eigmin.gradients",
        title: "smallest eigenvalue, gradients",
        axis: "of n^{−1}g^{T}g",
        unit: Unit::Eigenvalue,
        first_step: 0,
        against: Against::Start,
        values: Values::Spectrum(|spectra| Some(spectra.gradients?.least)),
    }
    LargestGradientEigenvalue {
        meaning: "Of the covariance n^{−1}g^⊤g over samples and the first k + 1 passes.",
        name: "eigmax.gradients",
        title: "largest eigenvalue, gradients",
        axis: "of n^{−1}g^{T}g",
        unit: Unit::Eigenvalue,
        first_step: 0,
        against: Against::Start,
        values: Values::Spectrum(|spectra| Some(spectra.gradients?.largest)),
    }
    OutputDifference {
        meaning: "The output of each sample minus that of the reference of the same seed, on the same \
                  Brownian path; of the first thousand outputs.",
        name: "difference.f",
        title: "difference of f",
        axis: "f − f_{ref}",
        unit: Unit::Difference,
        first_step: 0,
        against: Against::Reference,
        values: Values::Outputs(|at, reference| {
            let outputs = at.pass.f.iter().zip(&reference.pass.f).take(OUTPUTS_COMPARED);
            outputs.map(|(f, other)| f - other).collect()
        }),
    }
    FeatureError {
        meaning: "Last features minus those of the reference of the same seed, on the same Brownian \
                  path; mean square over rows and samples.",
        name: "strong.h",
        title: "error of h_L",
        axis: "|h − h_{ref}|²/n, mean over samples",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Reference,
        values: Values::AlongDepth(feature_gaps),
    }
    GradientError {
        meaning: "First backward features minus those of the reference of the same seed, on the same \
                  Brownian path; mean square over rows and samples.",
        name: "strong.g",
        title: "error of g_0",
        axis: "|g − g_{ref}|²/n, mean over samples",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Reference,
        values: Values::AlongDepth(gradient_gaps),
    }
    OutputGap {
        meaning: "Output of the closure minus output of the exact network of the same size and noise. \
                  What stays as L grows is what the closure leaves out.",
        name: "closure_gap.f",
        title: "gap of f to exact",
        axis: "(f − f_{exact})², mean over outputs",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Exact,
        values: Values::Number(|at, exact| Some(mean_square_difference(&at.pass.f, &exact.pass.f))),
    }
    TrainingLossGap {
        meaning: "Training loss of the closure minus that of the exact network of the same size and noise.",
        name: "closure_gap.loss.train",
        title: "gap of the training loss to exact",
        axis: "",
        unit: Unit::Difference,
        first_step: 1,
        against: Against::Exact,
        values: Values::Number(|at, exact| Some(at.pass.loss - exact.pass.loss)),
    }
    TestLossGap {
        meaning: "Test loss of the closure minus that of the exact network of the same size and noise.",
        name: "closure_gap.loss.test",
        title: "gap of the test loss to exact",
        axis: "",
        unit: Unit::Difference,
        first_step: 1,
        against: Against::Exact,
        values: Values::Number(|at, exact| Some(at.pass.test_loss? - exact.pass.test_loss?)),
    }
    FeatureGap {
        meaning: "Last features of the closure minus those of the exact network of the same size and \
                  noise; mean square over rows and samples.",
        name: "closure_gap.h",
        title: "gap of h_L to exact",
        axis: "|h − h_{exact}|²/n, mean over samples",
        unit: Unit::MeanSquare,
        first_step: 1,
        against: Against::Exact,
        values: Values::AlongDepth(feature_gaps),
    }
    GradientGap {
        meaning: "First backward features of the closure minus those of the exact network of the same \
                  size and noise; mean square over rows and samples. What stays as L grows is what the \
                  closure leaves out.",
        name: "closure_gap.g",
        title: "gap of g_0 to exact",
        axis: "|g − g_{exact}|²/n, mean over samples",
        unit: Unit::MeanSquare,
        first_step: 0,
        against: Against::Exact,
        values: Values::AlongDepth(gradient_gaps),
    }
    LimitDifference {
        meaning: "The output of each sample minus its limit n = L = ∞. Where the ensemble has \
                  depths at which the limit’s computation has values, with L′ the largest of them: \
                  the output minus that at depth L′ on the same Brownian path, plus the difference \
                  of networks of depth L′ and infinite width from the limit; of the first thousand \
                  outputs.",
        name: "limit.f",
        title: "difference of f to its limit",
        axis: "",
        unit: Unit::Difference,
        first_step: 1,
        against: Against::Limit,
        values: Values::Outputs(|_, _| vec![]),
    }
    LimitError {
        meaning: "The error of the limit in limit.f, its standard error and the bound of its bias together, \
                  the same for all seeds.",
        name: "limit.error",
        title: "error of the limit of f",
        axis: "",
        unit: Unit::Difference,
        first_step: 1,
        against: Against::Limit,
        values: Values::Outputs(|_, _| vec![]),
    }
    WeakLimitError {
        meaning: "The output minus its limit n = L = ∞ (limit.f), averaged over seeds, then root mean square \
                  over outputs: how far networks of finite depth are from the limit itself.",
        name: "weak.limit.f",
        title: "distance of f to its limit",
        axis: "root mean square over outputs of means over seeds",
        unit: Unit::RootMeanSquare,
        first_step: 1,
        against: Against::Rows,
        values: Values::Formed,
    }
    WeakError {
        meaning: "The output minus that of the reference of the same seed, on the same Brownian path: \
                  averaged over seeds, then root mean square over outputs. A weak error: what is left \
                  when noise is averaged away.",
        name: "weak.f",
        title: "weak error of f",
        axis: "root mean square over outputs of means over seeds",
        unit: Unit::RootMeanSquare,
        first_step: 1,
        against: Against::Rows,
        values: Values::Formed,
    }
    BestLearningRate {
        meaning: "Vertex of the parabola through the least median loss over seeds after the last update and its \
                  neighbours among the rates that were tried, logarithm against logarithm.",
        name: "optimum.learning_rate",
        title: "best learning rate",
        axis: "η",
        unit: Unit::LearningRate,
        first_step: 1,
        against: Against::Rows,
        values: Values::Formed,
    }
}
