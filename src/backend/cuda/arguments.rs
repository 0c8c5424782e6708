//! What kernels are called with, by name: structures as they lie in memory, whose sizes each `.cu` file
//! asserts.
//!
//! Addresses are of [`super::device::Buffer`]s, strides and indices count numbers of the buffer's format.

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};

use super::device::Address;

/// What changes from step to step, in the memory of the device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Updates done.
    pub step: u64,
    /// η of input, hidden and readout weights.
    pub rates: [f64; 3],
    /// μ
    pub momentum: f64,
    /// λ
    pub weight_decay: f64,
}

/// Groups of weights, by their place in [`Moment::rates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// U
    Input = 0,
    /// W
    Hidden = 1,
}

/// Gaussians into matrices: see `kernels/draw.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Draw {
    /// Written to.
    pub to: Address,
    /// From one member's to the next's.
    pub stride: u64,
    /// Of each member.
    pub seeds: Address,
    /// W to subtract from, or null.
    pub minus: Address,
    /// (fine layers)^{-1/2}
    pub scale: f64,
    /// Of row i + 1 from row i.
    pub row_stride: u32,
    /// Of column j + 1 from column j.
    pub column_stride: u32,
    /// m
    pub rows: u32,
    /// n
    pub columns: u32,
    /// Fine layers of the layer.
    pub fine: u32,
    /// The first of them.
    pub layer: u32,
    /// Purpose, step and direction.
    pub tag: u32,
    /// Zero.
    pub padding: u32,
}

/// Y = W X: see `kernels/multiply.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Multiply {
    pub w: Address,
    pub w_stride: u64,
    pub x: Address,
    pub x_stride: u64,
    pub w_too: Address,
    pub w_too_stride: u64,
    pub x_too: Address,
    pub x_too_stride: u64,
    pub h: Address,
    pub y: Address,
    pub phi: Address,
    pub y_stride: u64,
    pub first_nonfinite: Address,
    pub moment: Address,
    pub factor: f64,
    pub carry: f64,
    pub scale: f64,
    pub rows: u32,
    pub ld: u32,
    pub columns: u32,
    pub ld_too: u32,
    pub columns_too: u32,
    pub ld_out: u32,
    pub samples: u32,
    pub activation: u32,
    pub place: u32,
    pub places: u32,
}

/// Y = WᵀG and the step of W: see `kernels/transpose.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Transpose {
    pub w: Address,
    pub w_stride: u64,
    pub v: Address,
    pub g: Address,
    pub g_stride: u64,
    pub x: Address,
    pub x_stride: u64,
    pub k: Address,
    pub parts: Address,
    pub moment: Address,
    pub update: f64,
    pub height: u32,
    pub rows: u32,
    pub ld: u32,
    pub columns: u32,
    pub ld_g: u32,
    pub samples: u32,
    pub first: u32,
    pub count: u32,
    pub group: u32,
    pub padding: u32,
}

/// What lies between two sweeps: see `kernels/finish.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Finish {
    pub parts: Address,
    pub y_too: Address,
    pub h: Address,
    pub g: Address,
    pub stride: u64,
    pub alpha: Address,
    pub first_nonfinite: Address,
    pub moment: Address,
    pub factor: f64,
    pub carry: f64,
    pub scale: f64,
    pub rows: u32,
    pub each: u32,
    pub count: u32,
    pub ld: u32,
    pub samples: u32,
    pub activation: u32,
    pub place: u32,
    pub places: u32,
}

/// Inputs of a batch: see `kernels/finish.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Embed {
    pub inputs: Address,
    pub positions: Address,
    pub stride: u64,
    pub x: Address,
    pub dimension: u32,
    pub ld: u32,
}

/// Columns of a drift: see `kernels/finish.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Append {
    pub x: Address,
    pub x_stride: u64,
    pub k: Address,
    pub drift: Address,
    pub drift_stride: u64,
    pub update: f64,
    pub rows: u32,
    pub ld: u32,
    pub ld_drift: u32,
    pub samples: u32,
}

