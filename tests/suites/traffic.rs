//! What kernels ask of caches and of the pipeline that shared memory, the first-level cache and exchanges
//! between lanes share is what their headers say, counted by the software device.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::softcuda;
use crate::common::softcuda::on_softcuda;
use nfd::backend::cuda::device::image::{COMPILER, KERNEL_FILES};
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::machine::Machine;
use nfd::ensemble::task::train_on_device;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::tasks;
use nfd::experiment::resolve::resolve;
use serde::Deserialize;

const SECTOR: f64 = 32.0;
const ROOM: f64 = 1e9;

/// A line `// traffic: NAME at n N, P P: l2 BYTES, wavefronts COUNT`, both of a weight.
struct Line {
    kernel: String,
    width: usize,
    samples: usize,
    l2: f64,
    wavefronts: f64,
}

fn lines(source: &str) -> Vec<Line> {
    let line = |text: &str| {
        let words: Vec<_> = text.split([' ', ',', ':']).filter(|word| !word.is_empty()).collect();
        let [kernel, "at", "n", n, "P", p, "l2", l2, "wavefronts", wavefronts] = words[..] else {
            panic!("not a line of traffic: {text}")
        };
        Line {
            kernel: kernel.to_owned(),
            width: n.parse().unwrap(),
            samples: p.parse().unwrap(),
            l2: l2.parse().unwrap(),
            wavefronts: wavefronts.parse().unwrap(),
        }
    };
    source.lines().filter_map(|line| line.strip_prefix("// traffic: ")).map(line).collect()
}

/// A launch, as the software device counts it; those with a `line` are parts of it.
#[derive(Deserialize)]
struct Launch {
    kernel: String,
    line: String,
    instructions: u64,
    wavefronts: u64,
    l2_sectors: u64,
    shared_load_wavefronts: u64,
    shared_store_wavefronts: u64,
    shuffles: u64,
}

/// One step of a network with one hidden layer.
fn train(width: usize, samples: usize, precision: &str) {
    let text = format!(
        r#"{{ "name": "counted",
             "data": {{ "source": "digits", "samples": {samples}, "test_samples": 0 }},
             "model": {{ "train": ["hidden"] }},
             "training": {{ "steps": 1, "learning_rate": 0.5 }}, "precision": "{precision}", "engine": "dense",
             "ensemble": {{ "widths": [{width}], "depths": [1], "seeds": 1, "closures": ["exact"] }},
             "reference": {{ "kind": "none" }}, "backend": "cuda" }}"#
    );
    let source = ExperimentFile::new("counted.json".as_ref(), text, &[]).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = nfd::data::load(&experiment.data).unwrap();
    let Machine::Gpu(device) = Machine::find(&experiment, 0).unwrap() else { unreachable!() };
    let device = (&device, ROOM);
    let stop = AtomicBool::new(false);
    train_on_device(&experiment, &data, &tasks(&experiment), device, Watch::until(&stop))
        .unwrap()
        .unwrap();
}

/// Of every kernel the launch with the most instructions: that of the hidden weights, while they move.
fn largest(file: &Path) -> BTreeMap<String, Launch> {
    let mut all: BTreeMap<String, Launch> = BTreeMap::new();
    for row in csv::Reader::from_path(file).unwrap().into_deserialize() {
        let launch: Launch = row.unwrap();
        let more = all.get(&launch.kernel).is_none_or(|old| old.instructions < launch.instructions);
        if launch.line.is_empty() && more {
            all.insert(launch.kernel.clone(), launch);
        }
    }
    all
}

/// A header may say up to a tenth more than is counted, and nothing less.
#[test]
fn kernels_ask_for_what_their_headers_say() {
    const NAME: &str = "kernels_ask_for_what_their_headers_say";
    if let Ok(size) = std::env::var("NFD_COUNTED") {
        let words: Vec<_> = size.split(' ').collect();
        let [width, samples, precision] = words[..] else { panic!("{size}") };
        return on_softcuda(module_path!(), NAME, &[], || {
            train(width.parse().unwrap(), samples.parse().unwrap(), precision);
        });
    }
    if softcuda::folder().is_none() || COMPILER.is_none() {
        return;
    }
    let lines: Vec<_> = KERNEL_FILES.iter().flat_map(|file| lines(file.source)).collect();
    assert!(lines.len() >= 10, "the headers say too little");
    let folder = tempfile::tempdir().unwrap();
    let mut counted = BTreeMap::new();
    let mut wrong = Vec::new();
    for Line { kernel, width, samples, l2, wavefronts } in &lines {
        let precision = if kernel.contains("tf32x3") { "tf32x3" } else { "f32" };
        let launches = counted.entry((width, samples, precision)).or_insert_with(|| {
            let file = folder.path().join(format!("{width}-{samples}-{precision}.csv"));
            let size = format!("{width} {samples} {precision}");
            let settings = [("SOFTCUDA_COUNT", file.to_str().unwrap()), ("NFD_COUNTED", &size)];
            on_softcuda(module_path!(), NAME, &settings, || unreachable!("in another process"));
            largest(&file)
        });
        let launch = launches.get(kernel).unwrap_or_else(|| panic!("{kernel}: not launched"));
        let weights = (width * width.next_multiple_of(32)) as f64;
        let shared = launch.shared_load_wavefronts + launch.shared_store_wavefronts;
        let pipeline = launch.wavefronts + launch.shuffles + shared;
        let got = [launch.l2_sectors as f64 * SECTOR, pipeline as f64].map(|all| all / weights);
        let fits = |said: f64, got: f64| (0.9 * said..=said).contains(&got);
        if !(fits(*l2, got[0]) && fits(*wavefronts, got[1])) {
            wrong.push(format!(
                "// traffic: {kernel} at n {width}, P {samples}: l2 {:.2}, wavefronts {:.3}",
                got[0], got[1]
            ));
        }
    }
    assert!(wrong.is_empty(), "counted are:\n{}", wrong.join("\n"));
}
