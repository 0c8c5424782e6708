//! How bytes reach the disk. Everything the run directory writes goes through [`Files`], so that a
//! test can let any of it fail.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// The calls of the operating system that change files. The defaults are the real ones.
pub trait Files: Send + Sync {
    /// Makes an empty file, or empties the one that is there.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    /// Makes an empty file where there is none; of several processes one can.
    ///
    /// # Errors
    /// Those of the operating system, `AlreadyExists` among them.
    fn create_new(&self, path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    /// Gives the file `from` the name `to` too, which no file may have; of several processes one can.
    ///
    /// # Errors
    /// Those of the operating system, `AlreadyExists` among them; not all file systems have links.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    /// Opens a file whose writes go to its end; makes it if it is not there.
    ///
    /// # Errors
    /// Those of the operating system.
    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// One write; may take only part of `bytes`.
    ///
    /// # Errors
    /// Those of the operating system.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    /// Cuts a file to `length` bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Waits until the disk has all that was written to a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives the file `from` the name `to`, in place of what had it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// The files of the operating system, as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {}

/// Writes all bytes in one call, and more calls only if the system took less than all.
fn write_all(files: &dyn Files, file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match files.write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = &bytes[taken..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where the new content of the file `name` is written before it takes its place.
fn temporary_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!(".{name}.tmp"))
}

/// Writes a whole file: to a temporary name, synced, then renamed, so that nobody ever sees half of
/// it.
///
/// # Errors
/// [`Error::Write`]; the file keeps its old content then.
pub fn replace(files: &dyn Files, directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let needed = bytes.len() as u64;
    replace_by(files, directory, (name, needed), |file| file.write_all(bytes))
}

/// The same of a file that `write` writes, part by part, at least so many bytes.
///
/// # Errors
/// [`Error::Write`], also for those of `write`; the file keeps its old content then.
pub fn replace_by(
    files: &dyn Files,
    directory: &Path,
    (name, needed): (&str, u64),
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = directory.join(name);
    let temporary = temporary_path(directory, name);
    let mut bytes = 0;
    let written = files
        .create(&temporary)
        .and_then(|mut file| {
            write(&mut Counted { files, file: &mut file, bytes: &mut bytes })?;
            files.sync(&file)
        })
        .and_then(|()| files.rename(&temporary, &path))
        .and_then(|()| files.sync(&File::open(directory)?));
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary); // nothing better to do if this fails as well
        Error::Write { path, bytes: bytes.max(needed), source }
    })
}

/// A file that is written to through [`Files`], and the bytes that were to be written.
struct Counted<'a> {
    files: &'a dyn Files,
    file: &'a mut File,
    bytes: &'a mut u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.bytes += bytes.len() as u64;
        write_all(self.files, self.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a file of these bytes where there is none; false where there is one. Where the file system has
/// links nobody ever sees a part of it, whenever this process is killed.
///
/// # Errors
/// [`Error::Write`]; there is no such file then.
pub fn create_new(files: &dyn Files, path: &Path, bytes: &[u8]) -> Result<bool> {
    // Of this call alone: others may be making the same file.
    let call = RandomState::new().hash_one(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = temporary_path(path.parent().unwrap_or(path), &format!("{name}.{call:016x}"));
    let linked = files
        .create_new(&temporary)
        .and_then(|mut file| write_all(files, &mut file, bytes))
        .and_then(|()| files.link(&temporary, path));
    // On NFS the answer to a link that was made may be lost, and the next one is that it exists.
    let is_there = linked.is_ok() || has_two_names(&temporary);
    let _ = fs::remove_file(&temporary); // swept with those that a kill leaves
    match linked {
        _ if is_there => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        _ => create_without_link(files, path, bytes),
    }
}

#[cfg(unix)]
fn has_two_names(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|about| about.nlink() == 2)
}

#[cfg(not(unix))]
fn has_two_names(_path: &Path) -> bool {
    false
}

/// The same where there are no links: a kill may leave an empty file.
fn create_without_link(files: &dyn Files, path: &Path, bytes: &[u8]) -> Result<bool> {
    let failed = |source| Error::Write { path: path.to_owned(), bytes: bytes.len() as u64, source };
    let mut file = match files.create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(source) => return Err(failed(source)),
    };
    write_all(files, &mut file, bytes).map_err(|source| {
        let _ = fs::remove_file(path); // nothing better to do if this fails as well
        failed(source)
    })?;
    Ok(true)
}

/// Removes the temporary files that a kill between writing and renaming has left.
///
/// # Errors
/// [`Error::Io`] when the directory cannot be read or a file not be removed.
pub fn remove_temporary(directory: &Path) -> Result<()> {
    remove_files(directory, is_temporary)
}

/// Whether a file of this name was being written when its process was killed.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Removes the files of `directory` whose names are `such`.
///
/// # Errors
/// [`Error::Io`] when the directory cannot be read or a file not be removed.
pub fn remove_files(directory: &Path, such: impl Fn(&str) -> bool) -> Result<()> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    };
    for entry in fs::read_dir(directory).map_err(io("read", directory))? {
        let entry = entry.map_err(io("read", directory))?;
        if such(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// A file that only grows: each append is whole or undone.
pub struct Appender {
    files: Arc<dyn Files>,
    path: PathBuf,
    file: File,
    length: u64,
}

impl Appender {
    /// Opens `path`, cut to `keep` bytes: what follows them is torn.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn open(files: Arc<dyn Files>, path: &Path, keep: u64) -> Result<Self> {
        let io = |action| move |source| Error::Io { action, path: path.to_owned(), source };
        let file = files.open_to_append(path).map_err(io("open"))?;
        let length = file.metadata().map_err(io("read"))?.len();
        if length > keep {
            files.truncate(&file, keep).map_err(io("truncate"))?;
        }
        Ok(Appender { files, path: path.to_owned(), file, length: length.min(keep) })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds `bytes` in one write.
    ///
    /// # Errors
    /// [`Error::Write`]; what was there before stays. [`Error::RunDirectory`], and nothing is written,
    /// when another process has written there.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let read = |source| Error::Io { action: "read", path: self.path.clone(), source };
        let length = self.file.metadata().map_err(read)?.len();
        if length != self.length {
            return Err(Error::RunDirectory {
                directory: self.path.clone(),
                problem: format!(
                    "another process has written here: it has {length} bytes, not {}",
                    self.length
                ),
                help:
                    "leave one process at work there: the same command then goes on with all that \
                       either has finished"
                        .to_owned(),
            });
        }
        match write_all(&*self.files, &mut self.file, bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                // If this fails as well, the next start drops what was half written.
                let _ = self.files.truncate(&self.file, self.length);
                let bytes = bytes.len() as u64;
                Err(Error::Write { path: self.path.clone(), bytes, source })
            }
        }
    }

    /// Waits until the disk has all of the file.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn sync(&self) -> Result<()> {
        let path = || self.path.clone();
        let failed = |source| Error::Io { action: "sync", path: path(), source };
        self.files.sync(&self.file).map_err(failed)
    }
}
