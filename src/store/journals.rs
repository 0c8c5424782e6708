//! All journals of a run directory, read together: every process of a run adds to one of its own, for
//! appending from several nodes to one file is not safe on network file systems.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, Contents, Location};
use super::key::Key;
use crate::error::{Error, Result};

/// The folder of the journals in a run directory.
pub const FOLDER: &str = "journal";

const ENDING: &str = ".journal";

/// The file name of a rank's journal: `rank-0.journal` for a process that is alone.
pub fn file_name(rank: usize) -> String {
    format!("rank-{rank}{ENDING}")
}

/// What the journals of a run directory hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journals {
    /// Each journal with its contents, in the order of file names.
    pub files: Vec<(PathBuf, Contents)>,
    index: HashMap<Key, (usize, Location)>,
}

impl Journals {
    /// Reads the journals of the run directory `directory` whose file names are `such`, changing
    /// nothing; without a folder there are none.
    ///
    /// # Errors
    /// As [`journal::read_contents`].
    pub fn read(directory: &Path, such: impl Fn(&str) -> bool) -> Result<Journals> {
        let folder = directory.join(FOLDER);
        let failed = |source| Error::Io { action: "read", path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(ENDING) && such(&name) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let mut journals = Journals::default();
        for path in paths {
            let contents = journal::read_contents(&path)?;
            for (&key, &location) in &contents.index {
                journals.index.entry(key).or_insert((journals.files.len(), location));
            }
            journals.files.push((path, contents));
        }
        Ok(journals)
    }

    /// Where the value of `key` lies, if one of them has it.
    pub fn find(&self, key: Key) -> Option<(&Path, Location)> {
        let (file, location) = *self.index.get(&key)?;
        Some((&self.files[file].0, location))
    }

    /// The first of these keys that one of them has, and where its value lies.
    pub fn find_any(&self, mut keys: impl Iterator<Item = Key>) -> Option<(Key, &Path, Location)> {
        keys.find_map(|key| self.find(key).map(|(path, location)| (key, path, location)))
    }

    /// A line of words for each piece of damage.
    pub fn warnings(&self) -> Vec<String> {
        let of = |(path, contents): &(PathBuf, Contents)| contents.warnings(path);
        self.files.iter().flat_map(of).collect()
    }
}
