//! The software device as unmodified cudarc sees it.
//!
//! A process loads a driver library once, by name, and the environment that decides which one is
//! read when the process starts. So each test runs itself again, in a process of its own whose
//! loader path is a folder with the library under its two names: `softcuda` under the target folder.
//! Cargo builds the library together with the tests; `cargo build -p softcuda` builds it alone.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "driver/kernels.rs"]
mod kernels;
#[path = "driver/process.rs"]
mod process;
#[path = "driver/raw.rs"]
mod raw;

#[path = "driver/basics.rs"]
mod basics;
#[path = "driver/captures.rs"]
mod captures;
#[path = "driver/errors.rs"]
mod errors;
#[path = "driver/graphs.rs"]
mod graphs;
#[path = "driver/launches.rs"]
mod launches;
#[path = "driver/limits.rs"]
mod limits;
#[path = "driver/stale.rs"]
mod stale;
#[path = "driver/streams.rs"]
mod streams;
