//! Sums over rows that do not depend on who does them: every tile gives its part, and the parts are
//! added in the order of tiles, whatever the number of threads.

use rayon::prelude::*;

use super::panel::tiles_in;

/// The sum over all tiles of n = `rows` rows of what `work` adds to `length` zeros.
pub fn sum(rows: usize, length: usize, work: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
    let tiles: Vec<()> = vec![(); tiles_in(rows)];
    sum_with(tiles, length, |tile, (), out| work(tile, out))
}

/// The same sum, where each tile has something of its own to work on.
pub fn sum_with<I: Send>(
    tiles: Vec<I>,
    length: usize,
    work: impl Fn(usize, I, &mut [f64]) + Sync,
) -> Vec<f64> {
    let part = |(tile, own)| {
        let mut part = vec![0.0; length];
        work(tile, own, &mut part);
        part
    };
    let parts: Vec<Vec<f64>> = tiles.into_par_iter().enumerate().map(part).collect();
    let mut total = vec![0.0; length];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}
