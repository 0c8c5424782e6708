//! The limit of linear networks with normalised branches, over several updates, against vectors of infinite width.
//!
//! At n = ∞ all vectors of a linear network are combinations of independent standard Gaussians, the rows being
//! copies of one another: coordinates are what is computed with here, and inner products of coordinates are
//! n^{-1} times those of vectors. W is asked as in docs/theory.md, section 3; a fresh answer is a new axis,
//! which is orthogonal to all that was there.

use crate::common::limit_found::limits_of;
use crate::common::linear_limit::LinearNetwork;
use nalgebra::DVector;
use nfd::model::Closure;

type Vector = DVector<f64>;

/// One direction of one matrix: orthonormal queries and their answers.
#[derive(Clone, Default)]
struct Side {
    queries: Vec<Vector>,
    answers: Vec<Vector>,
}

impl Side {
    /// The answer to `q`, of which the queries of the `other` direction have fixed a part, if they are known.
    fn ask(
        &mut self,
        other: Option<&Side>,
        q: &Vector,
        axis: &mut impl FnMut() -> Vector,
    ) -> Vector {
        let (mut rest, mut value) = (q.clone(), q * 0.0);
        for _ in 0..2 {
            for (known, answer) in self.queries.iter().zip(&self.answers) {
                let along = known.dot(&rest);
                rest -= known * along;
                value += answer * along;
            }
        }
        let norm = rest.norm();
        if norm > 1e-9 * q.norm() {
            let query = rest / norm;
            let mut answer = axis();
            let columns = other.iter().flat_map(|side| side.queries.iter().zip(&side.answers));
            columns.for_each(|(asked, answered)| answer += asked * answered.dot(&query));
            value += &answer * norm;
            self.queries.push(query);
            self.answers.push(answer);
        }
        value
    }
}

/// One matrix: both directions, and the changes (g, x, η m² χ) of its updates.
#[derive(Clone, Default)]
struct Matrix {
    ahead: Side,
    back: Side,
    drift: Vec<(Vector, Vector, f64)>,
}

/// A linear network of infinite width in depth-μP with T = 1, whose hidden weights are trained.
struct Wide<'a> {
    gram: &'a [Vec<f64>],
    labels: &'a [f64],
    rate: f64,
    steps: usize,
    /// Whether branches read h over its root mean square, and what comes back loses its part along h.
    normalised: bool,
    projected: bool,
    /// Closure `exact`, else `gia`.
    coupled: bool,
}

impl Wide<'_> {
    /// Outputs of both samples after 0, 1, … updates at depth L.
    fn at_depth(&self, depth: usize) -> Vec<f64> {
        let samples = self.labels.len();
        let size = samples + 1 + 2 * samples * (self.steps + 1) * depth;
        let mut used = 0;
        let mut axis = || {
            used += 1;
            let mut axis = Vector::zeros(size);
            axis[used - 1] = 1.0;
            axis
        };
        let (first, second, readout) = (axis(), axis(), axis());
        // h_0 with the inner products of two samples.
        let (a, b, c) = (self.gram[0][0].sqrt(), self.gram[0][1], self.gram[1][1]);
        let inputs = [&first * a, &first * (b / a) + &second * (c - (b / a).powi(2)).sqrt()];
        let square = 1.0 / depth as f64;
        let root = |h: &Vector| if self.normalised { h.norm() } else { 1.0 };
        let mut matrices = vec![Matrix::default(); depth];
        let mut outputs = Vec::new();
        for _ in 0..=self.steps {
            let mut hidden = vec![inputs.to_vec()];
            for Matrix { ahead, back, drift } in &mut matrices {
                let other = self.coupled.then_some(&*back);
                let from = &hidden[hidden.len() - 1];
                let next = from.iter().map(|h| {
                    let x = h / root(h);
                    let moved = drift.iter().map(|(g, read, k)| g * (-k * read.dot(&x)));
                    moved.fold(h + ahead.ask(other, &x, &mut axis) * square.sqrt(), |sum, part| {
                        sum + part
                    })
                });
                let next = next.collect();
                hidden.push(next);
            }
            let f: Vec<f64> = hidden[depth].iter().map(|h| readout.dot(h)).collect();
            let chi = f.iter().zip(self.labels).map(|(f, y)| (f - y) / samples as f64);
            let chi: Vec<f64> = chi.collect();
            outputs.extend(f);
            let mut signals = vec![readout.clone(); samples];
            let mut changes = Vec::new();
            for (l, Matrix { ahead, back, drift }) in matrices.iter_mut().enumerate().rev() {
                let other = self.coupled.then_some(&*ahead);
                let mut of_layer = Vec::new();
                for (p, g) in signals.iter_mut().enumerate() {
                    let h = &hidden[l][p];
                    let x = h / root(h);
                    of_layer.push((g.clone(), x.clone(), self.rate * square * chi[p]));
                    let moved = drift.iter().map(|(sent, read, k)| read * (-k * sent.dot(g)));
                    let asked = back.ask(other, g, &mut axis) * square.sqrt();
                    let mut branch = moved.fold(asked, |sum, part| sum + part);
                    if self.normalised && self.projected {
                        branch -= &x * x.dot(&branch);
                    }
                    *g += branch / root(h);
                }
                changes.push((l, of_layer));
            }
            for (l, of_layer) in changes {
                matrices[l].drift.extend(of_layer);
            }
        }
        outputs
    }

    /// The same at L = ∞: three depths, extrapolated twice; what is left is of order 128^{-3}.
    fn outputs(&self) -> Vec<f64> {
        let [f, g, h] = [32, 64, 128].map(|depth| self.at_depth(depth));
        let of = |i: usize| f[i] / 3.0 - 2.0 * g[i] + 8.0 / 3.0 * h[i];
        (0..f.len()).map(of).collect()
    }
}

