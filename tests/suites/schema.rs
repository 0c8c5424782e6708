//! The schema that `nfd schema` prints accepts what the parser accepts and refuses what it refuses.

use std::path::Path;

use crate::common::results::nfd;
use nfd::experiment::Backend;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use serde_json::Value;

fn schema() -> jsonschema::Validator {
    let done = nfd(&["schema"]);
    assert!(done.status.success());
    jsonschema::validator_for(&serde_json::from_slice::<Value>(&done.stdout).unwrap()).unwrap()
}

#[test]
fn jobs_meet_the_schema() {
    let schema = schema();
    let mut named: Value = serde_json::from_str(LEAST).unwrap();
    named["$schema"] = "nfd.schema.json".into();
    schema.validate(&named).unwrap();
    named["schema"] = "nfd.schema.json".into();
    assert!(schema.validate(&named).is_err());
    let mut count = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let job: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            schema.validate(&job).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // And with every default filled in.
            let resolved = nfd::experiment::load(&path, &[]).unwrap().experiment;
            let resolved = serde_json::to_value(resolved).unwrap();
            schema
                .validate(&resolved)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += 1;
        }
    }
    assert!(count >= 2);
}

#[test]
fn what_the_parser_refuses_the_schema_refuses() {
    let schema = schema();
    let good = serde_json::json!({
        "name": "e", "data": { "source": "toy" },
        "training": { "steps": 1, "learning_rate": 0.5 },
        "ensemble": { "widths": [8], "depths": [2], "seeds": 1 }
    });
    assert!(schema.is_valid(&good));
    for (pointer, key, value) in [
        ("", "motor", Value::from("auto")),
        ("", "engine", Value::from("motor")),
        ("", "reference", Value::from("dubling")),
        ("", "reference", serde_json::json!({ "row": 1 })),
        ("", "reference", serde_json::json!({ "rows": "al" })),
        ("", "study", Value::from("limits")),
        ("", "limit", serde_json::json!({ "tolerances": 1e-3 })),
        ("", "limit", serde_json::json!({ "width": 255 })),
        ("", "limit", serde_json::json!({ "tolerance": 0 })),
        ("/training", "steps", Value::from("one")),
        ("/training", "steps", Value::from(-1)),
        ("/training", "stepps", Value::from(1)),
        ("/training", "batch", Value::from("ful")),
        ("/training", "batch", Value::from(-1)),
        ("/training", "optimizer", Value::from("sdg")),
        ("/training", "schedule", Value::from("cosin")),
        ("/training", "schedule", serde_json::json!({ "kind": "cosine", "fin": 0.1 })),
        ("/ensemble", "widths", Value::from(8)),
        ("/ensemble", "closures", serde_json::json!(["exakt"])),
        ("/data", "source", Value::from("mnist")),
    ] {
        let mut bad = good.clone();
        bad.pointer_mut(pointer).unwrap()[key] = value.clone();
        assert!(!schema.is_valid(&bad), "{pointer}/{key} = {value}");
    }
    for (field, value) in [
        ("batch", Value::from("full")),
        ("batch", Value::from(1)),
        ("loss", Value::from("cross-entropy")),
        ("schedule", Value::from("cosine")),
        ("schedule", serde_json::json!({ "kind": "step", "every": 2, "factor": 0.5 })),
        ("schedule", serde_json::json!({ "kind": "cosine", "final": 0.1, "warmup": 3 })),
    ] {
        let mut fine = good.clone();
        fine["training"][field] = value.clone();
        assert!(schema.is_valid(&fine), "{field} = {value}");
    }
    for reference in [
        serde_json::json!("none"),
        serde_json::json!("limit"),
        serde_json::json!({ "rows": "all" }),
        serde_json::json!({ "width": 64, "depth": 8, "rows": 16 }),
    ] {
        let mut fine = good.clone();
        fine["reference"] = reference.clone();
        assert!(schema.is_valid(&fine), "{reference}");
    }
    // The limit is of no size.
    let mut fine = good.clone();
    fine["study"] = "limit".into();
    fine["limit"] = serde_json::json!({ "tolerance": 1e-4, "whitening": false, "repetition": 1 });
    fine["ensemble"] = serde_json::json!({});
    assert!(schema.is_valid(&fine));
}

/// A field by its path, as in `training.momentum`, with its schema.
type Field<'a> = (String, &'a Value);

/// The schemas that `schema` refers to or leaves a choice between.
fn forms<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return forms(root, root.pointer(name.trim_start_matches('#')).unwrap());
    }
    match schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        Some(several) => several.iter().flat_map(|one| forms(root, one)).collect(),
        None => vec![schema],
    }
}

/// Every field of the experiment file, those of sections after their section.
fn fields<'a>(root: &'a Value, schema: &'a Value, path: &str) -> Vec<Field<'a>> {
    let mut all = Vec::new();
    for form in forms(root, schema) {
        for (name, field) in form["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}{name}");
            all.push((path.clone(), field));
            all.extend(fields(root, field, &format!("{path}.")));
        }
    }
    all
}

/// Sets a field of `experiment` by its path.
fn set(experiment: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(experiment, |place, key| &mut place[key]);
    *place = value;
}

fn words(text: &Value) -> usize {
    text.as_str().unwrap_or_default().split_whitespace().count()
}

const LEAST: &str = r#"{
    "name": "e", "data": { "source": "digits" },
    "training": { "steps": 400, "learning_rate": 0.5 },
    "ensemble": { "widths": [8], "depths": [2], "seeds": 1 }
}"#;

