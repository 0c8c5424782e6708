//! The weights of a dense network as arrays, row by row.

use super::file::Array;
use crate::backend::Network;
use crate::backend::cpu::dense::Dense;
use crate::backend::cpu::dense::layer::{Explicit, Layer};
use crate::backend::cpu::dense::weights::Weights;
use crate::backend::cpu::simd::format::Format;

/// All weights of `dense` as they are now: `<when>.U` n×d, `.V` n×O, and L×n×n `.W`, or L×M×n `.W1` and
/// L×n×M `.W2` of two-layer blocks; for each of these `…_backward` where gradients have weights of their own.
pub fn arrays<T: Format>(when: &str, network: &Network, dense: &Dense<T>) -> Vec<Array> {
    let Network { width, outputs, .. } = *network;
    let name = |name: &str| format!("{when}.{name}");
    let input = dense.ends().input();
    let mut arrays = vec![Array::of(
        name("U"),
        &[width, input.columns()],
        (0..width).flat_map(|i| (0..input.columns()).map(move |j| input.at(i, j))),
    )];
    let outer = dense.layers().iter().filter_map(|layer| match layer {
        Layer::Explicit(explicit) => Some(explicit),
        Layer::Frozen(_) => None,
    });
    let outer: Vec<&Explicit<T>> = outer.collect();
    let inner: Vec<&Explicit<T>> = dense.inner().iter().map(|inner| inner.matrix()).collect();
    let hidden =
        if inner.is_empty() { vec![("W", outer)] } else { vec![("W1", inner), ("W2", outer)] };
    for (kind, matrices) in hidden {
        let forward: Vec<_> = matrices.iter().map(|of| of.weights()).collect();
        let backward: Vec<_> = matrices.iter().filter_map(|of| of.backward_weights()).collect();
        arrays.push(stacked(name(kind), &forward));
        if !backward.is_empty() {
            arrays.push(stacked(name(&format!("{kind}_backward")), &backward));
        }
    }
    let readout = dense.ends().readout();
    let entries = (0..width).flat_map(|i| (0..outputs).map(move |o| readout.at(i, o)));
    arrays.push(Array::of(name("V"), &[width, outputs], entries));
    arrays
}

fn stacked<T: Format>(name: String, matrices: &[&Weights<T>]) -> Array {
    let (rows, columns) = matrices.first().map_or((0, 0), |w| (w.rows(), w.columns()));
    let places = || (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    let entries = matrices.iter().flat_map(|w| places().map(|(i, j)| w.at(i, j)));
    Array::of(name, &[matrices.len(), rows, columns], entries)
}
