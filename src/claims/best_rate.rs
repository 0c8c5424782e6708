//! The learning rate that trains best as a measurement: where it lies at each size, how surely, and what a rate
//! that was tuned at the least depth costs at the others.

use serde::{Serialize, Serializer};

pub use super::rates::Setting;
use super::rates::{Least, Losses, least};
use super::series::Index;
use crate::choice::choice;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::numbers::{measured, plain};
use crate::observables::{Observable, Row};
use crate::stats::median::{median, median_interval};
use crate::stats::verdict::ALPHA;

/// The best learning rate at one size, by the loss after the last update; an entry of `best_rates` in summary.json
/// and a line of best_rates.csv.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BestRate {
    /// The networks that it is of.
    #[serde(flatten)]
    pub setting: Setting,
    /// The loss that is least there: of the training samples, or of the test samples.
    pub loss: Observable,
    /// Seeds with a loss at every rate; a run that diverged has an infinite one.
    pub seeds: usize,
    /// The rate with the least median loss over seeds, among those that were tried.
    pub tried: f64,
    /// The median over seeds of the loss at `tried`.
    pub median_loss: f64,
    /// How the rates that were tried enclose the best one.
    pub enclosed: Enclosed,
    /// The best rate: the vertex of the parabola through the least median loss and its two neighbours, logarithm
    /// against logarithm; None where it is not between two rates with finite losses.
    pub best: Option<f64>,
    /// Ends of the 95 % interval for the median over seeds of each seed's own best rate, which assumes nothing of
    /// their distribution, and of a seed's loss that it has one minimum; None of fewer than six seeds.
    pub ci95: Option<Interval>,
    /// The rate that is tuned at the least depth: there it has the least median loss of those that were tried.
    pub tuned: Option<f64>,
    /// What the tuned rate costs here: the median over seeds of its loss over that at `tried`, less 1.
    pub excess: Option<f64>,
    /// Ends of the 95 % interval for that median, between order statistics; None of fewer than six seeds.
    pub excess_ci95: Option<Interval>,
}

choice! {
    /// How the rates that were tried enclose the best one.
    pub enum Enclosed {
        /// The least loss lies between two finite ones.
        Between = "between",
        /// It lies beside a rate at which half of the runs or more diverge: which is an end, too.
        BesideDivergence = "beside_divergence",
        /// It is at the least rate that was tried: the best one may be less than all.
        LowerEdge = "lower_edge",
        /// It is at the greatest rate that was tried: the best one may be greater than all.
        UpperEdge = "upper_edge",
    }
}

impl BestRate {
    /// The best rate with its interval, or what is known of it where the rates that were tried do not enclose it.
    pub fn best_in_words(&self) -> String {
        let value = match (self.best, self.enclosed) {
            (Some(best), _) => measured(best),
            (None, Enclosed::BesideDivergence) => {
                format!("near {}, beside rates that diverge", plain(self.tried))
            }
            (None, Enclosed::LowerEdge) => {
                format!("{} or less, the least tried", plain(self.tried))
            }
            (None, _) => format!("{} or more, the greatest tried", plain(self.tried)),
        };
        match self.ci95 {
            Some(Interval([low, high])) if high.is_finite() => {
                format!("{value} [{}, {}]", measured(low), measured(high))
            }
            Some(Interval([low, _])) => format!("{value} [{}, ∞)", measured(low)),
            None => value,
        }
    }

    /// What the tuned rate costs, as what is said of it in a sentence: that it "costs 1.2 % [0.4, 2.5] more",
    /// "has 3.1 [2.8, 3.5] times the least loss", or "diverges".
    pub fn excess_in_words(&self) -> Option<String> {
        let excess = self.excess?;
        let Some(Interval(ends)) = self.excess_ci95 else { return Some(cost(excess, "")) };
        let shown = |of: &dyn Fn(f64) -> f64| {
            let end = |end: f64| if end.is_finite() { measured(of(end)) } else { "∞".to_owned() };
            format!(" [{}, {}]", end(ends[0]), end(ends[1]))
        };
        let interval = match excess < 1.0 {
            _ if ends == [excess; 2] => String::new(),
            true => shown(&|end| 100.0 * end),
            false => shown(&|end| 1.0 + end),
        };
        Some(cost(excess, &interval))
    }
}

/// An excess loss in words, with its interval in the same unit.
fn cost(excess: f64, interval: &str) -> String {
    match excess {
        excess if !excess.is_finite() => "diverges".to_owned(),
        0.0 => "costs nothing more".to_owned(),
        excess if excess < 1.0 => format!("costs {} %{interval} more", measured(100.0 * excess)),
        excess => format!("has {}{interval} times the least loss", measured(1.0 + excess)),
    }
}

