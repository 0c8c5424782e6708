//! What is trained: activations, parametrizations, losses, schedules and closures, each one table.
//!
//! Nothing here knows about layers in memory, experiments or files.

pub mod activation;
pub mod closure;
pub mod gaussian;
pub mod inner_width;
pub mod loss;
pub mod normalization;
pub mod parametrization;
pub mod rule;
pub mod schedule;

pub use activation::Activation;
pub use closure::{BackwardKnows, Closure, ForwardKnows, TypedClosure};
pub use inner_width::InnerWidth;
pub use loss::Loss;
pub use normalization::Normalization;
pub use parametrization::{
    Block, Exponents, Groups, Inner, Parametrization, Rates, ScaleLaw, Scales,
};
pub use rule::{Norm, Rule};
pub use schedule::{Decay, Schedule};
