//! What kernels are called with, by name. The structures are written down once, where a reader of a kernel
//! looks for them: in the files of `kernels/`, from which build.rs takes them.
//!
//! Addresses are of [`super::device::Buffer`]s; strides and indices count numbers of the buffer's format.

use std::mem::offset_of;

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};

use super::device::Address;

/// Groups of weights, by their place in [`StepParameters::rates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Input weights U, from inputs to h_0.
    Input = 0,
    /// Hidden weights W_1 … W_L between layers.
    Hidden = 1,
    /// Readout weights V, from h_L to outputs.
    Readout = 2,
}

/// How a structure lies in memory, as Rust's compiler has it: CUDA's must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The file of `kernels/` that defines the structure.
    pub file: &'static str,
    /// Name of the structure, in Rust and CUDA.
    pub name: &'static str,
    /// Size of the structure in bytes.
    pub size: usize,
    /// Name of each field, and the bytes before it.
    pub fields: &'static [(&'static str, usize)],
}

/// Defines the structures that build.rs has found, each with its layout.
macro_rules! arguments {
    ($($file:literal $(#[$of:meta])* struct $name:ident {
        $($(#[$of_field:meta])* $field:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$of])*
            ///
            #[doc = concat!("Defined in `kernels/", $file, "`.")]
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default, PartialEq)]
            pub struct $name {
                $($(#[$of_field])* pub $field: $type,)*
            }

            const _: () = assert!(
                size_of::<$name>() == 0 $(+ size_of::<$type>())*,
                concat!(stringify!($name), " has unnamed padding: give it a field"),
            );

            // SAFETY: of C layout, without unnamed bytes, made of numbers and addresses of the device.
            unsafe impl DeviceRepr for $name {}
            // SAFETY: numbers and addresses, of which zero bits are zeros and null.
            unsafe impl ValidAsZeroBits for $name {}
        )*

        /// The layout of every structure that kernels are called with.
        pub const LAYOUTS: &[Layout] = &[$(Layout {
            file: $file,
            name: stringify!($name),
            size: size_of::<$name>(),
            fields: &[$((stringify!($field), offset_of!($name, $field))),*],
        }),*];
    };
}

include!(concat!(env!("OUT_DIR"), "/arguments.rs"));
