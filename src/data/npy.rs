//! NumPy's arrays, as numpy.save writes one and numpy.savez several: samples along the first axis.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use npyz::{Endianness, TypeChar, TypeStr};
use py_literal::Value;
use zip::ZipArchive;

use super::file::{self, Kind};
use super::number::{self, LARGEST, Stored, not_finite, skip};
use super::records::{MOST_NUMBERS, Part, Records, Targets, data_error};
use crate::error::{Error, Result};

/// Bytes of a header, at most: NumPy itself reads no longer one by default.
const MOST_HEADER: usize = 10_000;
/// Brackets that a header opens: two, and some to spare. Thousands keep the parser busy for minutes.
const MOST_BRACKETS: usize = 8;

/// What inputs and labels are called in an archive, and together with which word for their part.
const INPUTS: [&str; 6] = ["x", "images", "inputs", "features", "data", "arr_0"];
const LABELS: [&str; 6] = ["y", "labels", "label", "targets", "target", "arr_1"];
const TRAIN: [&str; 3] = ["{}_train", "train_{}", "{}"];
const TEST: [&str; 2] = ["{}_test", "test_{}"];

/// Inputs in one file and labels in another, or both in an archive.
pub struct Npy {
    inputs: Vec<Array>,
    dimension: usize,
    label_name: String,
    labels: [Targets; 2],
    assumed: Vec<String>,
}

impl Npy {
    /// Looks at the headers, and reads the labels of the first `rows` records.
    ///
    /// # Errors
    /// When an array is none of real numbers, is cut off, has a number that is not finite, or labels are not
    /// of the same samples as inputs.
    pub fn open(path: &Path, labels: Option<&Path>, rows: usize) -> Result<Npy> {
        let entries = entries(path)?;
        let pair = |parts: &[&str]| find_pair(&entries, parts);
        let (pairs, assumed) = match labels {
            Some(labels) => (vec![(only(path, &INPUTS)?, only(labels, &LABELS)?)], vec![]),
            None if entries.is_empty() => {
                let help = "name the file of labels in data.label_path, or save both in one: \
                            numpy.savez(file, x=…, y=…)";
                let problem = "has inputs and no labels".to_owned();
                return Err(data_error(&path.display().to_string(), problem, help));
            }
            None => {
                let Some(train) = pair(&TRAIN) else {
                    return Err(unclear(path, &entries, "inputs and labels"));
                };
                let mut assumed = vec![format!("inputs are {}, labels {}", train.0, train.1)];
                let test = pair(&TEST).filter(|test| *test != train);
                if let Some((x, y)) = &test {
                    assumed.push(format!("test inputs are {x}, test labels {y}"));
                }
                let pairs = std::iter::once(train).chain(test);
                let within = |(x, y)| (Array::within(path, x), Array::within(path, y));
                (pairs.map(within).collect(), assumed)
            }
        };
        let label_name = pairs[0].1.name();
        let (inputs, labels) = (Vec::new(), Default::default());
        let mut npy = Npy { inputs, dimension: 0, label_name, labels, assumed };
        for (part, (x, y)) in pairs.into_iter().enumerate() {
            let (x_header, y_header) = (x.header()?, y.header()?);
            let (count, same) = (x_header.count, y_header.count);
            if count != same {
                let problem = format!("has {same} labels for the {count} inputs of {}", x.name());
                let help = "save both from the same samples, along the first axis";
                return Err(data_error(&y.name(), problem, help));
            }
            let (d, outputs) = (x_header.each(), y_header.each());
            if part > 0 && (d, outputs) != (npy.dimension, npy.labels[0].outputs) {
                let problem = format!("has samples of {d} numbers and {outputs} labels");
                return Err(data_error(&x.name(), problem, "make them those of training samples"));
            }
            let rows = count.min(rows);
            if rows.saturating_mul(outputs) > MOST_NUMBERS {
                return Err(y.wrong(format!("has {count} samples of {outputs} labels")));
            }
            let mut numbers = Vec::new();
            let all: Vec<usize> = (0..rows).collect();
            y.read(&all, &mut |label| numbers.extend_from_slice(label))?;
            npy.labels[part] = Targets { outputs, numbers };
            npy.dimension = d;
            npy.inputs.push(x);
        }
        Ok(npy)
    }
}

/// The names of the arrays in an archive; none where the file is one array.
fn entries(path: &Path) -> Result<Vec<String>> {
    let file = file::open(path)?;
    file.refuse_unless(path, matches!(file.kind, Kind::Npy | Kind::Zip), "an array of NumPy")?;
    if file.kind == Kind::Npy {
        return Ok(Vec::new());
    }
    let archive = archive(path)?;
    let array = |name: &str| name.strip_suffix(".npy").map(str::to_owned);
    let names: Vec<_> = archive.file_names().filter_map(|name| array(&name.ok()?)).collect();
    if names.is_empty() {
        let (is, help) = ("is a ZIP archive without arrays of NumPy", "unpack it");
        return Err(data_error(&path.display().to_string(), is.to_owned(), help));
    }
    Ok(names)
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(io)?);
    ZipArchive::new(file).map_err(|error| {
        let help = "the archive is damaged or was not fetched to its end: get it again";
        data_error(&path.display().to_string(), format!("cannot be read: {error}"), help)
    })
}