/// An interval whose upper end may be infinite, which JSON writes as null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval(pub [f64; 2]);

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(|end| end.is_finite().then_some(end)).serialize(serializer)
    }
}

/// The best rates of an experiment with three rates or more, size by size.
pub fn best_rates(experiment: &Experiment, rows: &[Row], diverged: &[Task]) -> Vec<BestRate> {
    if experiment.learning_rates().len() < 3 {
        return Vec::new();
    }
    let index = Index::new(rows, experiment.ensemble.all_seeds());
    let ensemble = &experiment.ensemble;
    let mut all = Vec::new();
    for &closure in &ensemble.closures {
        for &parametrization in &experiment.parametrizations() {
            for &width in &ensemble.widths {
                let at = |depth| Setting { closure, parametrization, width, depth };
                for loss in [Observable::TrainingLoss, Observable::TestLoss] {
                    let losses = |&depth: &usize| {
                        (at(depth), Losses::new(experiment, &index, at(depth), loss, diverged))
                    };
                    all.extend(by_depth(loss, ensemble.depths.iter().map(losses).collect()));
                }
            }
        }
    }
    all
}

/// What the losses at several depths say, from the least depth on.
fn by_depth(loss: Observable, depths: Vec<(Setting, Losses)>) -> Vec<BestRate> {
    let tuned = depths.first().and_then(|(_, losses)| Some(tried(losses)?.0));
    let of = |(setting, losses): &(Setting, Losses)| {
        let medians = losses.medians();
        let enclosed = least(&medians)?;
        let (tried, median_loss) = tried(losses)?;
        let whole: Vec<usize> = losses.whole_seeds();
        let own = |&seed: &usize| Some(least(&losses.of_seed(seed))?.bracket());
        let own: Vec<[f64; 2]> = whole.iter().filter_map(own).collect();
        let costs = tuned.map(|tuned| losses.ratios(&whole, tuned, tried));
        let excess = costs.as_ref().map(|costs| median(costs.iter().copied()) - 1.0);
        let draws =
            costs.map(|costs| costs.iter().map(|&cost| [cost - 1.0; 2]).collect::<Vec<_>>());
        Some(BestRate {
            setting: *setting,
            loss,
            seeds: whole.len(),
            tried,
            median_loss,
            enclosed: match enclosed {
                Least::Between(_) => Enclosed::Between,
                Least::BesideDivergence(_) => Enclosed::BesideDivergence,
                Least::AtLowerEdge(_) => Enclosed::LowerEdge,
                Least::AtUpperEdge(_) => Enclosed::UpperEdge,
            },
            best: enclosed.between(),
            ci95: median_interval(&own, ALPHA).map(Interval),
            tuned,
            excess: excess.filter(|excess| !excess.is_nan()),
            excess_ci95: draws.and_then(|draws| median_interval(&draws, ALPHA)).map(Interval),
        })
    };
    depths.iter().filter_map(of).collect()
}

/// The rate with the least median loss among those that were tried, and that loss; None where all are infinite.
fn tried(losses: &Losses) -> Option<(f64, f64)> {
    let finite = losses.medians().into_iter().filter(|(_, loss)| loss.is_finite());
    finite.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Which rates are to be tried where the best ones, size by size (L or n), do not lie between two finite losses.
pub fn refine_grid(letter: &str, places: &[(usize, Least)]) -> Option<String> {
    let at = |such: &dyn Fn(Least) -> bool| {
        let sizes = places.iter().filter(|(_, least)| such(*least));
        sizes.map(|(size, _)| size.to_string()).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    let lower = at(&|least| matches!(least, Least::AtLowerEdge(_)));
    if !lower.is_empty() {
        parts.push(format!("rates below the least one (best at {letter} = {lower})"));
    }
    let upper = at(&|least| matches!(least, Least::AtUpperEdge(_)));
    if !upper.is_empty() {
        parts.push(format!("rates above the greatest one (best at {letter} = {upper})"));
    }
    let mut between: Vec<[f64; 2]> = Vec::new();
    for (_, least) in places {
        if let Least::BesideDivergence(ends) = least
            && !between.contains(ends)
        {
            between.push(*ends);
        }
    }
    for [low, high] in between {
        let sizes = at(&|least| least == Least::BesideDivergence([low, high]));
        let (low, high) = (plain(low), plain(high));
        parts.push(format!(
            "more rates between {low} and {high}, where runs diverge ({letter} = {sizes})"
        ));
    }
    (!parts.is_empty()).then(|| format!("try {}", parts.join("; ")))
}
