//! Run directories on file systems that refuse locks, and the processes that meet there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nfd::store::lock::owner::{Newest, Owner};

use super::experiments::SLOW;
use super::lock_shim;

/// 18 tasks of some 20 ms each.
pub const JOB: &str = r#"{
  "name": "locked",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [1500], "depths": [8, 16, 32], "seeds": 6, "closures": ["exact"] },
  "engine": "conditional"
}"#;

pub const TASKS: usize = 18;

/// How flock and fcntl end: both as they are here, or with these errors; 0 grants everything.
pub type Refused = [Option<i32>; 2];

pub const ENOSYS: i32 = 38;

pub const NO_LOCKS: Refused = [Some(ENOSYS), Some(ENOSYS)];

/// A folder with jobs, run directories and the library that stands before flock and fcntl.
pub struct Place {
    pub folder: tempfile::TempDir,
    shim: PathBuf,
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), JOB).unwrap();
        fs::write(folder.path().join("slow.json"), SLOW).unwrap();
        let shim = lock_shim::build(folder.path());
        Place { folder, shim }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `nfd` with these arguments, in the folder, where locks are refused so.
    pub fn nfd(&self, refused: Refused, arguments: &[&str]) -> Command {
        self.prepare(Command::new(env!("CARGO_BIN_EXE_nfd")), refused, arguments)
    }

    /// The same on a host of this name.
    pub fn nfd_on(&self, host: &str, refused: Refused, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(unshare_options().unwrap()).args(["--uts", "sh", "-c"]);
        command
            .arg(format!("hostname {host} && exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_nfd"));
        self.prepare(command, refused, arguments)
    }

    fn prepare(&self, mut command: Command, refused: Refused, arguments: &[&str]) -> Command {
        command.args(arguments).current_dir(self.folder.path());
        for (name, error) in ["STAND_IN_FLOCK", "STAND_IN_FCNTL"].into_iter().zip(refused) {
            command.envs(error.map(|error| (name, error.to_string())));
        }
        command.env("LD_PRELOAD", &self.shim).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn results(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join("results.csv")).unwrap()
    }
}

/// How `unshare` gives a process a host name of its own here: as root, or as one's own root; None where
/// neither is allowed.
pub fn unshare_options() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    ways.into_iter().find(|way| {
        let mut command = Command::new("unshare");
        command.args(*way).args(["--uts", "hostname", "elsewhere"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

pub fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Runs to the end, with this exit code; what it said.
pub fn end(mut command: Command, code: i32) -> String {
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
    stderr(&done) + &String::from_utf8_lossy(&done.stdout)
}

pub fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap().success());
}

pub fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let clock = Instant::now();
    while !ready() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited for {what}");
        sleep(Duration::from_millis(1));
    }
}

/// Who holds the run directory, by its owner file.
pub fn owner(run: &Path) -> Option<Owner> {
    run.is_dir()
        .then(|| Newest::find(&run.join("lock")).unwrap())?
        .and_then(|newest| newest.owner())
}

pub fn wait_for_owner(run: &Path, child: &Child) {
    wait_for("the lock", || owner(run).is_some_and(|owner| owner.process.pid == child.id()));
}
