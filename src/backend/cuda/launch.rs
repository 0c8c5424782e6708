//! The kernels as functions: one for each kernel, which picks the variant for format and samples and
//! computes the grid by the rule in the header of the kernel's file.

use cudarc::driver::sys::CUdevice_attribute;
use cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};

// All of them, so that a new kernel needs no second line here.
use super::arguments::*;
use super::device::fault::Fault;
use super::device::{Address, Device, Number};

/// Threads of a block, in every kernel.
const THREADS: u32 = 256;
/// Warps of a block, in every kernel.
const WARPS: u32 = THREADS / 32;
/// Rows that a warp of `multiply` or `transpose` has in registers.
const ROWS: u32 = 4;
/// The most samples of one launch of `transpose`.
const TRANSPOSE_SAMPLES: u32 = 32;
/// Samples of one thread in `inputs` and `follow`.
const INPUT_SAMPLES: u32 = 8;
/// Up to so many samples, a block of `transpose` has fewer rows and its product more parts.
pub const FEW_SAMPLES: usize = 8;

/// Rows of W that one block of `transpose` walks down: more samples leave more to be added up.
pub fn height(samples: u32) -> u32 {
    if samples as usize <= FEW_SAMPLES { 64 } else { 128 }
}

/// Parts in which `transpose` leaves its product with a matrix of `rows` rows.
pub fn parts(rows: u32, samples: u32) -> u32 {
    rows.div_ceil(height(samples))
}

