//! CIFAR-10 in its binary version: five files of training records and one of test records, each a byte
//! of class and 32×32 pixels of red, green and blue (A. Krizhevsky, Learning multiple layers of features
//! from tiny images, 2009).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::classified::{Classified, Part, data_error};
use crate::error::{Error, Result};

const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
const CLASSES: u8 = 10;
const TRAIN: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
const TEST: [&str; 1] = ["test_batch.bin"];

/// A folder with those files.
pub struct Cifar {
    folder: PathBuf,
    /// Of training and test: the number of records of each file.
    files: [Vec<(PathBuf, usize)>; 2],
    classes: [Vec<u8>; 2],
}

impl Cifar {
    /// Reads all classes.
    ///
    /// # Errors
    /// When a file is missing, with the layout that is expected, is cut off, or has a class above 9.
    pub fn open(folder: &Path) -> Result<Cifar> {
        let mut cifar = Cifar {
            folder: folder.to_owned(),
            files: [Vec::new(), Vec::new()],
            classes: [Vec::new(), Vec::new()],
        };
        for (part, names) in [&TRAIN[..], &TEST].into_iter().enumerate() {
            for name in names {
                let path = folder.join(name);
                let before = cifar.classes[part].len();
                classes(folder, &path, &mut cifar.classes[part])?;
                cifar.files[part].push((path, cifar.classes[part].len() - before));
            }
        }
        Ok(cifar)
    }
}

fn open(folder: &Path, path: &Path) -> Result<File> {
    if !path.is_file() {
        let help = "expected there: data_batch_1.bin … data_batch_5.bin and test_batch.bin, the binary \
                    version (for C programs) of the CIFAR-10 page, unpacked";
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Err(data_error(&folder.display().to_string(), format!("has no {name}"), help));
    }
    File::open(path).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })
}

fn damaged(path: &Path, record: usize, problem: &str) -> Error {
    let help = "the file is damaged or was not unpacked to its end: get it again";
    let problem = format!("record {}: {problem}", record + 1);
    data_error(&path.display().to_string(), problem, help)
}

/// Appends the classes of one file.
fn classes(folder: &Path, path: &Path, all: &mut Vec<u8>) -> Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, open(folder, path)?);
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

impl Classified for Cifar {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn dimension(&self) -> usize {
        PIXELS
    }

    fn classes_of(&self, part: Part) -> &[u8] {
        &self.classes[part as usize]
    }

    fn read(&self, part: Part, positions: &[usize]) -> Result<Vec<Vec<u8>>> {
        let mut records = Vec::with_capacity(positions.len());
        let (mut first, mut rest) = (0, positions);
        for (path, count) in &self.files[part as usize] {
            let here = rest.partition_point(|&position| position < first + count);
            let (own, after) = rest.split_at(here);
            let mut file = if own.is_empty() { None } else { Some(open(&self.folder, path)?) };
            for &position in own {
                let Some(file) = &mut file else { continue };
                let mut record = vec![0; PIXELS];
                let at = ((position - first) * RECORD + 1) as u64;
                let read =
                    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut record));
                read.map_err(|error| damaged(path, position - first, &error.to_string()))?;
                records.push(record);
            }
            (first, rest) = (first + count, after);
        }
        Ok(records)
    }
}
