//! The kernels as functions: one for each, its grid by the rule in its header.

use cudarc::driver::sys::CUdevice_attribute;
use cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};

use super::arguments::{
    Append, Draw, Drift, Embed, Ends, Finish, Inputs, Leading, Multiply, Squares, Sweep, Transpose,
};
use super::device::fault::Fault;
use super::device::{Address, Device, Number};

/// Threads of a block, in every kernel.
const THREADS: u32 = 256;
const WARPS: u32 = THREADS / 32;
/// Rows of a warp in `multiply`, and in `transpose`.
const ROWS: u32 = 4;
/// Samples of one launch of `transpose`.
const AT_ONCE: u32 = 32;
/// Samples of a thread in `inputs` and `follow`.
const OF_INPUTS: u32 = 8;

/// Samples that one warp has.
fn samples_of_warp(samples: u32) -> u32 {
    match samples {
        1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

/// Samples up to which a product is left in more parts.
pub const MANY_PARTS: usize = 8;

/// Rows of W that one block of `transpose` walks down: more samples leave more to be added up.
pub fn height(samples: u32) -> u32 {
    if samples as usize <= MANY_PARTS { 64 } else { 128 }
}

/// Parts in which `transpose` leaves its product with a matrix of so many rows.
pub fn parts(rows: u32, samples: u32) -> u32 {
    rows.div_ceil(height(samples))
}

/// How the numbers of a weight matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As all others.
    Full,
    /// In bf16.
    Half,
}

impl Device {
    /// Gaussians into the matrices of all members.
    pub(super) fn draw<T: Number>(
        &self,
        of: &Draw,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let name = named::<T>("draw", stored);
        let grid = (of.columns.div_ceil(THREADS), of.rows.div_ceil(4), members);
        self.start(&name, of, grid, 0)
    }

    /// Y = W X.
    pub(super) fn multiply<T: Number>(
        &self,
        of: &Multiply,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let samples = samples_of_warp(of.samples);
        let sharing = of.samples.div_ceil(samples).next_power_of_two().min(WARPS);
        let name = format!("{}_{samples}", named::<T>("multiply", stored));
        let grid = (of.rows.div_ceil(WARPS / sharing * ROWS), members, 1);
        self.start(&name, of, grid, 0)
    }

    /// The parts of WᵀG, unless their address is null, then the step of W, unless that of x is.
    pub(super) fn transpose<T: Number>(
        &self,
        of: &Transpose,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let groups = (0..of.samples).step_by(AT_ONCE as usize);
        let of_group = |first: u32, of: Transpose| {
            let count = (of.samples - first).min(AT_ONCE);
            self.transpose_some::<T>(Transpose { first, count, ..of }, stored, members)
        };
        if of.samples <= AT_ONCE {
            return of_group(0, *of);
        }
        // Every product is of W before its step.
        let null = Address::default();
        if of.parts != null {
            groups.clone().try_for_each(|first| of_group(first, Transpose { x: null, ..*of }))?;
        }
        if of.x == null {
            return Ok(());
        }
        groups.into_iter().try_for_each(|first| of_group(first, Transpose { parts: null, ..*of }))
    }

    fn transpose_some<T: Number>(
        &self,
        of: Transpose,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let samples = samples_of_warp(of.count);
        let room = of.count.div_ceil(samples).next_power_of_two() * samples;
        let width = 32 * 16 / size_of::<T>() as u32;
        let tile = WARPS * ROWS;
        // s, g, and W where warps share its rows.
        let shared = room * width + tile * room + if room > samples { tile * width } else { 0 };
        let of = Transpose { height: height(of.samples), ..of };
        let name = format!("{}_{samples}", named::<T>("transpose", stored));
        let grid = (of.columns.div_ceil(width), parts(of.rows, of.samples), members);
        self.start(&name, &of, grid, shared * size_of::<T>() as u32)
    }

    /// Y from its parts, and what becomes of it.
    pub(super) fn finish<T: Number>(&self, of: &Finish, members: u32) -> Result<(), Fault> {
        let grid = (of.rows.div_ceil(THREADS), of.samples, members);
        self.start(&named::<T>("finish", Stored::Full), of, grid, 0)
    }

    /// X of the batches.
    pub(super) fn embed<T: Number>(
        &self,
        of: &Embed,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = (of.dimension.div_ceil(THREADS), samples, members);
        self.start(&named::<T>("embed", Stored::Full), of, grid, 0)
    }

    /// More columns of a drift.
    pub(super) fn append<T: Number>(&self, of: &Append, members: u32) -> Result<(), Fault> {
        let grid = (of.rows.div_ceil(THREADS), of.samples, members);
        self.start(&named::<T>("append", Stored::Full), of, grid, 0)
    }

    /// f
    pub(super) fn read<T: Number>(&self, of: &Ends, members: u32) -> Result<(), Fault> {
        let outputs = of.samples * of.outputs;
        let name = named::<T>("read", Stored::Full);
        self.start(&name, of, (outputs, members, of.count.max(1)), 0)?;
        if of.parts == Address::default() {
            return Ok(());
        }
        self.start("collect", of, (outputs.div_ceil(THREADS), members, 1), 0)
    }

    /// χ
    pub(super) fn loss(&self, of: &Ends, members: u32) -> Result<(), Fault> {
        self.start("loss", of, (1, members, 1), 0)
    }

    /// The signal that enters the last layer.
    pub(super) fn signal<T: Number>(&self, of: &Ends, members: u32) -> Result<(), Fault> {
        let grid = (of.rows.div_ceil(THREADS), of.samples, members);
        self.start(&named::<T>("signal", Stored::Full), of, grid, 0)
    }

    /// The step of V.
    pub(super) fn readout<T: Number>(&self, of: &Ends, members: u32) -> Result<(), Fault> {
        let grid = (of.rows.div_ceil(THREADS), of.outputs, members);
        self.start(&named::<T>("readout", Stored::Full), of, grid, 0)
    }

    /// Adds sums of squares, so many parts of each.
    pub(super) fn squares<T: Number>(
        &self,
        of: &Squares,
        (parts, members): (u32, u32),
    ) -> Result<(), Fault> {
        self.start(&named::<T>("squares", Stored::Full), of, (parts, members, 1), 0)
    }

    /// A sweep of the conditional engine, by so many teams of blocks that are all resident.
    pub(super) fn sweep<T: Number>(
        &self,
        of: &Sweep,
        samples_of_thread: usize,
        teams: usize,
    ) -> Result<(), Fault> {
        let name = sweep_name::<T>(samples_of_thread);
        let function = self.function(&name)?;
        let config = LaunchConfig {
            grid_dim: (teams as u32 * of.blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: as in `start`; the driver refuses a grid of which not all blocks are resident.
        let launched =
            unsafe { self.stream().launch_builder(function).arg(of).launch_cooperative(config) };
        launched.map(|_| ()).map_err(|error| Fault::of(error, &name))
    }

    /// Blocks of such a sweep that are resident at once.
    pub(super) fn resident<T: Number>(&self, samples_of_thread: usize) -> Result<usize, Fault> {
        let asking = |error| Fault::of(error, "asking how many blocks it holds");
        let function = self.function(&sweep_name::<T>(samples_of_thread))?;
        let each = function.occupancy_max_active_blocks_per_multiprocessor(THREADS, 0, None);
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let multiprocessors = self.stream().context().attribute(attribute).map_err(asking)?;
        Ok((each.map_err(asking)? as usize * multiprocessors.max(1) as usize).max(1))
    }

    /// h_0 of all samples.
    pub(super) fn inputs<T: Number>(&self, of: &Inputs, members: u32) -> Result<(), Fault> {
        let grid = (of.ld.div_ceil(4 * THREADS), of.all.div_ceil(OF_INPUTS), members);
        self.start(&named::<T>("inputs", Stored::Full), of, grid, 0)
    }

    /// h_0 of the samples of a pass.
    pub(super) fn gather<T: Number>(&self, of: &Inputs, members: u32) -> Result<(), Fault> {
        let grid = (of.ld.div_ceil(THREADS), of.samples, members);
        self.start(&named::<T>("gather", Stored::Full), of, grid, 0)
    }

    /// Inner products of inputs.
    pub(super) fn products(&self, of: &Inputs, members: u32) -> Result<(), Fault> {
        self.start("products", of, (of.all.div_ceil(THREADS), of.samples, members), 0)
    }

    /// The step of h_0.
    pub(super) fn follow<T: Number>(&self, of: &Inputs, members: u32) -> Result<(), Fault> {
        let rows = THREADS * 16 / size_of::<T>() as u32;
        let grid = (of.ld.div_ceil(rows), of.all.div_ceil(OF_INPUTS), members);
        self.start(&named::<T>("follow", Stored::Full), of, grid, 0)
    }

    /// The step of M.
    pub(super) fn drift(&self, of: &Drift, depth: u32, members: u32) -> Result<(), Fault> {
        self.start("drift", of, (depth, members, 1), 0)
    }

    /// Leading rows.
    pub(super) fn leading<T: Number>(
        &self,
        of: &Leading,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = (of.rows.div_ceil(THREADS), samples, members);
        self.start(&named::<T>("leading", Stored::Full), of, grid, 0)
    }

    fn start<A: DeviceRepr>(
        &self,
        name: &str,
        of: &A,
        grid: (u32, u32, u32),
        shared: u32,
    ) -> Result<(), Fault> {
        let function = self.function(name)?;
        let config =
            LaunchConfig { grid_dim: grid, block_dim: (THREADS, 1, 1), shared_mem_bytes: shared };
        // SAFETY: the one argument is the structure that the kernel of this name takes; its addresses
        // are of buffers of the engine that launches, which frees them on this stream, after what was
        // launched before; the grid is by the kernel's rule, so it stays within them.
        let launched = unsafe { self.stream().launch_builder(function).arg(of).launch(config) };
        launched.map(|_| ()).map_err(|error| Fault::of(error, name))
    }
}

/// The sweep whose threads have so many samples.
fn sweep_name<T: Number>(samples_of_thread: usize) -> String {
    format!("sweep_{}_{samples_of_thread}", T::NAME)
}

/// A kernel for numbers of a format.
fn named<T: Number>(kernel: &str, stored: Stored) -> String {
    let half = if stored == Stored::Half { "half_" } else { "" };
    format!("{kernel}_{half}{}", T::NAME)
}
