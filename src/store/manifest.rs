//! manifest.json: which experiment a directory holds, and with what it was begun.
//!
//! The checksum is xxh3 of the file itself with sixteen zeros in the checksum's place, so that any
//! changed bit shows. Tasks do not depend on it: each is journalled under a key of all that defines
//! it, and so a lost manifest costs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::key::{SCHEME, experiment_hash, samples_hash};
use super::machine::{self, Cpu};
use super::{RunStart, files};
use crate::error::{Error, Result};
use crate::experiment::{Backend, Engine, Precision, Settled};

/// The name of the manifest's file.
pub const NAME: &str = "manifest.json";
const LABEL: &str = "\"checksum\": \"";
const BLANK: &str = "0000000000000000";
/// Parts of the experiment that two experiments in one directory share. What is left out may grow
/// or shrink: sizes, seeds, closures, what is compared with what.
const SHARED: [&str; 8] =
    ["data", "model", "training", "finest", "engine", "backend", "precision", "storage"];

/// What a list of the grid takes the place of.
const VARIED: [(&str, &str, [&str; 2]); 2] = [
    ("parametrizations", "model", ["parametrization", "exponents"]),
    ("learning_rates", "training", ["learning_rate", "rates"]),
];

/// The content of manifest.json: an experiment, and with what it was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name of the program: "nfd".
    pub program: String,
    /// The xxh3 checksum of this file, in hexadecimal.
    pub checksum: String,
    /// The version of the program.
    pub version: String,
    /// The version of what defines the numbers: see [`SCHEME`].
    pub scheme: u32,
    /// The instructions or device that the bits of results depend on.
    pub numeric_path: String,
    /// The git commit of the sources, where known.
    pub git_commit: Option<String>,
    /// The version of the compiler, where known.
    pub rustc: Option<String>,
    /// The processor that it was begun on.
    pub cpu: Cpu,
    /// The command line as typed, the program's name first.
    pub arguments: Vec<String>,
    /// How and as how many processes it was begun.
    #[serde(default)]
    pub launch: Launch,
    /// The hash of the experiment; summary.json carries the same.
    pub experiment_hash: String,
    /// The hash of the loaded samples.
    pub samples_hash: String,
    /// The resolved experiment, itself a valid experiment file.
    pub experiment: Value,
}

/// How a run was launched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The number of processes that share the tasks.
    pub ranks: usize,
    /// The hosts of these processes, each once.
    pub hosts: Vec<String>,
    /// The GPU of each process, where they use GPUs.
    pub devices: Vec<String>,
    /// The MPI library that connects them, where there are several.
    pub mpi: Option<String>,
    /// Which part of the tasks this is, as in 3/8.
    pub shard: Option<String>,
    /// The environment variables of Slurm that name the job.
    pub slurm: BTreeMap<String, String>,
}

impl Launch {
    /// The launch of a process that is alone.
    pub fn alone() -> Self {
        Launch {
            ranks: 1,
            hosts: vec![machine::host()],
            slurm: machine::slurm(),
            ..Self::default()
        }
    }
}

impl Manifest {
    /// The manifest of a run that starts now.
    pub fn new(start: &RunStart) -> Self {
        Manifest {
            program: "nfd".to_owned(),
            checksum: BLANK.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scheme: SCHEME,
            numeric_path: start.numeric_path.to_owned(),
            git_commit: option_env!("NFD_GIT_COMMIT").map(str::to_owned),
            rustc: option_env!("NFD_RUSTC").map(str::to_owned),
            cpu: Cpu::detect(),
            arguments: start.arguments.to_vec(),
            launch: start.launch.clone(),
            experiment_hash: experiment_hash(start.experiment),
            samples_hash: samples_hash(start.data),
            experiment: serde_json::to_value(start.experiment).unwrap_or_default(),
        }
    }

