//! What one begins with: experiment files that explain themselves, comments in them, completions, manual pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::experiments::resolve_text;
use crate::common::results::nfd;
use nfd::experiment::{Study, load, manual};

/// A file of every study, which says what each field means and asks what the job that it was made from asks.
#[test]
fn files_to_begin_with_explain_themselves() {
    let folder = tempfile::tempdir().unwrap();
    for study in Study::ALL {
        let path = folder.path().join(format!("{}.json", study.name()));
        let shown = path.display().to_string();
        let done = nfd(&["init", study.name(), "--output", &shown]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8(done.stdout).unwrap().contains(&format!("nfd run {shown}")));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("// {}\n", study.design().question)), "{text}");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with('"')) {
            assert!(pair[0].starts_with("// "), "nothing is said of {}", pair[1]);
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let experiment = load(&path, &[]).unwrap().experiment;
        assert_eq!((experiment.study, &experiment.name[..]), (study, study.name()));

        let again = nfd(&["init", study.name(), "--output", &shown]);
        assert!(!again.status.success());
        assert!(String::from_utf8(again.stderr).unwrap().contains(&shown));
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "written over");
    }
    // Without words: the study and the file that most begin with, and it can be planned.
    let here = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.args(arguments).current_dir(&folder).output().unwrap()
    };
    fs::remove_file(folder.path().join("training-convergence.json")).unwrap();
    assert!(here(&["init"]).status.success());
    assert!(here(&["plan", "training-convergence.json"]).status.success());
}

/// All that the page has on a field begins a line of the file, whatever the example.
#[test]
fn files_to_begin_with_have_the_words_of_the_page() {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/minibatch.json");
    let job = serde_json::from_slice(&fs::read(jobs).unwrap()).unwrap();
    let text = manual::commented(&job);
    let page = manual::page();
    for line in text.lines().map(str::trim).filter(|line| line.starts_with("// ")) {
        assert!(page.contains(&line[3..]) || line.len() > 60, "{line}");
    }
    assert!(text.contains("\"schedule\": {\n"), "{text}");
    let back = resolve_text(&text, &[]).unwrap().experiment;
    let plain = resolve_text(&serde_json::to_string(&job).unwrap(), &[]).unwrap().experiment;
    assert_eq!(back, plain);
}

#[test]
fn comments_are_passed_over_and_move_nothing() {
    let fields = r#""data": { "source": "digits" }, "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [8], "depths": [4], "seeds": 1 }"#;
    let plain = format!(r#"{{ "name": "e", {fields} }}"#);
    let commented = format!(
        "// ein Anfang: β\n{{ \"$schema\": \"nfd.schema.json\", /* two\n \"lines\" */ \"name\": \
         \"e\", // rest, \" and {{\n{fields} }}\n// the end"
    );
    let [plain, commented] =
        [plain, commented].map(|text| resolve_text(&text, &[]).unwrap().experiment);
    assert_eq!(plain, commented);
    // Each with what it begins with where it goes wrong.
    for (text, wrong, problem) in [
        (format!("// one\n/* β */ {{ {fields}, \"sneeds\": 1 }}"), "\"sneeds", "unknown key"),
        (format!("{{ {fields} }} /* never closed"), "/* never", "trailing characters"),
        (format!("{{ {fields}, /* β */ x }}"), "x }", "key must be a string"),
        (format!("{{ {fields}, \"a//b /* \\\" */\": 1 }}"), "\"a//b", "unknown key"),
        (format!("{{ {fields}, \"$schema\": 3 }}"), "\"$schema", "unknown key"),
    ] {
        let before = &text[..text.find(wrong).unwrap()];
        let line = before.lines().count();
        let column = before.lines().last().unwrap().chars().count() + 1;
        let error = resolve_text(&text, &[]).unwrap_err();
        let place = format!("e.json:{line}:{column}: ");
        assert!(error.starts_with(&place) && error.contains(problem), "{place}{problem}\n{error}");
    }
}

#[test]
fn shells_get_completions_and_man_its_pages() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = nfd(&["completions", shell]);
        let script = String::from_utf8(done.stdout).unwrap();
        for word in ["checkpoint-minutes", "doctor", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    assert!(nfd(&["man", &pages.display().to_string()]).status.success());
    for (page, words) in [("nfd.1", "residual networks"), ("nfd-run.1", "the same command resumes")]
    {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains(words), "{page}: {text}");
    }
}
