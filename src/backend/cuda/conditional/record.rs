//! What is looked at of a pass: leading rows and movements at the probed layers, which leave the device
//! together; the numbers of its layers; queries in coefficients, the responses to them and their kernel.

use super::super::arguments::{LayerState, LeadingRows, Squares};
use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::shape::summands;
use super::{Conditional, Size};
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::{Queries, kernel};
use crate::backend::{Probe, Snapshot};
use nalgebra::DMatrix;

/// Snapshots of one kind of vector, of all members, against its values at step 0.
pub struct DeviceRecorder<T> {
    /// By position among the probed layers, once seen.
    initial: Vec<Option<Buffer<T>>>,
    /// \[probed layer\]\[member\]\[sample\]\[row\]
    rows: Buffer<f32>,
    /// Squares of movements: \[probed layer\]\[member\]\[part\].
    sums: Buffer<f64>,
    size: Size,
    samples: usize,
    /// Rows of a sample.
    count: usize,
}

impl<T: Number> DeviceRecorder<T> {
    /// The recorder of passes of `samples` samples, of which none was recorded yet.
    pub fn new(device: &Device, size: Size, probe: &Probe, samples: usize) -> Result<Self, Fault> {
        let (probes, count) = (probe.layers.len(), probe.rows.min(size.width));
        Ok(DeviceRecorder {
            initial: probe.layers.iter().map(|_| None).collect(),
            rows: device.zeros(probes * size.members * samples * count)?,
            sums: device.zeros(probes * size.members * summands(samples * size.ld))?,
            size,
            samples,
            count,
        })
    }

    /// Walks over what the movements of a member are measured from.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive(&mut self, device: &Device, archive: &mut Archive, member: usize) -> Walked {
        let vector = self.samples * self.size.ld;
        let (count, range) = (self.size.members * vector, member * vector..(member + 1) * vector);
        self.initial.iter_mut().try_for_each(|initial| {
            device.archive_optional(archive, initial, count, std::iter::once(range.clone()))
        })
    }

    /// Snapshots of `vectors` at the probed layers, each of which begins where `first` says; the
    /// first ones set the reference of movements.
    pub fn look(
        &mut self,
        device: &Device,
        probe: &Probe,
        vectors: &Buffer<T>,
        first: impl Fn(usize) -> usize,
    ) -> Result<Vec<Vec<Snapshot>>, Fault> {
        let Size { members, width, ld, .. } = self.size;
        let (vector, each) = (self.samples * ld, self.samples * self.count);
        let parts = summands(vector);
        device.clear(&mut self.sums)?;
        for (i, &l) in probe.layers.iter().enumerate() {
            if self.count > 0 {
                let leading = LeadingRows {
                    x: vectors.at(first(l)),
                    out: self.rows.at(i * members * each),
                    stride: each as u64,
                    rows: self.count as u32,
                    ld: ld as u32,
                };
                device.leading::<T>(&leading, self.samples as u32, members as u32)?;
            }
            match &self.initial[i] {
                Some(initial) => {
                    let moved = Squares {
                        y: vectors.at(first(l)),
                        stride: vector as u64,
                        minus: initial.at(0),
                        sums: self.sums.at(i * members * parts),
                    };
                    device.squares::<T>(&moved, parts as u32, members as u32)?;
                }
                None => {
                    let range = first(l)..first(l) + members * vector;
                    self.initial[i] = Some(device.copy_of(vectors, range)?);
                }
            }
        }
        let probes = probe.layers.len();
        let rows = device.read_back(&self.rows, 0..probes * members * each)?;
        let sums = device.read_back(&self.sums, 0..probes * members * parts)?;
        let sum = |at: usize| sums[at * parts..][..parts].iter().sum::<f64>();
        let snapshot = |member: usize, i: usize| Snapshot {
            rows: rows[(i * members + member) * each..][..each].to_vec(),
            movement: sum(i * members + member) / (width * self.samples) as f64,
        };
        Ok((0..members).map(|m| (0..probes).map(|i| snapshot(m, i)).collect()).collect())
    }
}

/// Sums that a matrix's last query left of one member.
#[derive(Clone, Copy, Debug)]
pub struct LayerSums {
    /// Sums of squares of the couplings along the other side's columns, and of M C.
    pub along: [f64; 2],
    /// Sums of squares of rows: couplings past and same, or (going up, the second) what has moved
    /// where weights decay.
    pub rows: [f64; 2],
}

impl<T: Number> Conditional<T> {
    /// The sums of all matrices, \[member\]\[matrix\].
    pub(super) fn layer_sums(&self) -> Result<Vec<Vec<LayerSums>>, Fault> {
        let (size, parts) = (self.size(), self.workspace.now.shape.parts);
        let along = self.device.read_back(&self.workspace.squares, 0..2 * size.matrices())?;
        let rows = 2 * size.matrices() * parts;
        let rows = self.device.read_back(&self.workspace.row_squares, 0..rows)?;
        let sum = |i: usize| rows[i * parts..][..parts].iter().sum::<f64>();
        let of = |i: usize| LayerSums {
            along: [along[2 * i], along[2 * i + 1]],
            rows: [sum(2 * i), sum(2 * i + 1)],
        };
        let each = size.matrices_of_member();
        let layers = |m: usize| (0..each).map(|i| of(m * each + i)).collect();
        Ok((0..size.members).map(layers).collect())
    }

