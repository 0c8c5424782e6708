//! Backend cuda: networks in flight on one NVIDIA GPU.
//!
//! From the bottom: [`probe`]: driver and devices; [`nvrtc`]: the compiler; [`image`]: compiled kernels;
//! [`fault`]: what a device refuses; [`device`]: its memory and its stream; [`arguments`], [`launch`]: the
//! kernels as functions; [`places`]: where in a pass numbers stop being finite; [`dense`], [`conditional`]:
//! the engines. The kernels themselves are in `kernels/`. The driver is loaded at run time, so a build
//! serves machines with and without a GPU.

pub mod arguments;
pub mod conditional;
pub mod dense;
pub mod device;
pub mod fault;
pub mod image;
pub mod launch;
pub mod nvrtc;
pub mod places;
pub mod probe;
