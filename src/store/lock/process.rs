//! Which process on which machine somebody is, and whether it still runs.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::store::machine;

/// A running process, told from all others that are or have been, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The name of its host.
    pub host: String,
    /// The start of the kernel that it runs on; empty where the system does not say.
    pub kernel: String,
    /// The namespace that its number counts in: containers of one host number theirs apart.
    pub namespace: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks of the kernel's clock; empty where the system does not say.
    pub started: String,
}

impl Process {
    /// This process.
    pub fn this() -> Process {
        let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let pid = std::process::id();
        Process {
            host: machine::host(),
            kernel: kernel.trim().to_owned(),
            namespace: namespace.to_string_lossy().into_owned(),
            pid,
            started: start_of(pid).unwrap_or_default(),
        }
    }

    /// Whether both run on one kernel: a lock that it holds for the one keeps the other away.
    pub fn shares_kernel(&self, other: &Process) -> bool {
        !self.kernel.is_empty() && (&self.host, &self.kernel) == (&other.host, &other.kernel)
    }

    /// Whether it still runs, as far as this process, which is `here`, can see by itself; None where
    /// it runs on another machine or in another container.
    pub fn runs(&self, here: &Process) -> Option<bool> {
        let is_visible = self.shares_kernel(here)
            && self.namespace == here.namespace
            && !here.started.is_empty();
        is_visible.then(|| start_of(self.pid).is_some_and(|started| started == self.started))
    }
}

/// When the process of this number started; None when there is none, or only what a parent has not
/// yet fetched of it.
fn start_of(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, a name in parentheses, may contain anything.
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    /// A child runs until it is killed, a zombie and a number that was given again are ended, and of
    /// another host, kernel or container nothing is known.
    #[test]
    #[cfg(target_os = "linux")]
    fn only_what_runs_here_is_known_to_run() {
        let here = Process::this();
        assert_eq!(here.runs(&here), Some(true));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let started = start_of(child.id()).unwrap();
        let there = Process { pid: child.id(), started, ..here.clone() };
        assert_eq!(there.runs(&here), Some(true));
        let reused = Process { started: "1".to_owned(), ..there.clone() };
        assert_eq!(reused.runs(&here), Some(false));
        for other in [
            Process { host: "elsewhere".to_owned(), ..there.clone() },
            Process { kernel: "another".to_owned(), ..there.clone() },
            Process { namespace: "another".to_owned(), ..there.clone() },
        ] {
            assert_eq!(other.runs(&here), None);
        }
        child.kill().unwrap();
        // Not waited for: a zombie, once the kernel has ended it.
        while there.runs(&here) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(there.runs(&here), Some(false));
    }
}
