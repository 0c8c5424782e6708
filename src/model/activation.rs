//! Activations φ and their exact derivatives, in f64.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

use super::gaussian;
use crate::choice::choice;

choice! {
    /// φ, applied entrywise to the features of the residual stream.
    ///
    /// Transcendental functions come from the `libm` crate, so that values do not depend on the
    /// system's C library.
    pub enum Activation {
        /// φ(u) = u: a linear network.
        Identity = "identity",
        /// φ(u) = tanh u, the hyperbolic tangent.
        Tanh = "tanh",
        /// φ(u) = max(u, 0), with φ'(0) = 0.
        Relu = "relu",
        /// φ(u) = erf u, the error function.
        Erf = "erf",
        /// φ(u) = u P(z ≤ u) of a standard normal z.
        Gelu = "gelu",
        /// φ(u) = ln(1 + eᵘ), a smooth relu.
        Softplus = "softplus",
    }
}

impl Activation {
    /// The activation φ(u) itself, in f64.
    pub fn value(self, u: f64) -> f64 {
        match self {
            Activation::Identity => u,
            Activation::Tanh => libm::tanh(u),
            // Not f64::max, which would turn NaN into 0 and hide a divergence.
            Activation::Relu => {
                if u < 0.0 {
                    0.0
                } else {
                    u
                }
            }
            Activation::Erf => libm::erf(u),
            Activation::Gelu => u * normal_cdf(u),
            Activation::Softplus => {
                // ln(1+eᵘ) = max(u,0) + ln(1+e^{-|u|}): no overflow.
                Activation::Relu.value(u) + libm::log1p(libm::exp(-u.abs()))
            }
        }
    }

    /// Its exact derivative φ'(u), in f64.
    pub fn derivative(self, u: f64) -> f64 {
        match self {
            Activation::Identity => 1.0,
            Activation::Tanh => {
                let t = libm::tanh(u);
                1.0 - t * t
            }
            Activation::Relu => {
                if u > 0.0 {
                    1.0
                } else if u.is_nan() {
                    u
                } else {
                    0.0
                }
            }
            Activation::Erf => FRAC_2_SQRT_PI * libm::exp(-u * u),
            Activation::Gelu => normal_cdf(u) + u * libm::exp(-0.5 * u * u) / (2.0 * PI).sqrt(),
            Activation::Softplus => {
                // The logistic function, from the side on which exp does not overflow.
                let e = libm::exp(-u.abs());
                if u >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
            }
        }
    }

    /// σ of the vanilla parametrization: 1/|φ'(0)|, √2 for relu, E\[φ'(z)²\]^{-1/2} where φ is
    /// neither odd nor homogeneous (docs/theory.md, section 1).
    pub fn vanilla_scale(self) -> f64 {
        match self {
            Activation::Identity | Activation::Tanh => 1.0,
            Activation::Erf => 1.0 / FRAC_2_SQRT_PI,
            Activation::Relu => SQRT_2,
            Activation::Gelu | Activation::Softplus => {
                gaussian::mean(1.0, |u| self.derivative(u).powi(2)).sqrt().recip()
            }
        }
    }
}

fn normal_cdf(u: f64) -> f64 {
    0.5 * libm::erfc(-u / SQRT_2)
}
