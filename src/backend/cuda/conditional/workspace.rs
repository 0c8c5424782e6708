//! Memory for the vectors and small matrices of a pass of some samples of every member.

use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::Size;
use super::shape::{Shape, Small, summands};

/// Memory for a pass of some samples of every member; vectors lie
/// \[level\]\[member\]\[sample\]\[row\], padded to a multiple of 32 rows.
pub struct Workspace<T> {
    /// The number of samples at present, and what follows from it.
    pub now: Turn,
    turns: Vec<Turn>,
    /// Positions of the samples among all samples, P a member or P for all.
    pub positions: Buffer<u32>,
    /// Positions of the samples in the data set.
    pub indices: Buffer<u32>,
    /// Features h of the levels that are kept.
    pub hidden: Buffer<T>,
    /// The level that h_0, (z_1,) h_1 … h_L have each.
    pub levels: Buffer<u32>,
    /// What is left of a query after its projection.
    pub residual: Buffer<T>,
    /// Coefficients \[C; S\] of the last query of each direction.
    pub coefficients: [Buffer<f64>; 2],
    /// Sums of squares in coefficients, two a member and layer.
    pub squares: Buffer<f64>,
    /// Sums of squares of rows, two a member, layer and part.
    pub row_squares: Buffer<f64>,
    /// Outputs f, P×O a member.
    pub f: Buffer<f64>,
    /// Outputs f in parts of rows, to be added up.
    pub f_parts: Buffer<f64>,
    /// Counters at which the blocks of a team wait for each other.
    pub arrivals: Buffer<u32>,
    /// How much of the small matrices each team has.
    pub small: Small,
    /// Sums in parts, team by team.
    pub partials: Buffer<f64>,
    /// Small matrices in f64, team by team.
    pub scratch: Buffer<f64>,
    /// Columns that are kept and what was decided, team by team.
    pub choices: Buffer<u32>,
    /// Whether the samples are remembered, or only evaluated.
    pub kind: Kind<T>,
    levels_of: Vec<usize>,
    size: Size,
}

/// A number of samples, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Number P of samples.
    pub samples: usize,
    /// How the rows of a sweep are shared out.
    pub shape: Shape,
    /// Number of teams, and of thread blocks in each.
    pub teams: (usize, usize),
}

/// What samples leave behind, and the memory for it.
pub enum Kind<T> {
    /// Samples that are trained on, with signals and sums of couplings.
    Remembered {
        /// Gradients g by slot.
        signal: Buffer<T>,
        /// The slot that g_0, (r_1,) g_1 … g_L have each.
        slots: Buffer<u32>,
        /// The same slots on the host.
        slots_of: Vec<usize>,
        /// Couplings added up over layers, by when columns were appended.
        accumulated: [Buffer<T>; 2],
    },
    /// Samples that are only evaluated: new columns and their answers live for a layer.
    Forgotten {
        /// New columns of the layer at hand.
        news: Buffer<T>,
        /// Their answers by the initial weights.
        fresh: Buffer<T>,
    },
}

impl<T: Number> Workspace<T> {
    /// For any of these numbers of samples, of which the first is now; `probed` layers keep their g, none:
    /// they are only evaluated.
    pub fn new(
        device: &Device,
        size: Size,
        numbers: &[usize],
        probed: Option<&[usize]>,
    ) -> Result<Self, Fault> {
        let Size { members, per_block, capacity, ld, .. } = size;
        let matrices = size.matrices_of_member();
        let turn = |&samples: &usize| {
            let shape = Shape::new::<T>(ld, samples);
            let resident = device.resident::<T>(shape.samples_of_thread)?;
            Ok(Turn { samples, shape, teams: shape.teams(members, resident) })
        };
        let turns = numbers.iter().map(turn).collect::<Result<Vec<Turn>, Fault>>()?;
        let most = |of: fn(&Turn) -> usize| turns.iter().map(of).max().unwrap_or(1);
        let (samples, teams) = (most(|turn| turn.samples), most(|turn| turn.teams.0));
        let parts = most(|turn| turn.shape.parts);
        let small = Small::most::<T>(ld, capacity, numbers);
        let vectors = members * samples * ld;
        let levels_of: Vec<usize> =
            (0..=matrices).map(|i| if probed.is_some() { i } else { i % 2 }).collect();
        let kind = match probed {
            Some(probed) => {
                let slots_of = slots(matrices, probed, per_block);
                let count = slots_of.iter().max().map_or(0, |most| most + 1);
                Kind::Remembered {
                    signal: device.zeros(count * vectors)?,
                    slots: device.copied(&as_u32(&slots_of))?,
                    slots_of,
                    accumulated: [device.zeros(vectors)?, device.zeros(vectors)?],
                }
            }
            None => Kind::Forgotten { news: device.zeros(vectors)?, fresh: device.zeros(vectors)? },
        };
        let coefficients = match probed {
            Some(_) => size.matrices() * capacity * samples,
            None => members * (capacity + samples) * samples,
        };
        let levels = if probed.is_some() { matrices + 1 } else { 2 };
        Ok(Workspace {
            now: turns[0],
            turns,
            positions: device.zeros(members * samples)?,
            indices: device.zeros(members * samples)?,
            hidden: device.zeros(levels * vectors)?,
            levels: device.copied(&as_u32(&levels_of))?,
            residual: device.zeros(vectors)?,
            coefficients: [
                device.zeros(coefficients)?,
                device.zeros(if probed.is_some() { coefficients } else { 1 })?,
            ],
            squares: device.zeros(size.matrices() * 2)?,
            row_squares: device.zeros(if probed.is_some() {
                size.matrices() * 2 * parts
            } else {
                1
            })?,
            f: device.zeros(members * samples * size.outputs)?,
            f_parts: device.zeros(members * samples * size.outputs * summands(size.width))?,
            arrivals: device.zeros(32 * teams)?,
            partials: device.zeros(teams * small.partials)?,
            scratch: device.zeros(teams * small.scratch)?,
            choices: device.zeros(teams * small.choices)?,
            small,
            kind,
            levels_of,
            size,
        })
    }

