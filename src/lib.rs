#![doc = "placeholder"]
pub mod backend;
pub mod data;
pub mod error;
pub mod model;
pub mod rng;
