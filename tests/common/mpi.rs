//! Programs built with `--features mpi`, and the launchers of their MPI libraries.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::missing::skipped;

/// An MPI library with the programs built against it.
pub struct Mpi {
    launcher: &'static str,
    /// Where `nfd` and `panicking_rank` are.
    folder: PathBuf,
}

impl Mpi {
    /// Open MPI, if tests/run.sh has built for it.
    pub fn open(test: &str) -> Option<Mpi> {
        Mpi::find(test, "Open MPI", "NFD_OPENMPI", &["mpirun.openmpi", "mpirun"])
    }

    /// MPICH, likewise.
    pub fn mpich(test: &str) -> Option<Mpi> {
        Mpi::find(test, "MPICH", "NFD_MPICH", &["mpirun.mpich", "mpiexec.hydra"])
    }

    fn find(test: &str, library: &str, variable: &str, launchers: &[&'static str]) -> Option<Mpi> {
        let nfd = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
        let starts = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
        let (Some(nfd), Some(launcher)) = (nfd, launchers.iter().find(starts)) else {
            skipped(test, library);
            return None;
        };
        let folder = nfd.parent().unwrap().canonicalize().unwrap();
        Some(Mpi { launcher, folder })
    }

    /// One of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The launcher, as far as tests need it: as root, with more ranks than cores.
    pub fn launcher(&self) -> Command {
        let mut command = Command::new(self.launcher);
        command
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .env("OMPI_MCA_rmaps_base_oversubscribe", "1");
        command
    }

    /// `nfd run job.json --output OUTPUT` on so many ranks, in `folder`.
    pub fn run(&self, folder: &Path, ranks: usize, output: &str, more: &[&str]) -> Command {
        let mut command = self.launcher();
        command.current_dir(folder).arg("-n").arg(ranks.to_string()).arg(self.program("nfd"));
        command.args(["run", "job.json", "--output", output]).args(more);
        command
    }
}

/// A launcher at work, ended with all that it started when the test is done with it.
pub struct Job {
    child: Option<Child>,
    ranks: Vec<u32>,
}

impl Job {
    pub fn start(mut command: Command) -> Job {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Job { child: Some(command.spawn().unwrap()), ranks: Vec::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Processes of a program that the launcher has started, by number; remembers them.
    pub fn ranks(&mut self, program: &Path) -> Vec<u32> {
        let descends = |mut pid: u32| {
            while let Some(parent) = parent(pid) {
                if parent == self.id() {
                    return true;
                }
                pid = parent;
            }
            false
        };
        let is_it =
            |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
        let pids = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut found: Vec<u32> = pids.filter(is_it).filter(|&pid| descends(pid)).collect();
        found.sort_unstable();
        self.ranks.extend(&found);
        found
    }

    /// Waits for its end and that of the ranks that were seen.
    pub fn end_within(mut self, limit: Duration) -> Output {
        let clock = Instant::now();
        let mut child = self.child.take().unwrap();
        let alive = |pid: &u32| Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok();
        loop {
            let launcher_alive = child.try_wait().unwrap().is_none();
            if !launcher_alive && !self.ranks.iter().any(alive) {
                return child.wait_with_output().unwrap();
            }
            if clock.elapsed() > limit {
                let _ = child.kill();
                let what = if launcher_alive { "the launcher" } else { "a rank" };
                panic!("{what} is still there after {limit:?}");
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        for pid in self.child.iter().map(Child::id).chain(self.ranks.iter().copied()) {
            let _ =
                Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

/// Of a process, from the fourth field of its stat; the second may hold blanks and parentheses.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().filter(|&parent| parent > 0)
}

pub fn kill(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
}
