//! `nfd cite`: the entries of what a run relied on, as BibTeX reads them.

use std::collections::BTreeSet;
use std::fs;

use crate::common::results::{nfd, run_job};
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::report::citations::bibtex;

/// The keys of the entries, each of which is whole: a type, a key, fields in braces, nothing between but
/// comments.
fn keys(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(comment) = rest.strip_prefix('%') {
            rest = comment.split_once('\n').unwrap().1.trim_start();
            continue;
        }
        let (kind, entry) = rest.strip_prefix('@').unwrap().split_once('{').unwrap();
        assert!(kind.chars().all(char::is_alphabetic), "{kind}");
        let mut depth = 1;
        let end = entry.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let (fields, after) = entry.split_at(end.unwrap());
        let (key, fields) = fields.split_once(',').unwrap();
        assert!(!key.contains(char::is_whitespace), "{key}");
        for field in fields.trim().split(",\n") {
            let (name, value) = field.split_once('=').unwrap();
            assert!(name.trim().chars().all(char::is_alphabetic), "{field}");
            assert!(value.trim().starts_with('{') && value.trim().ends_with('}'), "{field}");
        }
        assert!(fields.contains("title"), "{key}");
        keys.push(key.to_owned());
        rest = after[1..].trim_start();
    }
    keys
}

#[test]
fn a_run_cites_what_it_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    let job = r#"{ "name": "cited", "data": { "source": "digits", "samples": 2 },
        "training": { "steps": 1, "learning_rate": 0.5 }, "engine": "conditional",
        "ensemble": { "widths": [16], "depths": [2], "seeds": 1, "closures": ["exact"] } }"#;
    fs::write(&file, job).unwrap();
    let (_guard, run) = run_job(&file.display().to_string(), &[]);
    let output = nfd(&["cite", &run.display().to_string()]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "nfd",
        "feature-learning-dynamics",
        "tensor-programs-6",
        "philox",
        "twice-is-enough",
        "optical-digits",
    ];
    assert_eq!(keys(&text), expected);
    assert!(text.contains(concat!("version = {", env!("CARGO_PKG_VERSION"), "}")), "{text}");

    let none = nfd(&["cite", &folder.path().display().to_string()]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("is not a run directory"));
}

#[test]
fn other_experiments_cite_others() {
    let of = |data: &str, parametrization: &str, engine: &str| {
        let text = format!(
            r#"{{ "name": "cited", "data": {data}, "model": {{ "parametrization": "{parametrization}" }},
                "training": {{ "steps": 1, "learning_rate": 0.5 }}, "engine": "{engine}",
                "ensemble": {{ "widths": [16], "depths": [2], "seeds": 1, "closures": ["exact"] }} }}"#
        );
        let source = ExperimentFile::new("cited.json".as_ref(), text, &[]).unwrap();
        let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
        keys(&bibtex(&experiment, "1", Some("abc"))).into_iter().collect::<BTreeSet<_>>()
    };
    let cites = |keys: &BTreeSet<String>, wanted: &[&str]| {
        assert!(wanted.iter().all(|key| keys.contains(*key)), "{keys:?}");
    };
    let dense = of(r#"{ "source": "idx", "path": "x" }"#, "mup", "dense");
    cites(&dense, &["tensor-programs-4", "mnist", "fashion-mnist"]);
    assert!(!dense.contains("twice-is-enough") && !dense.contains("tensor-programs-6"));
    cites(
        &of(r#"{ "source": "cifar10", "path": "x" }"#, "ntk", "dense"),
        &["neural-tangent-kernel", "cifar"],
    );
    let vanilla = of(r#"{ "source": "toy" }"#, "vanilla", "conditional");
    let own = ["feature-learning-dynamics", "nfd", "philox", "twice-is-enough"];
    assert_eq!(vanilla.iter().map(String::as_str).collect::<Vec<_>>(), own);
}
