//! Experiment files of several suites, and what becomes of such texts.

use std::path::Path;

use nfd::experiment::Resolved;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;

/// One without a mistake.
pub const GOOD: &str = r#"{
  "name": "good",
  "data": { "source": "digits", "samples": 4 },
  "model": { "activation": "tanh", "horizon": 1.0 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": {
    "widths": [64],
    "depths": [2, 4, 8],
    "seeds": 4,
    "closures": ["exact"]
  },
  "engine": "conditional"
}
"#;

/// What a text resolves to with these overrides, or its error in words.
pub fn resolve_text(text: &str, overrides: &[&str]) -> Result<Resolved, String> {
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides)
        .map_err(|error| error.to_string())?;
    source.parse().and_then(|raw| resolve(raw, &source)).map_err(|error| error.to_string())
}

/// One task of many seconds a pass in hardly any memory: its noise grid is very fine.
pub const SLOW: &str = r#"{
  "name": "slow",
  "data": { "source": "toy" },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [20000], "depths": [4], "seeds": 1, "closures": ["exact"] },
  "engine": "conditional", "finest": 262144
}
"#;

/// One with every closure, of some hundred milliseconds.
pub const SMALL: &str = r#"{
  "name": "small",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [48], "depths": [4, 8, 16], "seeds": 3 },
  "engine": "conditional"
}
"#;

/// Writes [`SMALL`] into a folder, and returns where.
pub fn small(folder: &Path) -> String {
    let file = folder.join("small.json");
    std::fs::write(&file, SMALL).unwrap();
    file.display().to_string()
}
