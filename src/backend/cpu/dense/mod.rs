//! The dense engine, fast.
pub mod matrix;
pub mod products;
pub mod vectors;
pub mod weights;