/// Outputs, loss, signal and the step of V: see `kernels/ends.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Ends {
    pub v: Address,
    pub velocity: Address,
    pub h: Address,
    pub g: Address,
    pub f: Address,
    pub parts: Address,
    pub chi: Address,
    pub labels: Address,
    pub k: Address,
    pub first_nonfinite: Address,
    pub moment: Address,
    pub readout: f64,
    pub update: f64,
    pub rows: u32,
    pub ld: u32,
    pub samples: u32,
    pub outputs: u32,
    pub loss: u32,
    pub place_f: u32,
    pub place_g: u32,
    pub places: u32,
    pub count: u32,
    pub padding: u32,
}

/// Sums of squares: see `kernels/ends.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Squares {
    pub y: Address,
    pub stride: u64,
    pub minus: Address,
    pub sums: Address,
}

/// One layer of one network of the conditional engine: see `kernels/memory.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Stored columns, forward and backward.
    pub rank: [u32; 2],
    /// Forward columns that were there before this step.
    pub earlier: u32,
    /// Columns at the last update, forward and backward.
    pub drifted: [u32; 2],
    /// Zero.
    pub padding: u32,
    /// a: the factor on every answer of W⁽⁰⁾.
    pub kept: f64,
    /// b: that of the velocity.
    pub fading: f64,
}

/// A sweep of the conditional engine: see `kernels/query.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Sweep {
    pub basis: [Address; 2],
    pub answers: [Address; 2],
    pub overlap: [Address; 2],
    pub drift: Address,
    pub states: Address,
    pub coefficients: [Address; 2],
    pub hidden: Address,
    pub levels: Address,
    pub signal: Address,
    pub slots: Address,
    pub residual: Address,
    pub news: Address,
    pub fresh: Address,
    pub accumulated: [Address; 2],
    pub squares: Address,
    pub row_squares: Address,
    pub seeds: Address,
    pub first_nonfinite: Address,
    pub moment: Address,
    pub samples_at: Address,
    pub sample_stride: u64,
    pub arrivals: Address,
    pub partials: Address,
    pub partials_stride: u64,
    pub scratch: Address,
    pub scratch_stride: u64,
    pub choices: Address,
    pub choices_stride: u64,
    pub forward: f64,
    pub drift_scale: f64,
    pub noise_scale: f64,
    pub tolerance: f64,
    pub orthonormal: f64,
    pub members: u32,
    pub depth: u32,
    pub capacity: u32,
    pub rows: u32,
    pub n: u32,
    pub ld: u32,
    pub samples: u32,
    pub activation: u32,
    pub closure: u32,
    pub skip: u32,
    pub blocks: u32,
    pub height: u32,
    pub parts: u32,
    pub fine: u32,
    pub tag: u32,
    pub place: u32,
    pub places: u32,
    pub upward: u32,
}

/// h_0 of all samples: see `kernels/inputs.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Inputs {
    pub h: Address,
    pub velocity: Address,
    pub x: Address,
    pub seeds: Address,
    pub positions: Address,
    pub stride: u64,
    pub some: Address,
    pub factors: Address,
    pub k: Address,
    pub first_nonfinite: Address,
    pub moment: Address,
    pub scale: f64,
    pub update: f64,
    pub samples: u32,
    pub all: u32,
    pub n: u32,
    pub ld: u32,
    pub dimension: u32,
    pub tag: u32,
    pub places: u32,
    pub padding: u32,
}

/// What a pass does to M: see `kernels/drift.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Drift {
    pub states: Address,
    pub m: Address,
    pub n: Address,
    pub forward: Address,
    pub backward: Address,
    pub k: Address,
    pub moment: Address,
    pub capacity: u32,
    pub rows: u32,
    pub samples: u32,
    pub padding: u32,
}

/// Rows that are kept: see `kernels/drift.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // as in the kernel
pub struct Leading {
    pub x: Address,
    pub to: Address,
    pub stride: u64,
    pub rows: u32,
    pub ld: u32,
}

// SAFETY: numbers, of which zero bits are zeros.
unsafe impl ValidAsZeroBits for Moment {}
// SAFETY: the same.
unsafe impl ValidAsZeroBits for State {}

macro_rules! argument {
    ($($name:ty),*) => {
        $(
            // SAFETY: of C layout, made of numbers and addresses only.
            unsafe impl DeviceRepr for $name {}
        )*
    };
}
argument!(Moment, Draw, Multiply, Transpose, Finish, Embed, Append, Ends, Squares);
argument!(State, Sweep, Inputs, Drift, Leading);
