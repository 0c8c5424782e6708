//! Which network of a run is meant.

use std::fmt::Display;

use crate::experiment::grid::Task;
use crate::model::{Closure, Parametrization};

/// What was said of a network; what was not said may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Closure that the run is of.
    pub closure: Option<Closure>,
    /// Parametrization: the powers of width and depth.
    pub parametrization: Option<Parametrization>,
    /// Width n of the hidden layers.
    pub width: Option<usize>,
    /// Depth L, the number of blocks.
    pub depth: Option<usize>,
    /// Learning rate η of the hidden weights.
    pub learning_rate: Option<f64>,
    /// Seed of the noise of its weights.
    pub seed: Option<u64>,
}

impl Wanted {
    /// The only one of `tasks` that it can be.
    ///
    /// # Errors
    /// In words: that there is none, or which there are to choose from.
    pub fn only(&self, tasks: &[Task]) -> Result<Task, String> {
        let meant: Vec<Task> = tasks.iter().copied().filter(|task| self.is_met_by(task)).collect();
        match meant[..] {
            [task] => Ok(task),
            [] if tasks.is_empty() => Err("it has no networks".to_owned()),
            [] => Err(format!("no network of the run matches; there are {}", choices(tasks))),
            _ => Err(format!("{} networks match; choose one by {}", meant.len(), choices(&meant))),
        }
    }

    fn is_met_by(&self, task: &Task) -> bool {
        self.closure.is_none_or(|closure| closure == task.closure)
            && self.parametrization.is_none_or(|p| p == task.parametrization)
            && self.width.is_none_or(|width| width == task.width)
            && self.depth.is_none_or(|depth| depth == task.depth)
            && self.learning_rate.is_none_or(|rate| rate == task.learning_rate.value())
            && self.seed.is_none_or(|seed| seed == task.seed)
    }
}

/// The options in which tasks differ, as they are typed, each with its values; those in which all agree
/// where there is but one task.
fn choices(tasks: &[Task]) -> String {
    let options = [
        option("closure", tasks, |task| task.closure.name()),
        option("parametrization", tasks, |task| task.parametrization.name()),
        option("width", tasks, |task| task.width),
        option("depth", tasks, |task| task.depth),
        option("learning-rate", tasks, |task| task.learning_rate.value()),
        option("seed", tasks, |task| task.seed),
    ];
    let several = options.iter().filter(|(count, _)| *count > 1 || tasks.len() == 1);
    several.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ")
}

/// How many values an option has, and their list; of many the first ones.
fn option<V: Display + PartialEq>(
    name: &str,
    tasks: &[Task],
    value: impl Fn(&Task) -> V,
) -> (usize, String) {
    const MOST: usize = 12;
    let mut values: Vec<V> = Vec::new();
    for value in tasks.iter().map(value) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let shown: Vec<String> = values.iter().take(MOST).map(V::to_string).collect();
    let more = if values.len() > MOST {
        format!(", … ({} in all)", values.len())
    } else {
        String::new()
    };
    (values.len(), format!("--{name} {}{more}", shown.join(", ")))
}

/// The name of a file for the network of `task`, without its ending: what `nfd status` calls it, and the
/// settings in which it differs from others of `tasks`.
pub fn file_stem(task: Task, tasks: &[Task]) -> String {
    let Task { closure, parametrization, width, depth, learning_rate, seed } = task;
    let mut parts = vec![closure.name().to_owned()];
    if tasks.iter().any(|other| other.parametrization != parametrization) {
        parts.push(parametrization.name().to_owned());
    }
    parts.extend([format!("n{width}"), format!("L{depth}")]);
    if tasks.iter().any(|other| other.learning_rate != learning_rate) {
        parts.push(format!("rate{}", learning_rate.value()));
    }
    parts.push(format!("seed{seed}"));
    parts.join("-")
}
