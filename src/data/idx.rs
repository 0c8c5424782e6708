//! IDX files, as MNIST and its relatives come: two of images and two of labels in a folder.
//!
//! A header of four bytes (0, 0, the type of numbers, the number of dimensions), a big-endian u32 for each
//! dimension, then the numbers (Y. LeCun, C. Cortes and C. Burges, The MNIST database).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::{self, Kind};
use super::number::{self, LARGEST, Stored};
use super::records::{MOST_NUMBERS, Part, Records, Targets, data_error, hot};
use crate::error::{Error, Result};

/// A folder with such files.
pub struct Idx {
    path: PathBuf,
    dimension: usize,
    files: [Files; 2],
    labels: [Targets; 2],
}

/// The two files of a part.
struct Files {
    images: PathBuf,
    labels: PathBuf,
}

impl Idx {
    /// Looks at the headers and reads the labels. `path` is a folder, or a folder and how the names of four
    /// files in it begin.
    ///
    /// # Errors
    /// When files are missing, with the layout that is expected, or do not fit.
    pub fn open(path: &Path) -> Result<Idx> {
        let all = candidates(path)?;
        let files = |part: &str| -> Result<Files> {
            Ok(Files {
                images: find(path, &all, &format!("{part}-images-idx3-ubyte"))?,
                labels: find(path, &all, &format!("{part}-labels-idx1-ubyte"))?,
            })
        };
        let [train, test] = [files("train")?, files("t10k")?];
        let (train_labels, d) = read_part(&train)?;
        let (test_labels, same) = read_part(&test)?;
        if d != same {
            let problem = format!("images have {same} numbers, but training images {d}");
            return Err(data_error(&test.images.display().to_string(), problem, MIXED));
        }
        let labels = [train_labels, test_labels];
        Ok(Idx { path: path.to_owned(), dimension: d, files: [train, test], labels })
    }
}

const MIXED: &str = "the files are of different sets: take all four from one";
const DAMAGED: &str = "the file is damaged or was not fetched to its end: get it again";

/// The files that `path` may mean, with their names in lower case and without .gz.
fn candidates(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let (folder, begin) = match path.is_dir() {
        true => (path, String::new()),
        false => {
            let begin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")), begin)
        }
    };
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&begin) && file.is_file() {
            let name = name.to_lowercase();
            all.push((name.strip_suffix(".gz").unwrap_or(&name).to_owned(), file));
        }
    }
    // Of a file that is there plain too, gzip comes after it.
    all.sort();
    Ok(all)
}

