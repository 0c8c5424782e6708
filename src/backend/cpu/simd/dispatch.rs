//! One body, compiled for every instruction set and chosen at run time.

/// A function for every instruction set, from one body with parameters R (registers of T), C (columns
/// of a tile of dots, by the number of registers) and FUSED.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:ident) => {
        $(#[$doc])*
        pub fn $name<T: Format>(set: $crate::rng::normal::Instructions, $($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<T: Format>($($argument: $type),*) $(-> $result)? {
                $body::<T::Avx2, 3, true>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
            fn avx512<T: Format>($($argument: $type),*) $(-> $result)? {
                $body::<T::Avx512, 4, true>($($argument),*)
            }
            use $crate::rng::normal::Instructions;
            match set {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a value other than Portable comes from `Instructions::available`, which
                // has seen the features.
                Instructions::Avx2 => unsafe { avx2::<T>($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Avx512 => unsafe { avx512::<T>($($argument),*) },
                _ => $body::<T::Portable, 3, { $crate::backend::cpu::simd::lanes::PORTABLE_FUSED }>($($argument),*),
            }
        }
    };
}

pub(in crate::backend::cpu) use kernel;
