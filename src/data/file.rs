//! Opening files: what they are is told by how they begin, never by their names.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::records::data_error;
use crate::error::{Error, Result};

/// Bytes that are looked at before a file is read.
pub const HEAD: usize = 1 << 18;

/// What a file is by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IDX file.
    Idx,
    /// One array of NumPy.
    Npy,
    /// Arrays of NumPy are such archives, sheets of Excel too.
    Zip,
    /// An object of Python.
    Pickle,
    /// Text in UTF-16.
    Utf16,
    /// Gzip within gzip.
    Gzip,
    /// Text, or bytes without a mark.
    Plain,
}

impl Kind {
    fn of(head: &[u8]) -> Kind {
        match head {
            [0, 0, 8 | 9 | 11..=14, 1..=8, ..] => Kind::Idx,
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Npy,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
            [0x80, 2..=5, ..] => Kind::Pickle,
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Kind::Utf16,
            [0x1F, 0x8B, ..] => Kind::Gzip,
            _ => Kind::Plain,
        }
    }

    /// What it is, and what can be done with it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Idx => ("is an IDX file", "take data.source idx, with the folder that it is in"),
            Kind::Npy => ("is an array of NumPy", "take data.source npy"),
            Kind::Zip => (
                "is a ZIP archive",
                "unpack it, or save a sheet as CSV; for arrays of NumPy take data.source npy",
            ),
            Kind::Pickle => (
                "is a pickle of Python",
                "save arrays by numpy.save, for data.source npy; of CIFAR-10 take the binary version",
            ),
            Kind::Utf16 => ("is text in UTF-16", "save it as UTF-8"),
            Kind::Gzip => ("is gzip within gzip", "unpack it once"),
            Kind::Plain => ("has none of the marks that files of data begin with", "look into it"),
        }
    }
}

/// A file that has been looked at.
pub struct Opened {
    /// What it is.
    pub kind: Kind,
    /// How it begins, unpacked: [`HEAD`] bytes of it, or all.
    pub head: Vec<u8>,
    rest: Box<dyn Read>,
}

impl Opened {
    /// All of it from the beginning, unpacked.
    pub fn reader(self) -> impl Read {
        Cursor::new(self.head).chain(self.rest)
    }

    /// Refuses a file that is known to be something else than what is expected: "a table".
    ///
    /// # Errors
    /// [`Error::Data`], with what it is.
    pub fn refuse_unless(&self, path: &Path, fits: bool, expected: &str) -> Result<()> {
        if fits {
            return Ok(());
        }
        let (is, help) = self.kind.words();
        Err(data_error(&path.display().to_string(), format!("{is}, not {expected}"), help))
    }
}

/// Opens a file, plain or gzip of any number of members.
///
/// # Errors
/// [`Error::Io`], or [`Error::Data`] where it is no file of data: a folder, or a web page.
pub fn open(path: &Path) -> Result<Opened> {
    let refuse = |problem: &str, help: &str| {
        data_error(&path.display().to_string(), problem.to_owned(), help)
    };
    if path.is_dir() {
        return Err(refuse("is a folder", "name the file that is meant"));
    }
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut rest: Box<dyn Read> = Box::new(BufReader::new(File::open(path).map_err(io)?));
    let mut head = read_head(&mut *rest).map_err(io)?;
    if Kind::of(&head) == Kind::Gzip {
        let packed = Cursor::new(head).chain(rest);
        rest = Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(packed))));
        head = read_head(&mut *rest).map_err(|error| {
            let help = "the file is damaged or was not fetched to its end: get it again";
            refuse(&format!("is gzip that cannot be unpacked: {error}"), help)
        })?;
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start();
    if text.first() == Some(&b'<') {
        let help =
            "open it to see why (a login, an error, or a page about the file), and get the file";
        return Err(refuse("is a web page, not data", help));
    }
    if text.starts_with(b"version https://git-lfs") {
        let help = "get the file itself: git lfs pull";
        return Err(refuse("is a pointer of Git LFS, not data", help));
    }
    Ok(Opened { kind: Kind::of(&head), head, rest })
}

fn read_head(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}
