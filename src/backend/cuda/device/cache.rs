//! Kernels that were compiled at run time, kept in a folder for the processes to come.
//!
//! An entry is a file that is named by the hash of all that the image depends on: sources, target, options,
//! version of the compiler. It says so itself, in four parts:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `nfdkern1`, the last letter the version of this layout |
//! | 16 | the hash of its name, little-endian |
//! | 16 | xxh3 of that hash and the image, little-endian |
//! | the rest | the image |
//!
//! No image is taken that does not have this checksum. Entries appear whole, under their name, so any number
//! of processes may share a folder; one that cannot be used is as good as none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::xxh3_128;

use super::nvrtc::{Program, Target, options};

const MAGIC: [u8; 8] = *b"nfdkern1";

/// What comes before the image in an entry.
const HEADER: usize = 8 + 16 + 16;

/// How the name of an entry ends.
const ENDING: &str = "kernel";

/// The most entries that are kept: one kind of GPU takes one for each file of kernels, or two where machine
/// code is refused and PTX is taken.
const MOST: usize = 64;

/// Age at which a file that was never finished is removed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A folder with compiled kernels; without one, nothing is ever found or kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The number of entries, sound or not.
    pub entries: usize,
    /// Bytes of all entries together, their headers included.
    pub bytes: u64,
}

/// The hash of all that an image depends on.
pub fn key(program: Program, target: Target, compiler: (i32, i32)) -> u128 {
    let Program { name, source, headers } = program;
    // As Rust would write them: no two differ in where one text ends and the next begins.
    let all = (name, source, headers, target, options(target, true), compiler);
    xxh3_128(format!("{all:?}").as_bytes())
}

impl Cache {
    /// The cache of the user: in the folder NFD_CACHE, else `nfd` in that of XDG_CACHE_HOME or `~/.cache`.
    pub fn of_user() -> Cache {
        let of = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || of("HOME").map(|home| home.join(".cache"));
        let general = || of("XDG_CACHE_HOME").or_else(home).map(|folder| folder.join("nfd"));
        Cache { folder: of("NFD_CACHE").or_else(general) }
    }

    /// The cache in a folder, which is made with the first entry.
    pub fn at(folder: &Path) -> Cache {
        Cache { folder: Some(folder.to_owned()) }
    }

    /// The folder; None where the environment names none.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The image of this key, if there is an entry that is sound.
    pub fn get(&self, key: u128) -> Option<Vec<u8>> {
        let mut file = File::open(self.folder.as_ref()?.join(name(key))).ok()?;
        let mut entry = Vec::new();
        file.read_to_end(&mut entry).ok()?;
        let image = entry.get(HEADER..)?;
        if entry[..HEADER] != header(key, image) {
            return None;
        }
        // What is used stays longest. Where the file may not be touched, it is as old as it is.
        let _ = file.set_modified(SystemTime::now());
        entry.drain(..HEADER);
        Some(entry)
    }

    /// Keeps the image of this key, in place of what there is, and removes the oldest entries beyond 64.
    ///
    /// # Errors
    /// Why the folder cannot be written to; nothing is lost but time.
    pub fn put(&self, key: u128, image: &[u8]) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (process, now) = (std::process::id(), now.as_nanos());
        let temporary = folder.join(format!(".{key:032x}.{process}.{now}.tmp"));
        // Not the file of another: processes of two machines may have one number at one time.
        let mut file = File::options().write(true).create_new(true).open(&temporary)?;
        let written = file.write_all(&header(key, image)).and_then(|()| file.write_all(image));
        let kept = written.and_then(|()| fs::rename(&temporary, folder.join(name(key))));
        if kept.is_err() {
            let _ = fs::remove_file(&temporary); // nothing better to do if this fails as well
        }
        self.tidy();
        kept
    }

    /// What it holds; nothing where its folder is not there yet.
    ///
    /// # Errors
    /// Why the folder cannot be read.
    pub fn content(&self) -> io::Result<Content> {
        let mut content = Content::default();
        for (_, _, bytes) in self.files(is_entry)? {
            content.entries += 1;
            content.bytes += bytes;
        }
        Ok(content)
    }

    /// What it holds, once it is known that more could be written.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn check(&self) -> io::Result<Content> {
        let content = self.content()?;
        if let Some(folder) = self.folder.as_ref().filter(|folder| folder.is_dir()) {
            let file = folder.join(format!(".check.{}.tmp", std::process::id()));
            File::options().write(true).create_new(true).open(&file)?;
            fs::remove_file(file)?;
        }
        Ok(content)
    }

    /// Removes the entries that were not used for longest, and what killed processes have left. Others may
    /// do the same at the same time: a file that is gone is no error.
    fn tidy(&self) {
        let mut entries = self.files(is_entry).unwrap_or_default();
        entries.sort_by_key(|(_, used, _)| *used);
        let beyond = entries.len().saturating_sub(MOST);
        let abandoned = self.files(is_temporary).unwrap_or_default().into_iter();
        let abandoned =
            abandoned.filter(|(_, used, _)| used.elapsed().is_ok_and(|age| age > ABANDONED));
        for (path, ..) in entries.into_iter().take(beyond).chain(abandoned) {
            let _ = fs::remove_file(path);
        }
    }

    /// Such files of its folder: path, time of the last use, bytes.
    fn files(&self, such: fn(&str) -> bool) -> io::Result<Vec<(PathBuf, SystemTime, u64)>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let files = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let files = files.flatten().filter(|file| such(&file.file_name().to_string_lossy()));
        let described = files.filter_map(|file| {
            let about = file.metadata().ok()?;
            Some((file.path(), about.modified().ok()?, about.len()))
        });
        Ok(described.collect())
    }
}

fn name(key: u128) -> String {
    format!("{key:032x}.{ENDING}")
}

fn is_entry(name: &str) -> bool {
    name.strip_suffix(ENDING).is_some_and(|name| name.len() == 33)
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

fn header(key: u128, image: &[u8]) -> [u8; HEADER] {
    let key = key.to_le_bytes();
    let checksum = xxh3_128(&[&key, image].concat()).to_le_bytes();
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..24].copy_from_slice(&key);
    header[24..].copy_from_slice(&checksum);
    header
}