/// The file that `name` stands for among `all`: that very name, or one with the same words.
fn find(path: &Path, all: &[(String, PathBuf)], name: &str) -> Result<PathBuf> {
    let words: [&[&str]; 2] = [
        if name.starts_with("train") { &["train"] } else { &["t10k", "test"] },
        if name.contains("images") { &["image", "img"] } else { &["label"] },
    ];
    let means = |other: &str| words.iter().all(|any| any.iter().any(|word| other.contains(word)));
    let fail = |problem: String, help: &str| data_error(&path.display().to_string(), problem, help);
    let mut found: Vec<&(String, PathBuf)> = Vec::new();
    let mut problem = None;
    for candidate in all.iter().filter(|(other, _)| means(other)) {
        match open(&candidate.1) {
            Ok(_) if found.iter().any(|(other, _)| *other == candidate.0) => {}
            Ok(_) => found.push(candidate),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    let exact = found.iter().find(|(other, _)| other == name);
    match (exact, &found[..]) {
        (Some((_, file)), _) | (None, [(_, file)]) => Ok(file.clone()),
        (None, []) => Err(problem.unwrap_or_else(|| {
            let help = "expected there, each plain or gzip: train-images-idx3-ubyte, \
                        train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, or names \
                        with train or test, images and labels; the MNIST and Fashion-MNIST pages have \
                        them, and torchvision leaves them in MNIST/raw";
            fail(format!("has no {name}"), help)
        })),
        (None, [(first, _), ..]) => {
            let problem = format!("has {} files that may be {name}", found.len());
            let help = format!(
                "let data.path be the folder followed by the common beginning of the file names of \
                 one set: all of {first} before train or test"
            );
            Err(fail(problem, &help))
        }
    }
}

/// The labels of a part, and the numbers of its images.
fn read_part(files: &Files) -> Result<(Targets, usize)> {
    let Files { images, labels } = files;
    let Header { sizes, .. } = open(images)?;
    let [count, each @ ..] = &sizes[..] else { return Err(wrong(images, "has no dimensions")) };
    let dimension = each.iter().try_fold(1_usize, |d, &size| d.checked_mul(size));
    let dimension = dimension.filter(|d| (1..=LARGEST).contains(d));
    let Some(dimension) = dimension else {
        return Err(wrong(images, &format!("has records of {each:?} numbers")));
    };
    let Header { stored, sizes, mut reader } = open(labels)?;
    let outputs = match sizes[..] {
        [same] if same == *count => 1,
        [same, outputs] if same == *count && outputs > 0 => outputs,
        _ => {
            let problem = format!("has labels of sizes {sizes:?} for {count} images");
            return Err(data_error(&labels.display().to_string(), problem, MIXED));
        }
    };
    if count.saturating_mul(outputs) > MOST_NUMBERS {
        return Err(wrong(labels, &format!("has labels of sizes {sizes:?}")));
    }
    let numbers = stored.read(&mut reader, count * outputs).map_err(|(at, problem)| {
        wrong(labels, &format!("label {} of {count}: {problem}", at / outputs + 1))
    })?;
    if reader.read(&mut [0]).is_ok_and(|more| more > 0) {
        return Err(wrong(labels, &format!("has more than the {count} labels of its header")));
    }
    // QMNIST's labels have eight columns: the class, and where the image is from.
    let first = outputs > 1 && numbers.chunks(outputs).any(|label| hot(label).is_none());
    Ok(match first {
        true => (
            Targets { outputs: 1, numbers: numbers.into_iter().step_by(outputs).collect() },
            dimension,
        ),
        false => (Targets { outputs, numbers }, dimension),
    })
}

fn wrong(path: &Path, problem: &str) -> Error {
    data_error(&path.display().to_string(), problem.to_owned(), DAMAGED)
}

/// What a header says, and where the numbers begin.
struct Header {
    stored: Stored,
    sizes: Vec<usize>,
    reader: Box<dyn Read>,
}

fn open(path: &Path) -> Result<Header> {
    let file = file::open(path)?;
    let begin = file.head.get(..4).unwrap_or(&file.head);
    let (Kind::Idx, &[0, 0, of, dimensions]) = (file.kind, begin) else {
        return Err(wrong(path, &format!("begins with {begin:02x?} and is no IDX file")));
    };
    let (kind, size) = match of {
        0x08 => (number::Kind::Uint, 1),
        0x09 => (number::Kind::Int, 1),
        0x0B => (number::Kind::Int, 2),
        0x0C => (number::Kind::Int, 4),
        0x0D => (number::Kind::Float, 4),
        _ => (number::Kind::Float, 8),
    };
    let mut reader = file.reader();
    let mut header = vec![0; 4 * (1 + usize::from(dimensions))];
    let read = reader.read_exact(&mut header);
    read.map_err(|error| wrong(path, &format!("its header cannot be read: {error}")))?;
    let (words, _) = header[4..].as_chunks();
    let sizes = words.iter().map(|&word| u32::from_be_bytes(word) as usize).collect();
    Ok(Header { stored: Stored { kind, size, big_endian: true }, sizes, reader: Box::new(reader) })
}

impl Records for Idx {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn label_name(&self) -> String {
        self.files[0].labels.display().to_string()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn labels(&self, part: Part) -> &Targets {
        &self.labels[part as usize]
    }

    fn read(&self, part: Part, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()> {
        let path = &self.files[part as usize].images;
        let Header { stored, mut reader, .. } = open(path)?;
        let read = stored.records(&mut reader, self.dimension, positions, keep);
        read.map_err(|(record, problem)| {
            let count = self.labels[part as usize].len();
            wrong(path, &format!("record {} of {count}: {problem}", record + 1))
        })
    }
}
