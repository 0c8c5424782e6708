//! The CUDA driver API over the software device: what `libcuda.so` exports.
//!
//! A program finds the functions by name; in Rust nothing here is callable. Work is queued and
//! runs when the host waits for it, in a seeded order as far as streams, events and graphs leave
//! it open (`queue`); in checked mode work that nothing orders may not touch the same bytes
//! (`clock`). Errors of the device lose the context and show at later calls, as they do on a
//! real one (`run`). The environment sets the device up (`settings`).
//!
//! Where the manual leaves a driver a choice, this one takes the strict side, so that a program
//! that runs here does not lean on one driver's kindness.

#![allow(non_snake_case)]

mod absent;
mod capture;
mod clock;
mod context;
mod copy;
mod device;
mod error;
mod event;
mod ffi;
mod graph;
mod launch;
mod limits;
mod memory;
mod module;
mod occupancy;
mod queue;
mod run;
mod settings;
mod state;
mod stream;
