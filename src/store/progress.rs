//! How far each rank of a run is, for whoever looks on: `logs/progress-N.json` in the run directory, written
//! every few seconds while tasks are trained. Nothing depends on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How far a rank is with its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankProgress {
    /// The number of its finished tasks.
    pub finished: usize,
    /// The number of all its tasks.
    pub tasks: usize,
    /// The estimated share of the work of this start that is done, from 0 to 1.
    pub share: f64,
    /// Seconds since this start began.
    pub elapsed: f64,
}

impl RankProgress {
    /// Estimated seconds that are left; None while nothing is done.
    pub fn seconds_left(&self) -> Option<f64> {
        (self.share > 1e-6).then(|| self.elapsed * (1.0 - self.share) / self.share)
    }

    /// "35 % after 120 s, about 220 s left".
    pub fn describe(&self) -> String {
        let RankProgress { share, elapsed, .. } = self;
        let left = self.seconds_left().map(|left| format!(", about {left:.0} s left"));
        format!("{:.0} % after {elapsed:.0} s{}", 100.0 * share, left.unwrap_or_default())
    }

    /// Says it in the run directory, where that can be written.
    pub fn write(&self, directory: &Path, rank: usize) {
        let Ok(text) = serde_json::to_string(self) else { return };
        // Small enough to be written at once; a reader that meets half of it looks again later.
        let _ = fs::write(path(directory, rank), text);
    }
}

fn path(directory: &Path, rank: usize) -> PathBuf {
    directory.join("logs").join(format!("progress-{rank}.json"))
}

/// Takes back what was said of a rank that trains nothing any more.
pub fn remove(directory: &Path, rank: usize) {
    let _ = fs::remove_file(path(directory, rank));
}

/// What the ranks have said within the last minutes, rank by rank.
pub fn read(directory: &Path) -> Vec<(usize, RankProgress)> {
    /// A rank whose tasks are long says it anew as they go on; one that has not for so long is gone.
    const FRESH: Duration = Duration::from_secs(600);
    let Ok(entries) = fs::read_dir(directory.join("logs")) else { return Vec::new() };
    let rank = |name: &str| name.strip_prefix("progress-")?.strip_suffix(".json")?.parse().ok();
    let of = |entry: fs::DirEntry| {
        let rank: usize = rank(&entry.file_name().to_string_lossy())?;
        let written = entry.metadata().and_then(|about| about.modified()).ok()?;
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let text = fs::read_to_string(entry.path()).ok()?;
        let said = serde_json::from_str(&text).ok()?;
        (age < FRESH).then_some((rank, said))
    };
    let mut ranks: Vec<_> = entries.flatten().filter_map(of).collect();
    ranks.sort_by_key(|(rank, _)| *rank);
    ranks
}
