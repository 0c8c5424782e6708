//! Gaussian expectations of activations: closed forms where there are some, the trapezoidal rule
//! elsewhere.
//!
//! For an integrand analytic in the strip |Im z| < a the trapezoidal rule with step s has error
//! e^{−2πa/s} (Trefethen and Weideman, SIAM Review 56, 2014). In standard units tanh and softplus
//! have their nearest poles at a = π/(2σ), erf and gelu none; the step below makes that e^{−30}.

use std::f64::consts::{PI, TAU};

use super::Activation;

/// Standard deviations beyond which the Gaussian weight is below rounding: e^{−8.5²/2} = 2e-16.
const RANGE: f64 = 8.5;

/// Standard deviations up to which the rule is affordable: 200 points an axis.
pub const LARGEST_DEVIATION: f64 = 3.9;

/// Whether the kernels of this activation are affordable at such variances: closed forms always.
pub fn is_affordable(activation: Activation, variance: f64) -> bool {
    let closed = matches!(activation, Activation::Identity | Activation::Relu | Activation::Erf);
    closed || variance <= LARGEST_DEVIATION * LARGEST_DEVIATION
}

fn step(deviation: f64) -> f64 {
    0.25_f64.min(PI * PI / (30.0 * deviation.max(1.0)))
}

/// The trapezoidal grid: (z, weight) with weights that sum to one.
fn grid(deviation: f64) -> Vec<(f64, f64)> {
    let step = step(deviation);
    let half = (RANGE / step).ceil() as i32;
    (-half..=half)
        .map(|i| {
            let z = f64::from(i) * step;
            (z, step / TAU.sqrt() * libm::exp(-0.5 * z * z))
        })
        .collect()
}

/// E\[f(u)\], u ~ N(0, `variance`), for f analytic near the real axis.
pub fn mean(variance: f64, f: impl Fn(f64) -> f64) -> f64 {
    let deviation = variance.sqrt();
    grid(deviation).into_iter().map(|(z, weight)| weight * f(deviation * z)).sum()
}

/// The covariance of two jointly Gaussian, centred numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Covariance {
    /// Variance E\[u²\] of the first number.
    pub uu: f64,
    /// Covariance E\[uv\] of the two numbers.
    pub uv: f64,
    /// Variance E\[v²\] of the second number.
    pub vv: f64,
}

impl Covariance {
    /// The correlation, within \[−1, 1\]; 0 where a variance vanishes.
    fn correlation(self) -> f64 {
        let scale = (self.uu * self.vv).sqrt();
        if scale > 0.0 { (self.uv / scale).clamp(-1.0, 1.0) } else { 0.0 }
    }
}

/// E\[φ(u)φ(v)\] of two Gaussians with covariance `c`: in closed form for identity, relu and erf, by
/// quadrature otherwise.
pub fn feature_kernel(activation: Activation, c: Covariance) -> f64 {
    match activation {
        Activation::Identity => c.uv,
        // Cho and Saul 2009, arc-cosine kernel of degree 1.
        Activation::Relu => {
            let rho = c.correlation();
            let angle = rho.acos();
            (c.uu * c.vv).sqrt() / TAU * ((1.0 - rho * rho).sqrt() + rho * (PI - angle))
        }
        // Williams 1996.
        Activation::Erf => {
            let scale = ((1.0 + 2.0 * c.uu) * (1.0 + 2.0 * c.vv)).sqrt();
            2.0 / PI * (2.0 * c.uv / scale).asin()
        }
        _ => pair_mean(c, |u| activation.value(u)),
    }
}

/// E\[φ'(u)φ'(v)\] of two Gaussians with covariance `c`, by the same means as [`feature_kernel`].
pub fn derivative_kernel(activation: Activation, c: Covariance) -> f64 {
    match activation {
        Activation::Identity => 1.0,
        // Arc-cosine kernel of degree 0.
        Activation::Relu => (PI - c.correlation().acos()) / TAU,
        Activation::Erf => {
            let determinant = (1.0 + 2.0 * c.uu) * (1.0 + 2.0 * c.vv) - 4.0 * c.uv * c.uv;
            4.0 / PI / determinant.sqrt()
        }
        _ => pair_mean(c, |u| activation.derivative(u)),
    }
}

/// E\[f(u)f(v)\] on the product grid, u = σ_u z, v = σ_v (ρ z + √(1−ρ²) z').
pub fn pair_mean(c: Covariance, f: impl Fn(f64) -> f64) -> f64 {
    let (du, dv) = (c.uu.sqrt(), c.vv.sqrt());
    let rho = c.correlation();
    let rest = (1.0 - rho * rho).max(0.0).sqrt();
    let points = grid(du.max(dv));
    let mut sum = 0.0;
    for &(z, weight) in &points {
        let inner: f64 =
            points.iter().map(|&(y, weight)| weight * f(dv * (rho * z + rest * y))).sum();
        sum += weight * f(du * z) * inner;
    }
    sum
}
