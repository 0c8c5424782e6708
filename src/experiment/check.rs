//! Recurring checks of what was typed, each an error at its field.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use super::file::ExperimentFile;
use crate::data;
use crate::error::Result;

/// Refuses fields, with the place where the file has them.
pub struct Check<'a> {
    /// Knows where fields stand.
    pub file: &'a ExperimentFile,
}

impl Check<'_> {
    pub fn fail<T>(&self, field: &str, problem: impl AsRef<str>, help: &str) -> Result<T> {
        Err(self.file.error(field, problem.as_ref(), help))
    }

    pub fn run_name(&self, name: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) || name.starts_with('.')
        {
            let help = "it names a folder: letters, digits, '-', '_' and inner '.', at most 100";
            return self.fail("name", format!("'{name}' cannot name a run directory"), help);
        }
        Ok(())
    }

    pub fn within<T: PartialOrd + Display>(
        &self,
        field: &str,
        value: T,
        low: T,
        high: T,
    ) -> Result<T> {
        let (size, bound) = match (value < low, value > high) {
            (true, _) => ("small", format!("take at least {low}")),
            (_, true) => ("large", format!("take at most {high}")),
            _ => return Ok(value),
        };
        self.fail(field, format!("{value} is too {size}"), &bound)
    }

    pub fn positive(&self, field: &str, value: f64) -> Result<f64> {
        if !(value > 0.0 && value <= 1e12) {
            let help = "take a positive number of at most 1e12";
            return self.fail(field, format!("{value} is out of range"), help);
        }
        Ok(value)
    }

    pub fn below_one(&self, field: &str, value: f64) -> Result<()> {
        if !(0.0..1.0).contains(&value) {
            let help = "take at least 0 and less than 1, or gradients never fade";
            return self.fail(field, format!("{value} is out of range"), help);
        }
        Ok(())
    }

    pub fn distinct<T: Hash + Eq + Debug>(&self, field: &str, values: &[T]) -> Result<()> {
        if values.is_empty() {
            return self.fail(field, "is empty", "name at least one");
        }
        let mut seen = HashSet::new();
        for (i, value) in values.iter().enumerate() {
            if !seen.insert(value) {
                let problem = format!("{value:?} is listed twice");
                return self.fail(&format!("{field}[{i}]"), problem, "remove one of them");
            }
        }
        Ok(())
    }

    /// Entries that are all different, in ascending order.
    pub fn sorted<T: Hash + Ord + Debug>(&self, field: &str, mut values: Vec<T>) -> Result<Vec<T>> {
        self.distinct(field, &values)?;
        values.sort_unstable();
        Ok(values)
    }

    /// Refuses a field that the source of the data does not know.
    pub fn unused<T>(&self, field: &str, value: &Option<T>, source: data::Source) -> Result<()> {
        if value.is_some() {
            let problem = format!("does not apply to source {}", source.name());
            return self.fail(field, problem, "remove it");
        }
        Ok(())
    }
}
