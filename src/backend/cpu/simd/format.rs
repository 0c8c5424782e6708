//! What a number format needs to be that of an engine: arithmetic, activations and registers.

use std::cell::Cell;
use std::thread::LocalKey;

use super::activation::Tables;
use super::lanes::{self, Array, Register};
use crate::backend::lines::Lines;

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

    /// Memory that this thread keeps from one product to the next: the kernel clears new pages, which
    /// takes as long as a tenth of a product does.
    fn room() -> &'static LocalKey<Cell<Lines<Self>>>;
}

thread_local! {
    static SINGLE: Cell<Lines<f32>> = Cell::default();
    static DOUBLE: Cell<Lines<f64>> = Cell::default();
}

impl Format for f32 {
    type Portable = Array<f32, 4>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = lanes::Avx2Single;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = lanes::Avx512Single;

    fn room() -> &'static LocalKey<Cell<Lines<f32>>> {
        &SINGLE
    }
}

impl Format for f64 {
    type Portable = Array<f64, 2>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = lanes::Avx2Double;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = lanes::Avx512Double;

    fn room() -> &'static LocalKey<Cell<Lines<f64>>> {
        &DOUBLE
    }
}
