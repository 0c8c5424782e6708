//! CIFAR-10 in its binary version: five files of training records and one of test records, each a byte
//! of class and 32×32 pixels of red, green and blue (A. Krizhevsky, Learning multiple layers of features
//! from tiny images, 2009).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::{self, Kind};
use super::number::{self, Stored};
use super::records::{Part, Records, Targets, data_error};
use crate::error::{Error, Result};

const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
const CLASSES: u8 = 10;
const BYTES: Stored = Stored { kind: number::Kind::Uint, size: 1, big_endian: false };
const TRAIN: [&str; 5] =
    ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
const TEST: [&str; 1] = ["test_batch"];

/// A folder with those files.
pub struct Cifar {
    folder: PathBuf,
    /// Of training and test: the number of records of each file.
    files: [Vec<(PathBuf, usize)>; 2],
    labels: [Targets; 2],
}

impl Cifar {
    /// Reads all classes.
    ///
    /// # Errors
    /// When a file is missing, with the layout that is expected, is cut off, or has a class above 9.
    pub fn open(folder: &Path) -> Result<Cifar> {
        let mut files = [Vec::new(), Vec::new()];
        let mut all = [Vec::new(), Vec::new()];
        for (part, names) in [&TRAIN[..], &TEST].into_iter().enumerate() {
            for name in names {
                let path = find(folder, name)?;
                let before = all[part].len();
                classes(&path, &mut all[part])?;
                files[part].push((path, all[part].len() - before));
            }
        }
        Ok(Cifar { folder: folder.to_owned(), files, labels: all.map(Targets::of_classes) })
    }
}

/// The file of a name, with its ending or without, plain or gzip.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let endings = [".bin", ".bin.gz", "", ".gz"];
    let mut files = endings.iter().map(|ending| folder.join(format!("{name}{ending}")));
    files.find(|path| path.is_file()).ok_or_else(|| {
        let help = "expected there: data_batch_1.bin … data_batch_5.bin and test_batch.bin, the binary \
                    version (for C programs) of the CIFAR-10 page, unpacked";
        data_error(&folder.display().to_string(), format!("has no {name}.bin"), help)
    })
}

fn open(path: &Path) -> Result<impl Read> {
    let file = file::open(path)?;
    // The first record may be of class 0 and begin like an IDX file.
    let fits = matches!(file.kind, Kind::Plain | Kind::Idx);
    file.refuse_unless(path, fits, "a file of CIFAR-10's binary version")?;
    Ok(file.reader())
}

fn damaged(path: &Path, record: usize, problem: &str) -> Error {
    let help = "the file is damaged or was not unpacked to its end: get it again";
    let problem = format!("record {}: {problem}", record + 1);
    data_error(&path.display().to_string(), problem, help)
}

/// Appends the classes of one file.
fn classes(path: &Path, all: &mut Vec<u8>) -> Result<()> {
    let mut reader = open(path)?;
    let mut record = Vec::with_capacity(RECORD);
    for number in 0.. {
        record.clear();
        let read = reader.by_ref().take(RECORD as u64).read_to_end(&mut record);
        read.map_err(|error| damaged(path, number, &error.to_string()))?;
        match record.first() {
            None => break,
            Some(_) if record.len() < RECORD => {
                let problem = format!("is cut off after {} of {RECORD} bytes", record.len());
                return Err(damaged(path, number, &problem));
            }
            Some(&class) if class >= CLASSES => {
                return Err(damaged(path, number, &format!("has class {class}, above 9")));
            }
            Some(&class) => all.push(class),
        }
    }
    Ok(())
}

impl Records for Cifar {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn dimension(&self) -> usize {
        PIXELS
    }

    fn labels(&self, part: Part) -> &Targets {
        &self.labels[part as usize]
    }

    fn read(&self, part: Part, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()> {
        let (mut first, mut rest) = (0, positions);
        for (path, count) in &self.files[part as usize] {
            let here = rest.partition_point(|&position| position < first + count);
            let (own, after) = rest.split_at(here);
            if !own.is_empty() {
                let own: Vec<usize> = own.iter().map(|position| position - first).collect();
                // Behind each class.
                let mut pixels = |record: &[f64]| keep(&record[1..]);
                let read = BYTES.records(&mut open(path)?, RECORD, &own, &mut pixels);
                read.map_err(|(record, problem)| damaged(path, record, &problem))?;
            }
            (first, rest) = (first + count, after);
        }
        Ok(())
    }
}