/// The first of `entries` with one of these words.
fn find_name(entries: &[String], part: &str, words: &[&str]) -> Option<String> {
    let named = |word: &&str| {
        let name = part.replace("{}", word);
        entries.iter().find(|entry| entry.eq_ignore_ascii_case(&name))
    };
    words.iter().find_map(named).cloned()
}

/// Inputs and labels that are named alike.
fn find_pair(entries: &[String], parts: &[&str]) -> Option<(String, String)> {
    parts.iter().find_map(|part| {
        Some((find_name(entries, part, &INPUTS)?, find_name(entries, part, &LABELS)?))
    })
}

/// The array of a file: the only one, or the one with one of these words.
fn only(path: &Path, words: &[&str]) -> Result<Array> {
    let entries = entries(path)?;
    let named = || TRAIN.iter().find_map(|part| find_name(&entries, part, words));
    match &entries[..] {
        [] => Ok(Array { path: path.to_owned(), entry: None }),
        [name] => Ok(Array::within(path, name.clone())),
        _ => match named() {
            Some(name) => Ok(Array::within(path, name)),
            None => Err(unclear(path, &entries, words[1])),
        },
    }
}

/// That an archive does not say which arrays are meant.
fn unclear(path: &Path, entries: &[String], wanted: &str) -> Error {
    const MOST: usize = 12;
    let more = if entries.len() > MOST { ", …" } else { "" };
    let names = entries[..entries.len().min(MOST)].join(", ");
    let help =
        "name them x and y, x_train and y_train (with x_test and y_test), or images and labels";
    let problem = format!("has arrays {names}{more}, and none are named as {wanted}");
    data_error(&path.display().to_string(), problem, help)
}

/// Where an array is.
struct Array {
    path: PathBuf,
    /// Its name in an archive; None where it is a file of its own.
    entry: Option<String>,
}

/// What its header says.
#[derive(Clone)]
struct Header {
    stored: Stored,
    fortran: bool,
    /// The number of samples.
    count: usize,
    /// The sizes of a sample.
    sizes: Vec<usize>,
}

impl Header {
    fn each(&self) -> usize {
        self.sizes.iter().product()
    }
}

impl Array {
    fn within(path: &Path, entry: String) -> Array {
        Array { path: path.to_owned(), entry: Some(entry) }
    }

