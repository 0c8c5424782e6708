//! The text of an experiment and the overrides from the command line: where each field stands, and
//! errors that say so.

use std::io::Read;
use std::path::{Path, PathBuf};

use jsonc_parser::ast::{Object, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

use super::TypedExperiment;
use super::comments::blank;
use crate::error::{Error, Place, Result};

/// The key under which editors look for the schema of a file.
pub const SCHEMA: &str = "$schema";
/// Nobody writes an experiment this long; it bounds memory on a wrong file name.
const LONGEST: u64 = 1 << 20;

/// The text of an experiment file and the fields set on the command line.
#[derive(Clone, Debug)]
pub struct ExperimentFile {
    file: PathBuf,
    text: String,
    overrides: Vec<(String, Value)>,
}

impl ExperimentFile {
    /// Reads `file`; each of `overrides` is `field=value`, the value JSON or else a bare word.
    ///
    /// # Errors
    /// When the file cannot be read or is no text, or an override has no `=`.
    pub fn read(file: &Path, overrides: &[String]) -> Result<Self> {
        let io = |source| Error::Io { action: "read", path: file.to_owned(), source };
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).map_err(io)?;
        let at = |line, column, problem: String| Error::Experiment {
            place: Place::File { file: file.to_owned(), line, column },
            field: "JSON".to_owned(),
            problem,
            help: "name an experiment file, which is JSON in UTF-8".to_owned(),
        };
        if opened.metadata().is_ok_and(|found| found.is_dir()) {
            return Err(at(1, 1, "is a folder".to_owned()));
        }
        opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > LONGEST {
            // Perhaps cut in the middle of a letter.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return ExperimentFile::new(file, text, overrides);
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            at(line, column, format!("byte {:#04x} is not UTF-8", error.as_bytes()[valid]))
        })?;
        ExperimentFile::new(file, text, overrides)
    }

    /// The same from text already in memory.
    ///
    /// # Errors
    /// As [`ExperimentFile::read`].
    pub fn new(file: &Path, text: String, overrides: &[String]) -> Result<Self> {
        let mut source = ExperimentFile { file: file.to_owned(), text, overrides: Vec::new() };
        if source.text.len() as u64 > LONGEST {
            let problem = format!("longer than {LONGEST} bytes");
            return Err(source.error("", &problem, "is this an experiment file?"));
        }
        for pair in overrides {
            let Some((field, value)) = pair.split_once('=') else {
                return Err(Error::Experiment {
                    place: Place::Override { field: pair.clone() },
                    field: pair.clone(),
                    problem: "no value".to_owned(),
                    help: "write --set field=value, as in --set ensemble.seeds=4".to_owned(),
                });
            };
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            source.overrides.push((field.to_owned(), value));
        }
        Ok(source)
    }

    /// Reads the text, replaces the fields set on the command line, and takes all for what it is. Comments and
    /// the name of a schema, which are for editors, are passed over.
    ///
    /// # Errors
    /// Located: bad JSON, a key twice, an unknown key, a wrong type.
    pub fn parse(&self) -> Result<TypedExperiment> {
        let mut value: Value = serde_json::from_str(&blank(&self.text)).map_err(|error| {
            let (line, column) = (error.line(), error.column().max(1));
            // serde_json repeats the position in its message.
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
            Error::Experiment {
                place: Place::File { file: self.file.clone(), line, column },
                field: "JSON".to_owned(),
                problem,
                help: "mend the syntax; NaN and infinities are no JSON numbers".to_owned(),
            }
        })?;
        self.refuse_duplicate_keys()?;
        if let Value::Object(fields) = &mut value
            && fields.get(SCHEMA).is_some_and(Value::is_string)
        {
            fields.shift_remove(SCHEMA);
        }
        for (field, new) in &self.overrides {
            self.set(&mut value, field, new)?;
        }
        serde_path_to_error::deserialize(value).map_err(|error| {
            let mut field = error.path().to_string();
            if field == "." {
                field.clear();
            }
            self.type_error(&field, &error.into_inner().to_string())
        })
    }

    /// An error about `field` (dotted path, `depths[2]` for list entries), placed where it is set.
    pub fn error(&self, field: &str, problem: &str, help: &str) -> Error {
        Error::Experiment {
            place: self.place(field),
            field: if field.is_empty() { "experiment".to_owned() } else { field.to_owned() },
            problem: problem.to_owned(),
            help: help.to_owned(),
        }
    }

    /// serde's message with the field it is about and the nearest word that would do.
    fn type_error(&self, path: &str, message: &str) -> Error {
        let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let suggestion = |wrong: &str, known: &[&str]| {
            let list = known.join(", ");
            match meant(wrong, known) {
                Some(word) => format!("did you mean '{word}'? (known: {list})"),
                None => format!("known: {list}"),
            }
        };
        match (&words[..], message) {
            ([wrong, known @ ..], m) if m.starts_with("unknown field") => {
                let parent = path.strip_suffix(wrong).unwrap_or(path).trim_end_matches('.');
                let field = join(parent, wrong);
                self.error(&field, "unknown key", &suggestion(wrong, known))
            }
            ([wrong, known @ ..], m) if m.starts_with("unknown variant") => {
                self.error(path, &format!("unknown value '{wrong}'"), &suggestion(wrong, known))
            }
            ([missing], m) if m.starts_with("missing field") => {
                let field = join(path, missing);
                self.error(&field, "is required", "add it")
            }
            _ => self.error(
                path,
                message,
                "see docs/experiment.md for the fields of an experiment file",
            ),
        }
    }

    fn set(&self, root: &mut Value, field: &str, new: &Value) -> Result<()> {
        let mut place = root;
        for key in field.split('.') {
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            let Value::Object(object) = place else {
                let help = "name a field by its keys, as in ensemble.depths; set lists as a whole";
                return Err(self.error(field, "does not lead to a field", help));
            };
            place = object.entry(key).or_insert(Value::Null);
        }
        *place = new.clone();
        Ok(())
    }

    fn place(&self, field: &str) -> Place {
        let covers = |set: &str| {
            field
                .strip_prefix(set)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((set, _)) = self.overrides.iter().find(|(set, _)| covers(set)) {
            return Place::Override { field: set.clone() };
        }
        match self.offset(field) {
            Some(offset) => self.at(offset),
            None => Place::Default { file: self.file.clone() },
        }
    }

    fn at(&self, offset: usize) -> Place {
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Place::File { file: self.file.clone(), line, column }
    }

    /// Byte offset of the longest written prefix of `field`; None when not even its first key is.
    fn offset(&self, field: &str) -> Option<usize> {
        let parsed = parse_to_ast(&self.text, &CollectOptions::default(), &ParseOptions::default());
        let root = parsed.ok()?.value?;
        let mut node = &root;
        let mut offset = if field.is_empty() { Some(root.start()) } else { None };
        for key in field.split(['.', '[']).filter(|key| !key.is_empty()) {
            match node {
                Node::Object(object) => {
                    let Some(property) = object.get(key) else { break };
                    offset = Some(property.start());
                    node = &property.value;
                }
                Node::Array(array) => {
                    let index = key.trim_end_matches(']').parse::<usize>().ok();
                    let Some(element) = index.and_then(|i| array.elements.get(i)) else { break };
                    offset = Some(element.start());
                    node = element;
                }
                _ => break,
            }
        }
        offset
    }

    fn refuse_duplicate_keys(&self) -> Result<()> {
        let parsed = parse_to_ast(&self.text, &CollectOptions::default(), &ParseOptions::default());
        let Ok(Some(root)) = parsed.map(|parsed| parsed.value) else { return Ok(()) };
        let Some((offset, key)) = duplicate_key(&root) else { return Ok(()) };
        Err(Error::Experiment {
            place: self.at(offset),
            field: key,
            problem: "written twice".to_owned(),
            help: "keep one of them".to_owned(),
        })
    }
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

fn duplicate_key(node: &Node) -> Option<(usize, String)> {
    match node {
        Node::Object(Object { properties, .. }) => {
            for (i, property) in properties.iter().enumerate() {
                let name = property.name.as_str();
                if properties[..i].iter().any(|earlier| earlier.name.as_str() == name) {
                    return Some((property.start(), name.to_owned()));
                }
                if let Some(found) = duplicate_key(&property.value) {
                    return Some(found);
                }
            }
            None
        }
        Node::Array(array) => array.elements.iter().find_map(duplicate_key),
        _ => None,
    }
}

/// The known word that is meant by `wrong`, one that other programs have for it or a misspelling.
fn meant<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    const ELSEWHERE: [(&[&str], &str); 12] = [
        (&["gpu", "nvidia"], "cuda"),
        (&["float", "float32", "fp32", "single"], "f32"),
        (&["double", "float64", "fp64"], "f64"),
        (&["bfloat16"], "bf16"),
        (&["mse", "l2"], "squared"),
        (&["ce", "nll", "softmax"], "cross-entropy"),
        (&["linear"], "identity"),
        (&["mnist", "fashion-mnist", "emnist", "kmnist", "qmnist"], "idx"),
        (&["npz", "numpy"], "npy"),
        (&["lr", "eta"], "learning_rate"),
        (&["epochs", "updates", "iterations"], "steps"),
        (&["batch_size"], "batch"),
    ];
    let lower = wrong.to_lowercase();
    let named = ELSEWHERE.iter().filter(|(words, _)| words.contains(&lower.as_str()));
    let named = named.flat_map(|(_, ours)| known.iter().find(|word| *word == ours)).next();
    let nearest = || {
        let near = known.iter().map(|word| (strsim::damerau_levenshtein(&lower, word), word));
        let near = near.min().filter(|(distance, word)| *distance <= 1 + word.len() / 3);
        near.map(|(_, word)| word)
    };
    named.or_else(nearest).copied()
}
