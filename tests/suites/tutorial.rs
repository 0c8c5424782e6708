//! docs/tutorial.md: its tasks, done as they stand there, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::files::{idx, npy};
use crate::common::missing::{python, skipped};
use crate::common::results::rows;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A step of a task.
enum Step {
    /// A line that a shell runs.
    Command(String),
    /// A text to be written to a file of this name.
    File(String, String),
    /// Lines of Python.
    Python(String),
}

/// The steps of a section of the page.
fn steps(section: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut named = String::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let block = block.join("\n");
            match language {
                "json" => steps.push(Step::File(std::mem::take(&mut named), block)),
                "python" => steps.push(Step::Python(block)),
                other => assert_eq!(other, "text", "{block}"),
            }
        } else if let Some(command) = line.strip_prefix("    ") {
            steps.push(Step::Command(command.to_owned()));
        } else {
            let files = line.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".json"));
            named = files.last().map(str::to_owned).unwrap_or(named);
        }
    }
    steps
}

/// A folder like that of the repository, with `nfd` and `python` on the path.
struct Desk {
    folder: tempfile::TempDir,
    path: String,
}

impl Desk {
    fn new(python: Option<&str>) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        for name in ["jobs", "examples", "python"] {
            std::os::unix::fs::symlink(Path::new(ROOT).join(name), folder.path().join(name))
                .unwrap();
        }
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nfd"), bin.join("nfd")).unwrap();
        if let Some(python) = python {
            // An environment of its own is found by the name that it is called by.
            let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", Path::new(python).display());
            fs::write(bin.join("python"), script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(bin.join("python"), mode).unwrap();
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Desk { folder, path }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn does(&self, step: &Step) {
        let mut command = match step {
            Step::File(name, text) => {
                assert!(!name.is_empty(), "no name of a file before {text}");
                return fs::write(self.at(name), text).unwrap();
            }
            Step::Command(line) => {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                command
            }
            Step::Python(lines) => {
                let mut command = Command::new(self.at("bin/python"));
                command.args(["-c", lines]).env("PYTHONPATH", self.at("python"));
                command.env("MPLBACKEND", "Agg");
                command
            }
        };
        let done =
            command.current_dir(self.folder.path()).env("PATH", &self.path).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{command:?}\n{said}");
    }
}

/// Sixteen images of 28×28 pixels of ten classes, and as many for tests, in the three forms of the second task.
fn write_images(desk: &Desk) {
    let (images, pixels) = (48, 28 * 28);
    let image = |i: usize| (0..pixels).map(move |j| ((i * 37 + j * j * 11 + i * j) % 256) as u8);
    let all: Vec<u8> = (0..images).flat_map(image).collect();
    let labels: Vec<u8> = (0..images).map(|i| (i % 3) as u8).collect();
    fs::create_dir(desk.at("mnist")).unwrap();
    for part in ["train", "t10k"] {
        let write = |kind: &str, bytes: Vec<u8>| {
            fs::write(desk.at("mnist").join(format!("{part}-{kind}-ubyte")), bytes).unwrap();
        };
        write("images-idx3", idx(8, &[images as u32, 28, 28], &all));
        write("labels-idx1", idx(8, &[images as u32], &labels));
    }
    let line = |i: usize| {
        let pixels = image(i).map(|pixel| pixel.to_string());
        pixels.chain([labels[i].to_string()]).collect::<Vec<_>>().join(",")
    };
    let header = (1..=pixels).map(|j| format!("x{j}")).chain(["label".to_owned()]);
    let header = header.collect::<Vec<_>>().join(",");
    let table = [header].into_iter().chain((0..images).map(line)).collect::<Vec<_>>().join("\n");
    fs::write(desk.at("mnist.csv"), table + "\n").unwrap();
    fs::write(desk.at("images.npy"), npy("|u1", false, "(48, 28, 28)", &all)).unwrap();
    fs::write(desk.at("labels.npy"), npy("|u1", false, "(48,)", &labels)).unwrap();
}

/// Training losses of a run, by all that tells them apart.
fn losses(run: &Path) -> BTreeMap<String, f64> {
    let rows = rows(run).into_iter().filter(|row| row.observable == "loss.train");
    let name = |depth: usize, seed: u64, step: u32| format!("L={depth} seed {seed} k={step}");
    rows.map(|row| (name(row.depth, row.seed, row.step), row.value)).collect()
}

fn summary(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap()
}

#[test]
fn the_ten_tasks_can_be_done() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/tutorial.md")).unwrap();
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert_eq!(sections.len(), 10);
    let have = python("numpy, pandas, matplotlib");
    let desk = Desk::new(have.as_deref());
    write_images(&desk);
    let mut done = 0;
    for section in &sections {
        for step in steps(section) {
            match &step {
                // Done by the test of the README, for it takes a minute.
                Step::Command(line) if line.contains("quickstart") => {
                    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
                    assert!(readme.contains("run jobs/quickstart.json"));
                }
                Step::Command(line) if line.contains("torch") && python("torch").is_none() => {
                    // Not eprintln: the test harness would swallow it.
                    let said = format!("the_ten_tasks_can_be_done: {line}: SKIPPED, no PyTorch\n");
                    std::io::stderr().write_all(said.as_bytes()).unwrap();
                }
                Step::Python(_) if have.is_none() => {
                    skipped("the_ten_tasks_can_be_done", "NumPy, pandas or matplotlib");
                }
                step => {
                    desk.does(step);
                    done += 1;
                }
            }
        }
    }
    assert!(done >= 18, "only {done} steps: are they still seen?");

    // What the page says of them.
    let run = |name: &str| desk.at("runs").join(name);
    let first = losses(&run("mnist"));
    assert_eq!(first.len(), 3 * 4 * 6);
    for other in ["mnist-csv", "mnist-npy"] {
        assert_eq!(losses(&run(other)), first, "{other}");
    }
    assert!(fs::read_to_string(run("transfer-small/best_rates.csv")).unwrap().lines().count() > 2);
    let claims = summary(&run("widths"))["claims"].clone();
    assert!(claims.as_array().unwrap().iter().any(|claim| claim["axis"] == "width"), "{claims}");
    let deepest = rows(&run("deep")).iter().map(|row| row.depth).max();
    assert_eq!(deepest, Some(1000));
    assert_eq!(rows(&run("minibatch")).iter().map(|row| row.step).max(), Some(2000));
    assert_eq!(summary(&run("limit-small"))["limits"].as_array().unwrap().len(), 2);
    assert!(desk.at("own-and-relu.html").is_file() && desk.at("network.npz").is_file());
    assert!(run("widths/plots/strong-h-width.pdf").is_file());
    assert!(have.is_none() || desk.at("own-figure.pdf").is_file());
}