    /// Gives the small matrices of a pass room for `capacity` columns of each side of a layer. What they held
    /// is lost: it lasts from the forward sweep of a pass to its update, not longer.
    pub fn grow(&mut self, device: &Device, capacity: usize) -> Result<(), Fault> {
        self.size.capacity = capacity;
        let most = |of: fn(&Turn) -> usize| self.turns.iter().map(of).max().unwrap_or(1);
        let (samples, teams) = (most(|turn| turn.samples), most(|turn| turn.teams.0));
        let numbers: Vec<usize> = self.turns.iter().map(|turn| turn.samples).collect();
        self.small = Small::most::<T>(self.size.ld, capacity, &numbers);
        let coefficients = self.size.matrices() * capacity * samples;
        self.coefficients = [device.zeros(coefficients)?, device.zeros(coefficients)?];
        self.partials = device.zeros(teams * self.small.partials)?;
        self.scratch = device.zeros(teams * self.small.scratch)?;
        Ok(())
    }

    /// Whether there is memory for so many samples.
    pub fn is_for(&self, samples: usize) -> bool {
        self.turns.iter().any(|turn| turn.samples == samples)
    }

    /// Turns to so many samples, one of the numbers that it is for.
    pub fn turn_to(&mut self, samples: usize) {
        let turn = self.turns.iter().find(|turn| turn.samples == samples);
        self.now = *turn.unwrap_or(&self.now);
    }

    /// Numbers of one level of all members.
    pub fn vectors(&self) -> usize {
        self.size.members * self.now.samples * self.size.ld
    }

    /// Rows of the coefficients of a layer.
    pub fn rows(&self) -> usize {
        match self.kind {
            Kind::Remembered { .. } => self.size.capacity,
            Kind::Forgotten { .. } => self.size.capacity + self.now.samples,
        }
    }

    /// Where h_l of all members begins.
    pub fn hidden(&self, l: usize) -> Address {
        self.hidden.at(self.levels_of[l * self.size.per_block] * self.vectors())
    }

    /// Where g_l of all members begins; null where samples are only evaluated.
    pub fn signal(&self, l: usize) -> Address {
        match &self.kind {
            Kind::Remembered { signal, slots_of, .. } => {
                signal.at(slots_of[l * self.size.per_block] * self.vectors())
            }
            Kind::Forgotten { .. } => Address::default(),
        }
    }
}

/// Slots of the gradients below and above so many matrices, `per_block` of them in a block: g of probed layers and
/// both ends keep their own, others take turns.
pub fn slots(matrices: usize, probed: &[usize], per_block: usize) -> Vec<usize> {
    let mut own = 2;
    let keeps = |i: usize| i.is_multiple_of(per_block) && probed.contains(&(i / per_block));
    let mut slot = |i: usize| match keeps(i) || i == 0 || i == matrices {
        true => {
            own += 1;
            own - 1
        }
        false => i % 2,
    };
    (0..=matrices).map(&mut slot).collect()
}

fn as_u32(numbers: &[usize]) -> Vec<u32> {
    numbers.iter().map(|&number| number as u32).collect()
}
