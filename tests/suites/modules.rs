//! No file of tests is left out: each is a program that Cargo finds or a module of one.

use std::fs;
use std::path::Path;

/// Names of the entries of a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The modules that a source file declares in files of their own.
fn declared(source: &str) -> Vec<&str> {
    let module = |line| str::strip_suffix(str::trim(line), ";")?.split_once("mod ");
    source
        .lines()
        .filter_map(module)
        .filter(|(before, _)| ["", "pub "].contains(before))
        .map(|(_, name)| name)
        .collect()
}

#[test]
fn every_file_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    // Where this is not switched off, tests/NAME.rs and tests/NAME/main.rs are programs.
    assert!(!manifest.contains("autotests"));
    let mut seen = 0;
    for name in names(&root.join("tests")) {
        let folder = root.join("tests").join(&name);
        if !folder.is_dir() || manifest.contains(&format!("\"tests/{name}\"")) {
            continue; // a program, or a member of the workspace
        }
        let files = names(&folder);
        let top =
            ["main.rs", "mod.rs"].into_iter().find(|top| files.iter().any(|file| file == top));
        let source =
            top.map(|top| fs::read_to_string(folder.join(top)).unwrap()).unwrap_or_default();
        let modules = declared(&source);
        for file in files.iter().filter(|file| Some(file.as_str()) != top) {
            assert!(
                !folder.join(file).is_dir(),
                "tests/{name}/{file} is a folder that is not looked into"
            );
            let Some(module) = file.strip_suffix(".rs") else { continue };
            let target = manifest.contains(&format!("path = \"tests/{name}/{file}\""));
            assert!(target || modules.contains(&module), "tests/{name}/{file} is in no program");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} files");
}
