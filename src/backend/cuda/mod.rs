//! Backend cuda: networks in flight on one NVIDIA GPU.
//!
//! From the bottom: [`grid`]: the thread blocks of each kernel; [`device`]: its memory, its stream and its
//! kernels; [`arguments`], [`launch`]: the kernels as functions; [`pass_order`]: where in a pass numbers stop
//! being finite; [`trained`]: numbers with their velocities; [`dense`], [`conditional`]: the engines. The kernels themselves are in `kernels/`. The driver is loaded at run
//! time, so a build serves machines with and without a GPU.

pub mod arguments;
pub mod conditional;
pub mod dense;
pub mod device;
pub mod grid;
pub mod launch;
pub mod pass_order;
pub mod trained;