    /// The bytes of the file, with its checksum.
    ///
    /// # Errors
    /// [`Error::Io`] if encoding fails.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let blank = Manifest { checksum: BLANK.to_owned(), ..self.clone() };
        let mut text = serde_json::to_string_pretty(&blank).map_err(|error| Error::Io {
            action: "encode",
            path: NAME.into(),
            source: io::Error::other(error),
        })?;
        text.push('\n');
        let checksum = format!("{:016x}", xxh3_64(text.as_bytes()));
        Ok(text.replacen(BLANK, &checksum, 1).into_bytes())
    }

    /// Writes the file into `directory`, all or nothing.
    ///
    /// # Errors
    /// [`Error::Write`]; an old manifest stays then.
    pub fn write(&self, files: &dyn files::Files, directory: &Path) -> Result<()> {
        files::replace(files, directory, NAME, &self.encode()?)
    }

    /// Whether its experiment has a closure of this name.
    fn names_closure(&self, name: &str) -> bool {
        let closures = self.experiment["ensemble"]["closures"].as_array();
        closures.is_some_and(|closures| closures.iter().any(|closure| closure == name))
    }

    /// What an experiment that leaves engine, backend, precision or noise grid open takes over.
    pub fn settled(&self) -> Settled {
        Settled {
            engine: Engine::deserialize(&self.experiment["engine"]).ok(),
            backend: Backend::deserialize(&self.experiment["backend"]).ok(),
            precision: Precision::deserialize(&self.experiment["precision"]).ok(),
            finest: self.experiment["finest"].as_u64().and_then(|grid| u32::try_from(grid).ok()),
        }
    }

    /// The fields in which `new` contradicts this one, with both values.
    pub fn differences(&self, new: &Manifest) -> Vec<String> {
        let mut fields = Vec::new();
        let text = |text: &str| Value::String(text.to_owned());
        let mut field = |name: &str, old: &Value, new: &Value| {
            differing_fields(name, old, new, &mut fields);
        };
        field("program version", &text(&self.version), &text(&new.version));
        field("numeric scheme", &self.scheme.into(), &new.scheme.into());
        field("numeric path", &text(&self.numeric_path), &text(&new.numeric_path));
        for name in SHARED {
            let [old, now] = [self, new].map(|manifest| {
                let mut part = manifest.experiment[name].clone();
                for (list, of, varied) in VARIED {
                    let grid = |m: &Manifest| m.experiment["ensemble"].get(list).is_some();
                    if name == of
                        && (grid(self) || grid(new))
                        && let Some(fields) = part.as_object_mut()
                    {
                        varied.iter().for_each(|field| drop(fields.remove(*field)));
                    }
                }
                part
            });
            field(name, &old, &now);
        }
        let rows = |manifest: &Manifest| manifest.experiment["reference"]["rows"].clone();
        field("reference.rows", &rows(self), &rows(new));
        if self.experiment["data"] == new.experiment["data"] {
            field("samples in data", &text(&self.samples_hash), &text(&new.samples_hash));
        }
        fields
    }
}

/// Reads the manifest of `directory`; None when there is none.
///
/// # Errors
/// [`Error::RunDirectory`] when it is damaged or not this program's; [`Error::Io`].
pub fn read(directory: &Path) -> Result<Option<Manifest>> {
    let path = directory.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    };
    let refuse = |problem: &str, help: &str| Error::RunDirectory {
        directory: directory.to_owned(),
        problem: problem.to_owned(),
        help: help.to_owned(),
    };
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    let checksum = text.find(LABEL).map(|at| at + LABEL.len());
    let checksum = checksum.filter(|at| text.get(*at..at + BLANK.len()).is_some());
    let Some(at) = checksum else {
        let problem = "its manifest.json is damaged, or not one of this program's";
        return Err(refuse(problem, "choose another --output, or remove the directory"));
    };
    let manifest = serde_json::from_str::<Manifest>(&text);
    let written = text[at..at + BLANK.len()].to_owned();
    text.replace_range(at..at + BLANK.len(), BLANK);
    let right = format!("{:016x}", xxh3_64(text.as_bytes()));
    match manifest {
        Ok(manifest) if written == right && manifest.names_closure("nfd") => Err(refuse(
            "it holds closure `nfd`, which is now named `fresh`: it drops only the equal-time part \
             of the backward response, and is not the limit of arXiv 2512.21075, as its name \
             suggested",
            "use the version that wrote it, or run its experiment with `fresh` into another --output",
        )),
        Ok(manifest) if written == right => Ok(Some(manifest)),
        Err(error) if written == right => {
            let problem = format!("its manifest.json is of another version of nfd ({error})");
            Err(refuse(&problem, "use the version that wrote it, or choose another --output"))
        }
        _ => Err(refuse(
            "its manifest.json fails its checksum: it was damaged or edited",
            "remove manifest.json alone and repeat the command: finished tasks are kept apart from \
             it, and those that fit the experiment are used",
        )),
    }
}

/// Adds the fields below `path` in which two JSON values differ, with both values.
fn differing_fields(path: &str, old: &Value, new: &Value, fields: &mut Vec<String>) {
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let null = Value::Null;
            let value =
                |object: &serde_json::Map<String, Value>| object.get(key).unwrap_or(&null).clone();
            differing_fields(&format!("{path}.{key}"), &value(old), &value(new), fields);
        }
    } else if old != new {
        fields.push(format!("{path} ({old}, now {new})"));
    }
}
