//! What stands in blocks and spans of code on pages: commands are understood by the programs that they call, JSON
//! and Python are read, fields of experiments exist.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::common::missing::{python, skipped};
use crate::common::results::nfd;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A piece of code on a page.
#[derive(Debug)]
struct Code {
    page: String,
    /// What a fence says; empty for an indented block, which holds commands; `span` within a line.
    language: String,
    text: String,
}

/// The code of a page, in the order in which it stands there.
fn code(name: &str, page: &str) -> Vec<Code> {
    let mut found = Vec::new();
    let mut open: Option<Code> = None;
    let new = |language: &str, text: &str| Code {
        page: name.to_owned(),
        language: language.to_owned(),
        text: text.to_owned(),
    };
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => open = Some(new("", "")),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                open = Some(new(&language, ""));
            }
            Event::Text(text) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            Event::Code(text) => found.push(new("span", &text)),
            _ => {}
        }
    }
    found
}

/// The code of all pages: README and its companions, docs/, the Python package's.
fn all_code() -> Vec<Code> {
    let mut found = Vec::new();
    for folder in [".", "docs", "python", "benches"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(ROOT).unwrap().display().to_string();
                found.extend(code(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// Whether clap takes these arguments of `nfd`: it reads them up to `--help`.
fn understood(arguments: &[&str]) -> Result<(), String> {
    let done = nfd(&[arguments, &["--help"]].concat());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(said) }
}

/// Whether the tests have a suite or a test of this name.
fn is_a_test(filter: &str) -> bool {
    if let Some(suite) = filter.strip_suffix("::") {
        let folders = ["tests/suites", "tests/gpu"].map(|folder| Path::new(ROOT).join(folder));
        return folders.iter().any(|folder| folder.join(format!("{suite}.rs")).is_file());
    }
    let suites = fs::read_dir(Path::new(ROOT).join("tests/suites")).unwrap();
    suites.into_iter().any(|entry| {
        let path = entry.unwrap().path();
        let named = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(filter));
        named || fs::read_to_string(path).unwrap().contains(filter)
    })
}

/// What is wrong with a command that a page tells people to type.
fn fault(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().collect();
    let words: Vec<&str> = words
        .into_iter()
        .skip_while(|word| word.starts_with("NFD_") && word.contains('='))
        .collect();
    let there = |path: &str| {
        let path = path.trim_matches('\'').split('[').next().unwrap();
        (!Path::new(ROOT).join(path).exists()).then(|| format!("{path} is not there"))
    };
    match &words[..] {
        ["nfd", arguments @ ..] | ["cargo", "run", "--release", "--", arguments @ ..] => {
            understood(arguments).err()
        }
        ["mpirun", "-n", _, "target/release/nfd", arguments @ ..] => understood(arguments).err(),
        ["cargo", "run", "--release", "--example", name] => there(&format!("examples/{name}.rs")),
        ["cargo", "bench", "--bench", name, ..] => there(&format!("benches/{name}.rs")),
        ["cargo", "test", arguments @ ..] => {
            let filters = arguments.iter().filter(|word| !word.starts_with('-'));
            let filters = filters.filter(|word| !["suites", "gpu"].contains(word));
            let missing: Vec<_> = filters.filter(|filter| !is_a_test(filter)).collect();
            (!missing.is_empty()).then(|| format!("no tests {missing:?}"))
        }
        ["cargo", "build" | "install" | "package" | "deny" | "check", ..] => None,
        ["python" | "python3", script, ..] => there(script),
        ["pip", "install", package] => there(package),
        ["module" | "cmp" | "jq" | "for", ..] => None,
        [script, ..] if script.starts_with("jobs/") || script.starts_with("tests/") => {
            there(script)
        }
        _ => Some("no program that this test knows".to_owned()),
    }
}

/// Lines of a shell, continued ones in one.
fn lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_command_on_a_page_is_understood() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for block in all_code().iter().filter(|code| ["", "sh", "bash"].contains(&&*code.language)) {
        let parsed = Command::new("sh").args(["-n", "-c", &block.text]).output().unwrap();
        if !parsed.status.success() {
            faults.push(format!("{}: no shell reads {}", block.page, block.text));
        }
        for line in lines(&block.text) {
            seen += 1;
            faults.extend(fault(&line).map(|fault| format!("{}: {line}: {fault}", block.page)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 60, "only {seen}: are they still seen?");
    for wrong in [
        "nfd walk a.json",
        "nfd run a.json --thread 3",
        "cargo run --release -- run a.json --lock padlock",
        "mpirun -n 4 target/release/nfd walk",
        "cargo bench --bench none",
        "cargo test --release -- no_such_suite::",
        "jobs/none.sh",
        "python examples/none.py",
        "made up",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
}

/// A command within a line is one of nfd's, with placeholders in capitals or brackets.
#[test]
fn every_command_within_a_line_is_understood() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for span in all_code().iter().filter(|code| code.language == "span") {
        let Some(arguments) = span.text.strip_prefix("nfd ") else { continue };
        let placeholder = |word: &str| {
            let word = word.trim_matches(['[', ']', '…', '\'']);
            word.is_empty() || word.chars().next().unwrap().is_uppercase() || word.contains('<')
        };
        let arguments: Vec<&str> =
            arguments.split_whitespace().filter(|word| !placeholder(word)).collect();
        seen += 1;
        faults.extend(
            understood(&arguments).err().map(|e| format!("{}: {}: {e}", span.page, span.text)),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 30, "only {seen}: are they still seen?");
}

#[test]
fn json_on_pages_is_what_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let (mut experiments, mut faults) = (0, Vec::new());
    for block in all_code().iter().filter(|code| code.language == "json") {
        let value: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
        let Ok(value) = value else {
            faults.push(format!("{}: no JSON: {}", block.page, block.text));
            continue;
        };
        if value.get("ensemble").is_some() {
            experiments += 1;
            let file = folder.path().join("experiment.json");
            fs::write(&file, &block.text).unwrap();
            let loaded = nfd::experiment::load(&file, &[]).err();
            faults.extend(loaded.map(|error| format!("{}: {error}\n{}", block.page, block.text)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(experiments >= 6, "only {experiments}: are they still seen?");
}

#[test]
fn python_on_pages_is_python() {
    let Some(python) = python("ast") else { return skipped("python_on_pages_is_python", "Python") };
    let parse = |text: &str| {
        let mut child = Command::new(&python)
            .args(["-c", "import ast, sys; ast.parse(sys.stdin.read())"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    let code = all_code();
    let blocks: Vec<_> = code.iter().filter(|code| code.language == "python").collect();
    assert!(blocks.len() >= 3, "only {}: are they still seen?", blocks.len());
    for block in blocks {
        assert!(parse(&block.text), "{}: {}", block.page, block.text);
    }
    assert!(!parse("import nfd as"));
}

/// `ensemble.seeds` and the like: each is a heading of the page on experiment files.
#[test]
fn fields_that_pages_name_exist() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/experiment.md")).unwrap();
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let known: BTreeSet<&str> = headings.filter_map(|line| line.split('`').nth(1)).collect();
    let sections = ["data", "model", "training", "ensemble", "reference"];
    let is_field = |name: &str| {
        let name = name.strip_prefix("--set ").unwrap_or(name).split(['=', ' ']).next().unwrap();
        let (section, rest) = name.split_once('.')?;
        let file = ["rs", "md", "json", "csv", "npz"].contains(&rest);
        (sections.contains(&section) && !file).then(|| name.to_owned())
    };
    let (mut faults, mut seen) = (Vec::new(), 0);
    for span in all_code().iter().filter(|code| code.language == "span") {
        let Some(field) = is_field(&span.text) else { continue };
        seen += 1;
        if !known.contains(field.as_str()) {
            faults.push(format!("{}: {field}", span.page));
        }
    }
    assert!(faults.is_empty(), "no such fields:\n{}", faults.join("\n"));
    assert!(seen >= 10, "only {seen}: are they still seen?");
    assert!(is_field("ensemble.no_such=3").is_some_and(|field| !known.contains(field.as_str())));
}
