//! Both engines at the speed of memory or arithmetic, in f32 or f64; the formulas are those of
//! [`super::plain`]. The dense engine has a room of its own, [`dense`]; the rest is the conditional
//! one's, and what both share.
//!
//! What differs from plain in the conditional engine is how often columns are read. A query
//! of r stored columns reads seven arrays of n·r numbers: the basis three times to orthogonalise
//! ([`orthogonal`]), then the other side's basis and answers ([`memory`]), then the own answers and
//! once more the other side's basis ([`conditional`]); no row is touched by two threads.
//!
//! From the bottom:
//! * [`real`]: f32 and f64; [`panel`], [`arena`]: how columns lie in memory; [`near`]: what a
//!   product reads of them;
//! * [`activation`], `lanes`, [`format`](mod@format), `dispatch`, [`kernels`]: what is done to a chunk of rows, on every instruction set;
//! * `tiles`: sums over rows that do not depend on threads;
//! * [`cholesky`], [`orthogonal`]: which columns of a query are new;
//! * [`memory`]: one weight matrix by its answers; `ends`: U and V; `vectors`, `record`: what is done
//!   to whole vectors, what is kept of a pass;
//! * [`conditional`]: the sweeps.
//!
//! Threads are those of the `rayon` pool that calls; results do not depend on their number.

pub mod activation;
pub mod arena;
pub mod cholesky;
pub mod conditional;
pub mod dense;
mod dispatch;
mod ends;
pub mod format;
pub mod kernels;
mod lanes;
pub mod memory;
pub mod near;
pub mod orthogonal;
pub mod panel;
pub mod real;
mod record;
mod tiles;
mod vectors;
