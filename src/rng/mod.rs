//! Everything random: addressed, never streamed.
//!
//! A Gaussian entry of a weight or of a conditional answer is a pure function of
//! (seed, row, column, layer, purpose, step, direction), so that any task, thread, rank or device
//! can produce any part of it in any order and get the same bits.
//!
//! * [`philox`]: the Philox4x32-10 block cipher, and a `rand` generator on top of it for everything
//!   that is not a Gaussian weight (shuffles, splits, synthetic data);
//! * [`normal`]: four counters to four normals, by polynomials with explicit fused multiply-adds;
//! * [`noise`]: which counter belongs to which entry, and the Brownian path that all depths share.

pub mod noise;
pub mod normal;
pub mod philox;
