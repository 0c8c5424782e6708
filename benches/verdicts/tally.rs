//! What verdicts and intervals do over many ensembles of one law and design.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use nfd::rng::philox::Philox;
use nfd::stats::verdict::{Judgement, Rule, Verdict, judge};

use super::ensembles::Design;
use super::laws::{Law, Sentence};

/// How many ensembles are made, of which noise, and what an interval misses with.
#[derive(Clone, Copy)]
pub struct Ensembles {
    pub count: usize,
    /// The key of the noise.
    pub key: u64,
    pub alpha: f64,
}

/// One claim of one law in one design.
#[derive(Clone)]
pub struct Cell {
    pub design: Design,
    /// Number of ensembles.
    pub ensembles: usize,
    /// Of these supported, contradicted, inconclusive.
    pub verdicts: [usize; 3],
    /// How many have what is to be covered: an interval, or a limit of the constant.
    pub printed: usize,
    /// In how many of these it holds the truth.
    pub held: usize,
}

impl Cell {
    /// The share of a verdict.
    pub fn share(&self, verdict: Verdict) -> f64 {
        let at = Verdict::ALL.iter().position(|v| *v == verdict).unwrap();
        self.verdicts[at] as f64 / self.ensembles as f64
    }

    /// The share of verdicts that are wrong.
    pub fn wrong(&self, sentence: Sentence) -> f64 {
        self.share(wrong(sentence))
    }

    /// The share of verdicts that are right.
    pub fn right(&self, sentence: Sentence) -> f64 {
        self.share(right(sentence))
    }

    /// The share of what is printed that holds the truth; None where little is printed.
    pub fn covered(&self) -> Option<f64> {
        (20 * self.printed >= self.ensembles).then(|| self.held as f64 / self.printed as f64)
    }
}

fn wrong(sentence: Sentence) -> Verdict {
    match sentence {
        Sentence::True => Verdict::Contradicted,
        Sentence::False | Sentence::Nearly => Verdict::Supported,
    }
}

fn right(sentence: Sentence) -> Verdict {
    match sentence {
        Sentence::True => Verdict::Supported,
        Sentence::False | Sentence::Nearly => Verdict::Contradicted,
    }
}

/// Whether what is printed holds the truth: the interval an exponent; where the curve tends to a
/// constant, the limit of the constant beside a claimed decay, or the interval of the constant of a
/// claim that it stays. None where nothing is printed.
fn holds(law: &Law, rule: Rule, found: &Judgement) -> Option<bool> {
    let within = |[low, high]: [f64; 2], truth: f64| low <= truth && truth <= high;
    match (rule, law.constant()) {
        (Rule::Falls { .. }, Some(c)) => found.constant_upper.map(|upper| upper >= c),
        (Rule::Stays, Some(c)) => found.constant_interval.map(|ends| within(ends, c)),
        (Rule::Grows { .. }, _) => Some(within(found.interval?, -law.exponent?)),
        _ => Some(within(found.interval?, law.exponent?)),
    }
}

/// Cells by law and claim, of one design. All laws get the same errors.
fn judged(laws: &[Law], design: &Design, ensembles: Ensembles) -> Vec<Vec<Cell>> {
    let (verdicts, printed, held) = ([0; 3], 0, 0);
    let Ensembles { count, key, alpha } = ensembles;
    let cell = Cell { design: design.clone(), ensembles: count, verdicts, printed, held };
    let mut cells: Vec<Vec<Cell>> =
        laws.iter().map(|law| vec![cell.clone(); law.claims.len()]).collect();
    let values: Vec<Vec<f64>> =
        laws.iter().map(|law| law.values(&design.sizes, design.reference)).collect();
    for trial in 0..count as u64 {
        let factors = design.factors(&mut Philox::stream(key, trial));
        for ((law, values), cells) in laws.iter().zip(&values).zip(&mut cells) {
            let curve = design.ensemble(values, &factors);
            for (cell, (rule, _)) in cells.iter_mut().zip(&law.claims) {
                let found = judge(*rule, &curve, "L", alpha);
                let at = Verdict::ALL.iter().position(|v| *v == found.verdict).unwrap();
                cell.verdicts[at] += 1;
                if let Some(holds) = holds(law, *rule, &found) {
                    cell.printed += 1;
                    cell.held += usize::from(holds);
                }
            }
        }
    }
    cells
}

/// Cells by law, claim and design.
pub fn tally(laws: &[Law], designs: &[Design], ensembles: Ensembles) -> Vec<Vec<Vec<Cell>>> {
    let (next, (send, receive)) = (AtomicUsize::new(0), mpsc::channel());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(design) = designs.get(at) else { break };
                    send.send((at, judged(laws, design, ensembles))).unwrap();
                }
            });
        }
        drop(send);
        let mut found: Vec<(usize, Vec<Vec<Cell>>)> = receive.iter().collect();
        found.sort_by_key(|(at, _)| *at);
        let claims = |law: &Law| vec![Vec::new(); law.claims.len()];
        let mut table: Vec<Vec<Vec<Cell>>> = laws.iter().map(claims).collect();
        for (law, claims) in found.into_iter().flat_map(|(_, laws)| laws.into_iter().enumerate()) {
            for (claim, cell) in claims.into_iter().enumerate() {
                table[law][claim].push(cell);
            }
        }
        table
    })
}
