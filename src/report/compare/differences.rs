//! The fields in which experiments differ, and what that means for a comparison.

use serde_json::Value;

use super::reading::Run;
use crate::report::text::list;

/// A field whose value is not the same in all runs.
pub struct Difference {
    /// Its dotted path in the experiment, or what else it is.
    pub field: String,
    /// Its value in each run; "–" where it is not there.
    pub values: Vec<String>,
}

/// All fields of the resolved experiments that differ, then what computed them.
pub fn differences(runs: &[Run]) -> Vec<Difference> {
    let mut fields: Vec<String> = Vec::new();
    let flat: Vec<Vec<(String, String)>> =
        runs.iter().map(|run| flatten("", &run.manifest.experiment)).collect();
    for (field, _) in flat.iter().flatten() {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    let of = |field: &String| {
        let value = |all: &Vec<(String, String)>| {
            let found = all.iter().find(|(name, _)| name == field);
            found.map_or("–".to_owned(), |(_, value)| value.clone())
        };
        Difference { field: field.clone(), values: flat.iter().map(value).collect() }
    };
    let about = |field: &str, value: &dyn Fn(&Run) -> String| Difference {
        field: field.to_owned(),
        values: runs.iter().map(value).collect(),
    };
    let computed = [
        about("samples, by their hash", &|run| run.manifest.samples_hash.chars().take(8).collect()),
        about("numeric path", &|run| run.manifest.numeric_path.clone()),
        about("numeric scheme", &|run| run.manifest.scheme.to_string()),
        about("version of nfd", &|run| run.manifest.version.clone()),
    ];
    let all = fields.iter().map(of).chain(computed);
    all.filter(|difference| !same(&difference.values)).collect()
}

/// Every field of an object by its dotted path, lists as they are written.
fn flatten(path: &str, value: &Value) -> Vec<(String, String)> {
    let inner = |(name, value): (&String, &Value)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        flatten(&path, value)
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(inner).collect(),
        Value::String(text) => vec![(path.to_owned(), text.clone())],
        value => vec![(path.to_owned(), value.to_string())],
    }
}

fn same(values: &[String]) -> bool {
    values.iter().all(|value| *value == values[0])
}

/// What has to be known when these runs are compared, a sentence or two each.
pub fn remarks(runs: &[Run]) -> Vec<String> {
    let mut said = Vec::new();
    let by = |of: &dyn Fn(&Run) -> String| -> Option<String> {
        let values: Vec<String> = runs.iter().map(of).collect();
        let named = runs.iter().zip(&values).map(|(run, value)| format!("{} {value}", run.name));
        (!same(&values)).then(|| list(&named.collect::<Vec<_>>()))
    };
    let samples = |run: &Run| run.manifest.samples_hash.chars().take(8).collect();
    if by(&samples).is_some() {
        let source = |run: &Run| match &run.manifest.experiment["data"]["source"] {
            Value::String(name) => format!("({name})"),
            _ => String::new(),
        };
        let named: Vec<String> =
            runs.iter().map(|run| format!("{} {}", run.name, source(run))).collect();
        said.push(format!(
            "Not comparable in value: the runs are of different samples, {}. Losses, outputs and errors are \
             those of different problems; what can be set side by side are verdicts and exponents.",
            list(&named)
        ));
    }
    if let Some(schemes) = by(&|run| run.manifest.scheme.to_string()) {
        said.push(format!(
            "Not comparable seed by seed: the runs are of different numeric schemes, {schemes}, in which the \
             same task gives other numbers."
        ));
    }
    if let Some(paths) = by(&|run| run.manifest.numeric_path.clone()) {
        said.push(format!(
            "Not comparable bit by bit: the runs were computed on different numeric paths, {paths}. The same \
             task differs between them by rounding, and by what training makes of it."
        ));
    }
    if let Some(engines) = by(&|run| {
        let text = |name: &str| run.manifest.experiment[name].as_str().unwrap_or("–").to_owned();
        format!("({}, {})", text("engine"), text("precision"))
    }) {
        said.push(format!("Engine and precision differ: {engines}."));
    }
    let unfinished = runs.iter().filter(|run| run.summary.finished < run.summary.tasks);
    said.extend(unfinished.map(|run| {
        let (finished, tasks) = (run.summary.finished, run.summary.tasks);
        format!(
            "{}: {finished} of {tasks} tasks are finished, and everything here is about those.",
            run.name
        )
    }));
    if share_seeds(runs) {
        said.push(
            "Runs that share seeds share noise: their values are not independent, and the interval of a \
             difference cannot be read off theirs."
                .to_owned(),
        );
    }
    said
}

/// Whether two of the runs have a seed in common.
fn share_seeds(runs: &[Run]) -> bool {
    let range = |run: &Run| {
        let ensemble = &run.manifest.experiment["ensemble"];
        let first = ensemble["first_seed"].as_u64().unwrap_or(0);
        first..first.saturating_add(ensemble["seeds"].as_u64().unwrap_or(0))
    };
    let ranges: Vec<_> = runs.iter().map(range).collect();
    let meets = |i: usize| {
        ranges[..i].iter().any(|other| other.start < ranges[i].end && ranges[i].start < other.end)
    };
    (1..ranges.len()).any(meets)
}
