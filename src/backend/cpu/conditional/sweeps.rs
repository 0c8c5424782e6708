//! The passes of the conditional engine: what each asks of the layers, and what it records.

use nalgebra::DMatrix;

use super::arena::Arena;
use super::kernels;
use super::memory::{Answer, AnswerRows, Memory};
use super::orthogonal::{expand, rows_of};
use super::panel::{Column, Panel, clear_padding};
use super::rows::{
    BackwardCouplings, BackwardRows, Coupling, ForwardRows, LayerAnswer, add_combination, advance,
    clear, descend, finite, nonzero, squares,
};
use super::{Conditional, Factors, asked};
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::{covariances, kernel};
use crate::backend::cpu::simd::format::Format;
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, EVALUATED_AT_ONCE, ForwardCoupling, ForwardSweep,
    Network, Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::rng::noise::{Direction, Purpose, Query};

impl<T: Format> Conditional<T> {
    /// W φ(x) of the matrix behind `memory`, asked about and not remembered yet; `residual`, of the size of
    /// x, is overwritten.
    pub(super) fn ask_forward(
        &self,
        arena: &mut Arena<T>,
        memory: &Memory,
        (query, l, (samples, positions)): (Query, usize, (&Samples, &[usize])),
        x: &Panel<T>,
        residual: &mut Panel<T>,
    ) -> Answer {
        let Network { activation, drop_tolerance, .. } = self.network;
        let write = |chunk, to: &mut [Column<T>]| {
            to.copy_from_slice(x.chunk(chunk));
            kernels::value(self.set, activation, to);
            clear_padding(to, chunk, x.rows()); // φ(0) need not be 0
        };
        let basis = &memory.forward.basis;
        let expansion = expand(self.set, arena, basis, residual, write, drop_tolerance);
        let draw = self.draw((query, l), samples, positions);
        memory.ask_forward(self.set, (arena, expansion), draw)
    }

    /// Wᵀg of the matrix behind `memory`, asked about and not remembered yet; `residual`, of the size of g, is
    /// overwritten.
    pub(super) fn ask_backward(
        &self,
        arena: &mut Arena<T>,
        memory: &Memory,
        (query, l): (Query, usize),
        g: &Panel<T>,
        residual: &mut Panel<T>,
    ) -> Answer {
        let write = |chunk, to: &mut [Column<T>]| to.copy_from_slice(g.chunk(chunk));
        let (basis, tolerance) = (&memory.backward.basis, self.network.drop_tolerance);
        let expansion = expand(self.set, arena, basis, residual, write, tolerance);
        let draw = self.draw((query, l), &self.train.samples, &self.batch);
        memory.ask_backward(self.set, (arena, expansion), draw)
    }

    /// Writes `to` = \[`from`\] + W φ of an answer, and the rows of A_new. What moved is n^{-1/2} (W − W⁽⁰⁾)φ
    /// where `moved` is asked for.
    pub(super) fn advance(
        &self,
        arena: &mut Arena<T>,
        (memory, answer): (&Memory, &Answer),
        factors: Factors,
        (from, to): (Option<&Panel<T>>, &mut Panel<T>),
        (coupling, moved): (Option<Coupling<T>>, bool),
    ) -> ForwardRows {
        let drift = memory.drift.forward(&answer.expansion.along);
        let image = |scale| AnswerRows::new(self.set, answer, scale, (&drift, factors.drift));
        let kept = memory.drift.kept();
        // (W − W⁽⁰⁾)φ has a share of W⁽⁰⁾φ where weights decay.
        let movement = (moved && kept != 1.0).then(|| image(factors.forward * (kept - 1.0)));
        let rows = &image(factors.forward * kept);
        let layer = LayerAnswer { arena, memory, rows };
        let mut rows = advance(self.set, layer, from, to, coupling, movement.as_ref());
        if moved {
            // ‖QB M C‖² = ‖M C‖²
            let (forward, drifted) = (factors.forward, factors.drift / factors.forward);
            rows.moved = match movement {
                None => drift.norm_squared() * drifted.powi(2),
                Some(_) => rows.moved / forward.powi(2),
            } / self.network.width as f64;
        }
        rows
    }

    /// Writes g ← \[`carried`: g\] + φ'(h) ∘ Wᵀg of an answer, and the rows of B_new. With `sums`, couplings
    /// are added to them: with so many columns of QF first, and with the others.
    pub(super) fn descend(
        &self,
        arena: &mut Arena<T>,
        (memory, answer): (&Memory, &Answer),
        factors: Factors,
        h: &Panel<T>,
        g: (&mut Panel<T>, bool),
        sums: Option<(usize, [&mut Panel<T>; 2])>,
    ) -> BackwardRows {
        let drift = memory.drift.backward(&answer.expansion.along);
        let scale = factors.forward * memory.drift.kept();
        let rows = &AnswerRows::new(self.set, answer, scale, (&drift, factors.drift));
        let coupling = sums.map(|(split, sums)| BackwardCouplings {
            coefficients: memory.backward.coupling(answer) * scale,
            split,
            sums,
        });
        let kernels = (self.set, self.network.activation);
        descend(kernels, LayerAnswer { arena, memory, rows }, h, g, coupling)
    }
}

