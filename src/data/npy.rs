//! NPY files, as numpy.save writes them: samples along the first axis.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use super::Samples;
use super::classified::data_error;
use crate::error::{Error, Result};

/// Inputs and labels, at most `wanted` of each.
///
/// # Errors
/// When a file is none of real numbers in C order, is cut off, has a number that is not finite, or the two
/// do not have the same samples.
pub fn load(inputs: &Path, labels: &Path, wanted: usize) -> Result<Samples> {
    let (d, count, x) = read(inputs, wanted)?;
    let (o, same, y) = read(labels, wanted)?;
    if count != same {
        let problem = format!("has {same} labels for the {count} inputs of {}", inputs.display());
        let help = "save both from the same samples, along the first axis";
        return Err(data_error(&labels.display().to_string(), problem, help));
    }
    let mut samples = Samples::new(d, o);
    for (index, (x, y)) in x.chunks(d).zip(y.chunks(o)).enumerate() {
        samples.push(index as u32, x, y);
    }
    Ok(samples)
}

/// Numbers of a sample, samples in the file, and the numbers of the first `wanted`.
fn read(path: &Path, wanted: usize) -> Result<(usize, usize, Vec<f64>)> {
    let wrong = |problem: String| {
        let help = "save real numbers in C order: numpy.save(file, numpy.ascontiguousarray(x))";
        data_error(&path.display().to_string(), problem, help)
    };
    let file = File::open(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let npy = NpyFile::new(BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    let shape = npy.shape().to_vec();
    let Some((&count, each)) = shape.split_first() else {
        return Err(wrong("holds one number, no samples".to_owned()));
    };
    if npy.order() == Order::Fortran && shape.len() > 1 {
        return Err(wrong("is in Fortran order".to_owned()));
    }
    let product = each.iter().try_fold(1_u64, |d, &size| d.checked_mul(size));
    let Some(d) = product.filter(|d| (1..=1 << 24).contains(d)) else {
        return Err(wrong(format!("has samples of shape {each:?}")));
    };
    let numbers =
        usize::try_from(count).unwrap_or(usize::MAX).min(wanted).saturating_mul(d as usize);
    let DType::Plain(of) = npy.dtype() else {
        return Err(wrong("holds records, not numbers".to_owned()));
    };
    macro_rules! numbers {
        ($number:ty) => {
            take(npy.data::<$number>().map_err(|e| wrong(e.to_string()))?, numbers, |x| x as f64)
        };
    }
    let taken = match (of.type_char(), of.size_field()) {
        (TypeChar::Float, 4) => numbers!(f32),
        (TypeChar::Float, 8) => numbers!(f64),
        (TypeChar::Uint, 1) => numbers!(u8),
        (TypeChar::Uint, 2) => numbers!(u16),
        (TypeChar::Uint, 4) => numbers!(u32),
        (TypeChar::Int, 1) => numbers!(i8),
        (TypeChar::Int, 2) => numbers!(i16),
        (TypeChar::Int, 4) => numbers!(i32),
        (TypeChar::Int, 8) => numbers!(i64),
        _ => return Err(wrong(format!("holds numbers of type {of}"))),
    };
    let (found, problem) = taken;
    if let Some(problem) = problem {
        let sample = found.len() / d as usize;
        return Err(wrong(format!("sample {sample}: {problem}")));
    }
    Ok((d as usize, usize::try_from(count).unwrap_or(usize::MAX), found))
}

/// The first `count` numbers, and why there are not so many.
fn take<T, R: Read>(
    data: npyz::NpyReader<T, R>,
    count: usize,
    widen: impl Fn(T) -> f64,
) -> (Vec<f64>, Option<String>)
where
    T: npyz::Deserialize,
{
    let mut numbers = Vec::new();
    for number in data.take(count) {
        match number.map(&widen) {
            Ok(number) if number.is_finite() => numbers.push(number),
            Ok(number) => return (numbers, Some(format!("{number} is not a finite number"))),
            Err(error) => return (numbers, Some(format!("cannot be read: {error}"))),
        }
    }
    let problem = (numbers.len() < count).then(|| "the file ends before it".to_owned());
    (numbers, problem)
}
