//! Philox4x32-10 (Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*,
//! SC 2011): ten rounds of a keyed bijection on four 32-bit words.

use std::convert::Infallible;

use rand::{SeedableRng, TryRng};

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The two key words of a 64-bit seed, low word first.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Four random words of `counter` under `key`.
pub fn block(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let mut state = counter.map(u64::from);
    for key in round_keys(key) {
        state = round(key, state);
    }
    state.map(|word| word as u32)
}

/// How many counters [`blocks`] takes at once.
pub(super) const BLOCKS: usize = 16;

/// The words of the counters `first ..` (wrapping) with upper words `address`, under the keys of
/// [`round_keys`]; word-major, so that the compiler can put one word of many counters into one
/// vector register.
#[inline(always)]
pub(super) fn blocks(
    keys: &[[u64; 2]; ROUNDS],
    first: u32,
    address: [u32; 3],
) -> [[u32; BLOCKS]; 4] {
    const HALF: usize = BLOCKS / 2;
    let [a, b, c] = address.map(u64::from);
    let mut words = [[0; BLOCKS]; 4];
    // All rounds are inside one loop over counters because that is the loop the compiler vectorises,
    // eight counters wide. On AVX2 those are two registers a word: too few to fill the time that a
    // round waits for its products, so each turn takes two counters.
    for i in 0..HALF {
        let mut low = [u64::from(first) + i as u64, a, b, c];
        let mut high = [u64::from(first) + (HALF + i) as u64, a, b, c];
        for &key in keys {
            low = round(key, low);
            high = round(key, high);
        }
        for k in 0..4 {
            words[k][i] = low[k] as u32;
            words[k][HALF + i] = high[k] as u32;
        }
    }
    words
}

/// The key of every round.
#[inline(always)]
pub(super) fn round_keys(mut key: [u32; 2]) -> [[u64; 2]; ROUNDS] {
    std::array::from_fn(|round| {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        key.map(u64::from)
    })
}

/// One round. A word is the lower half of its lane, and the upper half may be anything: vector units
/// multiply such lanes (`vpmuludq`, which also does the masking), so products need no shuffling.
#[inline(always)]
fn round(key: [u64; 2], [x0, x1, x2, x3]: [u64; 4]) -> [u64; 4] {
    let product0 = (x0 & 0xFFFF_FFFF) * u64::from(MULTIPLIER[0]);
    let product1 = (x2 & 0xFFFF_FFFF) * u64::from(MULTIPLIER[1]);
    [(product1 >> 32) ^ x1 ^ key[0], product1, (product0 >> 32) ^ x3 ^ key[1], product0]
}

/// A `rand` generator that reads consecutive Philox blocks.
///
/// The upper two counter words name the stream, the lower two count blocks, so streams of one seed
/// never meet (2⁶⁶ words each).
#[derive(Clone, Debug)]
pub struct Philox {
    key: [u32; 2],
    stream: u64,
    next: u64,
    words: [u32; 4],
    used: usize,
}

impl Philox {
    /// Stream number `stream` of `seed`. The noise addresses of [`super::noise`] use streams whose
    /// top four bits are a purpose; take those that purpose `Stream` leaves free.
    pub fn stream(seed: u64, stream: u64) -> Self {
        Philox { key: key(seed), stream, next: 0, words: [0; 4], used: 4 }
    }
}

impl SeedableRng for Philox {
    type Seed = [u8; 8];

    fn from_seed(seed: Self::Seed) -> Self {
        Philox::stream(u64::from_le_bytes(seed), 0)
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if self.used == 4 {
            let (low, high) = (self.next, self.stream);
            let counter = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
            self.words = block(self.key, counter);
            self.next = self.next.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        Ok(self.words[self.used - 1])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.try_next_u32()?);
        Ok(low | u64::from(self.try_next_u32()?) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
