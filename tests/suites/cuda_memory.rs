//! The memory that a network in flight takes on a device is what the plan says, in both engines.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::softcuda;
use crate::common::softcuda::on_softcuda;
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::data::DataSet;
use nfd::ensemble::cost::cost;
use nfd::ensemble::task::train_on_device;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::resolve::resolve;

fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap())
}

/// The job of variant `i`, and its largest network's bytes on the device by the plan.
fn planned(i: usize) -> (Experiment, DataSet, Task, f64) {
    let momentum =
        r#""training": { "steps": 2, "learning_rate": 0.5, "batch": 3, "momentum": 0.9 }"#;
    let plain = |steps: u32| {
        format!(r#""training": {{ "steps": {steps}, "learning_rate": 0.5 }}, "precision": "f32""#)
    };
    let variants = [
        format!(r#"{}, "engine": "dense""#, plain(1)),
        format!(r#"{momentum}, "precision": "f64", "engine": "dense""#),
        format!(r#"{}, "storage": "bf16", "engine": "dense""#, plain(2)),
        format!(r#"{}, "engine": "conditional""#, plain(2)),
        format!(r#"{momentum}, "precision": "f64", "engine": "conditional""#),
    ];
    let text = format!(
        r#"{{ "name": "planned",
             "data": {{ "source": "digits", "samples": 6, "test_samples": 40 }},
             "model": {{ "train": ["input", "hidden", "readout"] }},
             {},
             "ensemble": {{ "widths": [257], "depths": [2], "seeds": 1, "closures": ["exact", "gia"] }},
             "reference": {{ "kind": "none" }},
             "backend": "cuda" }}"#,
        variants[i]
    );
    let source = ExperimentFile::new("planned.json".as_ref(), text, &[]).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = nfd::data::load(&experiment.data).unwrap();
    let cost = |task: &Task| cost(&experiment, &data, *task).device_bytes;
    let all = tasks(&experiment);
    let task = *all.iter().max_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap();
    let bytes = cost(&task);
    (experiment, data, task, bytes)
}

/// A device with the bytes that the plan says is large enough; one with a tenth less is not.
#[test]
fn a_network_takes_the_memory_that_is_planned() {
    for variant in ["0", "1", "2", "3", "4"] {
        for (share, fits) in [(1.0, "yes"), (0.9, "no")] {
            let bytes = (planned(variant.parse().unwrap()).3 * share) as u64;
            let settings = [
                ("SOFTCUDA_MEMORY", &bytes.to_string()[..]),
                ("NFD_VARIANT", variant),
                ("NFD_FITS", fits),
            ];
            on_softcuda(
                module_path!(),
                "a_network_takes_the_memory_that_is_planned",
                &settings,
                || {
                    let of = |name| std::env::var(name).unwrap();
                    let (experiment, data, task, bytes) =
                        planned(of("NFD_VARIANT").parse().unwrap());
                    let stop = AtomicBool::new(false);
                    let ran = train_on_device(&experiment, &data, &[task], &device(), &stop);
                    let fitted = match ran {
                        Ok(run) => run.unwrap()[0].passes.len() > 1,
                        Err(Fault::OutOfMemory { .. }) => false,
                        Err(fault) => panic!("{fault}"),
                    };
                    let variant = of("NFD_VARIANT");
                    assert_eq!(
                        fitted,
                        of("NFD_FITS") == "yes",
                        "{variant}: {bytes} bytes are planned"
                    );
                },
            );
            if softcuda::inside() {
                return;
            }
        }
    }
}

/// Nine tenths of what is free, or of a share of the device that was dealt before, whichever is less.
#[test]
fn a_share_of_a_device_bounds_the_networks_in_flight() {
    let (experiment, data, task, bytes) = planned(0);
    let speeds = (experiment.costs().speeds)(experiment.number_bytes());
    let mut plan = nfd::ensemble::plan::plan(&experiment, &data, 1, speeds);
    let cost = cost(&experiment, &data, task);
    let in_flight =
        |plan: &nfd::ensemble::plan::Plan, networks: f64| plan.in_flight(&cost, networks * bytes);
    assert_eq!(in_flight(&plan, 100.1), 90);
    plan.device_share = Some(50.1 * bytes);
    assert_eq!(in_flight(&plan, 100.1), 45);
    assert_eq!(in_flight(&plan, 20.1), 18);
    // What a rank runs is planned anew of its tasks.
    plan.device_share = Some(0.5 * bytes);
    assert_eq!(in_flight(&plan.share(plan.tasks.clone(), 1), 100.1), 1);
}
