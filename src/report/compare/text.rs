//! A comparison on the terminal.

use super::Comparison;
use crate::report::table::align;

/// Longer values are cut: the page has them whole.
const MOST: usize = 44;

/// Fields that differ, primary claims and final losses, a column a run.
pub fn text(comparison: &Comparison) -> String {
    let Comparison { names, differences, remarks, claims, losses, .. } = comparison;
    let header = |first: &str| -> Vec<String> {
        std::iter::once(first.to_owned()).chain(names.iter().cloned()).collect()
    };
    let line = |first: &str, cells: Vec<String>| -> Vec<String> {
        std::iter::once(cut(first)).chain(cells.iter().map(|cell| cut(cell))).collect()
    };
    let mut tables = Vec::new();
    let of_fields = differences.iter().map(|of| line(&of.field, of.values.clone()));
    tables.push((header("field"), of_fields.collect::<Vec<_>>()));
    let claim = |row: &super::Row| {
        let cells = row.cells.iter().map(|cell| match cell {
            Some(claim) => format!("{}: {}", claim.verdict().name(), claim.numbers()),
            None => "–".to_owned(),
        });
        let mut cells: Vec<String> = cells.collect();
        cells.insert(0, format!("{} ({})", row.statement, row.of));
        cells
    };
    tables.push((header("primary claim"), claims.iter().map(claim).collect()));
    let loss = |row: &super::Loss| {
        let cells = row.cells.iter();
        let cells = cells.map(|cell| cell.as_ref().map_or("–", |(value, _)| value).to_owned());
        line(&row.name, cells.collect())
    };
    tables.push((header("final loss"), losses.iter().map(loss).collect()));
    let filled = tables.into_iter().filter(|(_, lines)| !lines.is_empty());
    let tables = filled.map(|(header, lines)| align(&[vec![header], lines].concat()) + "\n");
    let remarks = remarks.iter().map(|remark| format!("{remark}\n"));
    tables.chain(remarks).collect()
}

fn cut(text: &str) -> String {
    match text.chars().count() {
        n if n > MOST => text.chars().take(MOST - 1).chain(['…']).collect(),
        _ => text.to_owned(),
    }
}
