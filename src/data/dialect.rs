//! What a table does not say of itself: its separator, whether it has a header, which columns are labels.
//!
//! Told from how the file begins; everything that is not plain (commas, a header of x… and y…) is
//! remembered in words, so that people can object.

use std::collections::BTreeSet;

use super::file::HEAD;
use crate::error::Error;

/// Rows that are looked at.
const ROWS: usize = 200;
/// Letters of a field or a name that messages show.
const SHOWN: usize = 30;
const SEPARATORS: [(u8, &str); 4] =
    [(b'\t', "tabs"), (b';', "semicolons"), (b',', "commas"), (b' ', "spaces")];
/// Names of label columns, besides y, y1, …
const LABELS: [&str; 5] = ["label", "labels", "class", "target", "targets"];
/// Names of columns that count rows, where they come first.
const COUNTS: [&str; 5] = ["", "unnamed: 0", "index", "id", "rownames"];

/// How a table is to be read.
pub struct Dialect {
    /// The byte between columns.
    pub separator: u8,
    /// The names of the columns, where the first row has them.
    pub header: Option<Vec<String>>,
    /// The positions of the columns of inputs.
    pub inputs: Vec<usize>,
    /// The positions of the columns of labels.
    pub labels: Vec<usize>,
    /// What was taken to be so, in words.
    pub assumed: Vec<String>,
}

/// The number that a field has, perhaps with a decimal comma.
pub fn number(field: &str) -> Option<f64> {
    let comma = || (field.matches(',').count() == 1).then(|| field.replace(',', ".").parse().ok());
    field.parse().ok().or_else(|| comma().flatten())
}

/// A field or a name, not longer than a message should be.
pub fn shown(field: &str) -> String {
    match field.char_indices().nth(SHOWN) {
        None => field.to_owned(),
        Some((end, _)) => format!("{}…", &field[..end]),
    }
}

/// A reader of all rows, the header among them.
pub fn reader() -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.trim(csv::Trim::All).has_headers(false);
    builder
}

/// Of the first row.
fn fail(name: &str, problem: String, help: &str) -> Error {
    Error::Data { source_name: name.to_owned(), row: Some(1), problem, help: help.to_owned() }
}

impl Dialect {
    /// Looks at how the table `name` begins.
    ///
    /// # Errors
    /// [`Error::Data`] where inputs cannot be told from labels.
    pub fn of(name: &str, head: &[u8]) -> Result<Dialect, Error> {
        // The last row may be cut off.
        let ends = head.iter().filter(|&&byte| byte == b'\n').count();
        let whole = if head.len() < HEAD { ROWS } else { ROWS.min(ends) };
        if whole == 0 {
            let problem = format!("has a row of more than {HEAD} bytes");
            return Err(fail(name, problem, "save it as arrays of NumPy, for data.source npy"));
        }
        let rows = |separator: u8| -> Vec<Vec<String>> {
            let rows =
                reader().delimiter(separator).flexible(true).from_reader(head).into_records();
            let rows = rows.take(whole).map_while(Result::ok);
            rows.map(|row| row.iter().map(str::to_owned).collect()).collect()
        };
        let all = SEPARATORS.map(|(separator, words)| (separator, words, rows(separator)));
        let columns = |row: usize, rows: &[Vec<String>]| rows.get(row).map_or(0, Vec::len);
        let divides = |(_, _, rows): &&(u8, &str, Vec<Vec<String>>)| columns(0, rows) > 1;
        let fits = |(_, _, rows): &&(u8, &str, Vec<Vec<String>>)| {
            rows.len() > 1 && columns(0, rows) == columns(1, rows)
        };
        let fitting = all.iter().filter(divides).find(fits);
        let found = fitting.or_else(|| all.iter().find(divides)).unwrap_or(&all[2]);
        let (separator, words, mut rows) = found.clone();
        let mut assumed = Vec::new();
        if separator != b',' {
            assumed.push(format!("{words} are between columns"));
        }
        let first = rows.first().cloned().unwrap_or_default();
        let named = first.iter().any(|field| number(field).is_none());
        let counted =
            first.len() > 3 && first.iter().enumerate().all(|(i, field)| *field == i.to_string());
        let header = (named || counted).then(|| rows.remove(0));
        if rows.iter().flatten().any(|f| f.parse::<f64>().is_err() && number(f).is_some()) {
            assumed.push("commas are decimal points".to_owned());
        }
        let columns = Columns { header: header.as_deref(), rows: &rows, count: first.len() };
        let (inputs, labels) = columns.find(name, &mut assumed)?;
        Ok(Dialect { separator, header, inputs, labels, assumed })
    }
}

