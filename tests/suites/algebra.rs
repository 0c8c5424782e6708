//! The algebra of both engines against golden/algebra.json: explicit noise and weights, expected
//! outputs, vectors, couplings and ranks, computed by independent readers of the theory.

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::cpu::conditional::panel::Panel;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::{Dense, Weights};
use nfd::backend::plain::ends::Ends;
use nfd::backend::{Network, Probe, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Groups, Parametrization, Rates};
use nfd::rng::noise::{Entry, Noise, Query};
use nfd::rng::normal::Instructions;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Every number of the file is matched to this.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Golden {
    n: usize,
    L: usize,
    updates: u32,
    learning_rate: f64,
    X: Vec<Vec<f64>>,
    y: Vec<f64>,
    U: Vec<Vec<f64>>,
    V: Vec<f64>,
    /// step, direction, layer, row, sample
    Z: Vec<Vec<Vec<Vec<Vec<f64>>>>>,
    conditional: BTreeMap<String, Expected>,
    dense: DenseGolden,
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct Expected {
    f: Vec<Vec<f64>>,
    h_L: Vec<Vec<Vec<f64>>>,
    g_0: Vec<Vec<Vec<f64>>>,
    coupling_backward_layer_mean_square_past_same: Vec<[f64; 2]>,
    coupling_backward_accumulated_mean_square_past_same: Vec<[f64; 2]>,
    coupling_forward_layer_mean_square: Vec<f64>,
    coupling_forward_accumulated_mean_square: Vec<f64>,
    rank_forward: Vec<Vec<usize>>,
    rank_backward: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
#[allow(non_snake_case)]
struct DenseGolden {
    n: usize,
    L: usize,
    W: Vec<Vec<Vec<f64>>>,
    U: Vec<Vec<f64>>,
    V: Vec<f64>,
    runs: Vec<DenseRun>,
}

#[derive(Deserialize)]
struct DenseRun {
    activation: Activation,
    train: Vec<String>,
    learning_rate: f64,
    f: Vec<Vec<f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/algebra.json")).unwrap()
}

/// The file's noise, read instead of drawn.
struct Given(Golden);

impl Noise for Given {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        let Given(golden) = self;
        let row = |i: usize| match entry {
            Entry::Input { coordinate } => golden.U[i][coordinate as usize],
            Entry::Readout { .. } => golden.V[i],
            Entry::Weight { .. } | Entry::Inner { .. } => {
                unreachable!("the conditional engine has no weights")
            }
            Entry::Answer { query: Query { step, direction, .. }, layer, sample } => {
                let z = &golden.Z[step as usize][direction as usize][layer as usize - 1];
                z[i][sample as usize]
            }
        };
        let there = first..golden.n;
        out.iter_mut().zip(there).for_each(|(out, i)| *out = row(i));
    }

    fn fill_f32(&self, _entry: Entry, _first: usize, _out: &mut [f32]) {
        unreachable!("the golden file holds f64")
    }
}

fn matrix(rows: &[Vec<f64>]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

fn assert_close(got: f64, want: f64, what: &str) {
    assert!(close(got, want, TOLERANCE), "{what}: {got}, expected {want}");
}

fn assert_matrix(got: &DMatrix<f64>, want: &[Vec<f64>], what: &str) {
    assert_eq!(got.shape(), (want.len(), want[0].len()), "{what}");
    for (i, row) in want.iter().enumerate() {
        for (p, want) in row.iter().enumerate() {
            assert_close(got[(i, p)], *want, &format!("{what}, row {i}, sample {p}"));
        }
    }
}

/// What leaves the engine is the leading rows of the same matrix, rounded to f32.
fn assert_rows(rows: &[f32], whole: &DMatrix<f64>) {
    assert_eq!(rows.len(), whole.len());
    assert!(rows.iter().zip(whole).all(|(row, x)| *row == *x as f32));
}

#[test]
fn conditional_engine_reproduces_the_golden_file() {
    reproduces_the_golden_file(
        Conditional::new,
        |run| run.hidden().last().unwrap().clone(),
        |run| run.signals()[0].clone(),
    );
}

/// Backend cpu in f64, on every instruction set.
#[test]
fn fast_conditional_engine_reproduces_the_golden_file() {
    for set in Instructions::available() {
        let whole = |panel: &Panel<f64>| {
            let columns: Vec<f64> = (0..panel.columns()).flat_map(|p| panel.column(p)).collect();
            DMatrix::from_vec(panel.rows(), panel.columns(), columns)
        };
        reproduces_the_golden_file(
            |network, noise, probe, train, test| {
                Fast::<f64>::new(network, noise, probe, (train, test), set)
            },
            |run| whole(run.hidden().last().unwrap()),
            |run| whole(run.signal()),
        );
    }
}

fn reproduces_the_golden_file<S: Sweeps>(
    begin: impl Fn(Network, Box<dyn Noise>, Probe, Samples, Samples) -> S,
    last_hidden: impl Fn(&S) -> DMatrix<f64>,
    first_signal: impl Fn(&S) -> DMatrix<f64>,
) {
    for closure in Closure::DEFAULT {
        let golden = golden();
        let inputs = golden.X.clone();
        let labels: Vec<Vec<f64>> = golden.y.iter().map(|&y| vec![y]).collect();
        let train = samples(&inputs, &labels);
        let (n, depth, updates) = (golden.n, golden.L, golden.updates);
        let rate = golden.learning_rate;
        let expected = &self::golden().conditional[closure.name()];
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (n, depth), &train);
        let mut run = begin(
            network,
            Box::new(Given(golden)),
            full_probe(depth),
            train.clone(),
            none_like(&train),
        );
        for k in 0..=updates as usize {
            let what = |name: &str| format!("{closure:?}, step {k}, {name}");
            let forward = run.forward(k as u32, &all(&train), true);
            for (p, want) in expected.f[k].iter().enumerate() {
                assert_close(forward.f[p], *want, &what("f"));
            }
            assert_matrix(&last_hidden(&run), &expected.h_L[k], &what("h_L"));
            assert_rows(&forward.features[depth].rows, &last_hidden(&run));
            assert_eq!(forward.ranks, expected.rank_forward[k], "{}", what("forward rank"));
            let coupling = forward.coupling.unwrap();
            let want = expected.coupling_forward_layer_mean_square[k];
            assert_close(coupling.layer, want, &what("forward layer"));
            let want = expected.coupling_forward_accumulated_mean_square[k];
            assert_close(coupling.accumulated, want, &what("forward accumulated"));

            let update = (k < updates as usize).then_some(descent(rates(rate, HIDDEN)));
            let backward = run.backward(k as u32, &chi(&forward.f, &train), update.as_ref());
            assert_matrix(&first_signal(&run), &expected.g_0[k], &what("g_0"));
            assert_rows(&backward.gradients[0].rows, &first_signal(&run));
            assert_eq!(backward.ranks, expected.rank_backward[k], "{}", what("backward rank"));
            let coupling = backward.coupling.unwrap();
            let [past, same] = expected.coupling_backward_layer_mean_square_past_same[k];
            assert_close(coupling.layer_past, past, &what("layer past"));
            assert_close(coupling.layer_same, same, &what("layer same"));
            let [past, same] = expected.coupling_backward_accumulated_mean_square_past_same[k];
            assert_close(coupling.accumulated_past, past, &what("accumulated past"));
            assert_close(coupling.accumulated_same, same, &what("accumulated same"));
        }
    }
}

#[test]
fn dense_engine_reproduces_the_golden_file() {
    let golden = golden();
    let labels: Vec<Vec<f64>> = golden.y.iter().map(|&y| vec![y]).collect();
    let train = samples(&golden.X, &labels);
    let dense = &golden.dense;
    assert_eq!(dense.runs.len(), 8);
    for run in &dense.runs {
        let network = network(
            Parametrization::DepthMup,
            run.activation,
            Closure::Exact,
            (dense.n, dense.L),
            &train,
        );
        let has = |group: &str| run.train.iter().any(|g| g == group);
        let groups = Groups { input: has("input"), hidden: has("hidden"), readout: has("readout") };
        let rates: Rates = rates(run.learning_rate, groups);
        let ends = Ends::new(matrix(&dense.U), DMatrix::from_column_slice(dense.n, 1, &dense.V));
        let weights =
            Weights { forward: dense.W.iter().map(|w| matrix(w)).collect(), backward: vec![] };
        let probe = full_probe(dense.L);
        let mut engine =
            Dense::from_weights(network, ends, weights, probe, train.clone(), none_like(&train));
        for (k, want) in run.f.iter().enumerate() {
            let f = engine.forward(k as u32, &all(&train), true).f;
            for (got, want) in f.iter().zip(want) {
                assert_close(
                    *got,
                    *want,
                    &format!("{:?} {:?} step {k}", run.activation, run.train),
                );
            }
            engine.backward(k as u32, &chi(&f, &train), Some(&descent(rates)));
        }
    }
}
