//! IDX files, as MNIST and Fashion-MNIST come: two of images and two of labels in a folder, plain or
//! gzip.
//!
//! A header of four bytes (0, 0, the type of numbers, the number of dimensions), a big-endian u32 for each
//! dimension, then the numbers (Y. LeCun, C. Cortes and C. Burges, The MNIST database).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::classified::{Classified, Part, data_error};
use crate::error::{Error, Result};

/// Numbers of a record, at most.
const LARGEST: usize = 1 << 24;
/// Bytes without sign, the only type that these sets have.
const BYTES: u8 = 0x08;

/// A folder with such files.
pub struct Idx {
    folder: PathBuf,
    dimension: usize,
    images: [PathBuf; 2],
    classes: [Vec<u8>; 2],
}

impl Idx {
    /// Looks at the headers and reads the labels.
    ///
    /// # Errors
    /// When files are missing, with the layout that is expected, or do not fit.
    pub fn open(folder: &Path) -> Result<Idx> {
        let find = |stem: &str| find(folder, stem);
        let images = [find("train-images-idx3-ubyte")?, find("t10k-images-idx3-ubyte")?];
        let labels = [find("train-labels-idx1-ubyte")?, find("t10k-labels-idx1-ubyte")?];
        let (train, d) = part(&images[0], &labels[0])?;
        let (test, same) = part(&images[1], &labels[1])?;
        if d != same {
            let problem = format!("images have {same} numbers, but training images {d}");
            return Err(data_error(&images[1].display().to_string(), problem, MIXED));
        }
        Ok(Idx { folder: folder.to_owned(), dimension: d, images, classes: [train, test] })
    }
}

const MIXED: &str = "the files are of different sets: take all four from one";
const DAMAGED: &str = "the file is damaged or was not fetched to its end: get it again";

/// The file of a name, with a dash or a point before idx, plain or gzip.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let names = [name.to_owned(), name.replace("-idx", ".idx")];
    let candidates = names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    let there = candidates.map(|name| folder.join(name)).find(|path| path.is_file());
    there.ok_or_else(|| {
        let help = "expected there, each plain or with .gz: train-images-idx3-ubyte, \
                    train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; the MNIST \
                    and Fashion-MNIST pages have them, and torchvision leaves them in MNIST/raw";
        data_error(&folder.display().to_string(), format!("has no {name}"), help)
    })
}

/// The labels of a part, and the numbers of its images.
fn part(images: &Path, labels: &Path) -> Result<(Vec<u8>, usize)> {
    let (_, sizes) = open(images)?;
    let [count, each @ ..] = &sizes[..] else { return Err(wrong(images, "has no dimensions")) };
    let dimension = each.iter().try_fold(1_usize, |d, &size| d.checked_mul(size));
    let dimension = dimension.filter(|d| (1..=LARGEST).contains(d));
    let Some(dimension) = dimension else {
        return Err(wrong(images, &format!("has records of {each:?} numbers")));
    };
    let (mut reader, sizes) = open(labels)?;
    if sizes != [*count] {
        let problem = format!("has labels of sizes {sizes:?} for {count} images");
        return Err(data_error(&labels.display().to_string(), problem, MIXED));
    }
    let mut classes = Vec::new();
    let read = reader.by_ref().take(*count as u64).read_to_end(&mut classes);
    read.map_err(|error| broken(labels, &error))?;
    if classes.len() < *count {
        let problem = format!("ends after label {} of {count}", classes.len());
        return Err(wrong(labels, &problem));
    }
    if reader.read(&mut [0]).is_ok_and(|more| more > 0) {
        return Err(wrong(labels, &format!("has more than the {count} labels of its header")));
    }
    Ok((classes, dimension))
}

fn wrong(path: &Path, problem: &str) -> Error {
    data_error(&path.display().to_string(), problem.to_owned(), DAMAGED)
}

fn broken(path: &Path, error: &io::Error) -> Error {
    wrong(path, &format!("cannot be read: {error}"))
}

/// Where the numbers begin, and the sizes of the header.
fn open(path: &Path) -> Result<(Box<dyn Read>, Vec<usize>)> {
    let file = File::open(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let mut reader: Box<dyn Read> = match zipped {
        true => Box::new(BufReader::new(GzDecoder::new(BufReader::new(file)))),
        false => Box::new(BufReader::new(file)),
    };
    let mut word = || {
        let mut word = [0; 4];
        reader.read_exact(&mut word).map(|()| word)
    };
    let begin = word().map_err(|error| broken(path, &error))?;
    let [0, 0, BYTES, dimensions @ 1..=8] = begin else {
        let problem = format!("begins with {begin:02x?} and is no IDX file of bytes");
        return Err(wrong(path, &problem));
    };
    let sizes = (0..dimensions).map(|_| word().map(|size| u32::from_be_bytes(size) as usize));
    let sizes = sizes.collect::<io::Result<Vec<usize>>>().map_err(|error| broken(path, &error))?;
    Ok((reader, sizes))
}

impl Classified for Idx {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn classes_of(&self, part: Part) -> &[u8] {
        &self.classes[part as usize]
    }

    fn read(&self, part: Part, positions: &[usize]) -> Result<Vec<Vec<u8>>> {
        let path = &self.images[part as usize];
        let (mut reader, _) = open(path)?;
        let mut record = vec![0; self.dimension];
        let mut next = 0;
        let mut records = Vec::with_capacity(positions.len());
        for &position in positions {
            while next <= position {
                reader.read_exact(&mut record).map_err(|error| {
                    wrong(
                        path,
                        &format!(
                            "record {} of {}: {error}",
                            next + 1,
                            self.classes[part as usize].len()
                        ),
                    )
                })?;
                next += 1;
            }
            records.push(record.clone());
        }
        Ok(records)
    }
}
