//! `nfd compare`: the numbers of the runs' own files side by side, what differs and only that, and runs that
//! cannot be compared refused with what to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;

use crate::common::results::{moments, nfd, rows};

/// A study with primary claims, as small as verdicts allow.
const JOB: &str = r#"{
  "name": "a", "study": "training-convergence", "data": {"source": "toy"},
  "training": {"steps": 2, "learning_rate": 3.0},
  "ensemble": {"widths": [16, 64], "depths": [4, 8, 16, 32, 64, 128], "seeds": 4, "closures": ["exact", "gia"]},
  "engine": "conditional", "backend": "cpu"
}"#;

/// Runs the job with some fields set into `folder`/`name`.
fn run(folder: &Path, name: &str, set: &[&str]) -> PathBuf {
    let job = folder.join("job.json");
    fs::write(&job, JOB).unwrap();
    let output = folder.join(name);
    let (job, to) = (job.display().to_string(), output.display().to_string());
    let mut arguments = vec!["run", &job, "--output", &to];
    arguments.extend(set.iter().flat_map(|field| ["--set", field]));
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    output
}

/// Compares `runs` into `folder`/compare.html.
fn compare(folder: &Path, runs: &[&Path]) -> Output {
    let page = folder.join("compare.html").display().to_string();
    let names: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
    let mut arguments = vec!["compare", "--output", &page];
    arguments.extend(names.iter().map(String::as_str));
    nfd(&arguments)
}

/// Compares what must not be comparable: exit code 2, and what is said.
#[track_caller]
fn refused(folder: &Path, runs: &[&Path]) -> String {
    let done = compare(folder, runs);
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{stderr}");
    assert!(!folder.join("compare.html").exists(), "{stderr}");
    stderr
}

fn json(run: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(run.join(name)).unwrap()).unwrap()
}

fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap()
}

