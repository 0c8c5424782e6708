//! The schema that `nfd schema` prints accepts what the parser accepts and refuses what it refuses.

use crate::common::results::nfd;
use serde_json::Value;

fn schema() -> jsonschema::Validator {
    let done = nfd(&["schema"]);
    assert!(done.status.success());
    jsonschema::validator_for(&serde_json::from_slice::<Value>(&done.stdout).unwrap()).unwrap()
}

#[test]
fn jobs_meet_the_schema() {
    let schema = schema();
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
        serde_json::json!({ "rows": "all" }),
        serde_json::json!({ "width": 64, "depth": 8, "rows": 16 }),
    ] {
        let mut fine = good.clone();
        fine["reference"] = reference.clone();
        assert!(schema.is_valid(&fine), "{reference}");
    }
}
