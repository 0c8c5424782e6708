//! A report of made-up numbers in which every part of the page has something to show.

use nfd::claims::stability::Unstable;
use nfd::claims::{Claim, Family, Fit, FittedPoint, Part, Point, SizeAxis};
use nfd::engine::Divergence;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::experiment::{self, Experiment};
use nfd::model::{Closure, Parametrization};
use nfd::observables::{Observable, Row};
use nfd::report::Report;
use nfd::report::page::{plot_files, plots};
use nfd::stats::verdict::Verdict;

/// Owns what a [`Report`] borrows.
pub struct Made {
    pub experiment: Experiment,
    pub claims: Vec<Claim>,
    pub rows: Vec<Row>,
    pub unstable: Vec<Unstable>,
    pub diverged: Vec<(Task, Divergence)>,
}

impl Made {
    pub fn report(&self) -> Report<'_> {
        Report {
            experiment: &self.experiment,
            claims: &self.claims,
            rows: &self.rows,
            unstable: &self.unstable,
            best_rates: &[],
            diverged: &self.diverged,
            limits: None,
            tasks: 72,
            running: None,
        }
    }

    /// The plots that are SVG: name with ending, content.
    pub fn svgs(&self) -> Vec<(String, String)> {
        let files = plot_files(&plots(&self.report())).into_iter();
        let drawn = files.filter(|(name, _)| name.ends_with(".svg"));
        drawn.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }
}

/// The quickstart experiment without any result.
pub fn empty() -> Made {
    let job = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/quickstart.json");
    let smaller = [
        "ensemble.widths=[4096]",
        "ensemble.depths=[4,8,16,32,64,128]",
        "ensemble.seeds=4",
        "ensemble.closures=[\"exact\",\"fresh\",\"gia\"]",
        "training.steps=3",
    ]
    .map(str::to_owned);
    let resolved = experiment::load(&job, &smaller).unwrap();
    let (claims, rows, unstable, diverged) = (vec![], vec![], vec![], vec![]);
    Made { experiment: resolved.experiment, claims, rows, unstable, diverged }
}

/// With claims of every family and verdict, trajectories, and a diverged run.
pub fn full() -> Made {
    let mut made = empty();
    let closures = Closure::DEFAULT;
    for (i, closure) in closures.into_iter().enumerate() {
        for step in 1..=3 {
            let verdict =
                [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive][(i + step) % 3];
            let height = 0.02 / (i + 1) as f64;
            let step = step as u32;
            made.claims.push(power(closure, step, height, verdict));
            made.claims.push(plateau(closure, step, 10f64.powi(-3 * (i as i32 + 1)), verdict));
        }
    }
    made.claims.sort_by_key(|claim| claim.observable.name());
    // One primary claim of each observable: exact, after the last update but one.
    for claim in &mut made.claims {
        claim.primary = (claim.closure, claim.step) == (Closure::Exact, 2);
        claim.simultaneous = claim.primary.then_some(2);
    }
    for closure in closures {
        for &depth in &made.experiment.ensemble.depths {
            for seed in 0..4 {
                trajectory(&mut made.rows, closure, depth, seed);
            }
        }
    }
    let task = Task {
        closure: Closure::Gia,
        parametrization: Parametrization::DepthMup,
        width: 4096,
        depth: 64,
        learning_rate: LearningRate::new(3.0),
        seed: 3,
    };
    let why = "loss 32.0 after 2 updates, 0.50 at the start".to_owned();
    made.unstable.push(Unstable { task: Task { seed: 2, ..task }, step: 2, why });
    made.diverged.push((task, Divergence { step: 2, layer: Some(17) }));
    made
}

fn power(closure: Closure, step: u32, height: f64, verdict: Verdict) -> Claim {
    let value = |x: f64| height * x.powf(-0.95) * (1.0 + 0.3 / x);
    let mut claim =
        claim("weak error of f falls like 1/L", Observable::WeakError, closure, step, verdict);
    claim.exponent = Some(0.95);
    claim.ci95 = Some([0.91, 1.02]);
    claim.expected = Some(1.0);
    fill(&mut claim, value);
    let part = |name: &str, value, interval| Part { name: name.to_owned(), value, interval };
    claim.fit = Some(Fit {
        formula: "A L^{−p} e^{β/L}".to_owned(),
        exponents: vec![
            part("all sizes", 0.95, Some([0.93, 0.97])),
            part("the last four sizes", 0.96, Some([0.91, 1.02])),
        ],
        coefficients: vec![part("A", height, None), part("β", 0.3, Some([0.2, 0.4]))],
        drift: Some(part("change of the exponent with every doubling", -0.01, None)),
    });
    claim
}

