//! README.md is short and says what is so: its commands run, and print what the tutorial shows.

use crate::common::results::{nfd, rows};

const README: &str = include_str!("../../README.md");
const TUTORIAL: &str = include_str!("../../docs/tutorial.md");
const VERDICTS: &str = include_str!("../../docs/verdicts.md");

/// Indented lines under "Two commands".
fn commands() -> Vec<&'static str> {
    let (_, section) = README.split_once("## Two commands").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    section.lines().filter_map(|line| line.strip_prefix("    ")).collect()
}

#[test]
fn the_two_commands_are_there_and_the_first_runs() {
    let commands = commands();
    assert_eq!(commands.len(), 2);
    assert_eq!(commands[1], "tests/run.sh");
    let arguments = commands[0].strip_prefix("cargo run --release -- ").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("quickstart");
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    let name = output.display().to_string();
    arguments.extend(["--output", &name]);
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    // What the tutorial shows of it, up to digits, which are of one kind of processor.
    let table = String::from_utf8(done.stdout).unwrap();
    let (_, shown) = TUTORIAL.split_once("\n```text\n").unwrap();
    let (shown, _) = shown.split_once("\n```").unwrap();
    let words = |text: &str| {
        let letters = text.chars().map(|c| if c.is_alphabetic() { c } else { ' ' });
        let letters: String = letters.collect();
        letters.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let printed = table.replace(&name, "runs/quickstart");
    for (printed, shown) in printed.lines().zip(shown.lines()) {
        assert_eq!(words(printed), words(shown));
    }
    assert_eq!(printed.lines().count(), shown.lines().count());
    assert_eq!(printed.lines().filter(|line| line.starts_with("  supported  ")).count(), 4);
    for file in ["results.csv", "arrays.npz", "summary.json", "manifest.json", "report.html"] {
        assert!(output.join(file).is_file() && README.contains(&format!("`{file}`")), "{file}");
    }
    let tasks: std::collections::BTreeSet<_> =
        rows(&output).iter().map(|r| (r.closure.clone(), r.width, r.depth, r.seed)).collect();
    assert!(README.contains(&format!("{} networks of widths 2048 and 8192", tasks.len())));
}

/// What `nfd judge` prints is what its page says it does.
#[test]
fn the_example_of_judge_prints_what_it_says() {
    let (_, section) = VERDICTS.split_once("\n    nfd judge ").unwrap();
    let (command, after) = section.split_once("\n\n```text\n").unwrap();
    let (printed, _) = after.split_once("\n```").unwrap();
    let mut arguments = vec!["judge"];
    arguments.extend(command.split(' '));
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(said.trim_end(), printed);
}

/// A front door and not the house: what needs more room has a page in docs/.
#[test]
fn the_readme_is_short() {
    assert!(README.len() <= 8192, "{} bytes", README.len());
}
