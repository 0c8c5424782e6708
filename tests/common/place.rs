//! A job in a folder, run by `nfd` as often as a test wants, stopped or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nfd::store::JOURNAL;
use nfd::store::journal::read_contents;

pub const FINAL: [&str; 3] = ["results.csv", "arrays.npz", "summary.json"];

/// 27 tasks of some 20 ms each.
pub const JOB: &str = r#"{
  "name": "resumed",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [1500], "depths": [8, 16, 32], "seeds": 3 },
  "engine": "conditional"
}
"#;
pub const TASKS: usize = 27;

/// A job in a folder of its own, and run directories beside it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(job: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), job).unwrap();
        Place { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, name: &str, extra: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.arg("run").arg(self.path("job.json")).arg("--output").arg(self.path(name));
        command.args(extra).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, name: &str, extra: &[&str]) -> Child {
        self.command(name, extra).spawn().unwrap()
    }

    pub fn run(&self, name: &str, extra: &[&str]) -> Output {
        self.command(name, extra).output().unwrap()
    }

    pub fn finish(&self, name: &str, extra: &[&str]) -> String {
        let done = self.run(name, extra);
        assert!(done.status.success(), "{}", stderr(&done));
        stderr(&done)
    }

    pub fn finals(&self, name: &str) -> Vec<Vec<u8>> {
        FINAL.iter().map(|file| fs::read(self.path(name).join(file)).unwrap()).collect()
    }

    /// How many tasks have run there.
    pub fn timings(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.path(name).join("timings.csv")).unwrap();
        assert!(text.starts_with("closure,parametrization,width,depth,learning_rate,seed,host,rank,threads,started,seconds\n"));
        text.lines().count() - 1
    }

    pub fn finished(&self, name: &str) -> usize {
        read_contents(&self.path(name).join(JOURNAL)).unwrap().index.len()
    }
}

/// After how many updates the checkpoint of the only task of a run directory was kept, as `nfd status` says.
pub fn begun_at(run: &Path) -> Option<u32> {
    let status = Command::new(env!("CARGO_BIN_EXE_nfd")).arg("status").arg(run).output().unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    let begun = said.lines().find(|line| line.starts_with("begun: "))?;
    let words = begun.split(" a checkpoint after ").nth(1)?;
    words.split(' ').next()?.parse().ok()
}

pub fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status();
    assert!(sent.unwrap().success());
}

pub fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let clock = Instant::now();
    while !ready() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited for {what}");
        sleep(Duration::from_millis(1));
    }
}
