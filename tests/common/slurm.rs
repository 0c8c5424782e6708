//! A Slurm of the test's own: munged, slurmctld and slurmd of one node in a temporary folder, with
//! everything they started gone when it is dropped.

use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Programs in order of the packages they come from: munge, slurm-wlm.
const PROGRAMS: [&str; 6] = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"];
/// Nothing waits longer, and most things by far not as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of variables that a launcher around the tests may have set.
const FOREIGN: [&str; 5] = ["SLURM", "SBATCH", "PMI", "OMPI", "SRUN"];

/// The first program that is missing.
pub fn missing() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| which(program).is_none())
}

/// Where a program is; daemons are not in everybody's PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|at| at.join(program)).find(|file| file.exists())
}

fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Polls until `ready` has something; `on_failure` says what there is instead.
pub fn wait_for<T>(
    what: &str,
    mut ready: impl FnMut() -> Option<T>,
    on_failure: impl Fn() -> String,
) -> T {
    let clock = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(clock.elapsed() < PATIENCE, "waited for {what}: {}", on_failure());
        sleep(Duration::from_millis(20));
    }
}

/// What Slurm knows of a job.
#[derive(Debug)]
pub struct Job {
    /// PENDING, RUNNING, COMPLETING, COMPLETED, FAILED, CANCELLED, …
    pub state: String,
    pub restarts: u32,
    /// As Slurm writes it, CODE:SIGNAL.
    pub exit: String,
}

pub struct Slurm {
    /// Where jobs are submitted, and their logs and runs are.
    pub work: PathBuf,
    daemons: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Slurm {
    /// Started, its node idle.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("nfd-slurm").tempdir().unwrap();
        let at = folder.path();
        let open = |name: &str| DirBuilder::new().mode(0o711).create(at.join(name)).unwrap();
        ["munge", "state", "spool", "tmp", "work"].iter().for_each(|name| open(name));
        let host = output(Command::new("hostname").arg("-s")).trim().to_owned();
        fs::write(at.join("slurm.conf"), configuration(at, &host)).unwrap();
        // A node without control groups.
        fs::write(at.join("cgroup.conf"), "CgroupPlugin=cgroup/v1\n").unwrap();
        // Devices that are no GPUs: Slurm only counts them and sets CUDA_VISIBLE_DEVICES.
        let gpus = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n";
        fs::write(at.join("gres.conf"), gpus).unwrap();
        let mut key = [0; 128];
        File::open("/dev/urandom").unwrap().read_exact(&mut key).unwrap();
        let mut file = fs::OpenOptions::new();
        let mut file =
            file.write(true).create_new(true).mode(0o400).open(at.join("munge/key")).unwrap();
        std::io::Write::write_all(&mut file, &key).unwrap();

        // From here on whatever fails, drop stops what runs.
        let mut slurm = Slurm { work: at.join("work"), daemons: Vec::new(), folder };
        let munge = slurm.folder.path().join("munge");
        let option = |name: &str, file: &str| format!("--{name}={}", munge.join(file).display());
        slurm.daemon(
            "munged",
            &[
                "--foreground".into(),
                "--force".into(),
                option("key-file", "key"),
                option("socket", "munge.sock"),
                option("pid-file", "pid"),
                option("log-file", "log"),
                option("seed-file", "seed"),
            ],
        );
        wait_for("munged", || munge.join("munge.sock").exists().then_some(()), || slurm.logs());
        let file = slurm.configuration();
        slurm.daemon("slurmctld", &["-D".into(), "-i".into(), "-c".into(), "-f".into(), file]);
        let file = slurm.configuration();
        slurm.daemon("slurmd", &["-D".into(), "-f".into(), file, "-N".into(), host]);
        wait_for("an idle node", || slurm.idle().then_some(()), || slurm.logs());
        slurm
    }

    fn configuration(&self) -> String {
        self.folder.path().join("slurm.conf").display().to_string()
    }

    fn daemon(&mut self, program: &str, arguments: &[String]) {
        let log = File::create(self.folder.path().join(format!("{program}.out"))).unwrap();
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push(command.spawn().unwrap());
    }

    fn idle(&self) -> bool {
        let said = self.command("sinfo").args(["--noheader", "--format=%T"]).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim() == "idle"
    }

