//! What a journal holds of long runs: what results need, and no more.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::store::JOURNAL;
use nfd::store::files::Disk;

use crate::common::faults;

const STEPS: u32 = 2000;

/// An experiment on the toy samples, with these sections beside.
fn experiment(steps: u32, depths: &str, closures: &str, more: &str) -> Experiment {
    let text = format!(
        r#"{{ "name": "long", "data": {{ "source": "toy" }},
        "training": {{ "steps": {steps}, "learning_rate": 0.05, "record": 1 }},
        "ensemble": {{ "widths": [64], "depths": {depths}, "seeds": 1, "closures": {closures} }} {more} }}"#
    );
    let source = ExperimentFile::new(Path::new("long.json"), text, &[]).unwrap();
    resolve(source.parse().unwrap(), &source).unwrap().experiment
}

/// The bytes of the journal and of results.csv, and the lines of the latter.
fn sizes(path: &Path, experiment: &Experiment) -> (u64, u64, Vec<String>) {
    let [results, _] = faults::run(path, experiment, Arc::new(Disk)).unwrap();
    let text = String::from_utf8(results).unwrap();
    let journal = fs::metadata(path.join(JOURNAL)).unwrap().len();
    (journal, text.len() as u64, text.lines().map(str::to_owned).collect())
}

/// A task of 2000 steps, each recorded, takes no more than twice the room of its results, whether it is
/// compared with nothing or a pair is compared at every twentieth step and the last.
#[test]
fn a_journal_is_no_more_than_twice_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let exact = r#"["exact"]"#;
    for (name, depths, engine) in [
        ("alone", "[4]", "dense"),
        ("alone-conditional", "[4]", "conditional"),
        ("pair", "[4, 8]", "dense"),
    ] {
        let experiment = experiment(STEPS, depths, exact, &format!(r#", "engine": "{engine}""#));
        let (journal, results, lines) = sizes(&folder.path().join(name), &experiment);
        println!("{name}: {journal} bytes of journal, {results} of results");
        assert!(journal <= 2 * results, "{name}");
        let strong: Vec<&String> = lines.iter().filter(|line| line.contains("strong.h")).collect();
        // Five depth times at steps 0, 20, … 1980 and 2000.
        assert_eq!(strong.len(), if depths == "[4]" { 0 } else { 5 * 101 }, "{name}");
        assert!(lines.iter().filter(|line| line.contains("loss.train")).count() > STEPS as usize);
    }
}

/// An experiment that grows until a task is compared does that task again, with the vectors it needs; one
/// that shrinks uses what is there. Either way results are those of a fresh directory.
#[test]
fn tasks_that_come_to_be_compared_are_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, experiment: &Experiment| {
        faults::run(&folder.path().join(name), experiment, Arc::new(Disk)).unwrap()
    };
    let timings = |name: &str| {
        fs::read_to_string(folder.path().join(name).join("timings.csv")).unwrap().lines().count()
            - 1
    };
    let more = r#", "finest": 8, "engine": "dense""#;
    let alone = experiment(2, "[4]", r#"["exact"]"#, more);
    let pair = experiment(2, "[4, 8]", r#"["exact"]"#, more);
    let closures = experiment(2, "[4]", r#"["exact", "gia"]"#, more);
    let before = run("grown", &alone);
    assert_eq!(run("grown", &pair), run("pair", &pair));
    assert_eq!((timings("grown"), timings("pair")), (3, 2));
    assert_eq!(run("grown", &closures), run("closures", &closures));
    assert_eq!(timings("grown"), 4, "only the other closure is new");
    assert_eq!(run("grown", &alone), before);
    assert_eq!(run("pair", &alone), before);
    assert_eq!((timings("grown"), timings("pair")), (4, 2), "a finished task ran twice");
}
