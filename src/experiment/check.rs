//! Recurring checks of what was typed, each an error at its field.

use std::collections::HashSet;
use std::hash::Hash;

use super::source::Source;
use crate::data;
use crate::error::Result;

/// The checks.
pub struct Check<'a> {
    /// Where fields stand.
    pub source: &'a Source,
}

impl Check<'_> {
    pub fn fail<T>(&self, field: &str, problem: impl AsRef<str>, help: &str) -> Result<T> {
        Err(self.source.error(field, problem.as_ref(), help))
    }

    pub fn name(&self, name: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) || name.starts_with('.')
        {
            let help = "it names a folder: letters, digits, '-', '_' and inner '.', at most 100";
            return self.fail("name", format!("'{name}' cannot name a run directory"), help);
        }
        Ok(())
    }

    pub fn within<T>(&self, field: &str, value: T, low: T, high: T) -> Result<T>
    where
        T: PartialOrd + std::fmt::Display,
    {
        if value < low {
            return self.fail(
                field,
                format!("{value} is too small"),
                &format!("take at least {low}"),
            );
        }
        if value > high {
            return self.fail(
                field,
                format!("{value} is too large"),
                &format!("take at most {high}"),
            );
        }
        Ok(value)
    }

    pub fn positive(&self, field: &str, value: f64) -> Result<f64> {
        if !(value > 0.0 && value <= 1e12) {
            let help = "take a positive number of at most 1e12";
            return self.fail(field, format!("{value} is out of range"), help);
        }
        Ok(value)
    }

    pub fn distinct<T: Hash + Eq + std::fmt::Debug>(
        &self,
        field: &str,
        values: &[T],
    ) -> Result<()> {
        if values.is_empty() {
            return self.fail(field, "is empty", "name at least one");
        }
        let mut seen = HashSet::new();
        for (i, value) in values.iter().enumerate() {
            if !seen.insert(value) {
                let problem = format!("{value:?} stands there twice");
                return self.fail(&format!("{field}[{i}]"), problem, "remove one of them");
            }
        }
        Ok(())
    }

    pub fn sizes(&self, field: &str, mut values: Vec<usize>, most: usize) -> Result<Vec<usize>> {
        for (i, &value) in values.iter().enumerate() {
            self.within(&format!("{field}[{i}]"), value, 1, most)?;
        }
        self.distinct(field, &values)?;
        values.sort_unstable();
        Ok(values)
    }

    /// A field that the source of the data does not know.
    pub fn unused<T>(&self, field: &str, value: &Option<T>, source: data::Source) -> Result<()> {
        if value.is_some() {
            let problem = format!("does not apply to source {}", source.name());
            return self.fail(field, problem, "remove it");
        }
        Ok(())
    }
}
