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
            &["model.parametrization=vanilla"][..],
            &["model.parametrization", "skip connection", "take another"][..],
        ),
        (
            &["model.inner_width=4n", one_layer],
            &["model.inner_width", "no inner layer", "two-layer"],
        ),
        (&["model.inner_width=0"], &["model.inner_width", "4n"]),
        (&["model.inner_width=0n"], &["model.inner_width", "4n"]),
        (&["model.inner_width=4m"], &["model.inner_width", "4n"]),
        (&["model.inner_width=1e12n"], &["model.inner_width", "wider", "2^30"]),
        (&["storage=bf16"], &["storage", "keep all their numbers", "take storage full"]),
        (
            &["model.parametrization=depth-mup-corrected", one_layer],
            &["model.parametrization", "inner matrix", "take block two-layer"],
        ),
    ] {
        // The last one of a field counts.
        for engine in ["engine=dense", "engine=auto"] {
            let source = source(&[&[engine], pairs].concat());
            let error = source.parse().and_then(|typed| resolve(typed, &source).map(drop));
            let error = error.unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{engine} {pairs:?}: no '{word}' in {error}");
            }
        }
    }
    for (pairs, words) in [
        (
            &["engine=dense", fresh][..],
            ["ensemble.closures", "closure fresh", "take engine conditional"],
        ),
        (
            &["engine=conditional", "backend=cuda", "model.inner_width=2n"],
            ["model.inner_width", "of width n", "backend cpu"],
        ),
    ] {
        let source = source(pairs);
        let error = resolve(source.parse().unwrap(), &source).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{pairs:?}: {words:?} in {error}");
    }
}

/// A GPU is taken where there is one, unless a backend was typed or has
/// no such blocks.
#[test]
fn two_layer_blocks_have_both_engines_and_a_gpu_for_the_dense_one() {
    let corrected = "model.parametrization=depth-mup-corrected";
    let (wide, fresh) = ("ensemble.widths=[100000]", r#"ensemble.closures=["exact","fresh"]"#);
    for (pairs, engine, backend) in [
        (&["engine=dense"][..], Engine::Dense, Backend::Cuda),
        (&["engine=dense", "backend=plain"], Engine::Dense, Backend::Plain),
        (&["backend=cuda"], Engine::Dense, Backend::Cuda),
        (&["engine=dense", corrected], Engine::Dense, Backend::Cuda),
        (&["engine=dense", "model.inner_width=64"], Engine::Dense, Backend::Cuda),
        (&[fresh], Engine::Conditional, Backend::Cuda),
        (&[wide, "model.inner_width=0.5n"], Engine::Conditional, Backend::Cpu),
    ] {
        let source = source(pairs);
        let raw = source.parse().unwrap();
        let resolved = resolve(raw.clone(), &source).unwrap();
        let resolved = prefer_gpu(&raw, &source, resolved, || Ok("a GPU".to_owned())).unwrap();
        let experiment = resolved.experiment;
        assert_eq!((experiment.engine, experiment.backend), (engine, backend), "{pairs:?}");
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
    assert!(page.contains("two matrices per residual block"));
    let summary = std::fs::read_to_string(output.join("summary.json")).unwrap();
    assert!(summary.contains("\"infinite_width\": []"), "closed forms are of one-layer blocks");
}

/// Without matrices: couplings of both, ranks, response functions, and the inner width, at 64 units.
#[test]
fn matrix_free_runs_report_the_couplings_of_both_matrices() {
    let folder = tempfile::tempdir().unwrap();
    let (job, output) = (folder.path().join("job.json"), folder.path().join("run"));
    std::fs::write(&job, JOB).unwrap();
    let set = ["engine=conditional", "model.inner_width=3n", "ensemble.widths=[64]"];
    let (job, output_word) = (job.display().to_string(), output.display().to_string());
    let mut arguments = vec!["run", &job, "--output", &output_word];
    set.iter().for_each(|pair| arguments.extend(["--set", pair]));
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = rows(&output);
    for name in ["coupling.forward.layer", "coupling.inner.forward", "coupling.inner.backward"] {
        let exact = all.iter().filter(|row| row.observable == name && row.closure == "exact");
        let values: Vec<f64> = exact.filter(|row| row.step > 0).map(|row| row.value).collect();
        assert!(
            !values.is_empty() && values.iter().all(|value| *value > 0.0),
            "{name}: {values:?}"
        );
        let gia = all.iter().filter(|row| row.observable == name && row.closure == "gia");
        assert!(gia.map(|row| row.value).all(|value| value == 0.0), "{name}");
    }
}
