//! What a number format needs to be that of an engine: arithmetic, activations and registers.

use super::activation::Tables;
use super::lanes::{self, Array, Register};

/// A format with everything that kernels are made of.
pub trait Format: Tables {
    /// Registers that any processor of the target has.
    type Portable: Register<Real = Self>;
    /// The registers of the AVX2 instructions.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Register<Real = Self>;
    /// The registers of the AVX-512 instructions.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Register<Real = Self>;
}

impl Format for f32 {
    type Portable = Array<f32, 4>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = lanes::Avx2Single;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = lanes::Avx512Single;
}

impl Format for f64 {
    type Portable = Array<f64, 2>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = lanes::Avx2Double;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = lanes::Avx512Double;
}
