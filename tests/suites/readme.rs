//! The README says what is so: its commands run, its field names exist.

use crate::common::results::{nfd, rows};

const README: &str = include_str!("../../README.md");

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

    // What the README says the run prints and leaves.
    let table = String::from_utf8(done.stdout).unwrap();
    for claim in ["error of h_L", "error of g_0", "forward coupling per layer", "gap of f"] {
        let rows = table.lines().filter(|line| line.contains(claim));
        assert_eq!(rows.count(), 1, "{claim}\n{table}");
    }
    assert!(table.lines().count() <= 10 && table.contains("\npage: "), "{table}");
    for file in ["results.csv", "arrays.npz", "summary.json", "manifest.json", "report.html"] {
        assert!(output.join(file).is_file() && README.contains(&format!("`{file}`")), "{file}");
    }
    let tasks: std::collections::BTreeSet<_> =
        rows(&output).iter().map(|r| (r.closure.clone(), r.width, r.depth, r.seed)).collect();
    assert!(README.contains(&format!("{} networks of widths 2048 and 8192", tasks.len())));
}

/// What `nfd judge` prints is what the README says it does.
#[test]
fn the_example_of_judge_prints_what_it_says() {
    let (_, section) = README.split_once("\n    nfd judge ").unwrap();
    let (command, after) = section.split_once("\n\n").unwrap();
    let printed = after.lines().map_while(|line| line.strip_prefix("    "));
    let mut arguments = vec!["judge"];
    arguments.extend(command.split(' '));
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), printed.collect::<Vec<_>>());
}

/// Every field of the README's table is known to the parser: an unknown one would be refused.
#[test]
fn fields_of_the_table_exist() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.json");
    let load = |set: &[String]| nfd::experiment::load(std::path::Path::new(quickstart), set);
    let experiment = serde_json::to_value(load(&[]).unwrap().experiment).unwrap();
    let (_, table) = README.split_once("| field | values").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    assert!(load(&["data.no_field=null".to_owned()]).is_err());
    let mut checked = 0;
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let names = line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
        let mut parent = String::new();
        for name in names {
            let path = match name.strip_prefix('.') {
                Some(rest) => format!("{parent}.{rest}"),
                None => name.to_owned(),
            };
            parent = path.rsplit_once('.').map(|(parent, _)| parent.to_owned()).unwrap_or_default();
            let pointer = format!("/{}", path.replace('.', "/"));
            // Those that were not typed need not be among what is resolved.
            let known = || load(&[format!("{path}=null")]).is_ok();
            assert!(experiment.pointer(&pointer).is_some() || known(), "{path}");
            checked += 1;
        }
    }
    assert!(checked >= 19, "{checked}");
}
