//! The report in a headless browser: no script error, nothing loaded, no sideways scrolling at any
//! width, labels inside their plots and clear of each other, text that can be read, in light and in
//! dark. Skipped, with a visible line, where there is no Chromium.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::missing::skipped;
use crate::common::report as made;
use crate::common::results::nfd;

use nfd::report::page::html;
use serde_json::Value;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Of small and usual telephones, tablets and screens, in pixels.
const WIDTHS: [u32; 4] = [360, 390, 768, 1280];

fn browser() -> Option<&'static str> {
    let starts = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    NAMES.into_iter().find(starts)
}

/// Frames of several widths with each page, and one with each plot; what was measured is left in the page.
fn wrapper(pages: &[&str], plots: &[String]) -> String {
    let at = |&page: &&str| WIDTHS.map(|width| (page.to_owned(), width));
    let mut frames: Vec<(String, u32)> = pages.iter().flat_map(at).collect();
    frames.extend(plots.iter().map(|name| (format!("plots/{name}"), 600)));
    let frames: String = frames
        .iter()
        .map(|(file, width)| {
            format!(
                "<iframe src=\"{file}\" style=\"width:{width}px;height:900px;border:0\"></iframe>"
            )
        })
        .collect();
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><body>{frames}<pre id=\"measured\"></pre>\
         <script>{}</script>",
        include_str!("../common/measure.js")
    )
}

fn measure(browser: &str, folder: &Path, dark: bool) -> (Vec<Value>, String) {
    let profile = tempfile::tempdir().unwrap();
    let done = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--allow-file-access-from-files"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", folder.join("wrapper.html").display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(done.stdout).unwrap();
    let log = String::from_utf8_lossy(&done.stderr).into_owned();
    let (_, rest) = dom.split_once("<pre id=\"measured\">").unwrap();
    let (json, _) = rest.split_once("</pre>").unwrap();
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let measured = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}\n{log}"));
    (measured, log)
}

#[test]
fn report_fits_and_reads_well_everywhere() {
    let Some(browser) = browser() else {
        return skipped("report_fits_and_reads_well_everywhere", "Chromium");
    };
    let mut made = made::full();
    // No place to break a line.
    made.experiment.name = "a-rather-long-experiment-name-".repeat(4);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plots")).unwrap();
    fs::write(folder.path().join("report.html"), html(&made.report())).unwrap();
    let mut names = Vec::new();
    for (name, svg) in made.svgs() {
        fs::write(folder.path().join("plots").join(&name), svg).unwrap();
        names.push(name);
    }
    check(browser, folder.path(), &["report.html"], &names);
}

/// Looks at pages and plots in `folder`, in light and in dark.
fn check(browser: &str, folder: &Path, pages: &[&str], plots: &[String]) {
    fs::write(folder.join("wrapper.html"), wrapper(pages, plots)).unwrap();
    for dark in [false, true] {
        let (frames, log) = measure(browser, folder, dark);
        assert!(!log.contains("CONSOLE"), "{log}");
        assert_eq!(frames.len(), WIDTHS.len() * pages.len() + plots.len());
        for frame in &frames {
            let file = frame["file"].as_str().unwrap();
            let at = format!("{file} at {} px, dark {dark}", frame["width"]);
            assert_eq!(frame["dark"], dark, "{at}: the wrong scheme was tested");
            if file.ends_with(".html") {
                assert!(frame["scrollWidth"].as_u64() <= frame["width"].as_u64(), "{at}: {frame}");
            }
            assert!(frame["texts"].as_u64().unwrap() > 10, "{at}: no text was measured");
            for problem in ["outside", "overlapping", "faint", "loaded"] {
                assert_eq!(frame[problem], Value::Array(vec![]), "{at}: {problem}");
            }
        }
    }
}

/// Pages of runs: the claims of a usual study, a limit, learning rates by parametrization, and two runs side
/// by side.
#[test]
fn pages_of_every_kind_of_run_fit_and_read_well() {
    let Some(browser) = browser() else {
        return skipped("pages_of_every_kind_of_run_fit_and_read_well", "Chromium");
    };
    let folder = tempfile::tempdir().unwrap();
    let toy = ["--set", "ensemble.widths=[32,64]", "--set", "ensemble.depths=[4,8,16,32,64]"];
    let seeds = ["--set", "ensemble.seeds=4"];
    let other = ["--set", "model.activation=\"relu\"", "--set", "training.learning_rate=1"];
    let limit = ["--set", "limit.tolerance=1e-1", "--set", "limit.width=256"];
    let rates = ["--set", "ensemble.depths=[4,8]", "--set", "ensemble.widths=[16]"];
    let mut runs = Vec::new();
    for (job, name, set) in [
        ("jobs/toy-small.json", "toy", [&toy[..], &seeds].concat()),
        ("jobs/toy-small.json", "relu", [&toy[..], &seeds, &other].concat()),
        ("jobs/limit-small.json", "limit", limit.to_vec()),
        ("jobs/transfer-small.json", "transfer", [&rates[..], &seeds].concat()),
    ] {
        let directory = folder.path().join(name).display().to_string();
        let done = nfd(&[&["run", job, "--output", &directory][..], &set].concat());
        assert!([Some(0), Some(3)].contains(&done.status.code()), "{job}: {done:?}");
        runs.push(directory);
    }
    let page = folder.path().join("compare.html").display().to_string();
    let done = nfd(&["compare", "--output", &page, &runs[0], &runs[1]]);
    assert!(done.status.success(), "{done:?}");
    let pages = ["toy/report.html", "limit/report.html", "transfer/report.html", "compare.html"];
    check(browser, folder.path(), &pages, &[]);
}