/// Fields and words have a meaning in English, fields have a default that they are said to have (or
/// are required), and what stands as an example may be typed.
#[test]
fn every_field_is_described() {
    let root = nfd::experiment::manual::schema();
    let validator = jsonschema::validator_for(&root).unwrap();
    let all = fields(&root, &root, "");
    assert!(all.len() >= 55, "{}", all.len());
    for (path, field) in all {
        let description = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        assert!(words(&field["description"]) >= 4, "{path}: {description:?}");
        for form in forms(&root, field) {
            let entries =
                if form["items"].is_null() { vec![form] } else { forms(&root, &form["items"]) };
            for word in entries.iter().filter(|entry| !entry["const"].is_null()) {
                assert!(words(&word["description"]) >= 4, "{path}: {word}");
            }
        }
        let mut experiment: Value = serde_json::from_str(LEAST).unwrap();
        let required = experiment.pointer(&format!("/{}", path.replace('.', "/"))).is_some()
            || path.starts_with("model.exponents.");
        let default = &field["default"];
        assert!(
            required
                || !default.is_null()
                || description.contains("Default: ")
                || description.contains("required there"),
            "{path} has no default"
        );
        let example = &field["examples"][0];
        assert!(!example.is_null(), "{path} has no example");
        set(&mut experiment, &path, example.clone());
        if path.starts_with("model.exponents.") {
            experiment["model"]["exponents"] = serde_json::json!({ "branch": 0.5, "rate": 0.5 });
            set(&mut experiment, &path, example.clone());
        }
        validator.validate(&experiment).unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = experiment.to_string();
        let file = ExperimentFile::new(Path::new("example"), text, &[]).unwrap();
        file.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// A default of the schema is what a resolved experiment has.
#[test]
fn defaults_are_those_that_are_taken() {
    let root = nfd::experiment::manual::schema();
    let file = ExperimentFile::new(Path::new("least"), LEAST.to_owned(), &[]).unwrap();
    let resolved = resolve(file.parse().unwrap(), &file).unwrap().experiment;
    let resolved = serde_json::to_value(resolved).unwrap();
    let mut checked = 0;
    for (path, field) in fields(&root, &root, "") {
        let default = &field["default"];
        // What is left out of a resolved experiment is as it comes; auto becomes what suits it.
        let written = resolved.pointer(&format!("/{}", path.replace('.', "/")));
        if let (false, Some(written)) = (default.is_null() || default == "auto", written) {
            let word = if written.is_object() { &written["kind"] } else { written };
            assert_eq!(default, word, "{path}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}

/// Numbers at the ends of their ranges are taken, by the schema and by the program; those beyond are
/// refused by both.
#[test]
fn ranges_are_those_that_are_checked() {
    let root = nfd::experiment::manual::schema();
    let validator = jsonschema::validator_for(&root).unwrap();
    let mut checked = 0;
    for (path, field) in fields(&root, &root, "") {
        for form in forms(&root, field) {
            let list = !form["items"].is_null();
            let numbers = if list { &form["items"] } else { form };
            for (bound, beyond) in [
                ("minimum", -1.0),
                ("exclusiveMinimum", 0.0),
                ("maximum", 1.0),
                ("exclusiveMaximum", 0.0),
            ] {
                let Some(end) = numbers[bound].as_f64() else { continue };
                let beyond = end + beyond;
                let number = match numbers["type"].to_string().contains("integer") {
                    true => serde_json::json!(beyond as i64),
                    false => serde_json::json!(beyond),
                };
                let value = if list { Value::from(vec![number]) } else { number };
                let mut experiment: Value = serde_json::from_str(LEAST).unwrap();
                if path.starts_with("model.exponents.") {
                    let own = serde_json::json!({ "branch": 0.5, "rate": 0.5 });
                    experiment["model"]["exponents"] = own;
                }
                if ["data.dimension", "data.seed", "data.input_exponent", "data.target_exponent"]
                    .contains(&path.as_str())
                {
                    experiment["data"]["source"] = "synthetic".into();
                }
                set(&mut experiment, &path, value);
                assert!(!validator.is_valid(&experiment), "{path}: {bound} {end}");
                let file =
                    ExperimentFile::new(Path::new("e"), experiment.to_string(), &[]).unwrap();
                let taken = file.parse().and_then(|typed| resolve(typed, &file));
                let message = taken.map(|resolved| resolved.experiment).unwrap_err().to_string();
                assert!(message.contains(&path), "{path}: {message}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 30, "{checked}");
}

/// docs/experiment.md is what the schema says; NFD_UPDATE=1 writes it anew.
#[test]
fn the_page_on_experiment_files_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/experiment.md");
    let done = nfd(&["schema", "--markdown"]);
    assert!(done.status.success());
    let page = String::from_utf8(done.stdout).unwrap();
    if std::env::var_os("NFD_UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == page, "docs/experiment.md is stale: run this test with NFD_UPDATE=1");
    let root = nfd::experiment::manual::schema();
    for (field, _) in fields(&root, &root, "") {
        assert!(page.contains(&format!("# `{field}`\n")), "{field} is not on the page");
    }
    // The experiment at its head is one.
    let (_, example) = page.split_once("```json\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let file = ExperimentFile::new(Path::new("page"), example.to_owned(), &[]).unwrap();
    resolve(file.parse().unwrap(), &file).unwrap();
}

/// `--help` lists the values of --backend with their meanings, and where fields are described.
#[test]
fn help_lists_values_with_their_meanings() {
    let help = String::from_utf8(nfd(&["run", "--help"]).stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for backend in Backend::ALL {
        assert!(help.contains(&format!("{}:", backend.name())), "{help}");
        let first: Vec<&str> = backend.meaning().split_whitespace().take(5).collect();
        assert!(help.contains(&first.join(" ")), "{help}");
    }
    assert!(help.contains("auto:") && help.contains("docs/experiment.md"), "{help}");
}