fn plateau(closure: Closure, step: u32, height: f64, verdict: Verdict) -> Claim {
    let value = |x: f64| height * (1.0 - 1.5 / x);
    let statement = "gap of f to the exact network stays";
    let mut claim = claim(statement, Observable::OutputGap, closure, step, verdict);
    claim.family = Family::Stays;
    claim.plateau = Some(height);
    claim.plateau_ci95 = Some([0.8 * height, 1.2 * height]);
    fill(&mut claim, value);
    claim
}

pub fn claim(
    statement: &'static str,
    observable: Observable,
    closure: Closure,
    step: u32,
    verdict: Verdict,
) -> Claim {
    Claim {
        id: format!("{}/{}/n=4096/k={step}", observable.name(), closure.name()),
        statement,
        closure,
        parametrization: Parametrization::DepthMup,
        learning_rate: 1.0,
        axis: SizeAxis::Depth,
        held: Some(4096),
        extrapolated_with: None,
        primary: false,
        simultaneous: None,
        observable,
        step,
        depth_time: None,
        family: Family::Falls,
        exponent: None,
        ci95: None,
        plateau: None,
        plateau_ci95: None,
        plateau_upper: None,
        at_start: None,
        expected: None,
        reference_error: None,
        rule: "supported if the interval lies above 0.9".to_owned(),
        verdict,
        reason: format!("because of {} at step {step}", closure.name()),
        next: (verdict == Verdict::Inconclusive).then(|| "take 8 seeds".to_owned()),
        fitted: vec![],
        fit: None,
        points: 0,
        seeds: 4,
        diverged: usize::from(closure == Closure::Gia),
        local_exponents: vec![],
        curve: vec![],
    }
}

fn fill(claim: &mut Claim, value: impl Fn(f64) -> f64) {
    let sizes = [4, 8, 16, 32, 64, 128];
    claim.points = sizes.len();
    claim.local_exponents = vec![Some(0.93); sizes.len() - 1];
    for (i, x) in sizes.into_iter().enumerate() {
        let wobble = 1.0 + 0.05 * if i % 2 == 0 { 1.0 } else { -1.0 };
        let value = value(x as f64) * wobble;
        claim.curve.push(Point {
            x,
            width: 4096,
            depth: x,
            value,
            standard_error: Some(0.25 * value),
            fitted: Some(value / wobble),
        });
    }
    for i in 0..=32 {
        let x = 4.0 * 32f64.powf(f64::from(i) / 32.0);
        let value = value(x);
        let ci95 = Some([0.85 * value, 1.15 * value]);
        claim.fitted.push(FittedPoint { x, held: None, value, ci95 });
    }
}

fn trajectory(rows: &mut Vec<Row>, closure: Closure, depth: usize, seed: u64) {
    let mut push = |step: u32, depth_time, observable: Observable, value| {
        let task = Task {
            closure,
            parametrization: Parametrization::DepthMup,
            width: 4096,
            depth,
            learning_rate: LearningRate::new(1.0),
            seed,
        };
        let sample = observable.has_outputs().then_some(0);
        let (reference, output) = (None, None);
        rows.push(Row { task, step, depth_time, reference, observable, sample, output, value });
    };
    let tilt = 1.0 + 1.0 / depth as f64 + 0.01 * seed as f64;
    for step in 0..=3 {
        let k = f64::from(step);
        push(step, None, Observable::Output, -0.2 * k * tilt);
        push(step, None, Observable::TrainingLoss, 0.5 * (-0.3 * k * tilt).exp());
        push(step, None, Observable::TestLoss, 0.6 * (-0.2 * k * tilt).exp());
        push(step, None, Observable::OwnMovement, 1e-4 * k * k * tilt);
        push(step, None, Observable::FeatureRank, 8.0 * (k + 1.0));
        push(step, None, Observable::GradientRank, 7.9 * (k + 1.0));
        for quarter in 0..=4 {
            let t = f64::from(quarter) / 4.0;
            push(step, Some(t), Observable::FeatureMovement, 0.05 * k * t * t * tilt);
            push(
                step,
                Some(t),
                Observable::LeastFeatureEigenvalue,
                1e-3 * 10f64.powf(-3.0 * k) * (0.1 + t),
            );
            push(
                step,
                Some(t),
                Observable::LeastGradientEigenvalue,
                1e-2 * 10f64.powf(-3.0 * k) * (1.1 - t),
            );
        }
    }
}
