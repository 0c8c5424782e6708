#![doc = "placeholder"]
pub mod rng;
