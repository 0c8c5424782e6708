//! The device by itself: its rates.

use std::sync::Arc;
use std::time::Instant;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DriverError};

use crate::cublas::{Cublas, Memory, Precision};
use crate::problem::Size;

const COPIES: usize = 10;
/// Steps before the clock starts.
const WARM: u32 = 2;

/// The device by itself.
pub struct Gpu {
    pub stream: Arc<CudaStream>,
    from: CudaSlice<f32>,
    to: CudaSlice<f32>,
    /// Bytes of L2.
    pub cache: usize,
}

impl Gpu {
    /// With two buffers of so many bytes.
    pub fn new(bytes: usize) -> Result<Gpu, DriverError> {
        let stream = CudaContext::new(0)?.new_stream()?;
        // A small odd number in every place: power depends on what is computed with.
        let pattern: Vec<f32> = (0..bytes as u32 / 4).map(|i| (i as f32 * 0.7).sin()).collect();
        let (from, to) = (stream.clone_htod(&pattern)?, stream.clone_htod(&pattern)?);
        let mut gpu = Gpu { stream, from, to, cache: 0 };
        gpu.cache = gpu.attribute(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
        Ok(gpu)
    }

    /// 0 where the driver does not tell.
    pub fn attribute(&self, which: Attribute) -> usize {
        self.stream.context().attribute(which).map_or(0, |value| value.max(0) as usize)
    }

    /// Units that do an fma of f32 a cycle.
    pub fn cores(&self) -> usize {
        let each = match self.stream.context().compute_capability() {
            Ok((8, 0)) => 64,
            _ => 128,
        };
        each * self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
    }

    /// Their fma a second.
    pub fn peak(&self) -> f64 {
        1e3 * (self.cores() * self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)) as f64
    }

    /// Of one buffer.
    pub fn bytes(&self) -> f64 {
        4.0 * self.from.len() as f64
    }

    /// Seconds of a copy from one to the other.
    pub fn copy(&mut self) -> Result<f64, DriverError> {
        self.stream.memcpy_dtod(&self.from, &mut self.to)?;
        self.stream.synchronize()?;
        let start = Instant::now();
        for _ in 0..COPIES {
            self.stream.memcpy_dtod(&self.from, &mut self.to)?;
        }
        self.stream.synchronize()?;
        Ok(start.elapsed().as_secs_f64() / COPIES as f64)
    }

    /// Numbers that repeat.
    fn numbers(&self, count: usize) -> Result<CudaSlice<f32>, DriverError> {
        let mut numbers = self.stream.alloc_zeros(count)?;
        for first in (0..count).step_by(self.from.len()) {
            let part = self.from.len().min(count - first);
            let mut to = numbers.slice_mut(first..first + part);
            self.stream.memcpy_dtod(&self.from.slice(..part), &mut to)?;
        }
        Ok(numbers)
    }

    /// Seconds of the products of a step, launched one by one or as a graph, whichever is faster.
    pub fn products(
        &self,
        cublas: &Cublas,
        size: Size,
        precision: Precision,
    ) -> Result<f64, String> {
        let Size { width, depth, samples, members, steps } = size;
        let numbers = |count| self.numbers(count).map_err(in_words);
        let w = numbers(depth * members * width * width)?;
        let [x, y] = [numbers(members * samples * width)?, numbers(members * samples * width)?];
        let at = |slice: &CudaSlice<f32>| slice.device_ptr(&self.stream).0;
        let memory = Memory { w: at(&w), x: at(&x), y: at(&y) };
        cublas.use_precision(precision)?;
        // SAFETY: allocated above for this size.
        let step = || unsafe { cublas.step(size, &memory) };
        let mut seconds = self.timed(steps, step)?;
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode).map_err(in_words)?;
        let captured = step();
        // Ended in any case: a stream that is left capturing refuses everything else.
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
        if let (Ok(()), Ok(Some(graph))) = (captured, graph) {
            seconds = seconds.min(self.timed(steps, || graph.launch().map_err(in_words))?);
        }
        // Their memory is free for others once the device has come so far.
        drop((w, x, y));
        self.stream.synchronize().map_err(in_words)?;
        Ok(seconds)
    }

    /// Seconds of one of so many steps on this stream.
    fn timed(&self, steps: u32, step: impl Fn() -> Result<(), String>) -> Result<f64, String> {
        let wait = || self.stream.synchronize().map_err(in_words);
        let mut start = Instant::now();
        for at in 0..WARM + steps {
            if at == WARM {
                wait()?;
                start = Instant::now();
            }
            step()?;
        }
        wait()?;
        Ok(start.elapsed().as_secs_f64() / f64::from(steps))
    }
}

fn in_words(error: DriverError) -> String {
    error.to_string()
}
