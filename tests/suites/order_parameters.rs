//! Order parameters against what they are made of: covariances against the recorded vectors, the
//! kernel against what one small update does to f.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::npz::{floats, member};
use crate::common::results::{nfd, run_job};
use nfd::data;
use nfd::engine::Trajectory;
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::task::train;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::resolve::resolve;
use nfd::model::Closure;
use nfd::observables::order_parameters;
use zip::ZipArchive;

fn experiment(overrides: &[&str]) -> Experiment {
    let text = r#"{ "name": "e", "data": { "source": "digits", "samples": 3 },
        "training": { "steps": 2, "learning_rate": 0.5 },
        "ensemble": { "widths": [90], "depths": [4, 8], "seeds": 2 },
        "reference": { "rows": "all" }, "precision": "f64", "engine": "conditional" }"#;
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides).unwrap();
    resolve(source.parse().unwrap(), &source).unwrap().experiment
}

struct Made {
    runs: BTreeMap<Task, Trajectory>,
    kinds: Vec<Task>,
    archive: ZipArchive<Cursor<Vec<u8>>>,
}

fn made(experiment: &Experiment) -> Made {
    let data = data::load(&experiment.data).unwrap();
    let never = AtomicBool::new(false);
    let run = |task| (task, train(experiment, &data, task, Watch::until(&never)).unwrap());
    let runs: BTreeMap<Task, Trajectory> = tasks(experiment).into_iter().map(run).collect();
    let mut kinds: Vec<Task> = runs.keys().map(|task| task.kind()).collect();
    kinds.dedup();
    let of = |kind: Task| {
        let seeds = (0..experiment.ensemble.seeds).map(|seed| Task { seed, ..kind });
        Ok(seeds.map(|task| runs[&task].clone()).collect())
    };
    let file = order_parameters::to_npz(experiment, &data, &kinds, of).unwrap();
    Made { archive: ZipArchive::new(Cursor::new(file)).unwrap(), kinds, runs }
}

impl Made {
    fn array(&mut self, name: &str) -> Vec<f64> {
        floats(&member(&mut self.archive, name).1)
    }
}

