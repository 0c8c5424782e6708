#![doc = "placeholder"]
pub mod backend;
pub mod data;
pub mod engine;
pub mod error;
pub mod measure;
pub mod model;
pub mod rng;
