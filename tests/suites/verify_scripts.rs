//! examples/verify_jax.py and verify_torch.py train exported networks again, and notice what is not so.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::common::exported::{
    adam, export, independent, minibatches, muon, normalised, normalised_blocks, path_of, polar,
    run, signs, two_layers,
};
use crate::common::missing::{python, skipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Changes an array of an export by a line of Python, in which `a` are the arrays.
const CHANGE: &str = r#"
import json, sys
import numpy as np
a = dict(np.load(sys.argv[1]))
about = json.loads(str(a["nfd"]))
exec(sys.argv[2])
a["nfd"] = np.array(json.dumps(about))
np.savez(sys.argv[3], **a)
"#;

/// Trains exported networks by a script of examples/, which then has to notice what is changed.
fn verified_by(script: &str, python: &str) {
    let verify = |file: &Path| {
        let mut command = Command::new(python);
        command.current_dir(ROOT).arg(format!("examples/{script}")).arg(file);
        command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap()
    };
    for (what, experiment) in [
        ("minibatches", minibatches()),
        ("two_layers", two_layers()),
        ("independent", independent()),
        ("adam", adam()),
        ("muon", muon()),
        ("polar", polar()),
        ("signs", signs()),
        ("normalised", normalised()),
        ("normalised_blocks", normalised_blocks()),
    ] {
        let (guard, run) = run(&experiment);
        let file = path_of(&export(&run, &["--format", "npz"]));
        let done = verify(&file);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{what}: {}{said}", String::from_utf8_lossy(&done.stdout));
        if what != "minibatches" {
            continue;
        }
        for (line, differs) in [
            ("about['learning_rates']['V'] *= 1.001", "outputs, losses"),
            ("a['batches'] = a['batches'][[1, 0, 2, 3, 4]]", "outputs, losses"),
            ("a['trained.V'][3] += 1e-8; a['f.train'][1, 2] = np.nan", "outputs, V"),
        ] {
            let changed = guard.path().join("changed.npz");
            let mut command = Command::new(python);
            command.args(["-c", CHANGE]).arg(&file).arg(line).arg(&changed);
            assert!(command.output().unwrap().status.success(), "{line}");
            let done = verify(&changed);
            let said = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(1), "{line}: {said}");
            assert!(said.contains(&format!("differ in {differs}")), "{line}: {said}");
        }
    }
}

#[test]
fn jax_trains_the_same_network() {
    match python("numpy, jax") {
        Some(python) => verified_by("verify_jax.py", &python),
        None => skipped("jax_trains_the_same_network", "NumPy or JAX"),
    }
}

/// PyTorch's own package brings gigabytes of CUDA libraries, so that the checks do not install it.
#[test]
fn pytorch_trains_the_same_network() {
    match python("numpy, torch") {
        Some(python) => verified_by("verify_torch.py", &python),
        None => {
            // Not eprintln: the test harness would swallow it.
            let line = "pytorch_trains_the_same_network: SKIPPED, no NumPy or PyTorch (pip install torch)\n";
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}

/// The other format, by the package of its authors.
#[test]
fn scripts_read_safetensors_too() {
    let Some(python) = python("numpy, jax, safetensors") else {
        return skipped("scripts_read_safetensors_too", "NumPy, JAX or safetensors");
    };
    let (_guard, run) = run(&independent());
    let file = path_of(&export(&run, &[]));
    let mut command = Command::new(python);
    command.current_dir(ROOT).arg("examples/verify_jax.py").arg(file);
    let done = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
