//! The best learning rate when some runs explode: of one seed it moves nothing, of most it leaves no
//! optimum, and what is not finished is no explosion.

use std::path::Path;

use crate::common::close;
use nfd::claims::{self, Claim, Lost};
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::{Experiment, load};
use nfd::observables::{Observable, Row};
use nfd::stats::verdict::Verdict;

/// 4 seeds, from 40 on.
fn experiment() -> Experiment {
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/transfer-small.json");
    let set = [
        "ensemble.seeds=4",
        "ensemble.first_seed=40",
        "ensemble.parametrizations=[\"depth-mup\"]",
        "ensemble.learning_rates=[0.125,0.25,0.5,1,2]",
    ];
    load(&job, &set.map(str::to_owned)).unwrap().experiment
}

/// Last losses with their least at η = 0.6 at every depth, a little elsewhere seed by seed.
fn rows(experiment: &Experiment, loss: impl Fn(Task, f64) -> Option<f64>) -> Vec<Row> {
    let row = |task: Task| {
        let best = 0.6_f64.ln() + 0.01 * (task.seed as f64 - 41.5) * (task.depth as f64).ln();
        let distance = task.learning_rate.value().ln() - best;
        let value = loss(task, (0.7 * distance.powi(2) - 1.0).exp())?;
        Some(Row {
            task,
            step: experiment.training.steps,
            depth_time: None,
            reference: None,
            observable: Observable::TrainingLoss,
            sample: None,
            output: None,
            value,
        })
    };
    tasks(experiment).into_iter().filter_map(row).collect()
}

fn claim(experiment: &Experiment, rows: &[Row], diverged: &[Task]) -> Claim {
    let declared = experiment.study.design().claims;
    let claims = claims::evaluate(experiment, declared, rows, Lost { diverged, unstable: &[] });
    let is = |claim: &Claim| claim.observable == Observable::BestLearningRate;
    claims.into_iter().find(is).unwrap()
}

#[test]
fn one_seed_that_explodes_moves_no_optimum_and_most_leave_none() {
    let experiment = experiment();
    let sound = claim(&experiment, &rows(&experiment, |_, loss| Some(loss)), &[]);
    assert_eq!((sound.points, sound.seeds, sound.verdict), (6, 4, Verdict::Supported));
    assert!(sound.curve.iter().all(|point| close(point.value, 0.6, 1e-2)), "{:?}", sound.curve);
    assert!(sound.curve.iter().all(|point| point.standard_error.is_some_and(|error| error > 0.0)));

    // One of four seeds at the rate above the optimum: finite, but a mean would be all of it.
    let explodes = |task: Task| task.learning_rate.value() == 1.0 && task.seed == 43;
    let explosion = |task, loss| Some(if explodes(task) { 1e44 } else { loss });
    let one = claim(&experiment, &rows(&experiment, explosion), &[]);
    assert!(one.curve.iter().all(|point| close(point.value, 0.6, 0.05)), "{:?}", one.curve);
    assert_eq!((one.points, one.verdict), (6, Verdict::Supported));

    // Three of four at one depth diverged at the best rate: no optimum there.
    let lost =
        |task: &Task| task.learning_rate.value() == 0.5 && task.depth == 16 && task.seed < 43;
    let without = rows(&experiment, |task, loss| Some(loss).filter(|_| !lost(&task)));
    let diverged: Vec<Task> = tasks(&experiment).into_iter().filter(lost).collect();
    let most = claim(&experiment, &without, &diverged);
    let depths: Vec<usize> = most.curve.iter().map(|point| point.depth).collect();
    assert_eq!((depths, most.diverged), (vec![4, 8, 32, 64, 128], 3));
    // The same rows of a run that is not finished: of what there is.
    let some = claim(&experiment, &without, &[]);
    assert_eq!((some.points, some.diverged), (6, 0));
    // Those seeds have no slope of their own then, and one is too few.
    assert_eq!((some.seeds, some.verdict), (1, Verdict::Inconclusive));
    assert!(some.reason.contains("needs at least 4 seeds whose own least loss"), "{}", some.reason);
}
