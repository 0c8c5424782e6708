//! The kernels as functions: one for each kernel, which picks the variant for format and samples.

use cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute};
use cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};

// All of them, so that a new kernel needs no second line here.
use super::arguments::*;
use super::device::fault::Fault;
use super::device::{Address, Device, Number};
use super::grid::{
    self, FEW_SAMPLES, Grid, THREADS, TRANSPOSE_SAMPLES, UNASKED_SHARED, samples_of_warp,
};

/// The format in which the weights of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
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
        stored: WeightFormat,
        members: u32,
    ) -> Result<(), Fault> {
        let name = named::<T>("draw", stored);
        self.start(&name, args, grid::draw(args.rows, args.columns, members))
    }

    /// Multiplies: Y = W X and φ(Y) of one layer of all members.
    pub(super) fn multiply<T: Number>(
        &self,
        args: &Multiply,
        stored: WeightFormat,
        members: u32,
    ) -> Result<(), Fault> {
        let Multiply { rows, columns, samples, .. } = *args;
        let name = match samples {
            ..=FEW_SAMPLES => {
                format!("{}_{}", named::<T>("multiply", stored), samples_of_warp(samples))
            }
            _ => {
                let [rows, samples] = grid::tile_of_product(rows, samples);
                format!("{}_{rows}x{samples}", self.tiles::<T>("multiply_tiles", stored))
            }
        };
        let args = Multiply { slices: grid::slices(columns, samples), ..*args };
        self.start(&name, &args, grid::multiply((rows, columns), samples, members))
    }

    /// Computes WᵀG, unless the address of the parts is null, and what `args` makes of it; moves W, unless
    /// that of x is.
    pub(super) fn transpose<T: Number>(
        &self,
        args: &Transpose,
        stored: WeightFormat,
        members: u32,
    ) -> Result<(), Fault> {
        let launch_each = |args: &Transpose| {
            (0..args.samples).step_by(TRANSPOSE_SAMPLES as usize).try_for_each(|first_sample| {
                let sample_count = (args.samples - first_sample).min(TRANSPOSE_SAMPLES);
                let begins = args.gathers == 1 && first_sample == 0;
                let kept = if begins { args.w } else { args.velocity };
                let args = Transpose { first_sample, sample_count, kept, ..*args };
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
        stored: WeightFormat,
        members: u32,
    ) -> Result<(), Fault> {
        let Transpose { rows, columns, samples, sample_count, .. } = args;
        let args = Transpose { height: grid::height(rows, samples), ..args };
        let name = match samples {
            ..=FEW_SAMPLES => {
                format!("{}_{}", named::<T>("transpose", stored), samples_of_warp(sample_count))
            }
            _ => {
                let [lot, lots] = grid::lots(sample_count);
                format!("{}_{lot}x{lots}", self.tiles::<T>("transpose_tiles", stored))
            }
        };
        let size = size_of::<T>() as u64;
        let of_weight = if stored == WeightFormat::Half { 2 } else { size };
        let sizes = ((rows, columns), (samples, sample_count), (size, of_weight));
        self.start(&name, &args, grid::transpose(sizes.0, sizes.1, sizes.2, members))
    }

    /// Name of a kernel that multiplies tiles.
    fn tiles<T: Number>(&self, kernel: &str, stored: WeightFormat) -> String {
        named_in(self.tiles_of::<T>(), kernel, stored)
    }

    /// Writes the inputs X of the batches of all members.
    pub(super) fn embed<T: Number>(
        &self,
        args: &Embed,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.dimension, samples, members);
        self.start(&named::<T>("embed", WeightFormat::Full), args, grid)
    }

    /// Appends the columns of one update to one factor of a low-rank drift.
    pub(super) fn append<T: Number>(&self, args: &Append, members: u32) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.rows, args.samples, members);
        self.start(&named::<T>("append", WeightFormat::Full), args, grid)
    }

    /// Computes the outputs f of h_L and V.
    pub(super) fn read<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let outputs = u64::from(args.samples) * u64::from(args.outputs);
        let name = named::<T>("read", WeightFormat::Full);
        self.start(&name, args, grid::read(outputs, args.part_count.max(1), members))?;
        if args.parts == Address::default() {
            return Ok(());
        }
        self.start("collect", args, grid::collect(outputs, members))
    }

    /// Computes χ = ∂loss/∂f.
    pub(super) fn loss(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        self.start("loss", args, grid::of_members(1, members))
    }

    /// Computes g_L, the signal that enters the last hidden layer.
    pub(super) fn signal<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.rows, args.samples, members);
        self.start(&named::<T>("signal", WeightFormat::Full), args, grid)
    }

    /// Moves the readout weights V.
    pub(super) fn readout<T: Number>(&self, args: &OutputLayer, members: u32) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.rows, args.outputs, members);
        self.start(&named::<T>("readout", WeightFormat::Full), args, grid)
    }

    /// Moves a group of weights by a rule that looks at every single number.
    pub(super) fn entrywise<T: Number>(&self, args: &Entrywise, members: u32) -> Result<(), Fault> {
        let grid = grid::entrywise(args.count, size_of::<T>() as u64, members);
        self.start(&named::<T>("entrywise", WeightFormat::Full), args, grid)
    }

    /// Adds up squares of each member, by `parts` blocks that leave a sum each.
    pub(super) fn squares<T: Number>(
        &self,
        args: &Squares,
        parts: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let name = named::<T>("squares", WeightFormat::Full);
        self.start(&name, args, grid::of_members(parts, members))
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
        let config = config(&name, grid::sweep(teams as u32, args.blocks))?;
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
        let grid = grid::input_rows(args.ld, 4, args.all_samples, members);
        self.start(&named::<T>("inputs", WeightFormat::Full), args, grid)
    }

    /// Copies h_0 of the samples of a pass.
    pub(super) fn gather<T: Number>(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.ld, args.samples, members);
        self.start(&named::<T>("gather", WeightFormat::Full), args, grid)
    }

    /// Computes k_pq of the samples of a pass and all samples: inner products of their inputs.
    pub(super) fn products(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        self.start("products", args, grid::rows_of_samples(args.all_samples, args.samples, members))
    }

    /// Moves h_0 of all samples as its gradient in U says.
    pub(super) fn follow<T: Number>(&self, args: &Inputs, members: u32) -> Result<(), Fault> {
        let grid = grid::input_rows(args.ld, 16 / size_of::<T>() as u32, args.all_samples, members);
        self.start(&named::<T>("follow", WeightFormat::Full), args, grid)
    }

    /// Moves M, the drift of the hidden weights, in all layers.
    pub(super) fn drift(&self, args: &Drift, depth: u32, members: u32) -> Result<(), Fault> {
        self.start("drift", args, grid::of_members(depth, members))
    }

    /// Copies the first rows of vectors, in f32.
    pub(super) fn leading<T: Number>(
        &self,
        args: &LeadingRows,
        samples: u32,
        members: u32,
    ) -> Result<(), Fault> {
        let grid = grid::rows_of_samples(args.rows, samples, members);
        self.start(&named::<T>("leading", WeightFormat::Full), args, grid)
    }

    /// Launches the kernel `name`.
    fn start<A: DeviceRepr>(&self, name: &str, args: &A, grid: Grid) -> Result<(), Fault> {
        let function = self.function(name)?;
        let config = config(name, grid)?;
        if config.shared_mem_bytes > UNASKED_SHARED {
            let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let asked = function.set_attribute(most, config.shared_mem_bytes as i32);
            asked.map_err(|error| Fault::of(error, name))?;
        }
        // SAFETY: the one argument is the structure that the kernel of this name takes; its addresses
        // are of buffers of the engine that launches, which frees them on this stream, after what was
        // launched before; the grid is by the kernel's rule, so it stays within them.
        let launched = unsafe { self.stream().launch_builder(function).arg(args).launch(config) };
        launched.map(|_| ()).map_err(|error| Fault::of(error, name))
    }
}

/// What a launch of the kernel `name` is told of its grid.
fn config(name: &str, grid: Grid) -> Result<LaunchConfig, Fault> {
    let (blocks, shared) =
        grid.checked().map_err(|too_large| Fault::Grid { kernel: name.to_owned(), too_large })?;
    Ok(LaunchConfig { grid_dim: blocks, block_dim: (THREADS, 1, 1), shared_mem_bytes: shared })
}

/// Name of the sweep whose threads have `samples_of_thread` samples each.
fn sweep_name<T: Number>(samples_of_thread: usize) -> String {
    format!("sweep_{}_{samples_of_thread}", T::NAME)
}

/// Name of a kernel for numbers of format T and weights stored as `stored`.
fn named<T: Number>(kernel: &str, stored: WeightFormat) -> String {
    named_in(T::NAME, kernel, stored)
}

fn named_in(format: &str, kernel: &str, stored: WeightFormat) -> String {
    let half = if stored == WeightFormat::Half { "half_" } else { "" };
    format!("{kernel}_{half}{format}")
}