/// n^{-1} of inner products of φ(h) and of g, from the rows that were recorded (in f32).
#[test]
fn covariances_are_those_of_the_vectors() {
    for engine in ["conditional", "dense"] {
        let set = format!("engine={engine}");
        let experiment = experiment(&[&set, r#"ensemble.closures=["exact","gia"]"#]);
        let mut made = made(&experiment);
        let (passes, samples, times) = (3, 3, 5);
        let (phi, g) = (made.array("C_phi"), made.array("C_g"));
        let length = times * passes * passes * samples * samples;
        assert_eq!(phi.len(), made.kinds.len() * length);
        for (i, &kind) in made.kinds.iter().enumerate() {
            for d in 0..times {
                let column = |seed, k: usize, p: usize, gradients: bool| -> Vec<f64> {
                    let pass = &made.runs[&Task { seed, ..kind }].passes[k];
                    let at = if gradients { &pass.gradients[d] } else { &pass.features[d] };
                    let rows = &at.rows[p * kind.width..][..kind.width];
                    let value =
                        |x: &f32| if gradients { f64::from(*x) } else { f64::from(*x).tanh() };
                    rows.iter().map(value).collect()
                };
                for (k, l, p, q) in [(0, 0, 0, 0), (0, 2, 1, 2), (1, 0, 2, 0), (2, 2, 1, 1)] {
                    let at = (((d * passes + k) * passes + l) * samples + p) * samples + q;
                    for (array, gradients, missing) in [(&phi, false, 4), (&g, true, 0)] {
                        let found = array[i * length + at];
                        if d == missing {
                            assert!(found.is_nan(), "{engine} {kind:?} {gradients}");
                            continue;
                        }
                        let of = |seed| {
                            let (a, b) =
                                (column(seed, k, p, gradients), column(seed, l, q, gradients));
                            a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / kind.width as f64
                        };
                        let expected = 0.5 * (of(0) + of(1));
                        let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
                        assert!(close, "{engine} {kind:?} {d} {k} {l}: {found} {expected}");
                    }
                }
            }
        }
    }
}

/// Means over seeds of what was recorded, at the right place: A from its first step and not at the
/// beginning of the horizon, B not at its end; nothing of gia, and of dense networks no number at all.
#[test]
fn responses_are_means_over_seeds() {
    let closures = r#"ensemble.closures=["exact","gia"]"#;
    let experiment = |engine: &str| experiment(&[&format!("engine={engine}"), closures]);
    let mut dense = made(&experiment("dense"));
    assert!([dense.array("A"), dense.array("B")].concat().iter().all(|x| x.is_nan()));

    let mut made = made(&experiment("conditional"));
    let (passes, samples, times) = (3, 3, 5);
    let (a, b) = (made.array("A"), made.array("B"));
    let length = times * passes * passes * samples * samples;
    assert_eq!([a.len(), b.len()], [made.kinds.len() * length; 2]);
    for (i, &kind) in made.kinds.iter().enumerate() {
        for d in 0..times {
            for (k, l, p, q) in [(1, 0, 2, 0), (2, 1, 0, 1), (2, 2, 1, 0), (0, 1, 1, 1)] {
                let at = (((d * passes + k) * passes + l) * samples + p) * samples + q;
                for (array, forward, missing) in [(&a, true, 0), (&b, false, 4)] {
                    let found = array[i * length + at];
                    let what = format!("{kind:?} {forward} {d} {k} {l}: {found}");
                    if d == missing {
                        assert!(found.is_nan(), "{what}");
                        continue;
                    }
                    let of = |seed| {
                        let at =
                            &made.runs[&Task { seed, ..kind }].covariances.as_ref().unwrap()[d];
                        let of = if forward { &at.forward_response } else { &at.backward_response };
                        of.as_ref().unwrap()[(k * samples + p, l * samples + q)]
                    };
                    assert_eq!(found, 0.5 * (of(0) + of(1)), "{what}");
                    // What the first layer of the smaller depth reads never changes, so that its answers
                    // owe nothing to backward queries.
                    let first = forward && kind.depth == 4 && d == 1;
                    // What its last layer is asked backward is V, frozen: it is answered once, in pass 0.
                    let last = !forward && kind.depth == 4 && d == 3 && l > 0;
                    let causal = l < k || (l == k && !forward);
                    let there = kind.closure == Closure::Exact && causal && !first && !last;
                    assert_eq!(found.abs() > 1e-12, there, "{what}"); // rounding is 1e-15
                }
            }
        }
    }
}

/// f moves by −η K χ, up to the square of the step: pathwise, in both engines.
#[test]
fn one_small_update_moves_f_by_the_kernel() {
    const RATE: f64 = 1e-5;
    for (engine, backend) in
        [("conditional", "cpu"), ("conditional", "plain"), ("dense", "cpu"), ("dense", "plain")]
    {
        for parametrization in ["depth-mup", "vanilla", "ntk"] {
            let set = [
                format!("engine={engine}"),
                format!("backend={backend}"),
                format!("model.parametrization={parametrization}"),
                format!("training.learning_rate={RATE}"),
                "training.steps=1".to_owned(),
                "ensemble.seeds=1".to_owned(),
                r#"ensemble.closures=["exact"]"#.to_owned(),
            ];
            let set: Vec<&str> = set.iter().map(String::as_str).collect();
            let experiment = experiment(&set);
            let labels = data::load(&experiment.data).unwrap().train.labels;
            let mut made = made(&experiment);
            let kernels = made.array("kernel");
            let alignments = made.array("alignment");
            for (i, kind) in made.kinds.iter().enumerate() {
                let passes = &made.runs[kind].passes;
                let kernel = &kernels[i * 2 * 9..][..9];
                let chi: Vec<f64> =
                    passes[0].f.iter().zip(&labels).map(|(f, y)| (f - y) / 3.0).collect();
                for p in 0..3 {
                    let expected: f64 =
                        -RATE * (0..3).map(|q| kernel[p * 3 + q] * chi[q]).sum::<f64>();
                    let found = passes[1].f[p] - passes[0].f[p];
                    // The next order is smaller by the rate; f itself is rounded at 1e-16.
                    let slack = 1e-3 * expected.abs() + 1e-13;
                    assert!((found - expected).abs() <= slack, "{set:?}: {found:e} {expected:e}");
                }
                let norm = kernel.iter().map(|k| k * k).sum::<f64>().sqrt();
                let pairs = (0..9).map(|j| labels[j / 3] * kernel[j] * labels[j % 3]);
                let expected = pairs.sum::<f64>() / (norm * 3.0);
                assert!((alignments[i * 2] - expected).abs() <= 1e-12);
                assert!(expected > 0.0 && expected <= 1.0);
            }
        }
    }
}

/// On request, of a directory that is finished; kinds along the first axis, gia without a kernel.
#[test]
fn the_report_writes_them_on_request() {
    let sizes = [
        "ensemble.widths=[64]",
        "ensemble.depths=[4,8]",
        "ensemble.seeds=2",
        "ensemble.closures=[\"exact\",\"fresh\",\"gia\"]",
        "training.steps=3",
        "limit=null",
    ];
    let extra: Vec<&str> = sizes.iter().flat_map(|set| ["--set", set]).collect();
    let (_parent, directory) = run_job("jobs/quickstart.json", &extra);
    let file = directory.join("order_parameters.npz");
    assert!(!file.exists());
    let name = directory.display().to_string();
    let done = nfd(&["report", &name, "--order-parameters"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let bytes = std::fs::read(&file).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let (header, kernel) = member(&mut archive, "kernel");
    // Three closures at two depths; four recorded passes of eight samples.
    assert!(header.contains("(6,4,8,8,)"), "{header}");
    let kernel = floats(&kernel);
    let (finite, nan) = kernel.split_at(4 * 4 * 64);
    assert!(finite.iter().all(|k| k.is_finite()) && nan.iter().all(|k| k.is_nan()));
    let (header, closures) = member(&mut archive, "closure");
    assert!(header.contains("(6,)") && closures.starts_with(b"e\0\0\0x\0\0\0"), "{header}");
}