/// The columns of a table, by name and content.
struct Columns<'a> {
    header: Option<&'a [String]>,
    rows: &'a [Vec<String>],
    count: usize,
}

impl Columns<'_> {
    /// Those of inputs and those of labels.
    fn find(
        &self,
        name: &str,
        assumed: &mut Vec<String>,
    ) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let names: Vec<String> =
            self.header.unwrap_or_default().iter().map(|name| name.to_lowercase()).collect();
        // Names that only count, as pandas gives them to arrays, are none.
        let without = names.iter().all(|name| name.is_empty() || number(name).is_some());
        let mut all: Vec<usize> = (0..self.count).collect();
        let count_of_rows = match names.first() {
            Some(first) if COUNTS.contains(&first.as_str()) => true,
            Some(_) if !without => false,
            _ => self.count > 2 && self.counts_rows(),
        };
        if count_of_rows {
            all.remove(0);
            assumed.push("the first column counts rows and is left out".to_owned());
        }
        let begins = |name: &String, letter: char| name.starts_with(letter);
        let is_plain = |name: &String| begins(name, 'x') || begins(name, 'y');
        let plain = !names.is_empty() && all.iter().all(|&i| is_plain(&names[i]));
        let is_label = |name: &String| {
            let behind =
                name.strip_prefix('y').filter(|rest| !rest.starts_with(char::is_alphabetic));
            if plain {
                begins(name, 'y')
            } else {
                behind.is_some() || LABELS.contains(&name.as_str())
            }
        };
        let labels: Vec<usize> = if without && all.len() > 1 {
            let first = self.is_first(all[0], all[all.len() - 1]);
            let (which, at) = if first { ("first", 0) } else { ("last", all.len() - 1) };
            let which = if count_of_rows && first { "second" } else { which };
            assumed.push(format!("it has no names of columns, and the {which} has the labels"));
            vec![all[at]]
        } else {
            all.iter().copied().filter(|&i| names.get(i).is_some_and(is_label)).collect()
        };
        let inputs: Vec<usize> = all.iter().copied().filter(|i| !labels.contains(i)).collect();
        if inputs.is_empty() || labels.is_empty() {
            let few: Vec<String> = names.iter().take(5).map(|name| shown(name)).collect();
            let more = if names.len() > few.len() { ", …" } else { "" };
            let problem = format!(
                "cannot tell inputs from labels in {} columns: {}{more}",
                self.count,
                few.join(", ")
            );
            let help =
                "begin with a row of names: x1, x2, … for inputs and y (or y1, y2, …) for labels";
            return Err(fail(name, problem, help));
        }
        if !plain && !without {
            let named: Vec<String> = labels.iter().take(3).map(|&i| shown(&names[i])).collect();
            let more = if labels.len() > named.len() { ", …" } else { "" };
            let others = format!("the other {} columns are inputs", inputs.len());
            assumed.push(format!("labels are {}{more}, {others}", named.join(", ")));
        }
        Ok((inputs, labels))
    }

    /// The numbers of a column, in the rows that are looked at.
    fn numbers(&self, column: usize) -> impl Iterator<Item = f64> {
        self.rows.iter().filter_map(move |row| number(row.get(column)?))
    }

    /// Whether the first column is 0, 1, 2, … or 1, 2, 3, …
    fn counts_rows(&self) -> bool {
        let numbers: Vec<f64> = self.numbers(0).collect();
        let begins = numbers.first().is_some_and(|&first| first == 0.0 || first == 1.0);
        numbers.len() > 2 && begins && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0)
    }

    /// Whether, of columns without names, the first has the labels, as in tables of MNIST: where the last
    /// does not vary, or all are whole and only the first has classes from 0 or 1 without a gap.
    fn is_first(&self, first: usize, last: usize) -> bool {
        let values = |column| self.numbers(column).map(f64::to_bits).collect::<BTreeSet<u64>>();
        let classes = |column| {
            let values: BTreeSet<i64> = self.numbers(column).map(|number| number as i64).collect();
            let (least, most) = (values.first().copied(), values.last().copied());
            let all =
                least.zip(most).map(|(least, most)| most.saturating_sub(least).saturating_add(1));
            least.is_some_and(|least| least == 0 || least == 1) && all == Some(values.len() as i64)
        };
        let whole = |column| self.numbers(column).all(|number| number.fract() == 0.0);
        let varies = [first, last].map(|column| values(column).len() > 1);
        match varies {
            [true, true] => (first..=last).all(whole) && classes(first) && !classes(last),
            [first, _] => first,
        }
    }
}
