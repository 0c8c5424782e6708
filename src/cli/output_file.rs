//! A file that is written where the user asks for it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::store::files::{Disk, replace};

/// Where a file is to be written.
pub struct OutputFile<'a> {
    /// The folder that it lies in.
    pub folder: &'a Path,
    name: String,
}

impl<'a> OutputFile<'a> {
    /// The file at `path`, which was typed as `option`.
    ///
    /// # Errors
    /// [`Error::Setting`] where no file can take the name: what is there is replaced, and a device or a pipe would be
    /// lost.
    pub fn new(path: &'a Path, option: &'static str) -> Result<OutputFile<'a>> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let refuse = |problem: String| {
            let help = "name a file of your own, in a folder that is there".to_owned();
            Err(Error::Setting { name: option, problem, help })
        };
        let Some(name) = path.file_name() else {
            return refuse(format!("{} names no file", path.display()));
        };
        if !folder.is_dir() {
            return refuse(format!("there is no folder {}", folder.display()));
        }
        if path.exists() && !path.is_file() {
            return refuse(format!("{} is no file", path.display()));
        }
        Ok(OutputFile { folder, name: name.to_string_lossy().into_owned() })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`]; what was there stays then.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        replace(&Disk, self.folder, &self.name, bytes)
    }
}
