//! Finished tasks, one checksummed record each, in a file that only grows.
//!
//! ```text
//! record  = marker (8) · version (4) · length (8) · checksum (8) · payload
//! payload = key (16) · value in postcard
//! ```
//!
//! Integers are little-endian; the checksum is xxh3 over version, length and payload. A reader that
//! meets a damaged record goes on at the next marker that begins a whole one. Damage with nothing
//! whole behind it is a torn tail: the last write before a kill. Later records of a key win.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::files::{Appender, Files};
use super::key::Key;
use crate::error::{Error, Result};

/// No text, no number: never met in a payload by accident (and if so, the checksum says no).
const MARKER: [u8; 8] = [0xF7, b'n', b'f', b'd', 0x0D, 0x0A, 0x1A, 0x8C];
/// The format of a record, its payload included. Raise it whenever a recorded type changes its shape.
const VERSION: u32 = 5;
const HEADER: usize = MARKER.len() + 4 + 8 + 8;
const KEY: usize = size_of::<Key>();
/// Read at a time: memory stays bounded whatever a damaged length says.
const CHUNK: usize = 1 << 20;
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Where the value of a record lies in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    offset: u64,
    length: u64,
}

impl Location {
    /// The first byte of the record.
    fn begin(self) -> u64 {
        self.offset - (HEADER + KEY) as u64
    }
}

/// What was found in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Where the latest record of each key lies.
    pub index: HashMap<Key, Location>,
    /// Damaged records with whole ones behind them.
    pub damaged: Vec<DamagedRecord>,
    /// The number of bytes up to the end of the last whole record.
    pub whole: u64,
    /// The number of bytes behind them: a torn tail.
    pub torn: u64,
}

/// Bytes of a journal that belong to no whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRecord {
    /// The number of the record in its journal, from 1.
    pub number: usize,
    /// The first byte of the damage.
    pub from: u64,
    /// The first byte of the next whole record.
    pub to: u64,
}

impl Contents {
    /// A line of words for each piece of damage in the journal at `path`.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let (shown, whole, torn) = (path.display(), self.whole, self.torn);
        let damaged = self.damaged.iter().map(|DamagedRecord { number, from, to }| {
            format!(
                "{shown}: record {number} (bytes {from} to {to}) fails its checksum and is \
                 ignored; its task is redone unless another record holds it"
            )
        });
        let torn = (torn > 0).then(|| {
            format!(
                "{shown}: the last record (from byte {whole}, {torn} bytes) is torn or damaged and \
                 is dropped; its task is redone"
            )
        });
        damaged.chain(torn).collect()
    }
}

/// A whole record, and where it lies.
struct Record {
    version: u32,
    key: Key,
    location: Location,
    end: u64,
}

/// Reads a journal, changing nothing; one that is not there is empty.
///
/// # Errors
/// [`Error::Io`]; [`Error::RunDirectory`] for records of another version of the format.
pub fn read_contents(path: &Path) -> Result<Contents> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut contents = Contents::default();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(contents),
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    let (mut at, mut number) = (0, 0);
    while at < length {
        number += 1;
        let record = match read_record(&mut file, at, length).map_err(io)? {
            Some(record) => record,
            None => match find_record(&mut file, at + 1, length).map_err(io)? {
                Some((found, record)) => {
                    contents.damaged.push(DamagedRecord { number, from: at, to: found });
                    number += 1;
                    record
                }
                None => break,
            },
        };
        if record.version != VERSION {
            return Err(Error::RunDirectory {
                directory: path.to_owned(),
                problem: format!(
                    "record {number} has format {}, this program reads {VERSION}",
                    record.version
                ),
                help: "use the program that wrote it, or another --output".to_owned(),
            });
        }
        contents.index.insert(record.key, record.location);
        at = record.end;
    }
    contents.whole = at;
    contents.torn = length - at;
    Ok(contents)
}

/// Reads the record at byte `at`, of any version; None where there is no whole one.
fn read_record(file: &mut File, at: u64, length: u64) -> io::Result<Option<Record>> {
    let mut header = [0; HEADER + KEY];
    if length - at < header.len() as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut header)?;
    let (marker, rest) = header.split_at(MARKER.len());
    let (version, rest) = rest.split_at(4);
    let (payload_length, rest) = rest.split_at(8);
    let (checksum, key) = rest.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
    let payload = number(payload_length);
    if marker != MARKER || payload < KEY as u64 || payload > length - at - HEADER as u64 {
        return Ok(None);
    }
    let mut hash = Xxh3::new();
    [version, payload_length, key].iter().for_each(|bytes| hash.update(bytes));
    let value = payload - KEY as u64;
    let mut buffer = vec![0; CHUNK.min(value as usize)];
    let mut left = value as usize;
    while left > 0 {
        let part = left.min(CHUNK);
        file.read_exact(&mut buffer[..part])?;
        hash.update(&buffer[..part]);
        left -= part;
    }
    if hash.digest() != number(checksum) {
        return Ok(None);
    }
    let offset = at + header.len() as u64;
    let key = key.iter().rev().fold(0, |n, &b| n << 8 | Key::from(b));
    let location = Location { offset, length: value };
    Ok(Some(Record { version: number(version) as u32, key, location, end: offset + value }))
}

