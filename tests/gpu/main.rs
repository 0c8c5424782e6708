//! Backend cuda's numbers against plain, in a program of their own, which jobs/gpu-check.sh takes to a node
//! with a GPU.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod checkpoints;
mod conditional;
mod dense;
mod end_to_end;
mod entrywise;
mod responses;
mod tensor;
mod two_layer;
