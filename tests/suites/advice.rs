//! What is said of a design before it is run: each note and warning with an experiment that earns it,
//! beside one that does not.

use std::fs;
use std::path::Path;

use crate::common::results::nfd;
use nfd::data;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::load;
use nfd::experiment::resolve::resolve;
use nfd::studies::advice::{Advice, Level, advice};

/// An experiment of which nothing is to be said.
const SOUND: &str = r#"{ "name": "sound", "data": { "source": "toy" },
    "training": { "steps": 1, "learning_rate": 3.0 },
    "ensemble": { "widths": [40000, 80000], "depths": [4, 8, 16, 32, 64], "seeds": 8 },
    "engine": "conditional" }"#;

fn said(overrides: &[&str]) -> Vec<Advice> {
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), SOUND.to_owned(), &overrides).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    advice(&experiment, &data::load(&experiment.data).unwrap())
}

#[test]
fn nothing_is_said_of_a_sound_design() {
    assert_eq!(said(&[]), []);
}

/// Each beside the sound experiment and its own neighbour, of which it is not said.
#[test]
fn each_advice_is_given_where_it_holds_and_not_beside_it() {
    let (note, warning) = (Level::Note, Level::Warning);
    let none = "reference=\"none\"";
    /// Changes of the job, the level, field and words of its advice, and changes that earn none.
    type Case<'a> = (&'a [&'a str], Level, &'a str, &'a str, &'a [&'a str]);
    let cases: [Case; 27] = [
        (&["ensemble.seeds=3"], warning, "ensemble.seeds", "no interval", &["ensemble.seeds=4"]),
        (&["ensemble.seeds=4"], note, "ensemble.seeds", "wide", &["ensemble.seeds=8"]),
        (
            &["ensemble.depths=[4,8,16]"],
            warning,
            "ensemble.depths",
            "3 depths",
            &["ensemble.depths=[4,8,16,32]"],
        ),
        (
            &["ensemble.depths=[4,8,16,32]", none],
            note,
            "ensemble.depths",
            "4 depths",
            &["ensemble.depths=[4,8,16,32,64]", none],
        ),
        (
            &["ensemble.depths=[4,8,16,32]"],
            warning,
            "ensemble.depths",
            "3 points",
            &["ensemble.depths=[4,8,16,32]", none],
        ),
        (
            &["ensemble.depths=[4,6,9,14,21]"],
            warning,
            "ensemble.depths",
            "0 points",
            &["ensemble.depths=[4,6,9,14,21]", none],
        ),
        (
            &["ensemble.depths=[4,8,16,32,64,96]"],
            note,
            "ensemble.depths",
            "L = 64 lack",
            &["ensemble.depths=[4,8,16,32,64,96]", none],
        ),
        (
            &["ensemble.depths=[4,8,16,32,96]", none],
            note,
            "ensemble.depths",
            "unequal steps",
            &["ensemble.depths=[4,12,36,108,324]", none, "ensemble.widths=[400000,800000]"],
        ),
        (
            &["ensemble.widths=[80000]"],
            note,
            "ensemble.widths",
            "this width only",
            &["ensemble.widths=[80000]", "study=\"transfer\""],
        ),
        (
            &["study=\"nondegeneracy\"", "ensemble.widths=[512,1024]"],
            warning,
            "ensemble.widths",
            "2 widths",
            &["ensemble.widths=[40000,80000]"],
        ),
        (
            &["study=\"nondegeneracy\"", "ensemble.widths=[1,2,3,4]"],
            note,
            "ensemble.widths",
            "4 widths",
            &["study=\"nondegeneracy\"", "ensemble.widths=[1,2,3,4,5]"],
        ),
        (
            &["study=\"nondegeneracy\"", "ensemble.widths=[512]"],
            warning,
            "study",
            "2 of 2 primary claims of nondegeneracy cannot be made: there is one width",
            &["study=\"nondegeneracy\"", "ensemble.widths=[512,1024]"],
        ),
        (
            &["ensemble.depths=[8]"],
            warning,
            "study",
            "there is one depth",
            &["ensemble.depths=[4,8]"],
        ),
        (
            &["study=\"propagation\""],
            warning,
            "study",
            "4 of 4 primary claims of propagation cannot be made: errors in width need a reference network",
            &["study=\"propagation\"", "reference={\"width\":640000,\"depth\":256}"],
        ),
        (
            &["engine=\"dense\"", "ensemble.closures=[\"exact\",\"gia\"]"],
            note,
            "study",
            "dense networks record no couplings",
            &["ensemble.closures=[\"exact\",\"gia\"]"],
        ),
        (
            &["training.learning_rate=1e-6"],
            warning,
            "training.learning_rate",
            "nothing is trained",
            &["training.learning_rate=1e-6", "training.steps=100000"],
        ),
        (
            &["training.steps=0"],
            warning,
            "training.steps",
            "no update",
            &["training.steps=0", "study=\"propagation\""],
        ),
        (
            &["training.learning_rate=30"],
            note,
            "training.learning_rate",
            "will not settle",
            &["training.learning_rate=6"],
        ),
        (
            &[
                "training.loss=\"cross-entropy\"",
                "data={\"source\":\"digits\",\"labels\":\"one-hot\"}",
                "training.learning_rate=15",
            ],
            note,
            "training.learning_rate",
            "will not settle",
            &[
                "training.loss=\"cross-entropy\"",
                "data={\"source\":\"digits\",\"labels\":\"one-hot\"}",
                "training.learning_rate=8",
            ],
        ),
        (
            &["training.learning_rate=9", "training.momentum=0.1"],
            note,
            "training.learning_rate",
            "will not settle",
            &["training.learning_rate=9", "training.momentum=0.2"],
        ),
        (
            &["ensemble.widths=[5000]"],
            note,
            "ensemble.widths",
            "the floor e/(nL)",
            &["ensemble.widths=[1250,5000]"],
        ),
        (
            &["ensemble.widths=[100,400]"],
            note,
            "ensemble.widths",
            "the floor e/(nL)",
            &["ensemble.widths=[100,400]", "ensemble.depths=[1,2,4,8,16]"],
        ),
        (
            &["ensemble.closures=[\"exact\"]"],
            note,
            "study",
            "1 of 4 primary claims of training-convergence cannot be made: closure gia is not run",
            &["ensemble.closures=[\"exact\",\"gia\"]"],
        ),
        (
            &["model.activation=\"relu\""],
            note,
            "model.activation",
            "of g_0, and of h_L after an update, fall about like L^-1/2: 2 claims",
            &["model.activation=\"gelu\""],
        ),
        (
            &["model.activation=\"relu\"", "training.steps=0"],
            note,
            "model.activation",
            "of g_0 fall about like L^-1/2: one claim",
            &["model.activation=\"relu\"", none],
        ),
        // Claims on h at initialisation hold; other scales of branches were not measured.
        (
            &[
                "model.activation=\"relu\"",
                "study=\"propagation\"",
                "reference={\"width\":640000,\"depth\":256}",
            ],
            note,
            "model.activation",
            "of g_0 fall about like L^-1/2: one claim",
            &["model={\"activation\":\"relu\",\"parametrization\":\"complete-p\"}"],
        ),
        (&["data.scale=10"], warning, "data.scale", "‖x‖²/d = 100", &["data.scale=2"]),
    ];
    let mut wrong = Vec::new();
    for (overrides, level, field, words, neighbour) in cases {
        let is = |advice: &&Advice| {
            (advice.level, advice.field) == (level, field) && advice.problem.contains(words)
        };
        let (here, beside) = (said(overrides), said(neighbour));
        let times = [&here, &beside].map(|all| all.iter().filter(is).count());
        if times != [1, 0] {
            wrong.push(format!("{overrides:?}, {words}: {times:?} times; {here:#?} {beside:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Inputs of a file that are a hundred times as long as the network is scaled for.
#[test]
fn long_inputs_are_told_of_unless_they_are_normalised() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.csv");
    fs::write(&file, "x0,x1,y\n100,3,1\n-5,99,-1\n").unwrap();
    let of = |normalize: bool| {
        let file = file.display();
        let data = format!(
            "data={{\"source\":\"csv\",\"samples\":2,\"path\":\"{file}\",\"normalize\":{normalize}}}"
        );
        said(&[&data])
    };
    assert_eq!(of(true), []);
    let [long] = &of(false)[..] else { panic!("{:#?}", of(false)) };
    assert_eq!((long.level, long.field), (Level::Warning, "data.normalize"));
    assert!(long.problem.contains("‖x‖²/d = 4959"), "{long}");
}

/// Of one dimension only the sign would be left; and what a file does not say of itself is said.
#[test]
fn what_is_made_of_inputs_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("narrow.csv");
    let of = |text: &str, more: &str| {
        fs::write(&file, text).unwrap();
        let file = file.display();
        said(&[&format!("data={{\"source\":\"csv\",\"samples\":2,\"path\":\"{file}\"{more}}}")])
    };
    let [narrow] = &of("x,y\n1,1\n-0.5,-1\n", "")[..] else { panic!() };
    assert_eq!((narrow.level, narrow.field), (Level::Warning, "data.normalize"));
    assert!(narrow.problem.contains("leaves only the sign"), "{narrow}");
    assert_eq!(of("x,y\n1,1\n-0.5,-1\n", ",\"normalize\":false"), []);
    assert_eq!(of("x0,x1,y\n1,3,1\n-5,9,-1\n", ""), []);
    let [assumed] = &of("0.5;3;1\n-5;9;-1\n", "")[..] else { panic!() };
    assert_eq!((assumed.level, assumed.field), (Level::Note, "data.path"));
    let words = "narrow.csv is read as follows: semicolons are between columns; it has no names of \
                 columns, and the last has the labels";
    assert!(assumed.problem.contains(words), "{assumed}");
}

/// The jobs of the repository can show what their studies ask.
#[test]
fn no_job_earns_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let experiment = load(&path, &[]).unwrap().experiment;
        let said = advice(&experiment, &data::load(&experiment.data).unwrap());
        let warnings: Vec<_> = said.iter().filter(|a| a.level == Level::Warning).collect();
        assert!(warnings.is_empty(), "{}: {warnings:#?}", path.display());
        seen += 1;
    }
    assert!(seen > 10, "{seen} jobs");
}

#[test]
fn plan_and_run_say_it_and_strictness_makes_warnings_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doubtful.json");
    fs::write(
        &file,
        r#"{ "name": "doubtful", "data": { "source": "toy" },
        "training": { "steps": 1, "learning_rate": 1e-6 },
        "ensemble": { "widths": [16], "depths": [4, 8], "seeds": 2 } }"#,
    )
    .unwrap();
    let (file, output) = (file.display().to_string(), folder.path().join("run"));
    let place = output.display().to_string();
    let warnings = [
        "WARNING: ensemble.seeds: there is no interval from 2 seeds, so that every claim will be inconclusive; \
         take 8 or more",
        "WARNING: ensemble.depths: 2 depths",
        "WARNING: training.learning_rate: at η = 1.00×10⁻⁶ f moves by about 2.58×10⁻⁷",
    ];
    for verb in ["plan", "run"] {
        let arguments = [verb, &file, "--output", &place, "--strict"];
        let done = nfd(&arguments);
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{stderr}");
        assert!(done.stdout.is_empty() && !output.exists(), "{stderr}");
        assert!(warnings.iter().all(|words| stderr.contains(words)), "{stderr}");
    }
    for verb in ["plan", "run"] {
        let done = nfd(&[verb, &file, "--output", &place]);
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{stderr}");
        assert!(warnings.iter().all(|words| stderr.contains(words)), "{stderr}");
        assert!(stderr.contains("nfd: NOTE: ensemble.widths: "), "{stderr}");
    }
    // Notes are no warnings.
    let sound = nfd(&["plan", "jobs/toy-small.json", "--strict", "--output", &format!("{place}2")]);
    let stderr = String::from_utf8_lossy(&sound.stderr);
    assert!(sound.status.success() && stderr.contains("NOTE"), "{stderr}");
}
