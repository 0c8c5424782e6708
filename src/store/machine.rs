//! What a run says about where it ran.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name of this host.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The environment variables of Slurm that name a job and what it was given; none outside of a job.
pub fn slurm() -> BTreeMap<String, String> {
    const NAMES: [&str; 8] = [
        "SLURM_CLUSTER_NAME",
        "SLURM_JOB_ID",
        "SLURM_JOB_NUM_NODES",
        "SLURM_JOB_PARTITION",
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_RESTART_COUNT",
        "SLURM_STEP_NUM_TASKS",
    ];
    let value = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    NAMES.into_iter().filter_map(value).collect()
}

/// The processor that a run was begun on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The model as the system names it, where it does.
    pub model: Option<String>,
    /// The vector instructions that it has.
    pub features: Vec<String>,
}

impl Cpu {
    /// Asks the system about the processor of this machine.
    pub fn detect() -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map(|(_, model)| model.trim().to_owned());
        Cpu { model, features: features().into_iter().map(str::to_owned).collect() }
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    macro_rules! detected {
        ($($name:tt),*) => {
            [$(($name, std::arch::is_x86_feature_detected!($name))),*]
        };
    }
    let all = detected!("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl");
    all.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