    /// The file, and the name in it.
    fn name(&self) -> String {
        match &self.entry {
            None => self.path.display().to_string(),
            Some(entry) => format!("{} ({entry})", self.path.display()),
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> Error {
        let help =
            "save an array of real numbers, samples along the first axis: numpy.save(file, x)";
        data_error(&self.name(), problem.into(), help)
    }

    /// What `visit` makes of all bytes.
    fn visit<T>(&self, visit: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let Some(entry) = &self.entry else {
            let file = file::open(&self.path)?;
            file.refuse_unless(&self.path, file.kind == Kind::Npy, "an array of NumPy")?;
            return visit(&mut file.reader());
        };
        let mut archive = archive(&self.path)?;
        let file = archive.by_name(&format!("{entry}.npy"));
        visit(&mut BufReader::new(file.map_err(|error| self.wrong(error.to_string()))?))
    }

    fn header(&self) -> Result<Header> {
        self.visit(|reader| self.parse_header(reader))
    }

    fn parse_header(&self, reader: &mut dyn Read) -> Result<Header> {
        let text = read_header(reader).map_err(|problem| self.wrong(problem))?;
        let damaged = || self.wrong("has a header that is damaged, or of records");
        let opened = text.matches(['(', '[', '{']).count();
        let parsed = (opened <= MOST_BRACKETS).then(|| text.trim().parse::<Value>());
        let Some(Ok(Value::Dict(fields))) = parsed else { return Err(damaged()) };
        let field = |name: &str| {
            fields.iter().find(|(key, _)| matches!(key, Value::String(key) if key == name))
        };
        let (Some((_, Value::String(of))), Some((_, Value::Boolean(fortran)))) =
            (field("descr"), field("fortran_order"))
        else {
            return Err(damaged());
        };
        let Some((_, Value::Tuple(shape))) = field("shape") else { return Err(damaged()) };
        let size = |size: &Value| usize::try_from(size.as_integer()?).ok();
        let shape: Option<Vec<usize>> = shape.iter().map(size).collect();
        let Some((&count, sizes)) = shape.as_deref().ok_or_else(damaged)?.split_first() else {
            return Err(self.wrong("holds one number, no samples"));
        };
        let each = sizes.iter().try_fold(1_usize, |d, &size| d.checked_mul(size));
        if !each.is_some_and(|d| (1..=LARGEST).contains(&d)) {
            return Err(self.wrong(format!("has samples of shape {sizes:?}")));
        }
        let of: TypeStr = of.parse().map_err(|_| damaged())?;
        let kind = match of.type_char() {
            TypeChar::Bool => number::Kind::Bool,
            TypeChar::Uint => number::Kind::Uint,
            TypeChar::Int => number::Kind::Int,
            TypeChar::Float => number::Kind::Float,
            TypeChar::Object => return Err(self.wrong("holds objects of Python, not numbers")),
            _ => return Err(self.wrong(format!("holds numbers of type {of}, which are not real"))),
        };
        let stored = match (kind, of.size_field()) {
            (number::Kind::Bool, 1) => 1,
            (number::Kind::Float, size @ (2 | 4 | 8)) => size as usize,
            (number::Kind::Int | number::Kind::Uint, size @ (1 | 2 | 4 | 8)) => size as usize,
            _ => return Err(self.wrong(format!("holds numbers of type {of}: save it as float64"))),
        };
        let big_endian = of.endianness() == Endianness::Big;
        let stored = Stored { kind, size: stored, big_endian };
        Ok(Header { stored, fortran: *fortran, count, sizes: sizes.to_vec() })
    }

    /// Hands over the samples at ascending positions.
    fn read(&self, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()> {
        self.visit(|reader| {
            let header = self.parse_header(reader)?;
            let read = match header.fortran && !header.sizes.is_empty() {
                false => header.stored.records(reader, header.each(), positions, keep),
                true => read_columns(&header, reader, positions, keep),
            };
            read.map_err(|(sample, problem)| self.wrong(format!("sample {sample}: {problem}")))
        })
    }
}

/// The text behind the mark of an array.
fn read_header(reader: &mut dyn Read) -> std::result::Result<String, String> {
    let mut bytes = |count| -> std::result::Result<Vec<u8>, String> {
        let mut bytes = vec![0; count];
        let read = reader.read_exact(&mut bytes);
        read.map_err(|error| format!("has a header that cannot be read: {error}"))?;
        Ok(bytes)
    };
    let begin = bytes(8)?;
    if !begin.starts_with(b"\x93NUMPY") {
        return Err("is no array of NumPy".to_owned());
    }
    let length = bytes(if begin[6] == 1 { 2 } else { 4 })?;
    let length = length.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if length > MOST_HEADER {
        return Err(format!("has a header of {length} bytes"));
    }
    String::from_utf8(bytes(length)?).map_err(|_| "has a header that is damaged".to_owned())
}

/// Hands over samples of an array in Fortran order: all first numbers come first.
fn read_columns(
    header: &Header,
    reader: &mut dyn Read,
    positions: &[usize],
    keep: &mut dyn FnMut(&[f64]),
) -> std::result::Result<(), (usize, String)> {
    let (d, chosen) = (header.each(), positions.len());
    if d.saturating_mul(chosen) > MOST_NUMBERS {
        return Err((0, format!("{chosen} samples of {d} numbers take too much memory")));
    }
    // Only what is there takes memory, whatever the header says.
    let mut columns = Vec::new();
    let used = positions.last().map_or(0, |last| last + 1);
    let after = ((header.count - used) as u64).saturating_mul(header.stored.size as u64);
    for _ in 0..d {
        let column = header.stored.read_any(reader, used)?;
        for &position in positions {
            if !column[position].is_finite() {
                return Err((position, not_finite(column[position])));
            }
            columns.push(column[position]);
        }
        skip(reader, after).map_err(|problem| (used, problem))?;
    }
    // Where the j-th number of a sample, last axis fastest, is among columns, first axis fastest.
    let column = |j: usize| {
        let (mut rest, mut column, mut stride) = (j, 0, d);
        for &size in header.sizes.iter().rev() {
            stride /= size;
            column += rest % size * stride;
            rest /= size;
        }
        column
    };
    let order: Vec<usize> = (0..d).map(column).collect();
    let mut sample = vec![0.0; d];
    for i in 0..chosen {
        sample.iter_mut().zip(&order).for_each(|(x, column)| *x = columns[column * chosen + i]);
        keep(&sample);
    }
    Ok(())
}

impl Records for Npy {
    fn name(&self) -> String {
        self.inputs[0].path.display().to_string()
    }

    fn label_name(&self) -> String {
        self.label_name.clone()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn labels(&self, part: Part) -> &Targets {
        &self.labels[part as usize]
    }

    fn read(&self, part: Part, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()> {
        match self.inputs.get(part as usize) {
            Some(array) => array.read(positions, keep),
            None => Ok(()),
        }
    }

    fn assumed(&self) -> Vec<String> {
        self.assumed.clone()
    }
}
