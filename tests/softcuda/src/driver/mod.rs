//! The CUDA driver API over the software device.

#![allow(dead_code)]

mod clock;
mod error;
mod ffi;
mod queue;
mod settings;
