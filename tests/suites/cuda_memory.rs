//! The memory that a network in flight takes on a device is what the plan says, in both engines; where there
//! is less, it grows with the columns that are kept.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::softcuda;
use crate::common::softcuda::on_softcuda;
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::data::DataSet;
use nfd::engine::Trajectory;
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::cost::cost;
use nfd::ensemble::task::train_on_device;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::resolve::resolve;

fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap())
}

/// Trains a network on a device whose memory it may use up.
fn on_all_of_it(
    experiment: &Experiment,
    data: &DataSet,
    task: Task,
) -> Result<Option<Vec<Trajectory>>, Fault> {
    let room = std::env::var("SOFTCUDA_MEMORY").unwrap().parse().unwrap();
    train_on_device(
        experiment,
        data,
        &[task],
        (&device(), room),
        Watch::until(&AtomicBool::new(false)),
    )
}

/// The variant that may come to keep more columns than it does.
const GROWS: usize = 10;

/// The job of variant `i`, and its largest network's bytes on the device by the plan: at most, and at first.
fn planned(i: usize) -> (Experiment, DataSet, Task, [f64; 2]) {
    let momentum =
        r#""training": { "steps": 2, "learning_rate": 0.5, "batch": 3, "momentum": 0.9 }"#;
    let plain = |steps: u32| {
        format!(r#""training": {{ "steps": {steps}, "learning_rate": 0.5 }}, "precision": "f32""#)
    };
    let by =
        |optimizer: &str| plain(1).replace("0.5", &format!(r#"0.1, "optimizer": "{optimizer}""#));
    let variants = [
        format!(r#"{}, "engine": "dense""#, plain(1)),
        format!(r#"{momentum}, "precision": "f64", "engine": "dense""#),
        format!(r#"{}, "storage": "bf16", "engine": "dense""#, plain(2)),
        format!(r#"{}, "engine": "conditional""#, plain(2)),
        format!(r#"{momentum}, "precision": "f64", "engine": "conditional""#),
        format!(r#"{}, "engine": "dense""#, plain(1)),
        format!(r#"{momentum}, "precision": "f64", "engine": "dense""#),
        format!(r#"{}, "engine": "dense""#, by("adam")),
        format!(r#"{}, "engine": "dense""#, by("signsgd")),
        format!(r#"{}, "engine": "conditional""#, plain(2)),
        // Thirteen passes, of which later ones bring few columns.
        format!(r#"{}, "engine": "conditional""#, plain(12).replace("0.5", "0.003")),
    ];
    let block = match i {
        5 | 9 => r#""block": "two-layer""#,
        6 => r#""block": "two-layer", "inner_width": "2n""#,
        8 => r#""block": "two-layer", "inner_width": 50"#,
        _ => r#""block": "one-layer""#,
    };
    let text = format!(
        r#"{{ "name": "planned",
             "data": {{ "source": "digits", "samples": 6, "test_samples": 40 }},
             "model": {{ {block}, "train": ["input", "hidden", "readout"] }},
             {},
             "ensemble": {{ "widths": [{}], "depths": [2], "seeds": 1, "closures": ["exact", "gia"] }},
             "reference": {{ "kind": "none" }},
             "backend": "cuda" }}"#,
        variants[i],
        if i == GROWS { 1500 } else { 129 }
    );
    let source = ExperimentFile::new("planned.json".as_ref(), text, &[]).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = nfd::data::load(&experiment.data).unwrap();
    let bytes = |task: &Task| {
        let cost = cost(&experiment, &data, *task);
        [cost.device_bytes, cost.device_bytes_at_first]
    };
    let all = tasks(&experiment);
    let task = *all.iter().max_by(|a, b| bytes(a)[0].total_cmp(&bytes(b)[0])).unwrap();
    let bytes = bytes(&task);
    (experiment, data, task, bytes)
}

/// A device with the bytes that the plan says is large enough; one with a tenth less is not, in the conditional
/// engine a tenth less than it says is needed at first.
#[test]
fn a_network_takes_the_memory_that_is_planned() {
    for variant in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        let [most, at_first] = planned(variant.parse().unwrap()).3;
        assert_eq!(most > at_first, ["3", "4", "9"].contains(&variant));
        for (bytes, fits) in [(most, "yes"), (0.9 * at_first, "no")] {
            let bytes = bytes as u64;
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
                    let (experiment, data, task, _) = planned(of("NFD_VARIANT").parse().unwrap());
                    let ran = on_all_of_it(&experiment, &data, task);
                    let fitted = match ran {
                        Ok(run) => run.unwrap()[0].passes.len() > 1,
                        Err(Fault::OutOfMemory { .. }) => false,
                        Err(fault) => panic!("{fault}"),
                    };
                    let variant = of("NFD_VARIANT");
                    assert_eq!(fitted, of("NFD_FITS") == "yes", "{variant}: {bytes} bytes");
                },
            );
            if softcuda::inside() {
                return;
            }
        }
    }
}

/// A network that may come to keep 78 columns a side and keeps about 30, on a device that has
/// room for 50: it begins with those of two passes, grows, and ends in the same bits as one with room for all;
/// room for 20 is not enough.
#[test]
fn memory_grows_with_the_columns_that_are_kept() {
    const NAME: &str = "memory_grows_with_the_columns_that_are_kept";
    let folder = tempfile::tempdir().unwrap();
    let [most, at_first] = planned(GROWS).3;
    // 78 columns and 12: the rest does not depend on them.
    let with_room_for = |columns: f64| at_first + (most - at_first) * (columns - 12.0) / 66.0;
    let told = |columns: f64| {
        let file = folder.path().join("told");
        let bytes = (with_room_for(columns) as u64).to_string();
        let out = file.to_string_lossy().into_owned();
        on_softcuda(
            module_path!(),
            NAME,
            &[("SOFTCUDA_MEMORY", &bytes), ("NFD_OUT", &out)],
            || {
                let (experiment, data, task, _) = planned(GROWS);
                let ran = on_all_of_it(&experiment, &data, task);
                let told = match ran {
                    Ok(run) => {
                        let run = &run.unwrap()[0];
                        let last = run.passes.last().unwrap();
                        let rank = last.feature_rank.unwrap();
                        assert!((25.0..35.0).contains(&rank), "{rank}");
                        format!("{run:?}")
                    }
                    Err(Fault::OutOfMemory { .. }) => "no memory".to_owned(),
                    Err(fault) => panic!("{fault}"),
                };
                std::fs::write(std::env::var("NFD_OUT").unwrap(), told).unwrap();
            },
        );
        std::fs::read_to_string(file).unwrap_or_default()
    };
    let grown = told(50.0);
    if softcuda::inside() {
        return;
    }
    assert_eq!(told(20.0), "no memory");
    assert_ne!(grown, "no memory");
    assert!(grown == told(79.0));
}

/// Nine tenths of what is free, or of a share of the device that was dealt before, whichever is less.
#[test]
fn a_share_of_a_device_bounds_the_networks_in_flight() {
    let (experiment, data, task, [bytes, _]) = planned(0);
    let speeds = (experiment.costs().speeds)(experiment.number_bytes());
    let mut plan = nfd::ensemble::plan::plan(&experiment, &data, 1, speeds);
    let cost = cost(&experiment, &data, task);
    let in_flight = |plan: &nfd::ensemble::plan::Plan, networks: f64| {
        plan.in_flight(&cost, plan.device_room(networks * bytes))
    };
    assert_eq!(in_flight(&plan, 100.1), 90);
    plan.device_share = Some(50.1 * bytes);
    assert_eq!(in_flight(&plan, 100.1), 45);
    assert_eq!(in_flight(&plan, 20.1), 18);
    // What a rank runs is planned anew of its tasks.
    plan.device_share = Some(0.5 * bytes);
    assert_eq!(in_flight(&plan.share(plan.tasks.clone(), 1), 100.1), 1);
}
