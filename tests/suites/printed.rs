//! What `nfd run`, `report` and `status` print of what was found and how far it is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::experiments::small;
use crate::common::results::{moments, nfd, rows};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the small experiment into `folder`/run; the verb and what else is typed, and what comes of it.
fn done(folder: &Path, verb: &str, extra: &[&str]) -> Output {
    let (job, run) = (small(folder), folder.join("run").display().to_string());
    let mut arguments = match verb {
        "run" => vec![verb, &job, "--output", &run],
        _ => vec![verb, &run],
    };
    arguments.extend(extra);
    nfd(&arguments)
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("run/summary.json")).unwrap()).unwrap()
}

#[test]
fn a_run_prints_a_row_a_primary_claim() {
    let folder = tempfile::tempdir().unwrap();
    let run = done(folder.path(), "run", &[]);
    let (said, stderr) = (text(&run.stdout), text(&run.stderr));
    let summary = summary(folder.path());
    let claims = summary["claims"].as_array().unwrap();
    let primary: Vec<&Value> = claims.iter().filter(|claim| claim["primary"] == true).collect();
    assert!(!primary.is_empty() && said.lines().count() == primary.len() + 2, "{said}");
    for claim in &primary {
        let [statement, verdict] = ["statement", "verdict"].map(|key| claim[key].as_str().unwrap());
        let own = said.lines().filter(|line| line.contains(statement));
        let own: Vec<&str> = own.filter(|line| line.trim_start().starts_with(verdict)).collect();
        assert_eq!(own.len(), 1, "{statement}: {said}");
    }
    let number = |primary: bool| claims.iter().filter(|claim| claim["primary"] == primary).count();
    let first = said.lines().next().unwrap();
    assert!(first.starts_with(&format!("small: {} primary claims, ", number(true))), "{first}");
    assert!(first.contains(&format!("; {} further claims, ", number(false))), "{first}");
    let page = folder.path().join("run/report.html");
    assert!(said.contains(&format!("page: {}; ", page.display())), "{said}");
    // The experiment is in the manifest, for who wants to see it.
    assert!(!stderr.contains('{'), "{stderr}");
    let log = fs::read_to_string(folder.path().join("run/logs/rank-0.jsonl")).unwrap();
    assert!(log.contains("\\\"horizon\\\":1.0"), "the log has the experiment");
}

#[test]
fn more_and_less_is_printed_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let quiet = done(folder.path(), "run", &["--quiet"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty(), "{}", text(&quiet.stdout));
    let stderr = text(&quiet.stderr);
    let of_warnings =
        |line: &str| line.starts_with("nfd: WARNING") || line.contains(" warnings, in ");
    assert!(stderr.lines().all(of_warnings), "{stderr}");
    let file = fs::read(folder.path().join("run/summary.json")).unwrap();
    for extra in [&["--json"][..], &["--json", "-q"]] {
        assert!(done(folder.path(), "report", extra).stdout == file, "{extra:?}");
    }
    let all = text(&done(folder.path(), "report", &["--all"]).stdout);
    let summary = summary(folder.path());
    for claim in summary["claims"].as_array().unwrap() {
        let reason = claim["reason"].as_str().unwrap();
        assert!(claim["primary"] == false || all.contains(reason), "{reason}: {all}");
    }
    // Lines are broken; words are not.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for paragraph in summary["findings"].as_array().unwrap() {
        let paragraph = words(paragraph.as_str().unwrap());
        assert!(words(&all).contains(&paragraph), "{paragraph}: {all}");
    }
    let both = done(folder.path(), "report", &["--json", "--all"]);
    assert_eq!(both.status.code(), Some(2));
    // A warning is one for the quiet too.
    let warned = ["--quiet", "--set", "data.normalize=false", "--output", "elsewhere"];
    let job = small(folder.path());
    let plan = nfd(&[&["plan", job.as_str()][..], &warned].concat());
    assert!(text(&plan.stderr).contains("WARNING"), "{}", text(&plan.stderr));
}

