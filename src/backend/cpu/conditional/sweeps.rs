//! The passes of the conditional engine: what each asks of the layers, and what it records.

use nalgebra::DMatrix;

use super::memory::AnswerRows;
use super::orthogonal::{expand, rows_of};
use super::panel::{Column, Panel};
use super::rows::{
    Coupling, LayerAnswer, add_combination, advance, clear, descend, finite, nonzero, squares,
};
use super::{Conditional, asked};
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::{covariances, kernel};
use crate::backend::cpu::simd::format::Format;
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, EVALUATED_AT_ONCE, ForwardCoupling, ForwardSweep,
    Network, Set, Sweeps, Update,
};
use crate::rng::noise::{Direction, Purpose, Query};

impl<T: Format> Sweeps for Conditional<T> {
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        self.begin(batch, record);
        self.passes += 1;
        let (set, follows) = (self.set, self.follows_covariances());
        let mut arena = std::mem::take(&mut self.arena);
        let mut hidden = std::mem::take(&mut self.hidden);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated[0]);
        if record {
            clear(&mut accumulated);
        }
        let mut coupling = ForwardCoupling::default();
        let mut own_movement = 0.0;
        let mut nonfinite = (!finite(set, self.input())).then_some(0);
        for l in 1..=depth {
            let (before, after) = hidden.split_at_mut(l - 1);
            let (h, next) = (before.last().unwrap_or(self.input()), &mut after[0]);
            let expansion = self.query_forward(&mut arena, l, h, &mut residual);
            let memory = &self.layers[l - 1];
            let draw = self.draw((query, l), &self.train.samples, &self.batch);
            let answer = memory.ask_forward(set, (&mut arena, expansion), draw);
            let drift = memory.drift.forward(&answer.expansion.along);
            let image = |scale| AnswerRows::new(set, &answer, scale, (&drift, self.drift_scale()));
            let kept = memory.drift.kept();
            let scale = scales.forward * kept;
            // (W − W⁽⁰⁾)φ has a share of W⁽⁰⁾φ where weights decay.
            let moved = (record && kept != 1.0).then(|| image(scales.forward * (kept - 1.0)));
            let coupled = record.then(|| memory.forward.coupling(&answer) * scale);
            if let Some(coupled) = &coupled {
                coupling.layer += self.mean(coupled.norm_squared()) / depth as f64;
            }
            let coupled = coupled.filter(nonzero).map(|coupled| rows_of(&coupled, 1.0));
            let rows = advance(
                set,
                LayerAnswer { arena: &mut arena, memory, rows: &image(scale) },
                scales.skip.then_some(h),
                next,
                coupled.as_deref().map(|k| Coupling { coefficients: k, sum: &mut accumulated }),
                moved.as_ref(),
            );
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l));
            }
            if record {
                // ‖QB M C‖² = ‖M C‖²; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
                let squares = match moved {
                    None => drift.norm_squared() * scales.update_hidden.powi(2),
                    Some(_) => rows.moved / scales.forward.powi(2),
                };
                own_movement += self.mean(squares) / (width * depth) as f64;
            }
            if follows && self.probe.layers.contains(&l) {
                let known = &self.backward_queries.of(l - 1)[..self.passes - 1];
                self.forward_responses.push(l - 1, &memory.forward.coupling(&answer), known);
            }
            self.forward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_forward(&answer);
        }
        if record {
            coupling.accumulated = self.mean(squares(set, &accumulated));
        }
        self.arena = arena;
        self.hidden = hidden;
        self.residual = residual;
        self.accumulated[0] = accumulated;
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
            inner_movement: None,
            ranks: self.layers.iter().map(|layer| layer.forward.rank()).collect(),
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
        let Network { depth, outputs, closure, scales, drop_tolerance, .. } = self.network;
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
            let write = |chunk, x: &mut [Column<T>]| x.copy_from_slice(g.chunk(chunk));
            let basis = &memory.backward.basis;
            let expansion = expand(set, &mut arena, basis, &mut residual, write, drop_tolerance);
            let draw = self.draw((query, l), &self.train.samples, &self.batch);
            let answer = memory.ask_backward(set, (&mut arena, expansion), draw);
            let drift = memory.drift.backward(&answer.expansion.along);
            let scale = scales.forward * memory.drift.kept();
            let image = AnswerRows::new(set, &answer, scale, (&drift, self.drift_scale()));
            let coupled = record.then(|| memory.backward.coupling(&answer) * scale);
            let rows = descend(
                set,
                &self.network,
                LayerAnswer { arena: &mut arena, memory, rows: &image },
                if l == 1 { self.input() } else { &self.hidden[l - 2] },
                &mut g,
                coupled.as_ref(),
                &mut accumulated,
            );
            coupling.layer_past += self.mean(rows.past) / depth as f64;
            coupling.layer_same += self.mean(rows.same) / depth as f64;
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l - 1));
            }
            if record {
                gradients.extend(self.gradients.look(set, &self.probe, l - 1, &g));
            }
            if follows && self.probe.layers.contains(&(l - 1)) {
                let known = closure.backward_conditions(self.passes - 1, self.passes).end;
                let known = &self.forward_queries.of(l - 1)[..known];
                self.backward_responses.push(l - 1, &memory.backward.coupling(&answer), known);
            }
            self.backward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_backward(&answer);
        }
        gradients.reverse();
        if record {
            let [past, same] = &accumulated;
            coupling.accumulated_past = self.mean(squares(set, past));
            coupling.accumulated_same = self.mean(squares(set, same));
        }
        if let Some(update) = update {
            self.update(update, &chi, &weights, &g);
        }
        self.arena = arena;
        self.signal = g;
        self.residual = residual;
        self.accumulated = accumulated;
        let wanted = record && self.probe.has_kernel(&self.network, self.batch.len());
        let queries = (&self.forward_queries, &self.backward_queries);
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
        let queries = (&self.forward_queries, &self.backward_queries);
        let responses = (&self.forward_responses, &self.backward_responses);
        Some(covariances(&self.probe, queries, Some(responses), self.network.width))
    }

    fn archive(&mut self, archive: &mut Archive) -> Walked {
        for columns in [&mut self.train.h, &mut self.test.h, &mut self.readout] {
            columns.archive(archive)?;
        }
        self.arena.archive(archive)?;
        self.layers.iter_mut().try_for_each(|memory| memory.archive(archive))?;
        archive.count(&mut self.passes)?;
        for queries in [&mut self.forward_queries, &mut self.backward_queries] {
            queries.archive(archive)?;
        }
        for responses in [&mut self.forward_responses, &mut self.backward_responses] {
            responses.archive(archive)?;
        }
        self.features.archive(archive)?;
        self.gradients.archive(archive)
    }
}