impl<T: Format> Sweeps for Conditional<T> {
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { depth, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        self.begin(batch, record);
        self.passes += 1;
        let (set, follows) = (self.set, self.follows_covariances());
        let mut arena = std::mem::take(&mut self.arena);
        let mut hidden = std::mem::take(&mut self.hidden);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated[0]);
        let mut inner = self.inner.take();
        let mut normalized = self.normalized.take();
        if record {
            clear(&mut accumulated);
        }
        let mut coupling = ForwardCoupling::default();
        let mut own_movement = 0.0;
        let mut nonfinite = (!finite(set, self.input())).then_some(0);
        for l in 1..=depth {
            let (before, after) = hidden.split_at_mut(l - 1);
            let (h, next) = (before.last().unwrap_or(self.input()), &mut after[0]);
            let x = normalized.as_mut().map_or(h, |normalized| normalized.read(set, h));
            if let Some(inner) = &mut inner {
                let entered = self.enter(inner, &mut arena, (query, l), x, &mut residual);
                if !entered.finite {
                    nonfinite = nonfinite.or(Some(l));
                }
                if record {
                    own_movement += inner.mean(entered.moved);
                    *coupling.inner.get_or_insert_default() += inner.mean(entered.coupled);
                }
            }
            let memory = &self.layers[l - 1];
            let (read, residual) = match &mut inner {
                None => (x, &mut residual),
                Some(inner) => (&inner.hidden[l - 1], &mut inner.residual),
            };
            let asked = (query, l, (&self.train.samples, self.batch.as_slice()));
            let answer = self.ask_forward(&mut arena, memory, asked, read, residual);
            let scale = scales.forward * memory.drift.kept();
            let coupled = record.then(|| memory.forward.coupling(&answer) * scale);
            if let Some(coupled) = &coupled {
                coupling.layer += self.mean(coupled.norm_squared()) / depth as f64;
            }
            let coupled = coupled.filter(nonzero).map(|coupled| rows_of(&coupled, 1.0));
            let coupled =
                coupled.as_deref().map(|k| Coupling { coefficients: k, sum: &mut accumulated });
            let moved = record && inner.is_none();
            let from = scales.skip.then_some(h);
            let (of_answer, factors) = ((memory, &answer), self.factors());
            let rows = self.advance(&mut arena, of_answer, factors, (from, next), (coupled, moved));
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l));
            }
            if moved {
                own_movement += self.mean(rows.moved) / depth as f64;
            }
            if follows && self.probe.layers.contains(&l) {
                let known = &self.asked.backward.of(l - 1)[..self.passes - 1];
                self.forward_responses.push(l - 1, &memory.forward.coupling(&answer), known);
            }
            self.asked.forward.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_forward(&answer);
        }
        if record {
            coupling.accumulated = self.mean(squares(set, &accumulated));
        }
        self.arena = arena;
        self.hidden = hidden;
        self.residual = residual;
        self.accumulated[0] = accumulated;
        // Minibatches of different steps are of different samples.
        let whole = record && batch.len() == self.train.samples.len();
        let inner_movement = inner.as_mut().filter(|_| whole).map(|inner| inner.movement(set));
        let readers = inner.as_ref().map_or(&self.layers, |inner| &inner.memories);
        let ranks = readers.iter().map(|layer| layer.forward.rank()).collect();
        self.inner = inner;
        self.normalized = normalized;
        let mut features = Vec::new();
        if record {
            let mut look = |l, h: &Panel<T>| self.features.look(set, &self.probe, l, h);
            features.extend(look(0, asked(&self.train.h.columns, &self.minibatch)));
            for (l, h) in self.hidden.iter().enumerate() {
                features.extend(look(l + 1, h));
            }
        }
        ForwardSweep {
            features,
            f: self.read(&self.hidden[depth - 1]),
            own_movement,
            inner_movement,
            ranks,
            coupling: record.then_some(coupling),
            nonfinite,
        }
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64> {
        let (inputs, purpose) = match set {
            Set::Train => (&self.train, Purpose::TrainAnswer),
            Set::Test => (&self.test, Purpose::TestAnswer),
        };
        let query = Query { purpose, step, direction: Direction::Forward };
        let mut arena = std::mem::take(&mut self.arena);
        let positions: Vec<usize> = (0..inputs.samples.len()).collect();
        let parts = positions.chunks(EVALUATED_AT_ONCE);
        let f = parts.flat_map(|part| self.output(&mut arena, query, inputs, part)).collect();
        self.arena = arena;
        f
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { depth, outputs, closure, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let (set, record, follows) = (self.set, self.record, self.follows_covariances());
        let samples = self.batch.len();
        let chi = DMatrix::from_column_slice(outputs, samples, chi);
        // With one output G = V for every sample and enters updates times χ; else G = V χᵀ.
        let (signal, weights) = match outputs {
            1 => (DMatrix::from_element(1, samples, 1.0), chi.as_slice().to_vec()),
            _ => (chi.clone(), vec![1.0; samples]),
        };
        let mut arena = std::mem::take(&mut self.arena);
        let mut g = std::mem::take(&mut self.signal);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated);
        let mut inner = self.inner.take();
        let mut normalized = self.normalized.take();
        clear(&mut g);
        add_combination(set, &self.readout.columns, &signal, &mut g);
        if record {
            accumulated.iter_mut().for_each(clear);
        }

        let mut coupling = BackwardCoupling::default();
        let mut nonfinite = (!finite(set, &g)).then_some(depth);
        let mut gradients = Vec::new();
        if record {
            gradients.extend(self.gradients.look(set, &self.probe, depth, &g));
        }
        for l in (1..=depth).rev() {
            let memory = &self.layers[l - 1];
            let mut answer = self.ask_backward(&mut arena, memory, (query, l), &g, &mut residual);
            if let Some(inner) = &mut inner {
                let coupled = self.turn(inner, &mut arena, (memory, &answer), l);
                if record {
                    *coupling.inner.get_or_insert_default() += inner.mean(coupled);
                }
                self.asked.backward.push(l - 1, answer.expansion.coefficients(), follows);
                self.layers[l - 1].remember_backward(&answer);
                answer = self.leave(inner, &mut arena, (query, l));
            }
            // The matrix that reads h, whose answers reach g.
            let (reader, factors, queries) = match &inner {
                None => (&self.layers[l - 1], self.factors(), &self.asked),
                Some(inner) => (&inner.memories[l - 1], inner.factors, &inner.asked),
            };
            let h = if l == 1 { self.input() } else { &self.hidden[l - 2] };
            let [past, same] = &mut accumulated;
            let sums = record.then_some((reader.earlier, [past, same]));
            let to = (&mut g, scales.skip);
            let rows = match &mut normalized {
                None => self.descend(&mut arena, (reader, &answer), factors, h, to, sums),
                Some(normalized) => {
                    let of_answer = (reader, &answer, factors);
                    self.descend_normalized(normalized, &mut arena, of_answer, h, to, sums)
                }
            };
            let [past, same] = rows.coupled.map(|squares| self.mean(squares) / depth as f64);
            coupling.layer_past += past;
            coupling.layer_same += same;
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l - 1));
            }
            if record {
                gradients.extend(self.gradients.look(set, &self.probe, l - 1, &g));
            }
            if follows && self.probe.layers.contains(&(l - 1)) {
                let known = closure.backward_conditions(self.passes - 1, self.passes).end;
                let known = &queries.forward.of(l - 1)[..known];
                self.backward_responses.push(l - 1, &reader.backward.coupling(&answer), known);
            }
            match &mut inner {
                Some(inner) => inner.remember(l, &answer, follows),
                None => {
                    self.asked.backward.push(l - 1, answer.expansion.coefficients(), follows);
                    self.layers[l - 1].remember_backward(&answer);
                }
            }
        }
        gradients.reverse();
        if record {
            let [past, same] = &accumulated;
            coupling.accumulated_past = self.mean(squares(set, past));
            coupling.accumulated_same = self.mean(squares(set, same));
        }
        self.inner = inner;
        self.normalized = normalized;
        if let Some(update) = update {
            self.update(update, &chi, &weights, &g);
        }
        self.arena = arena;
        self.signal = g;
        self.residual = residual;
        self.accumulated = accumulated;
        let wanted = record && self.probe.has_kernel(&self.network, self.batch.len());
        let queries = (&self.asked.forward, &self.asked.backward);
        let kernel = if wanted { kernel(queries, self.network.width) } else { None };
        BackwardSweep {
            gradients,
            ranks: self.layers.iter().map(|layer| layer.backward.rank()).collect(),
            coupling: record.then_some(coupling),
            kernel,
            nonfinite,
        }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        if !self.follows_covariances() {
            return None;
        }
        let readers = self.inner.as_ref().map_or(&self.asked, |inner| &inner.asked);
        let queries = (&readers.forward, &self.asked.backward);
        let responses = (&self.forward_responses, &self.backward_responses);
        Some(covariances(&self.probe, queries, Some(responses), self.network.width))
    }

    fn archive(&mut self, archive: &mut Archive) -> Walked {
        for columns in [&mut self.train.h, &mut self.test.h, &mut self.readout] {
            columns.archive(archive)?;
        }
        self.arena.archive(archive)?;
        self.layers.iter_mut().try_for_each(|memory| memory.archive(archive))?;
        self.inner.as_mut().map_or(Ok(()), |inner| inner.archive(archive))?;
        archive.count(&mut self.passes)?;
        self.asked.archive(archive)?;
        for responses in [&mut self.forward_responses, &mut self.backward_responses] {
            responses.archive(archive)?;
        }
        self.features.archive(archive)?;
        self.gradients.archive(archive)
    }
}