/// Of one size there is nothing to claim: final losses, as they are in results.csv.
#[test]
fn without_claims_there_are_losses() {
    let folder = tempfile::tempdir().unwrap();
    let one_size = [
        "--set",
        "ensemble.depths=[8]",
        "--set",
        "ensemble.closures=[\"exact\"]",
        "--set",
        "reference=none",
        "--set",
        "data.test_samples=2",
    ];
    let run = done(folder.path(), "run", &one_size);
    let said = text(&run.stdout);
    let of = |observable: &str| {
        let rows = rows(&folder.path().join("run")).into_iter();
        let own = rows.filter(|row| row.observable == observable && row.step == 2);
        let own: Vec<f64> = own.map(|row| row.value).collect();
        assert_eq!(own.len(), 3, "three seeds");
        moments(&own).0
    };
    let line: Vec<&str> = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.first() == Some(&"exact"))
        .unwrap_or_else(|| panic!("{said}"));
    assert_eq!(line[1..4], ["48", "8", "3"], "{said}");
    for (printed, observable) in line[4..6].iter().zip(["loss.train", "loss.test"]) {
        let (printed, exact): (f64, f64) = (printed.parse().unwrap(), of(observable));
        // Three digits.
        assert!((printed - exact).abs() <= 0.005 * exact, "{observable}: {printed}, {exact}");
    }
    assert!(said.lines().count() <= 10, "{said}");
}

/// Many tasks, one after the other, of some seconds together.
struct Slow {
    _folder: tempfile::TempDir,
    run: PathBuf,
    child: Child,
}

impl Slow {
    fn start(extra: &[&str]) -> Slow {
        let folder = tempfile::tempdir().unwrap();
        let (job, run) = (small(folder.path()), folder.path().join("run"));
        let set = ["ensemble.widths=[16384]", "ensemble.seeds=30", "ensemble.closures=[\"exact\"]"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.args(["run", &job, "--threads", "1", "--output"]).arg(&run).args(extra);
        for set in set {
            command.args(["--set", set]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Slow { _folder: folder, run, child }
    }

    /// What `look` finds before the run has ended.
    fn meanwhile<T>(&mut self, look: impl Fn() -> Option<T>) -> T {
        let clock = Instant::now();
        loop {
            assert!(clock.elapsed() < Duration::from_secs(120), "nothing within two minutes");
            let ended = self.child.try_wait().unwrap();
            if let Some(found) = look() {
                return found;
            }
            assert!(ended.is_none(), "the run has ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_second_terminal_follows_a_run() {
    let mut slow = Slow::start(&[]);
    let progress = slow.run.join("logs/progress-0.json");
    slow.meanwhile(|| progress.exists().then_some(()));
    let mut watch = Command::new(env!("CARGO_BIN_EXE_nfd"));
    let watch = watch.args(["status", "--watch=1"]).arg(&slow.run).stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    // It ends by itself, with the run.
    assert!(watch.wait().unwrap().success() && slow.child.wait().unwrap().success());
    let far: Vec<&String> = lines.iter().filter(|line| line.starts_with("rank 0: ")).collect();
    assert!(!far.is_empty() && far[0].contains("/90 of its tasks, "), "{lines:?}");
    let last = lines.iter().rfind(|line| line.contains("tasks finished")).unwrap();
    assert!(last.contains("90 of 90 tasks finished"), "{last}");
    assert!(!progress.exists(), "who has ended says nothing more");
}

#[test]
fn a_page_follows_a_run() {
    let mut slow = Slow::start(&["--live=1"]);
    let file = slow.run.join("report.html");
    let page = slow.meanwhile(|| fs::read_to_string(&file).ok());
    let far = page.split_once("This run is in progress: ").map(|(_, after)| after).unwrap();
    let finished: usize = far.split(' ').next().unwrap().parse().unwrap();
    assert!(finished < 90 && far.contains(" of 90 runs are finished"), "{far}");
    assert!(page.contains(r#"<meta http-equiv="refresh" content="1"/>"#));
    roxmltree::Document::parse_with_options(
        &page,
        roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
    )
    .unwrap();
    assert!(slow.child.wait().unwrap().success());
    let last = fs::read_to_string(&file).unwrap();
    assert!(!last.contains("in progress") && !last.contains("http-equiv"));
    let run = slow.run.display().to_string();
    assert!(nfd(&["report", &run]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), last);
}

/// Words of other programs, and of people, for what is called otherwise here.
#[test]
fn words_of_other_programs_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    for (set, meant) in [
        ("backend=gpu", "cuda"),
        ("precision=float32", "f32"),
        ("precision=Double", "f64"),
        ("data.source=mnist", "idx"),
        ("training.loss=mse", "squared"),
        ("training.lr=1", "learning_rate"),
        ("training.epochs=3", "steps"),
        ("model.activation=linear", "identity"),
    ] {
        let plan = nfd(&["plan", &job, "--set", set]);
        let said = text(&plan.stderr);
        assert_eq!(plan.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("did you mean '{meant}'?")), "{set}: {said}");
    }
    // On the command line it is what it means: no other error than that of a machine without one.
    let plan = nfd(&["plan", &job, "--backend", "gpu"]);
    assert!(!text(&plan.stderr).contains("invalid value"), "{}", text(&plan.stderr));
}