/// What is held against the limits is itself held against the differential equations of linear networks without
/// normalisation (tests/common/linear_limit.rs), to what extrapolation leaves.
#[test]
fn coordinates_follow_the_equations_of_linear_networks() {
    let (gram, labels) = (vec![vec![1.0, 0.3], vec![0.3, 0.8]], vec![1.0, -0.5]);
    let network = LinearNetwork {
        gram: gram.clone(),
        labels: labels.clone(),
        horizon: 1.0,
        rate: 0.3,
        steps: 3,
    };
    for coupled in [true, false] {
        let wide = Wide {
            gram: &gram,
            labels: &labels,
            rate: 0.3,
            steps: 3,
            normalised: false,
            projected: false,
            coupled,
        };
        let want = network.outputs(coupled).concat();
        for (got, want) in wide.outputs().into_iter().zip(want) {
            assert!((got - want).abs() <= 1e-5, "{coupled}: {got} {want}");
        }
    }
}

/// A linear network with normalised branches, two samples, three updates at a rate where all of them matter: every
/// output after every update within five errors, which are below 5e-3, for `exact` as for `gia`. Outputs after the
/// first update are more than ten errors away from the other closure and from networks without normalisation; after
/// the third, more than five away from what would come out if nothing were taken away along h on the way back.
#[test]
fn limits_of_normalised_linear_networks_are_those_of_coordinates() {
    let found = limits_of(&[
        "model.activation=identity",
        "model.normalization=rms",
        "data.scale=0.5",
        "training.steps=3",
        "training.learning_rate=0.3",
        "limit.tolerance=4e-3",
        r#"ensemble.closures=["exact","gia"]"#,
    ]);
    let (gram, labels) = found.gram_and_labels();
    let of = |coupled, normalised, projected| {
        let (gram, labels) = (&gram, &labels);
        Wide { gram, labels, rate: 0.3, steps: 3, normalised, projected, coupled }.outputs()
    };
    for (closure, coupled) in [(Closure::Exact, true), (Closure::Gia, false)] {
        let own = of(coupled, true, true);
        let others = [of(!coupled, true, true), of(coupled, false, false)];
        let unprojected = of(coupled, true, false);
        let numbers = found.numbers(closure, "f");
        assert_eq!(numbers.len(), own.len());
        for (i, number) in numbers.iter().enumerate() {
            let what = format!("{closure:?}, step {}: {number:?}, {}", i / 2, own[i]);
            let off = |truth: f64| (number.value - truth).abs();
            assert!(off(own[i]) <= (5.0 * number.error()).max(1e-5), "{what}");
            assert!(i < 2 || number.error() < 5e-3, "{what}");
            for other in &others {
                assert!(
                    i / 2 != 1 || off(other[i]) > 10.0 * number.error(),
                    "{what}, {}",
                    other[i]
                );
            }
            assert!(
                i / 2 != 3 || off(unprojected[i]) > 5.0 * number.error(),
                "{what}, {}",
                unprojected[i]
            );
        }
    }
}
