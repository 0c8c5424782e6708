//! Which bytes of device memory a stretch of work has read and written: what a stream's neighbours
//! need to know of a kernel. Kept in checked mode only.

use std::collections::BTreeMap;

/// Bytes of a bitmap.
const BLOCK: u64 = 256;

/// Bits of a block's bytes.
type Bits = [u64; (BLOCK / 64) as usize];

/// The bytes touched, by block: those read, those written.
#[derive(Debug, Default)]
pub struct Touched {
    blocks: BTreeMap<u64, [Bits; 2]>,
}

impl Touched {
    /// Notes an access.
    pub fn note(&mut self, at: u64, bytes: u64, writes: bool) {
        let (mut at, end) = (at, at.saturating_add(bytes));
        while at < end {
            let block = at / BLOCK;
            let stop = end.min((block + 1) * BLOCK);
            let bits = &mut self.blocks.entry(block).or_default()[usize::from(writes)];
            for byte in at % BLOCK..at % BLOCK + (stop - at) {
                bits[(byte / 64) as usize] |= 1 << (byte % 64);
            }
            at = stop;
        }
    }

    /// The ranges read, or those written, in order and as long as can be: address and bytes.
    pub fn ranges(&self, writes: bool) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (block, kinds) in &self.blocks {
            for (word, bits) in kinds[usize::from(writes)].iter().enumerate() {
                let (mut bits, mut at) = (*bits, block * BLOCK + 64 * word as u64);
                while bits != 0 {
                    let skip = bits.trailing_zeros();
                    bits >>= skip;
                    let run = bits.trailing_ones();
                    at += u64::from(skip);
                    match ranges.last_mut() {
                        Some((start, len)) if *start + *len == at => *len += u64::from(run),
                        _ => ranges.push((at, u64::from(run))),
                    }
                    at += u64::from(run);
                    bits = bits.checked_shr(run).unwrap_or(0);
                }
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::Touched;

    #[test]
    fn ranges_are_whole() {
        let mut touched = Touched::default();
        touched.note(1000, 4, false);
        touched.note(1004, 700, false);
        touched.note(63, 1, true);
        touched.note(65, 1, true);
        touched.note(64, 1, false);
        touched.note(128, 128, true);
        assert_eq!(touched.ranges(false), [(64, 1), (1000, 704)]);
        assert_eq!(touched.ranges(true), [(63, 1), (65, 1), (128, 128)]);
    }
}
