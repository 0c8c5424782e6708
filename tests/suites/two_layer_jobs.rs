//! Experiments with two-layer blocks: what is chosen for them, what is refused, what they report.

use std::path::Path;

use crate::common::results::{nfd, rows};
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::experiment::settled::prefer_gpu;
use nfd::experiment::{Backend, Engine};

const JOB: &str = r#"{
  "name": "two-layer",
  "data": { "source": "toy" },
  "model": { "block": "two-layer" },
  "training": { "steps": 2, "learning_rate": 1.0 },
  "ensemble": { "widths": [16], "depths": [2, 4, 8], "seeds": 2, "closures": ["exact", "gia"] }
}
"#;

fn source(pairs: &[&str]) -> ExperimentFile {
    let pairs: Vec<String> = pairs.iter().map(|&pair| pair.to_owned()).collect();
    ExperimentFile::new(Path::new("e.json"), JOB.to_owned(), &pairs).unwrap()
}

#[test]
fn what_two_layer_blocks_cannot_have_is_refused() {
    let fresh = r#"ensemble.closures=["exact","fresh"]"#;
    let one_layer = "model.block=one-layer";
    for (pairs, words) in [
        (
            &["engine=conditional"][..],
            &["model.block", "engine conditional", "take engine dense", "exact and gia"][..],
        ),
        (&[fresh], &["model.block", "closure fresh", "take engine dense", "exact and gia"]),
        (
            &["model.parametrization=vanilla"],
            &["model.parametrization", "skip connection", "take another"],
        ),
        (&["storage=bf16"], &["storage", "keep all their numbers", "take storage full"]),
        (
            &["model.parametrization=depth-mup-corrected", one_layer],
            &["model.parametrization", "inner matrix", "take block two-layer"],
        ),
    ] {
        // The last one of a field counts.
        for engine in ["engine=dense", "engine=auto"] {
            let source = source(&[&[engine], pairs].concat());
            let error = resolve(source.parse().unwrap(), &source).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{engine} {pairs:?}: no '{word}' in {error}");
            }
        }
    }
}

/// The engine is chosen with the reason, and a GPU is taken where there is one, unless a backend was typed.
#[test]
fn two_layer_blocks_are_dense_on_every_backend() {
    let corrected = "model.parametrization=depth-mup-corrected";
    for (pairs, backend) in [
        (&[][..], Backend::Cuda),
        (&["backend=plain"], Backend::Plain),
        (&["backend=cuda"], Backend::Cuda),
        (&[corrected], Backend::Cuda),
    ] {
        let source = source(pairs);
        let raw = source.parse().unwrap();
        let resolved = resolve(raw.clone(), &source).unwrap();
        assert!(resolved.decisions[0].contains("engine dense: the only one that has two-layer"));
        let resolved = prefer_gpu(&raw, &source, resolved, || Ok("a GPU".to_owned())).unwrap();
        let experiment = resolved.experiment;
        assert_eq!(experiment.engine, Engine::Dense);
        assert_eq!(experiment.backend, backend);
        // What was resolved is an experiment file that resolves to itself.
        let text = serde_json::to_string(&experiment).unwrap();
        let again = ExperimentFile::new(Path::new("e.json"), text, &[]).unwrap();
        assert_eq!(resolve(again.parse().unwrap(), &again).unwrap().experiment, experiment);
    }
}

/// A run end to end: both movements are among the results, without minibatches.
#[test]
fn runs_report_both_movements() {
    let folder = tempfile::tempdir().unwrap();
    let (job, output) = (folder.path().join("job.json"), folder.path().join("run"));
    std::fs::write(&job, JOB).unwrap();
    let arguments = ["run", &job.display().to_string(), "--output", &output.display().to_string()];
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = rows(&output);
    let of = |name| all.iter().filter(|row| row.observable == name).collect::<Vec<_>>();
    let (own, inner) = (of("movement.own"), of("movement.inner"));
    assert_eq!((own.len(), inner.len()), (2 * 3 * 2 * 3, 2 * 3 * 2 * 3));
    assert!(own.iter().chain(&inner).all(|row| (row.value > 0.0) == (row.step > 0)));
    let page = std::fs::read_to_string(output.join("report.html")).unwrap();
    assert!(page.contains("two matrices a residual block"));
    let summary = std::fs::read_to_string(output.join("summary.json")).unwrap();
    assert!(summary.contains("\"infinite_width\": []"), "closed forms are of one-layer blocks");
}
