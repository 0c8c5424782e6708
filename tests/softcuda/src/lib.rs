//! A CUDA device in software.
//!
//! The crate is two things in one. As a `cdylib` it is a stand-in for the driver library
//! ([`driver`]): a program that uses CUDA runs on it unchanged. Underneath, it reads PTX
//! ([`ptx`]), keeps the device's memory ([`memory`]) and interprets kernels ([`exec`]). In
//! checked mode it's a sanitizer as well ([`checks`]); it can count what kernels ask of a device
//! ([`counters`]).

// Its documentation is for those who work on it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod checks;
pub mod counters;
pub mod driver;
pub mod exec;
pub mod memory;
pub mod ptx;
pub mod touched;
