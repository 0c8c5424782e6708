//! What both engines do with vector instructions, from the bottom:
//!
//! * [`hints`]: what the memory system should know;
//! * [`activation`]: φ and φ' over some rows; [`lanes`]: vector registers;
//! * [`transpose`]: squares of numbers;
//! * [`format`](mod@format): what a number format needs to be that of an engine;
//! * `dispatch`: one body, compiled for every instruction set and chosen at run time.

pub mod activation;
pub(super) mod dispatch;
pub mod format;
pub mod hints;
pub mod lanes;
pub mod transpose;