    /// Mean squares of z − z⁽⁰⁾ of the pass that is recorded, of every member; the first one sets z⁽⁰⁾. Empty where
    /// they mean nothing: in one-layer blocks, and with minibatches, which are of different samples in different passes.
    pub(super) fn inner_movement(&mut self) -> Result<Vec<f64>, Fault> {
        let (vectors, whole) = (self.workspace.vectors(), self.samples[0].len());
        let Some((probe, recorder)) = self.inner.as_mut().filter(|_| self.batch == whole) else {
            return Ok(Vec::new());
        };
        let hidden = &self.workspace.hidden;
        let seen = recorder.look(&self.device, probe, hidden, |l| (2 * l - 1) * vectors)?;
        let mean = |seen: &Vec<Snapshot>| {
            seen.iter().map(|seen| seen.movement).sum::<f64>() / seen.len() as f64
        };
        Ok(seen.iter().map(mean).collect())
    }

    /// Mean squares of the `which`-th sum of couplings over layers.
    pub(super) fn accumulated(&mut self, which: usize) -> Result<Vec<f64>, Fault> {
        let size = self.size();
        let super::workspace::Kind::Remembered { accumulated, .. } = &self.workspace.kind else {
            return Ok(vec![0.0; size.members]);
        };
        let vector = self.workspace.now.samples * size.ld;
        let parts = summands(vector);
        let sums = self.device.zeros::<f64>(size.members * parts)?;
        let squares = Squares {
            y: accumulated[which].at(0),
            stride: vector as u64,
            sums: sums.at(0),
            ..Squares::default()
        };
        self.device.squares::<T>(&squares, parts as u32, size.members as u32)?;
        let sums = self.device.read_back(&sums, 0..size.members * parts)?;
        let entries = (size.width * self.workspace.now.samples) as f64;
        Ok(sums.chunks(parts).map(|parts| parts.iter().sum::<f64>() / entries).collect())
    }

    /// The coefficients of the last query of one side (0 forward) at the probed layers join those of
    /// earlier passes, and the responses of its answers theirs, if `follows`.
    pub(super) fn follow_queries(&mut self, side: usize, follows: bool) -> Result<(), Fault> {
        if !follows {
            return Ok(());
        }
        let (states, closure) = (self.states()?, self.launcher.network.closure);
        for layer in self.probe.layers.clone() {
            let below = layer.checked_sub(1);
            let above = Some(layer).filter(|&index| index < self.size().depth);
            // φ(h_l) is the query of block l + 1, g_l that of block l: index l, or l − 1. h_l is the answer
            // of block l, and g_l that of block l + 1. Of the matrices of a block it is the one that has h there.
            let above = above.map(|index| (index, self.size().reader_of(index)));
            let below = below.map(|index| (index, self.size().writer_of(layer)));
            let (asked, answered) = if side == 0 { (above, below) } else { (below, above) };
            for member in 0..self.size().members {
                if let Some((index, matrix)) = answered {
                    let known = match side {
                        0 => 0..self.passes - 1,
                        _ => closure.backward_conditions(self.passes - 1, self.passes),
                    };
                    let known = &self.queries[member][1 - side].of(index)[..known.end];
                    let along = self.conditioned(side, matrix, member, &states)?;
                    let along = along.rows(0, known.last().map_or(0, DMatrix::nrows));
                    self.responses[member][side].push(index, &along.into(), known);
                }
                if let Some((index, matrix)) = asked {
                    let query = self.query(side, matrix, member, &states)?;
                    self.queries[member][side].push(index, query, true);
                }
            }
        }
        Ok(())
    }

    /// The coefficients of the last query of one side of a matrix, from 0 on, of a member, r×P.
    fn query(
        &self,
        side: usize,
        matrix: usize,
        member: usize,
        states: &[LayerState],
    ) -> Result<DMatrix<f64>, Fault> {
        let samples = self.workspace.now.samples;
        let matrix = matrix * self.size().members + member;
        let rank = states[matrix].rank[side] as usize;
        let first = matrix * self.size().capacity * samples;
        let range = first..first + rank * samples;
        let query = self.device.read_back(&self.workspace.coefficients[side], range)?;
        Ok(DMatrix::from_row_slice(rank, samples, &query))
    }

    /// Θ C of the last query C of one side of a matrix, from 0 on, of a member: what its answer has along the
    /// other side's columns because their queries fixed it, capacity×P, zero where there is no column.
    fn conditioned(
        &self,
        side: usize,
        matrix: usize,
        member: usize,
        states: &[LayerState],
    ) -> Result<DMatrix<f64>, Fault> {
        let query = self.query(side, matrix, member, states)?;
        let capacity = self.size().capacity;
        let first = (matrix * self.size().members + member) * self.size().square();
        let range = first..first + query.nrows() * capacity;
        let overlap = self.device.read_back(&self.columns.overlap[side], range)?;
        Ok(DMatrix::from_column_slice(capacity, query.nrows(), &overlap) * query)
    }

    /// The tangent kernel of the hidden weights but for its factor, of every member, of the pass whose
    /// queries of both sides were the last.
    pub(super) fn kernels(&self) -> Result<Vec<Option<DMatrix<f64>>>, Fault> {
        let (Size { members, depth, width, .. }, states) = (self.size(), self.states()?);
        let last = |side: usize, member: usize| {
            let mut queries = Queries::new(depth);
            for index in 0..depth {
                queries.push(index, self.query(side, index, member, &states)?, false);
            }
            Ok::<_, Fault>(queries)
        };
        (0..members).map(|m| Ok(kernel((&last(0, m)?, &last(1, m)?), width))).collect()
    }
}