    /// A program, e.g. `sbatch`, that speaks to this Slurm, in the folder of the work.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(which(program).unwrap_or_else(|| program.into()));
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("SLURM_CONF", self.configuration()).env("PATH", search_path());
        command.env("TMPDIR", self.folder.path().join("tmp")).current_dir(&self.work);
        command
    }

    /// What a client says; it must succeed.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        output(self.command(program).args(arguments))
    }

    pub fn job(&self, id: &str) -> Job {
        let said = self.ask("scontrol", &["--oneliner", "show", "job", id]);
        let field = |name: &str| {
            let fields = said.split_whitespace().filter_map(|field| field.split_once('='));
            fields.filter(|(of, _)| *of == name).map(|(_, value)| value.to_owned()).next().unwrap()
        };
        Job {
            state: field("JobState"),
            restarts: field("Restarts").parse().unwrap(),
            exit: field("ExitCode"),
        }
    }

    /// Until the job is in one of the states; fails when it ends in another.
    pub fn wait_for(&self, id: &str, states: &[&str]) -> Job {
        self.wait_until(id, &format!("{states:?}"), |job| states.contains(&job.state.as_str()))
    }

    /// Until the job is as wanted; fails when it ends otherwise.
    pub fn wait_until(&self, id: &str, what: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        let ready = || {
            let job = self.job(id);
            let going = ["PENDING", "CONFIGURING", "RUNNING", "COMPLETING"];
            let over = !going.contains(&job.state.as_str());
            assert!(wanted(&job) || !over, "job {id} is not {what}: {job:?}: {}", self.logs());
            wanted(&job).then_some(job)
        };
        let what = format!("job {id} to be {what}");
        wait_for(&what, ready, || format!("{:?}: {}", self.job(id), self.logs()))
    }

    /// Until the job waits for its `restarts`-th restart, which is brought forward: but into another
    /// second, for the node counts in seconds which permits of a job are those of its last start.
    pub fn restart(&self, id: &str, restarts: u32) {
        let requeued = |job: &Job| job.state == "PENDING" && job.restarts == restarts;
        self.wait_until(id, "requeued", requeued);
        self.ask("scontrol", &["update", &format!("jobid={id}"), "StartTime=now+2"]);
    }

    /// What jobs and daemons wrote, for a message.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for folder in [self.folder.path(), &self.work] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|kind| kind == "out") {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    let lines: Vec<&str> = text.lines().collect();
                    let last = &lines[lines.len().saturating_sub(30)..];
                    all += &format!("\n--- {}\n{}", path.display(), last.join("\n"));
                }
            }
        }
        all
    }

    /// Processes that have this Slurm's configuration in their environment: daemons, those that they
    /// left behind, jobs.
    fn processes(&self) -> Vec<String> {
        let mine = format!("SLURM_CONF={}\0", self.configuration());
        let mine = mine.as_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let own = |entry: &fs::DirEntry| {
            let all = fs::read(entry.path().join("environ")).unwrap_or_default();
            all.windows(mine.len()).any(|part| part == mine)
        };
        entries.filter(own).map(|entry| entry.file_name().display().to_string()).collect()
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        // Nothing here is worth a farewell, and killed jobs can start no further ones.
        for _ in 0..50 {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            let _ =
                Command::new("kill").arg("-KILL").args(processes).stderr(Stdio::null()).status();
            for daemon in &mut self.daemons {
                let _ = daemon.wait();
            }
            sleep(Duration::from_millis(20));
        }
    }
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// One node that claims more processors than it may have, so that jobs never wait for each other.
fn configuration(at: &Path, host: &str) -> String {
    // Free now; bound at once, so that they differ.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [control, node] = ports.map(|port| port.local_addr().unwrap().port());
    let user = output(Command::new("id").arg("-un"));
    let (user, at) = (user.trim(), at.display());
    // Slurm's folders for PMIx are named in /tmp by user and job: those of two Slurms must differ, and one that a
    // kill has left would fail every later job of its number.
    format!(
        "ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
FirstJobId={node}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={at}/munge/munge.sock
StateSaveLocation={at}/state
SlurmdSpoolDir={at}/spool
SlurmctldPidFile={at}/slurmctld.pid
SlurmdPidFile={at}/slurmd.pid
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={at}/completed
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=256 Gres=gpu:2
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE OverSubscribe=FORCE:8
"
    )
}
