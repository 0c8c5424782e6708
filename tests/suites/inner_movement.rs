//! What the inner matrix of two-layer blocks learns, by depth and by inner width, in every parametrization that
//! says something of it.

use super::two_layer::Direct;
use crate::common::*;
use nfd::backend::plain::dense::Dense as Plain;
use nfd::backend::{Network, Sweeps};
use nfd::model::{Activation, Block, Closure, InnerWidth, Parametrization, ScaleLaw};
use nfd::rng::noise::BrownianPath;

/// What one small step from initialisation does at some depth, as means over seeds.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    /// Mean square of n^{-1/2} (W1 − W1⁽⁰⁾) φ(h).
    own: f64,
    /// Mean square of z − z⁽⁰⁾.
    total: f64,
    /// Mean square of the change of f by W1 alone.
    f: f64,
}

fn moved(parametrization: Parametrization, inner_width: InnerWidth, depth: usize) -> Moved {
    const SEEDS: u64 = 4;
    let train = sphere(2, 5, 1);
    let block = Block::TwoLayer;
    let (activation, sizes) = (Activation::Tanh, (128, depth));
    let law = ScaleLaw { block, inner_width, ..ScaleLaw::named(parametrization, activation) };
    let network = Network {
        scales: law.at(sizes.0, depth, train.dimension),
        ..network_of(block, parametrization, activation, Closure::Exact, sizes, &train)
    };
    let mut mean = Moved::default();
    for seed in 0..SEEDS {
        // One path for all depths: they differ by what depth does.
        let path = BrownianPath::new(seed, 64, depth as u32);
        let (probe, test) = (full_probe(depth), none_like(&train));
        let mut plain = Plain::new(network.clone(), &path, probe, train.clone(), test);
        let mut net = Direct::of(&plain, &network, &law);
        let f = plain.forward(0, &all(&train), true).f;
        plain.backward(0, &chi(&f, &train), Some(&descent(rates(0.02, HIDDEN))));
        let after = plain.forward(1, &all(&train), true);
        net.inner = plain.inner_weights().unwrap().forward.clone();
        let squares = net.outputs(&train).into_iter().zip(&f).map(|(new, f)| (new - f).powi(2));
        mean.f += squares.sum::<f64>() / (SEEDS as f64 * f.len() as f64);
        mean.own += after.own_movement / SEEDS as f64;
        mean.total += after.inner_movement.unwrap() / SEEDS as f64;
    }
    mean
}

/// In depth-μP an inner matrix moves its layer by L^{-1/2} (mean square 1/L), while z moves with h;
/// what the correction gives back to it makes f move by √L. In complete-p all of it stays.
#[test]
fn inner_movement_dies_with_depth_and_its_correction_overshoots() {
    let depths = [16, 64];
    let over_depths =
        |parametrization| depths.map(|l| moved(parametrization, InnerWidth::default(), l));
    let [a, b] = over_depths(Parametrization::DepthMup);
    let [c, d] = over_depths(Parametrization::DepthMupCorrected);
    let [e, f] = over_depths(Parametrization::CompleteP);
    // Powers of L between the two depths, up to what a width of 128 and four seeds leave: below 0.01 in
    // depth-μP with these seeds, up to 0.05 with eight; at width 64 up to 0.16.
    let power = |of: fn(&Moved) -> f64, a, b| (of(b) / of(a)).ln() / 4.0_f64.ln();
    for (what, got, want, tolerance) in [
        ("own", power(|m| m.own, &a, &b), -1.0, 0.05),
        ("own, corrected", power(|m| m.own, &c, &d), 0.0, 0.05),
        ("total", power(|m| m.total, &a, &b), 0.0, 0.1),
        ("f by W1", power(|m| m.f, &a, &b), 0.0, 0.1),
        ("f by W1, corrected", power(|m| m.f, &c, &d), 1.0, 0.1),
        ("own, complete-p", power(|m| m.own, &e, &f), 0.0, 0.1),
        ("total, complete-p", power(|m| m.total, &e, &f), 0.0, 0.1),
        ("f by W1, complete-p", power(|m| m.f, &e, &f), 0.0, 0.1),
    ] {
        let fine = (got - want).abs() <= tolerance;
        assert!(fine, "{what}: {got}, not {want}: {a:?} {b:?} {c:?} {d:?} {e:?} {f:?}");
    }
}

/// What W1 learns moves an entry of z by (n/M)^{1/2} in complete-p, in mean square n/M: wide inner layers learn
/// lazily. In mean-field it moves alike at every M. f learns alike from it in both.
#[test]
fn inner_units_learn_alike_at_every_inner_width_in_mean_field_only() {
    let widths = [64, 256].map(InnerWidth::Fixed);
    let over_widths = |parametrization| widths.map(|width| moved(parametrization, width, 16));
    let [a, b] = over_widths(Parametrization::MeanField);
    let [c, d] = over_widths(Parametrization::CompleteP);
    // Powers of M between the two, as above.
    let power = |of: fn(&Moved) -> f64, a, b| (of(b) / of(a)).ln() / 4.0_f64.ln();
    for (what, got, want, tolerance) in [
        ("own, mean-field", power(|m| m.own, &a, &b), 0.0, 0.1),
        ("f by W1, mean-field", power(|m| m.f, &a, &b), 0.0, 0.1),
        ("own, complete-p", power(|m| m.own, &c, &d), -1.0, 0.1),
        ("f by W1, complete-p", power(|m| m.f, &c, &d), 0.0, 0.1),
    ] {
        let fine = (got - want).abs() <= tolerance;
        assert!(fine, "{what}: {got}, not {want}: {a:?} {b:?} {c:?} {d:?}");
    }
}
