//! Which records of a set are taken, and in which order.

use rand::seq::SliceRandom;

use super::Request;
use crate::choice::choice;
use crate::rng::noise::{Direction, Purpose, tag};
use crate::rng::philox::Philox;

choice! {
    /// How many samples of each class are taken.
    pub enum Selection {
        /// Samples as they come in the file (or in the order of `split_seed`).
        First = "first",
        /// Equally many of each class, up to one: the classes by turns.
        Stratified = "stratified",
    }
}

/// A problem, and what to do about it.
type Refusal = (String, String);

/// Positions of the first `wanted` records of `classes`: in the order of the file, or of the permutation
/// that `split_seed` gives.
///
/// # Errors
/// When there are not so many, or not of one class.
pub fn choose(
    labels: &[u8],
    classes: &[u8],
    wanted: usize,
    request: &Request,
) -> Result<Vec<usize>, Refusal> {
    let order = order(labels.len(), request.split_seed);
    let of_classes = order.into_iter().filter(|&i| classes.contains(&labels[i]));
    let chosen = match request.selection {
        Selection::First => of_classes.take(wanted).collect::<Vec<_>>(),
        Selection::Stratified => {
            let all: Vec<usize> = of_classes.collect();
            let of = |class: u8| all.iter().copied().filter(move |&i| labels[i] == class);
            let mut queues: Vec<_> = classes.iter().map(|&class| of(class)).collect();
            let mut chosen = Vec::with_capacity(wanted.min(all.len()));
            for turn in 0..wanted {
                let class = turn % classes.len();
                let Some(position) = queues[class].next() else {
                    let (name, has) = (classes[class], of(classes[class]).count());
                    return Err((
                        format!("has {has} records of class {name}, fewer than its equal share"),
                        "lower data.samples or data.test_samples, or take selection first".into(),
                    ));
                };
                chosen.push(position);
            }
            chosen
        }
    };
    if chosen.len() < wanted {
        return Err((too_few(request, chosen.len()), LOWER.to_owned()));
    }
    Ok(chosen)
}

/// All positions below `count`: ascending, or permuted by a seed.
pub fn order(count: usize, seed: Option<u64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if let Some(seed) = seed {
        // Forward streams are those of synthetic samples, the low half of backward ones those of
        // minibatches.
        let stream = tag(Purpose::Stream, 1, Direction::Backward);
        order.shuffle(&mut Philox::stream(seed, u64::from(stream) << 32));
    }
    order
}

/// That a set has `there` samples only.
pub fn too_few(request: &Request, there: usize) -> String {
    format!(
        "{} training and {} test samples asked for, but there are {there}",
        request.samples, request.test_samples
    )
}

/// What to do then.
pub const LOWER: &str = "lower data.samples or data.test_samples, or select more classes";
