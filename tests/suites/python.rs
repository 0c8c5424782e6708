//! The package of python/: what it reads is what the files say, what it draws is what the page shows,
//! what it calls is the program; the page's own lines of Python and the notebook run. Without Python or
//! one of its packages skipped, with a visible line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::limits::Place;
use crate::common::missing::{python, skipped};
use crate::common::results::{nfd, run_job};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Several classes, widths and closures, and points enough for fits; seconds.
const JOB: &str = r#"{
  "name": "python",
  "study": "training-convergence",
  "data": { "source": "digits", "samples": 3, "classes": [0, 1, 2], "test_samples": 2 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [32, 64], "depths": [2, 4, 8, 16, 32, 64], "seeds": 8, "closures": ["exact", "gia"] },
  "engine": "conditional"
}
"#;

/// Python with the package on its path, a backend that draws into memory, and this build's program.
fn command(python: &str, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command.current_dir(folder);
    command.env("PYTHONPATH", Path::new(ROOT).join("python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("MPLBACKEND", "Agg");
    command.env("NFD_BINARY", env!("CARGO_BIN_EXE_nfd"));
    command
}

/// What a command said that has to succeed.
fn good(done: &Output) -> String {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn script(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/python").join(name)
}

fn job(folder: &Path) -> String {
    let file = folder.join("job.json");
    fs::write(&file, JOB).unwrap();
    file.display().to_string()
}

#[test]
fn a_run_is_read_and_drawn_as_it_is() {
    let Some(python) = python("numpy, pandas, pyarrow, xarray, matplotlib") else {
        let packages = "NumPy, pandas, pyarrow, xarray or matplotlib";
        skipped("a_run_is_read_and_drawn_as_it_is", packages);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&job(folder.path()), &[]);
    let name = run.display().to_string();
    assert!(nfd(&["report", &name, "--order-parameters", "--parquet"]).status.success());
    let limit = Place::new();
    limit.run("run", &[]);
    let arguments = [script("reading.py"), run.clone(), limit.path("run")];
    let said = good(&command(&python, folder.path()).args(arguments).output().unwrap());
    assert_eq!(said, "read\n");
    let arguments = [script("figures.py"), run.clone()];
    let said = good(&command(&python, folder.path()).args(arguments).output().unwrap());
    assert_eq!(said, "drawn\n");
}

/// The lines of Python on a page, by the heading above them.
fn snippets(run: &Path) -> Vec<(String, String)> {
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let page = Document::parse_with_options(&page, options).unwrap();
    let boxes = page.descendants().filter(|node| node.attribute("class") == Some("code"));
    let text = |node: Node, name: &str| {
        let found = node.descendants().find(|inner| inner.has_tag_name(name)).unwrap();
        found.text().unwrap().to_owned()
    };
    boxes.map(|node| (text(node, "figcaption"), text(node, "code"))).collect()
}

/// Compares the pandas lines' `weak` with every weak error by depth, and prints the local exponents of
/// the one that the page shows as the page has them.
const WEAK: &str = r#"
import json, math
checked = 0
for claim in json.load(open("summary.json"))["claims"]:
    if (claim["observable"], claim["axis"]) == ("weak.f", "depth"):
        points = [(p["x"], weak[tuple({**claim, **p}[name] for name in by)]) for p in claim["curve"]]
        for (_, value), point in zip(points, claim["curve"]):
            assert math.isclose(value, point["value"], rel_tol=1e-12), (value, point)
            checked += 1
        if claim["id"] == "weak.f/exact/n=64/k=2":
            ends = zip(points, points[1:])
            slopes = [-math.log(b / a) / math.log(y / x) for (x, a), (y, b) in ends]
            print("local exponents " + " · ".join(f"{p:.2f}" for p in slopes).replace("-", "−"))
# Two closures and widths, two updates, five depths with a partner.
assert checked == 2 * 2 * 2 * 5, checked
"#;

const LIMIT: &str = r#"
import csv
for line in csv.DictReader(open("limit.csv")):
    if (line["depth"], line["quantity"]) == ("inf", "f"):
        column = (int(line["sample"]), int(line["output"]))
        row = (line["closure"], int(line["step"]))
        table = at_infinity.pivot_table(index=["closure", "step"], columns=["sample", "output"], values="value")
        assert table.loc[row, column] == float(line["value"]), line
"#;

/// What a page tells people to type does run beside it, and gives what the page says.
#[test]
fn the_lines_on_the_page_run_and_give_its_values() {
    let Some(python) = python("numpy, pandas, xarray, matplotlib") else {
        skipped("the_lines_on_the_page_run", "NumPy, pandas, xarray or matplotlib");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&job(folder.path()), &[]);
    let limit = Place::new();
    limit.run("run", &[]);
    let limit = limit.path("run");
    let read = |run: &Path, lines: &str| {
        good(&command(&python, run).args(["-c", lines]).output().unwrap())
    };
    let of_run = snippets(&run);
    let [(pandas, weak), (numpy, arrays), (package, calls)] = &of_run[..] else {
        panic!("{of_run:?}")
    };
    assert_eq!([pandas, numpy], ["pandas", "NumPy"]);
    assert!(package.starts_with("nfd"), "{package}");
    let said = read(&run, &format!("{weak}\n{WEAK}"));
    let exponents = said.lines().last().unwrap();
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let (_, claim) = page.split_once(" id=\"weak-f-depth\">").unwrap();
    let (claim, _) = claim.split_once("<details").unwrap();
    assert!(exponents.matches('·').count() == 3 && claim.contains(exponents), "{exponents}");
    read(&run, &format!("{arrays}\nassert arrays['f'].ndim == len(arrays['dims.f'])"));
    read(&run, &format!("{calls}\nassert arrays['loss.train'].dims[0] == 'closure'"));

    let of_limit = snippets(&limit);
    let [(_, pandas), (_, numpy), (_, calls)] = &of_limit[..] else { panic!("{of_limit:?}") };
    read(&limit, &format!("{pandas}\n{LIMIT}"));
    read(&limit, &format!("{numpy}\nassert limit['f'].ndim == len(limit['dims.f'])"));
    read(&limit, &format!("{calls}\nassert limit.f.dims[0] == 'closure'"));
}

#[test]
fn the_program_is_called_from_python() {
    let Some(python) = python("numpy, pandas") else {
        skipped("the_program_is_called_from_python", "NumPy or pandas");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let arguments = [script("program.py"), job(folder.path()).into()];
    let said = good(&command(&python, folder.path()).args(arguments).output().unwrap());
    assert!(said.ends_with("called\n"), "{said}");
}

/// Its code cells as one script, by the Python of the tests: Jupyter would bring a hundred packages and a
/// kernel of its own, and cells without magics are plain Python. It has no outputs to go stale.
#[test]
fn the_notebook_runs_from_a_run_to_a_figure() {
    let Some(python) = python("numpy, pandas, xarray, matplotlib") else {
        skipped("the_notebook_runs", "NumPy, pandas, xarray or matplotlib");
        return;
    };
    let file = Path::new(ROOT).join("examples/run_to_figure.ipynb");
    let notebook: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let cells = notebook["cells"].as_array().unwrap().iter();
    let mut script = String::new();
    for cell in cells.filter(|cell| cell["cell_type"] == "code") {
        assert_eq!((&cell["outputs"], &cell["execution_count"]), (&json!([]), &Value::Null));
        let lines = cell["source"].as_array().unwrap().iter();
        script.extend(lines.map(|line| line.as_str().unwrap()));
        script.push('\n');
    }
    assert!(!script.lines().any(|line| line.starts_with(['%', '!'])), "a magic is no Python");
    script += "assert set(claims.verdict) <= {'supported', 'contradicted', 'inconclusive'}\n\
               assert verdict['seeds'] == 8 and verdict['exponent'] > 0\n";
    let folder = tempfile::tempdir().unwrap();
    good(&command(&python, folder.path()).args(["-c", &script]).output().unwrap());
    for figure in ["weak.pdf", "loss.pdf"] {
        assert!(fs::read(folder.path().join(figure)).unwrap().starts_with(b"%PDF"), "{figure}");
    }
}

/// As people install it, but for the network: what it needs is there already.
#[test]
fn pip_installs_the_package() {
    let Some(python) = python("setuptools.command.bdist_wheel, pip, numpy") else {
        skipped("pip_installs_the_package", "NumPy, pip or setuptools 77");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // Building writes beside the sources.
    let (source, to) = (folder.path().join("python"), folder.path().join("installed"));
    fs::create_dir_all(source.join("nfd")).unwrap();
    for file in ["pyproject.toml", "README.md"].map(PathBuf::from).into_iter().chain(sources()) {
        fs::copy(Path::new(ROOT).join("python").join(&file), source.join(&file)).unwrap();
    }
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-build-isolation",
        "--no-deps",
    ]);
    good(&pip.arg("--target").arg(&to).arg(&source).output().unwrap());
    let lines = "import nfd, importlib.metadata as m; \
                 print(nfd.__file__, nfd.__version__, m.version('neural-feature-dynamics'))";
    let mut installed = Command::new(&python);
    installed.current_dir(folder.path()).env("PYTHONPATH", &to).args(["-c", lines]);
    let said = good(&installed.output().unwrap());
    let version = env!("CARGO_PKG_VERSION");
    let file = to.join("nfd/__init__.py").display().to_string();
    assert_eq!(said.trim(), format!("{file} {version} {version}"));
}

/// The package's modules, from its folder.
fn sources() -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(ROOT).join("python/nfd")).unwrap();
    let names = files.map(|file| PathBuf::from("nfd").join(file.unwrap().file_name()));
    names.filter(|name| name.extension().is_some_and(|ending| ending == "py")).collect()
}