/// Finds the first whole record that begins at byte `from` or later.
fn find_record(file: &mut File, from: u64, length: u64) -> io::Result<Option<(u64, Record)>> {
    let mut buffer = Vec::new();
    let mut from = from;
    while from < length {
        file.seek(SeekFrom::Start(from))?;
        buffer.clear();
        file.take(CHUNK as u64).read_to_end(&mut buffer)?;
        for (i, window) in buffer.windows(MARKER.len()).enumerate() {
            let at = from + i as u64;
            if window == MARKER
                && let Some(record) = read_record(file, at, length)?
            {
                return Ok(Some((at, record)));
            }
        }
        // A marker may lie across two chunks.
        from += (buffer.len().max(MARKER.len()) - MARKER.len() + 1) as u64;
    }
    Ok(None)
}

/// A journal that this process writes to.
pub struct Journal {
    file: Appender,
    index: HashMap<Key, Location>,
    synced: Instant,
}

impl Journal {
    /// Opens the journal at `path`, which no other process may write to, dropping a torn tail. The
    /// messages say what was lost.
    ///
    /// # Errors
    /// As [`read_contents`].
    pub fn open(files: Arc<dyn Files>, path: &Path) -> Result<(Self, Vec<String>)> {
        let contents = read_contents(path)?;
        let messages = contents.warnings(path);
        let file = Appender::open(files.clone(), path, contents.whole)?;
        // The file's name must be on the disk before what is in it counts.
        let folder = path.parent().unwrap_or(path);
        File::open(folder).and_then(|folder| files.sync(&folder)).map_err(|source| Error::Io {
            action: "sync",
            path: folder.to_owned(),
            source,
        })?;
        let Contents { index, .. } = contents;
        Ok((Journal { file, index, synced: Instant::now() }, messages))
    }

    /// The path of the journal.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Where the value of `key` lies, if it is there.
    pub fn find(&self, key: Key) -> Option<Location> {
        self.index.get(&key).copied()
    }

    /// Adds a record (from [`encode`]), and waits for the disk once a second.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::Io`]; all earlier records stay.
    pub fn append(&mut self, key: Key, record: &[u8]) -> Result<()> {
        let begin = self.file.length();
        self.file.append(record)?;
        let offset = begin + (HEADER + KEY) as u64;
        let length = (record.len() - HEADER - KEY) as u64;
        self.index.insert(key, Location { offset, length });
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Waits until the disk has all records.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        self.file.sync()
    }
}

/// The bytes of the record that holds `value` under `key`.
///
/// # Errors
/// [`Error::Io`] when the value cannot be encoded.
pub fn encode(path: &Path, key: Key, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut record = MARKER.to_vec();
    record.resize(HEADER, 0);
    record.extend(key.to_le_bytes());
    let mut record = postcard::to_extend(value, record).map_err(|error| Error::Io {
        action: "encode a task for",
        path: path.to_owned(),
        source: io::Error::other(error),
    })?;
    let payload = (record.len() - HEADER) as u64;
    record[8..12].copy_from_slice(&VERSION.to_le_bytes());
    record[12..20].copy_from_slice(&payload.to_le_bytes());
    let mut hash = Xxh3::new();
    hash.update(&record[8..20]);
    hash.update(&record[HEADER..]);
    record[20..HEADER].copy_from_slice(&hash.digest().to_le_bytes());
    Ok(record)
}

/// Reads the value of `key` at `location`, checking it once more: the disk may have changed its mind.
///
/// # Errors
/// [`Error::Io`]; [`Error::RunDirectory`] when it is not what was written.
pub fn read_value<T: DeserializeOwned>(path: &Path, key: Key, location: Location) -> Result<T> {
    let record = read_record_bytes(path, key, location)?;
    postcard::from_bytes(&record[HEADER + KEY..]).map_err(|_| changed_error(path, location))
}

/// Reads the whole record of `key` whose value lies at `location`, and checks it.
///
/// # Errors
/// As [`read_value`].
pub fn read_record_bytes(path: &Path, key: Key, location: Location) -> Result<Vec<u8>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(location.begin())).map_err(io)?;
    let mut bytes = vec![0; HEADER + KEY + location.length as usize];
    file.read_exact(&mut bytes).map_err(io)?;
    let mut hash = Xxh3::new();
    hash.update(&bytes[8..20]);
    hash.update(&bytes[HEADER..]);
    let right = bytes[20..HEADER] == hash.digest().to_le_bytes()
        && bytes[HEADER..HEADER + KEY] == key.to_le_bytes();
    if right { Ok(bytes) } else { Err(changed_error(path, location)) }
}

fn changed_error(path: &Path, location: Location) -> Error {
    Error::RunDirectory {
        directory: path.to_owned(),
        problem: format!("the record at byte {} changed since it was written", location.begin()),
        help: "check the disk; the same command redoes this task and keeps the others".to_owned(),
    }
}
