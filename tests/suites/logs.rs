//! What a run says: lines for people, JSON lines, the log of each rank; and that no run fails by it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::experiments::SLOW;
use crate::common::logs::{about, json_lines, log_of};
use crate::common::missing::skipped;
use crate::common::results::final_files;

/// Of three depths and two seeds the design is warned of, twice.
const JOB: &str = r#"{
  "name": "logged",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [40], "depths": [4, 8, 16], "seeds": 2 },
  "engine": "conditional"
}
"#;
const TASKS: usize = 18;
const WARNINGS: usize = 2;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), JOB).unwrap();
        fs::write(folder.path().join("slow.json"), SLOW).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn nfd(&self, filter: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.current_dir(&self.folder).args(arguments).env_remove("NFD_LOG");
        command.envs(filter.map(|filter| ("NFD_LOG", filter)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the job into `output` to its end; what it said.
    fn run(&self, filter: Option<&str>, output: &str, more: &[&str]) -> String {
        let arguments = [&["run", "job.json", "--output", output], more].concat();
        let done = self.nfd(filter, &arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        stderr(&done)
    }

    fn log(&self, run: &str) -> Vec<serde_json::Value> {
        log_of(&self.path(run), 0)
    }
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Until there is a whole line in a file.
fn wait_for(what: &Path) {
    let clock = Instant::now();
    let begun = || fs::read(what).is_ok_and(|bytes| bytes.ends_with(b"\n"));
    while !begun() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited for {}", what.display());
        sleep(Duration::from_millis(5));
    }
}

/// Start, each task, end; a second start adds its own lines, and nothing is done twice.
#[test]
fn the_log_of_a_run_says_what_it_did() {
    let place = Place::new();
    let said = place.run(None, "run", &["--threads", "2"]);
    assert!(said.contains(&format!("nfd: {WARNINGS} warnings, in run/logs\n")), "{said}");
    assert!(!said.contains("seconds"), "tasks are for the file: {said}");
    let first = place.log("run");
    let started = about(&first, "started");
    assert_eq!(started.len(), 1);
    assert_eq!((&started[0]["ranks"], &started[0]["threads"]), (&1.into(), &2.into()));
    assert_eq!(started[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(started[0]["pid"].is_u64() && started[0]["host"].is_string());
    assert_eq!(about(&first, "lock is locked")[0]["by"], "flock");
    let done = about(&first, "done");
    let tasks: BTreeSet<String> = done.iter().map(|line| line["task"].to_string()).collect();
    assert_eq!((done.len(), tasks.len()), (TASKS, TASKS));
    for line in done {
        let task = &line["task"];
        assert!([4, 8, 16].map(Into::into).contains(&task["depth"]), "{line}");
        assert_eq!((&task["width"], &task["rate"]), (&40.into(), &0.5.into()), "{line}");
        assert!(line["seconds"].as_f64().unwrap() > 0.0 && task["seed"].as_u64().unwrap() < 2);
        assert_eq!(line["level"], "INFO");
        // 10^5 tasks leave 40 MB at most.
        assert!(line.to_string().len() < 400, "{line}");
    }
    assert_eq!(first.iter().filter(|line| line["level"] == "WARN").count(), WARNINGS);
    let last = first.last().unwrap();
    assert_eq!((&last["message"], &last["exit_code"]), (&"ended".into(), &0.into()));
    assert_eq!(last["warnings"], WARNINGS);

    place.run(None, "run", &[]);
    let both = place.log("run");
    assert_eq!(both[..first.len()], first[..]);
    let second = &both[first.len()..];
    assert_eq!(about(second, "18 tasks are finished already").len(), 1);
    assert_eq!((about(second, "started").len(), about(second, "done").len()), (1, 0));
}

/// NFD_LOG says what people see; the file has that and what it always has. Results know nothing of it.
#[test]
fn the_filter_changes_lines_and_no_results() {
    let place = Place::new();
    let said = place.run(Some("error"), "quiet", &[]);
    assert_eq!(said, "");
    assert_eq!(about(&place.log("quiet"), "done").len(), TASKS);
    let said = place.run(Some("info"), "info", &[]);
    assert_eq!(said.matches("nfd: info: {\"message\":\"done\"").count(), TASKS, "{said}");
    assert!(!said.contains("begins"), "{said}");
    let said = place.run(Some("debug"), "debug", &[]);
    assert_eq!(said.matches("nfd: debug: {\"message\":\"begins\"").count(), TASKS, "{said}");
    assert!(!said.contains("\"step\""), "{said}");

    place.run(Some("off,nfd::engine=trace"), "steps", &[]);
    let lines = place.log("steps");
    let steps = lines.iter().filter_map(|line| Some((line["task"].to_string(), line.get("step")?)));
    let steps: BTreeSet<(String, String)> =
        steps.map(|(task, step)| (task, step["step"].to_string())).collect();
    assert_eq!(steps.len(), 3 * TASKS, "a line for every step of every task");
    assert!(steps.iter().all(|(task, _)| task.contains("\"seed\"")), "{steps:?}");
    let quiet = final_files(&place.path("quiet"));
    for other in ["info", "debug", "steps"] {
        assert!(final_files(&place.path(other)) == quiet, "{other}");
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let place = Place::new();
    for filter in ["inof", "nfd=loud", "store=debug", "[task"] {
        for format in ["human", "json"] {
            let arguments = ["run", "job.json", "--output", "run", "--log-format", format];
            let done = place.nfd(Some(filter), &arguments).output().unwrap();
            let said = stderr(&done);
            assert_eq!(done.status.code(), Some(2), "{said}");
            assert!(said.contains("NFD_LOG: ") && said.contains(filter), "{said}");
            assert!(done.stdout.is_empty() && !place.path("run").exists());
            if format == "json" {
                assert_eq!(json_lines(&said).len(), 1, "{said}");
            }
        }
    }
    let done = place.nfd(None, &["run", "job.json", "--log-format", "xml"]).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
}

/// With --log-format json all of stderr is JSON lines: sentences, warnings, refusals.
#[test]
fn stderr_is_json_where_that_is_asked_for() {
    let place = Place::new();
    let said = place.run(None, "run", &["--log-format", "json"]);
    let lines = json_lines(&said);
    let level = |level: &str| lines.iter().filter(|line| line["level"] == level).count();
    assert_eq!((level("WARN"), level("ERROR")), (WARNINGS, 0));
    for words in ["GB of memory", "results in run", "2 warnings, in run/logs"] {
        assert_eq!(about(&lines, words).len(), 1, "{words}");
    }
    for (code, words, arguments) in [
        (2, "gone.json", &["run", "gone.json"][..]),
        (2, "not a run directory", &["status", "gone"]),
        (2, "differ in", &["run", "job.json", "--output", "run", "--set", "training.steps=3"]),
    ] {
        let arguments = [arguments, &["--log-format", "json"]].concat();
        let done = place.nfd(None, &arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
        let lines = json_lines(&stderr(&done));
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR");
        assert!(last["message"].as_str().unwrap().contains(words), "{last}");
    }
}

/// No escape character but on a terminal, where the bar moves the cursor; colours nowhere.
#[test]
fn nothing_is_coloured() {
    let place = Place::new();
    let said = place.run(Some("trace"), "piped", &[]);
    assert!(!said.contains('\u{1b}'), "{said}");
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("nothing_is_coloured", "script");
    }
    let seen = |typed: &str, set: Option<(&str, &str)>| {
        let mut command = Command::new("script");
        command.current_dir(&place.folder).args(["-qec", typed, "/dev/null"]);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(set);
        let done = command.stdin(Stdio::null()).output().unwrap();
        let seen = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{seen}");
        seen
    };
    let nfd = env!("CARGO_BIN_EXE_nfd");
    for (output, set) in [("plain", None), ("no-color", Some(("NO_COLOR", "1")))] {
        let seen = seen(&format!("'{nfd}' run job.json --output {output}"), set);
        // A colour is ESC [, numbers, m.
        let codes = seen.split("\u{1b}[").skip(1);
        let ends = |code: &str| code.find(|c: char| !c.is_ascii_digit() && c != ';');
        let coloured = |code: &str| ends(code).is_some_and(|end| code[end..].starts_with('m'));
        assert!(!codes.clone().any(coloured), "{seen}");
        // Lines are whole, above the bar.
        let whole = format!("nfd: results in {output}\r\n");
        assert!(codes.count() > 0 && seen.contains(&whole), "{seen}");
    }
    // Of JSON lines there is no bar either.
    let typed = format!("'{nfd}' run job.json --output json --log-format json >/dev/null");
    let lines = json_lines(&seen(&typed, None));
    assert_eq!(about(&lines, "results in json").len(), 1);
}

/// A log that cannot be opened, or that the disk has no room for, costs one warning and nothing else.
#[test]
fn no_run_fails_for_its_log() {
    let place = Place::new();
    place.run(None, "undisturbed", &[]);
    let undisturbed = final_files(&place.path("undisturbed"));
    for case in ["file", "folder", "full", "read-only"] {
        let run = place.path(case);
        let logs = run.join("logs");
        place.run(None, case, &["--set", "ensemble.seeds=1"]);
        fs::remove_dir_all(&logs).unwrap();
        match case {
            "file" => fs::write(&logs, "").unwrap(),
            "folder" => fs::create_dir_all(logs.join("rank-0.jsonl")).unwrap(),
            "full" => {
                fs::create_dir(&logs).unwrap();
                std::os::unix::fs::symlink("/dev/full", logs.join("rank-0.jsonl")).unwrap();
            }
            _ => {
                use std::os::unix::fs::PermissionsExt;
                fs::create_dir(&logs).unwrap();
                fs::set_permissions(&logs, fs::Permissions::from_mode(0o555)).unwrap();
                // Who is root may write all the same.
                if fs::write(logs.join("probe"), "").is_ok() {
                    continue;
                }
            }
        }
        let said = place.run(None, case, &[]);
        assert_eq!(said.matches("nfd: warning: no log is kept").count(), 1, "{case}: {said}");
        assert!(said.ends_with(&format!("nfd: {} warnings\n", WARNINGS + 1)), "{case}: {said}");
        assert!(final_files(&run) == undisturbed, "{case}");
    }
}

/// What a crash of the machine leaves of a last line goes, and nothing else.
#[test]
fn a_torn_line_is_dropped() {
    let place = Place::new();
    place.run(None, "run", &[]);
    let file = place.path("run/logs/rank-0.jsonl");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [&whole[..], br#"{"time":"2026-"#].concat()).unwrap();
    place.run(None, "run", &[]);
    let after = fs::read(&file).unwrap();
    assert!(after.len() > whole.len() && after.starts_with(&whole));
    place.log("run");
}

/// Of a task that diverges the file has step and layer; of a run that is stopped the signal and what it gave
/// up; of one that was killed nothing, but the next names who had the lock.
#[cfg(target_os = "linux")]
#[test]
fn ends_of_all_kinds_are_in_the_log() {
    let place = Place::new();
    let set = ["training.learning_rate=1e12", "model.activation=relu", "training.steps=30"];
    let set = set.map(|field| ["--set", field]).concat();
    let arguments = [&["run", "job.json", "--output", "diverged"], &set[..]].concat();
    let done = place.nfd(None, &arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
    let lines = place.log("diverged");
    let diverged: Vec<_> = lines.iter().filter(|line| line["message"] == "diverged").collect();
    assert!(!diverged.is_empty() && diverged.iter().all(|line| line["step"].is_u64()));
    assert_eq!(lines.last().unwrap()["exit_code"], 3);

    let slow = || {
        // Narrower: its pass is waited for.
        let arguments = "run slow.json --output stopped --set ensemble.widths=[4000]";
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut command = place.nfd(None, &arguments);
        let child = command.spawn().unwrap();
        wait_for(&place.path("stopped/logs/rank-0.jsonl"));
        child
    };
    let mut killed = slow();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let pid = killed.id();
    let lines = place.log("stopped");
    assert!(about(&lines, "ended").is_empty(), "it was killed");
    let stopped = slow();
    let begun = Instant::now();
    while about(&place.log("stopped"), "started").len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").arg("-USR1").arg(stopped.id().to_string()).status();
    assert!(kill.unwrap().success());
    let done = stopped.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(75), "{}", stderr(&done));
    let lines = place.log("stopped");
    let taken = about(&lines, "is taken over from");
    assert!(taken.len() == 1 && about(&lines, &format!("pid {pid}")).len() == 1, "{lines:?}");
    assert_eq!(about(&lines, "SIGUSR1").len(), 1);
    assert_eq!(about(&lines, "given up")[0]["task"]["width"], 4000);
    let last = lines.last().unwrap();
    assert_eq!((&last["message"], &last["exit_code"]), (&"ended".into(), &75.into()));
    let error = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert!(error["message"].as_str().unwrap().contains("the same command resumes"));
}
