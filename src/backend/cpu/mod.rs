//! Both engines at the speed of memory or arithmetic, in f32 or f64; the formulas are those of
//! [`super::plain`].
//!
//! * [`simd`]: registers, activations and dispatch over instruction sets, for both engines;
//! * [`conditional`], [`dense`]: the engines.
//!
//! Threads are those of the `rayon` pool that calls; results do not depend on their number.

pub mod conditional;
pub mod dense;
pub mod simd;
