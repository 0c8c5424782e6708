//! Comparisons of two runs, recomputed from their vectors.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::{a_task, close, full_probe, network, none_like, sphere};
use nfd::backend::Probe;
use nfd::backend::plain::conditional::Conditional;
use nfd::engine::batches::Batches;
use nfd::engine::{Training, Trajectory, train};
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::{Task, quarters};
use nfd::experiment::resolve::resolve;
use nfd::model::{Activation, Closure, Loss, Parametrization, Rates, Rule, Schedule};
use nfd::observables::{Against, Partner, Run, of_pair};
use nfd::rng::noise::BrownianPath;

/// Runs of different widths: the rows that both have are compared, all of them and no others.
#[test]
fn strong_errors_are_mean_squares_over_common_rows_and_samples() {
    let text = r#"{ "name": "e", "data": { "source": "toy" },
        "training": { "steps": 1, "learning_rate": 0.5 },
        "ensemble": { "widths": [5], "depths": [2], "seeds": 1 },
        "reference": { "width": 40, "depth": 8 } }"#;
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &[]).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    assert_eq!(experiment.probed_quarters(), [0, 2, 4]);

    let samples = sphere(2, 4, 1);
    let run = |closure, width, depth: usize| -> (Task, Trajectory) {
        let shape = (width, depth);
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, shape, &samples);
        let layers = quarters(depth).into_iter().map(|i| i * depth / 4).collect();
        let probe = Probe { layers, rows: 12, ..full_probe(depth) };
        let noise = Box::new(BrownianPath::new(0, 8, depth as u32));
        let mut engine =
            Conditional::new(network, noise, probe, samples.clone(), none_like(&samples));
        let training = Training {
            loss: Loss::Squared,
            steps: 1,
            batches: Batches { samples: samples.len(), size: samples.len(), seed: 0 },
            rates: Rates { input: 0.0, hidden: 0.5, readout: 0.0 },
            schedule: Schedule::CONSTANT,
            momentum: 0.0,
            weight_decay: 0.0,
            rule: Rule::Descent,
            record: 1,
            labels: samples.labels.clone(),
            test_labels: vec![],
            outputs: 1,
        };
        let run = train(&mut engine, &training, &AtomicBool::new(false)).unwrap();
        (Task { closure, width, depth, seed: 0, ..a_task() }, run)
    };
    let (small, wide) = (run(Closure::Fresh, 5, 2), run(Closure::Fresh, 40, 8));
    let exact = run(Closure::Exact, 5, 2);
    // The narrow run keeps its 5 rows, the wide one 12.
    assert_eq!(small.1.passes[0].features[0].rows.len(), 2 * 5);
    assert_eq!(wide.1.passes[0].features[0].rows.len(), 2 * 12);

    let by_hand = |a: &[f32], b: &[f32], rows_b: usize| {
        let mut sum = 0.0;
        for p in 0..2 {
            for i in 0..5 {
                sum += (f64::from(a[p * 5 + i]) - f64::from(b[p * rows_b + i])).powi(2);
            }
        }
        sum / 10.0
    };
    fn of((task, trajectory): &(Task, Trajectory)) -> Run<'_> {
        Run { task: *task, trajectory }
    }
    let pair = of_pair(&experiment, &samples, of(&small), Against::Reference, of(&wide));
    let gaps = of_pair(&experiment, &samples, of(&small), Against::Exact, of(&exact));
    let mut checked = 0;
    for row in pair.iter().chain(&gaps) {
        let (name, k) = (row.observable.name(), row.step as usize);
        let (other, rows_b) =
            if name.starts_with("strong") { (&wide.1, 12) } else { (&exact.1, 5) };
        let Some(time) = row.depth_time else { continue };
        let at = [0.0, 0.5, 1.0].iter().position(|&t| t == time).unwrap();
        // Depth 8 keeps all five quarters, depth 2 every other one.
        let at_b = if name.starts_with("strong") { 2 * at } else { at };
        let (a, b) = (&small.1.passes[k], &other.passes[k]);
        let (a, b) = match &name[name.len() - 1..] {
            "h" => (&a.features[at], &b.features[at_b]),
            _ => (&a.gradients[at], &b.gradients[at_b]),
        };
        assert!(close(row.value, by_hand(&a.rows, &b.rows, rows_b), 1e-14), "{row:?}");
        checked += 1;
    }
    // h and g at three depth times of two passes, in both comparisons.
    assert_eq!(checked, 2 * 2 * 3 * 2);
    assert_eq!(pair[0].reference, Some(Partner::Network { width: 40, depth: 8 }));
}
