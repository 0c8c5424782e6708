//! The run directory: what is written, in which format, and never half.
//!
//! ```text
//! manifest.json   resolved experiment, version, numeric path, argv; written first
//! results.csv     one number a line, tidy
//! summary.json    the claims
//! ```

pub mod results;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::spec::Experiment;

/// A run directory that belongs to one experiment.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

/// manifest.json
#[derive(Serialize)]
struct Manifest<'a> {
    program: &'static str,
    version: &'static str,
    numeric_path: &'a str,
    arguments: &'a [String],
    experiment: &'a Experiment,
}

impl RunDirectory {
    /// Creates `path` (and its parents) for `experiment`, or opens it when it holds the same one.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] names the fields in which an experiment already there differs;
    /// [`Error::Io`] when the directory cannot be made or written.
    pub fn open(
        path: &Path,
        experiment: &Experiment,
        numeric_path: &str,
        arguments: &[String],
    ) -> Result<Self> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        let manifest = path.join("manifest.json");
        let there = match fs::read_to_string(&manifest) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io("read", &manifest)(error)),
        };
        if let Some(text) = there {
            refuse_other(path, &text, experiment)?;
        }
        fs::create_dir_all(path).map_err(io("create", path))?;
        let directory = RunDirectory { path: path.to_owned() };
        directory.write_json(
            "manifest.json",
            &Manifest {
                program: "nfd",
                version: env!("CARGO_PKG_VERSION"),
                numeric_path,
                arguments,
                experiment,
            },
        )?;
        Ok(directory)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `value` as indented JSON.
    ///
    /// # Errors
    /// [`Error::Io`]; the file keeps its old content then.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::Io {
            action: "encode",
            path: self.path.join(name),
            source: io::Error::other(error),
        })?;
        bytes.push(b'\n');
        self.write(name, &bytes)
    }

    /// Writes a whole file: to a temporary name, synced, then renamed, so that nobody ever sees
    /// half of it.
    ///
    /// # Errors
    /// [`Error::Io`]; the file keeps its old content then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let target = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.tmp"));
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &target))
            .and_then(|()| File::open(&self.path)?.sync_all());
        written.map_err(|source| {
            let _ = fs::remove_file(&temporary); // nothing better to do if this fails as well
            Error::Io { action: "write", path: target, source }
        })
    }
}

/// Refuses a directory whose manifest holds another experiment.
fn refuse_other(path: &Path, manifest: &str, experiment: &Experiment) -> Result<()> {
    let refuse = |problem: String| {
        Err(Error::RunDirectory {
            directory: path.to_owned(),
            problem,
            help: "choose another --output, or remove the directory".to_owned(),
        })
    };
    let old = serde_json::from_str::<Value>(manifest).ok();
    let Some(old) = old.as_ref().and_then(|manifest| manifest.get("experiment")) else {
        return refuse("its manifest.json is not one of this program's".to_owned());
    };
    let new = serde_json::to_value(experiment).unwrap_or_default();
    let mut fields = Vec::new();
    differing_fields("", old, &new, &mut fields);
    if fields.is_empty() {
        return Ok(());
    }
    refuse(format!("holds another experiment; they differ in {}", fields.join(", ")))
}

fn differing_fields(path: &str, old: &Value, new: &Value, fields: &mut Vec<String>) {
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let null = Value::Null;
            let value =
                |object: &serde_json::Map<String, Value>| object.get(key).unwrap_or(&null).clone();
            differing_fields(&path, &value(old), &value(new), fields);
        }
    } else if old != new {
        fields.push(format!("{path} ({old}, now {new})"));
    }
}