fn text(node: Node) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cells of the table in a section, row by row.
fn table(page: &Document, section: &str) -> Vec<Vec<String>> {
    let section = page.descendants().find(|node| node.attribute("id") == Some(section)).unwrap();
    let rows = section.descendants().filter(|node| node.has_tag_name("tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(text).collect()).collect()
}

/// Every file below a folder with its content and when it was changed.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    found
}

/// "−0.05", with the sign that the page has, which zero has not.
fn two(value: &Value) -> String {
    let text = format!("{:.2}", value.as_f64().unwrap());
    if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
}

#[test]
fn numbers_are_those_of_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tanh = run(folder, "tanh", &[]);
    let relu = run(folder, "relu", &["model.activation=\"relu\"", "model.horizon=0.5"]);
    let before = [&tanh, &relu].map(|run| contents(run));
    let done = compare(folder, &[&tanh, &relu]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!([&tanh, &relu].map(|run| contents(run)), before, "a run directory was changed");
    let page = fs::read_to_string(folder.join("compare.html")).unwrap();
    let stdout = String::from_utf8(done.stdout).unwrap();
    compare(folder, &[&tanh, &relu]);
    assert_eq!(
        fs::read_to_string(folder.join("compare.html")).unwrap(),
        page,
        "not the same bytes"
    );
    let page = parse(&page);

    // What differs, and nothing else.
    let differences = table(&page, "differences");
    assert_eq!(differences[0], ["field", "tanh", "relu"]);
    let wanted = [["model.activation", "tanh", "relu"], ["model.horizon", "1.0", "0.5"]];
    assert_eq!(differences[1..], wanted.map(|row| row.map(str::to_owned).to_vec()));
    for row in wanted {
        let line = stdout.lines().find(|line| line.contains(row[0])).unwrap();
        assert!(row.iter().all(|cell| line.contains(cell)), "{line}");
    }

    // Verdicts, exponents and intervals of summary.json.
    let claims = table(&page, "claims");
    let (mut seen, mut fitted) = (0, 0);
    for (column, run) in [&tanh, &relu].into_iter().enumerate() {
        let summary = json(run, "summary.json");
        for claim in summary["claims"].as_array().unwrap() {
            if claim["primary"] != true {
                continue;
            }
            seen += 1;
            let statement = claim["statement"].as_str().unwrap();
            let start: String = statement.chars().skip(1).take(12).collect();
            let of = |row: &&Vec<String>| {
                row[0].contains(&start) && row[0].ends_with(claim["closure"].as_str().unwrap())
            };
            let matching: Vec<_> = claims.iter().skip(1).filter(of).collect();
            let verdict = claim["verdict"].as_str().unwrap();
            let numbers = match (&claim["exponent"], &claim["ci95"]) {
                (Value::Null, _) => String::new(),
                (p, ends) => {
                    fitted += 1;
                    format!("p = {} [{}, {}]", two(p), two(&ends[0]), two(&ends[1]))
                }
            };
            let step = format!("k={}", claim["step"]);
            let says = |row: &&Vec<String>| {
                let cell = &row[1 + column];
                cell.contains(verdict) && cell.contains(&numbers) && cell.contains(&step)
            };
            assert!(matching.iter().any(says), "{claim}\n{matching:?}");
            let numbers = format!("{verdict}: {numbers}");
            assert!(stdout.contains(&numbers), "{numbers} in {stdout}");
        }
    }
    assert!(seen >= 4 && fitted >= 4, "{seen} primary claims, {fitted} with an exponent");

    // Losses from results.csv: at the greatest sizes, after the last update.
    let losses = table(&page, "losses");
    for (column, run) in [&tanh, &relu].into_iter().enumerate() {
        for closure in ["exact", "gia"] {
            let last: Vec<f64> = rows(run)
                .iter()
                .filter(|row| row.observable == "loss.train" && row.closure == closure)
                .filter(|row| (row.width, row.depth, row.step) == (64, 128, 2))
                .map(|row| row.value)
                .collect();
            assert_eq!(last.len(), 4);
            let (mean, error) = moments(&last);
            let name = format!("training loss, {closure}");
            let row = losses.iter().find(|row| row[0] == name).unwrap();
            let (shown, digits) = row[1 + column].split_once('(').unwrap();
            let decimals = shown.split_once('.').map_or(0, |(_, behind)| behind.len()) as i32;
            let unit = 10_f64.powi(-decimals);
            assert!((shown.parse::<f64>().unwrap() - mean).abs() <= 0.51 * unit, "{mean}: {row:?}");
            let digits: f64 = digits.split(')').next().unwrap().parse().unwrap();
            assert!((digits * unit - error).abs() <= 0.51 * unit, "{error}: {row:?}");
            assert!(stdout.contains(&format!("{shown}(")), "{shown} in {stdout}");
        }
    }
    overlaid(&page, &[("tanh", &tanh), ("relu", &relu)]);
}

/// Figures are of all runs, with the points that figures.json of each has.
fn overlaid(page: &Document, runs: &[(&str, &PathBuf)]) {
    let link = |node: &Node| node.attribute("download").is_some_and(|name| name.ends_with(".csv"));
    let mut seen = Vec::new();
    for link in page.descendants().filter(link) {
        let name = link.attribute("download").unwrap();
        let name = name.strip_prefix("compare-").unwrap().strip_suffix(".csv").unwrap();
        let data = link.attribute("href").unwrap().strip_prefix("data:text/csv;base64,").unwrap();
        let bytes = BASE64.decode(data.as_bytes()).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let lines: Vec<(String, f64, f64, Option<f64>)> =
            reader.deserialize().map(Result::unwrap).collect();
        for (run, directory) in runs {
            let figures = json(directory, "figures.json");
            let mut figures = figures.as_array().unwrap().iter();
            let figure = figures.find(|figure| figure["name"] == name).unwrap();
            let series = figure["series"].as_array().unwrap();
            let exact = series.iter().find(|series| series["label"] == "exact");
            let series = exact.or(series.last()).unwrap();
            let number = |value: &Value| value.as_f64().unwrap();
            let points = series["points"].as_array().unwrap().iter();
            let points: Vec<_> =
                points.map(|p| (number(&p["x"]), number(&p["y"]), p["error"].as_f64())).collect();
            let own = lines.iter().filter(|line| line.0 == *run);
            assert_eq!(
                own.map(|line| (line.1, line.2, line.3)).collect::<Vec<_>>(),
                points,
                "{name}"
            );
        }
        seen.push(name.to_owned());
    }
    for name in ["weak-f-depth", "loss-by-closure", "loss-by-depth"] {
        assert!(seen.iter().any(|seen| seen == name), "{name} in {seen:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = &["ensemble.widths=[32]", "ensemble.depths=[4,8]", "ensemble.seeds=2"];
    let a = run(folder, "a", small);
    let b = run(folder, "b", small);

    let said = refused(folder, &[&a, &folder.join("./b/../a")]);
    assert!(said.contains("is named twice"), "{said}");
    let said = refused(folder, &[&a, folder]);
    assert!(said.contains("not a run directory"), "{said}");
    assert_eq!(nfd(&["compare", &a.display().to_string()]).status.code(), Some(2), "one run");

    // Without final files, with those of another experiment, damaged.
    let summary = fs::read_to_string(b.join("summary.json")).unwrap();
    let report = format!("run `nfd report {}` first", b.display());
    fs::remove_file(b.join("summary.json")).unwrap();
    let said = refused(folder, &[&a, &b]);
    assert!(said.contains("has no summary.json") && said.contains(&report), "{said}");
    let hash = json(&a, "summary.json")["experiment_hash"].as_str().unwrap().to_owned();
    fs::write(b.join("summary.json"), summary.replace(&hash, "0000000000000000")).unwrap();
    let said = refused(folder, &[&a, &b]);
    assert!(said.contains("another experiment") && said.contains(&report), "{said}");
    fs::write(b.join("summary.json"), &summary[..summary.len() / 2]).unwrap();
    let said = refused(folder, &[&a, &b]);
    assert!(said.contains("its summary.json is damaged") && said.contains(&report), "{said}");

    // A run that went on after its report; one that is whole may be older than its journal, as in a copy.
    let journal = b.join("journal/rank-0.journal");
    let touch = || {
        let later = SystemTime::now() + Duration::from_secs(10);
        fs::File::options().append(true).open(&journal).unwrap().set_modified(later).unwrap();
    };
    fs::write(b.join("summary.json"), &summary).unwrap();
    touch();
    assert!(compare(folder, &[&a, &b]).status.success());
    fs::remove_file(folder.join("compare.html")).unwrap();
    let finished = json(&b, "summary.json")["finished"].as_u64().unwrap();
    let part = format!("\"finished\": {}", finished - 1);
    let partial = summary.replace(&format!("\"finished\": {finished}"), &part);
    assert_ne!(partial, summary);
    fs::write(b.join("summary.json"), partial).unwrap();
    touch();
    let said = refused(folder, &[&a, &b]);
    assert!(said.contains("since its summary.json was written"), "{said}");
    assert!(said.contains(&report), "{said}");
    fs::write(b.join("summary.json"), &summary).unwrap();

    // No claim and no figure in common.
    let mut alone = json(&b, "summary.json");
    alone["claims"] = Value::Array(vec![]);
    fs::write(b.join("summary.json"), alone.to_string()).unwrap();
    fs::write(b.join("figures.json"), "[]").unwrap();
    let said = refused(folder, &[&b, &a]);
    assert!(said.contains("no figure in common"), "{said}");
}

#[test]
fn a_page_says_where_runs_are_of_different_problems() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = ["ensemble.widths=[32]", "ensemble.depths=[4,8]", "ensemble.seeds=2"];
    let toy = run(folder, "toy", &small);
    let digits = "data={\"source\": \"digits\", \"samples\": 3}";
    let digits = run(folder, "digits", &[&small[..], &[digits]].concat());
    let later = run(folder, "later", &[&small[..], &["ensemble.first_seed=100"]].concat());
    let page = |runs: &[&Path]| {
        let done = compare(folder, runs);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let stdout = String::from_utf8(done.stdout).unwrap();
        (fs::read_to_string(folder.join("compare.html")).unwrap(), stdout)
    };
    let (other, stdout) = page(&[&toy, &digits]);
    for text in [&other, &stdout] {
        assert!(text.contains("Not comparable in value"), "{text}");
        assert!(text.contains("toy (toy) and digits (digits)"), "{text}");
        assert!(text.contains("share noise"), "{text}");
    }
    // Of the same samples and other seeds there is nothing to remark.
    let (same, stdout) = page(&[&toy, &later]);
    for text in [&same, &stdout] {
        assert!(!text.contains("Not comparable") && !text.contains("share noise"), "{text}");
    }
    assert_eq!(table(&parse(&same), "differences")[1..], [["ensemble.first_seed", "0", "100"]]);

    // Three runs in one figure, in the order in which they were named; a name that two have is the path.
    let (three, _) = page(&[&later, &toy, &digits]);
    let figure =
        |node: &Node| node.attribute("aria-label").is_some_and(|l| l.contains("a line a run"));
    let drawn = parse(&three);
    let figure = drawn.descendants().find(figure).unwrap();
    let keys = figure.descendants().filter(|node| node.attribute("class") == Some("key"));
    assert_eq!(keys.map(text).collect::<Vec<_>>(), ["later", "toy", "digits"]);
    let twin = folder.join("deeper/toy");
    fs::create_dir(folder.join("deeper")).unwrap();
    fs::rename(&later, &twin).unwrap();
    let (twins, _) = page(&[&toy, &twin]);
    assert!(table(&parse(&twins), "differences")[0][2].ends_with("deeper/toy"));
}