/// Samples S of one warp in `multiply` and `transpose`, the number at the end of their names.
fn samples_of_warp(samples: u32) -> u32 {
    match samples {
        1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

/// The format in which the weights of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The format of all other numbers, f32 or f64.
    Full,
    /// Brain floating point, bf16: 2 bytes a weight.
    Half,
}

impl Device {
    /// Draws Gaussian matrices of all members from their noise.
    pub(super) fn draw<T: Number>(
        &self,
        args: &Draw,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let name = named::<T>("draw", stored);
        let grid = (args.columns.div_ceil(THREADS), args.rows.div_ceil(4), members);
        self.start(&name, args, grid, 0)
    }

    /// Multiplies: Y = W X and φ(Y) of one layer of all members.
    pub(super) fn multiply<T: Number>(
        &self,
        args: &Multiply,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let samples = samples_of_warp(args.samples);
        let sharing = args.samples.div_ceil(samples).next_power_of_two().min(WARPS);
        let name = format!("{}_{samples}", named::<T>("multiply", stored));
        let grid = (args.rows.div_ceil(WARPS / sharing * ROWS), members, 1);
        self.start(&name, args, grid, 0)
    }

    /// Computes WᵀG in parts, unless their address is null, and then moves W, unless that of x is.
    pub(super) fn transpose<T: Number>(
        &self,
        args: &Transpose,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let launch_each = |args: &Transpose| {
            (0..args.samples).step_by(TRANSPOSE_SAMPLES as usize).try_for_each(|first_sample| {
                let sample_count = (args.samples - first_sample).min(TRANSPOSE_SAMPLES);
                let args = Transpose { first_sample, sample_count, ..*args };
                self.transpose_once::<T>(args, stored, members)
            })
        };
        if args.samples <= TRANSPOSE_SAMPLES {
            return launch_each(args);
        }
        // Every product is of W before its step.
        let null = Address::default();
        if args.parts != null {
            launch_each(&Transpose { x: null, ..*args })?;
        }
        if args.x == null {
            return Ok(());
        }
        launch_each(&Transpose { parts: null, ..*args })
    }

    /// One launch of `transpose`, for the samples from `first_sample`.
    fn transpose_once<T: Number>(
        &self,
        args: Transpose,
        stored: Stored,
        members: u32,
    ) -> Result<(), Fault> {
        let samples = samples_of_warp(args.sample_count);
        let room = args.sample_count.div_ceil(samples).next_power_of_two() * samples;
        let width = 32 * 16 / size_of::<T>() as u32;
        let tile = WARPS * ROWS;
        // s, g, and W where warps share its rows.
        let shared = room * width + tile * room + if room > samples { tile * width } else { 0 };
        let args = Transpose { height: height(args.samples), ..args };
        let name = format!("{}_{samples}", named::<T>("transpose", stored));
        let grid = (args.columns.div_ceil(width), parts(args.rows, args.samples), members);
        self.start(&name, &args, grid, shared * size_of::<T>() as u32)
    }

    /// Adds up the parts of a product, and makes a layer's g or coefficients of the sum.
    pub(super) fn finish<T: Number>(&self, args: &Finish, members: u32) -> Result<(), Fault> {
        let grid = (args.rows.div_ceil(THREADS), args.samples, members);
        self.start(&named::<T>("finish", Stored::Full), args, grid, 0)
    }

    /// Writes the inputs X of the batches of all members.
    pub(super) fn embed<T: Number>(
        &self,
        args: &Embed,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = (args.dimension.div_ceil(THREADS), samples, members);
        self.start(&named::<T>("embed", Stored::Full), args, grid, 0)
    }

    /// Appends the columns of one update to one factor of a low-rank drift.
    pub(super) fn append<T: Number>(&self, args: &Append, members: u32) -> Result<(), Fault> {
        let grid = (args.rows.div_ceil(THREADS), args.samples, members);
        self.start(&named::<T>("append", Stored::Full), args, grid, 0)
    }

    /// Computes the outputs f of h_L and V.
    pub(super) fn read<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let outputs = args.samples * args.outputs;
        let name = named::<T>("read", Stored::Full);
        self.start(&name, args, (outputs, members, args.part_count.max(1)), 0)?;
        if args.parts == Address::default() {
            return Ok(());
        }
        self.start("collect", args, (outputs.div_ceil(THREADS), members, 1), 0)
    }

    /// Computes χ = ∂loss/∂f.
    pub(super) fn loss(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        self.start("loss", args, (1, members, 1), 0)
    }

    /// Computes g_L, the signal that enters the last hidden layer.
    pub(super) fn signal<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let grid = (args.rows.div_ceil(THREADS), args.samples, members);
        self.start(&named::<T>("signal", Stored::Full), args, grid, 0)
    }

    /// Moves the readout weights V.
    pub(super) fn readout<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let grid = (args.rows.div_ceil(THREADS), args.outputs, members);
        self.start(&named::<T>("readout", Stored::Full), args, grid, 0)
    }

    /// Adds up squares of each member, by `parts` blocks that leave a sum each.
    pub(super) fn squares<T: Number>(
        &self,
        args: &Squares,
        parts: u32,
        members: u32,
    ) -> Result<(), Fault> {
        self.start(&named::<T>("squares", Stored::Full), args, (parts, members, 1), 0)
    }

    /// Sweeps all networks through all layers, by `teams` teams of thread blocks that are all resident.
    pub(super) fn sweep<T: Number>(
        &self,
        args: &Sweep,
        samples_of_thread: usize,
        teams: usize,
    ) -> Result<(), Fault> {
        let name = sweep_name::<T>(samples_of_thread);
        let function = self.function(&name)?;
        let config = LaunchConfig {
            grid_dim: (teams as u32 * args.blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: as in `start`; the driver refuses a grid of which not all blocks are resident.
        let launched =
            unsafe { self.stream().launch_builder(function).arg(args).launch_cooperative(config) };
        launched.map(|_| ()).map_err(|error| Fault::of(error, &name))
    }

    /// Thread blocks of a sweep that the device holds at once.
    pub(super) fn resident<T: Number>(&self, samples_of_thread: usize) -> Result<usize, Fault> {
        let asking = |error| Fault::of(error, "asking how many blocks it holds");
        let function = self.function(&sweep_name::<T>(samples_of_thread))?;
        let each = function.occupancy_max_active_blocks_per_multiprocessor(THREADS, 0, None);
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let multiprocessors = self.stream().context().attribute(attribute).map_err(asking)?;
        Ok((each.map_err(asking)? as usize * multiprocessors.max(1) as usize).max(1))
    }

    /// Draws U and computes h_0 of all samples.
    pub(super) fn inputs<T: Number>(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        let grid =
            (args.ld.div_ceil(4 * THREADS), args.all_samples.div_ceil(INPUT_SAMPLES), members);
        self.start(&named::<T>("inputs", Stored::Full), args, grid, 0)
    }

    /// Copies h_0 of the samples of a pass.
    pub(super) fn gather<T: Number>(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        let grid = (args.ld.div_ceil(THREADS), args.samples, members);
        self.start(&named::<T>("gather", Stored::Full), args, grid, 0)
    }

    /// Computes k_pq of the samples of a pass and all samples: inner products of their inputs.
    pub(super) fn products(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        self.start("products", args, (args.all_samples.div_ceil(THREADS), args.samples, members), 0)
    }

    /// Moves h_0 of all samples as its gradient in U says.
    pub(super) fn follow<T: Number>(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        let rows = THREADS * 16 / size_of::<T>() as u32;
        let grid = (args.ld.div_ceil(rows), args.all_samples.div_ceil(INPUT_SAMPLES), members);
        self.start(&named::<T>("follow", Stored::Full), args, grid, 0)
    }

    /// Moves M, the drift of the hidden weights, in all layers.
    pub(super) fn drift(&self, args: &Drift, depth: u32, members: u32) -> Result<(), Fault> {
        self.start("drift", args, (depth, members, 1), 0)
    }

    /// Copies the first rows of vectors, in f32.
    pub(super) fn leading<T: Number>(
        &self,
        args: &LeadingRows,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = (args.rows.div_ceil(THREADS), samples, members);
        self.start(&named::<T>("leading", Stored::Full), args, grid, 0)
    }

    /// Launches the kernel `name` with blocks of 256 threads and `shared` bytes of dynamic shared memory.
    fn start<A: DeviceRepr>(
        &self,
        name: &str,
        args: &A,
        grid: (u32, u32, u32),
        shared: u32,
    ) -> Result<(), Fault> {
        let function = self.function(name)?;
        let config =
            LaunchConfig { grid_dim: grid, block_dim: (THREADS, 1, 1), shared_mem_bytes: shared };
        // SAFETY: the one argument is the structure that the kernel of this name takes; its addresses
        // are of buffers of the engine that launches, which frees them on this stream, after what was
        // launched before; the grid is by the kernel's rule, so it stays within them.
        let launched = unsafe { self.stream().launch_builder(function).arg(args).launch(config) };
        launched.map(|_| ()).map_err(|error| Fault::of(error, name))
    }
}

/// Name of the sweep whose threads have `samples_of_thread` samples each.
fn sweep_name<T: Number>(samples_of_thread: usize) -> String {
    format!("sweep_{}_{samples_of_thread}", T::NAME)
}

/// Name of a kernel for numbers of format T and weights stored as `stored`.
fn named<T: Number>(kernel: &str, stored: Stored) -> String {
    let half = if stored == Stored::Half { "half_" } else { "" };
    format!("{kernel}_{half}{}", T::NAME)
}
