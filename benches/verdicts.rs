//! How often verdicts are wrong, and intervals hold the truth, over laws that are known: the tables of
//! docs/verdicts.md.
//!
//! ```text
//! cargo bench --bench verdicts
//! cargo bench --bench verdicts -- --ensembles 4000 --law "L^-1 + 10 %" --every
//! ```
//!
//! `--law` takes laws whose names hold the text, `--section` tables whose titles do, `--alpha` is what an
//! interval misses with (0.05), `--key` another noise than that on which the constants of
//! src/stats/power.rs were chosen (77), `--every` prints every design of each. With 1000
//! ensembles a share of 5 % is known to ±0.7 % (one standard error), one of 90 % to ±0.9 %; the worst
//! of 60 designs lies about two of them too high.

#![allow(clippy::unwrap_used)]

#[path = "verdicts/ensembles.rs"]
mod ensembles;
#[path = "verdicts/laws.rs"]
mod laws;
#[path = "verdicts/sums.rs"]
mod sums;
#[path = "verdicts/tally.rs"]
mod tally;

use ensembles::{Design, Floor, Noise, doubling};
use laws::{Law, Sentence};
use nfd::stats::curve::Reference;
use nfd::stats::verdict::{ALPHA, Judgement, Rule, Verdict};
use tally::{Cell, Ensembles, tally};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --all-targets` starts benches too, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let ensembles = option("--ensembles").map_or(1000, |number| number.parse().unwrap());
    let wanted = option("--law").unwrap_or_default();
    let key = option("--key").map_or(77, |number| number.parse().unwrap());
    let alpha = option("--alpha").map_or(ALPHA, |number| number.parse().unwrap());
    let section = option("--section").unwrap_or_default();
    let every = arguments.iter().any(|argument| argument == "--every");
    for (title, laws, designs) in sections() {
        let laws: Vec<Law> = laws.into_iter().filter(|law| law.name.contains(&wanted)).collect();
        if !laws.is_empty() && title.contains(&section) {
            println!("\n### {title}\n");
            print(
                &laws,
                &tally(&laws, &designs, Ensembles { count: ensembles, key, alpha }),
                every,
            );
        }
    }
    if "Sums".contains(&section) && wanted.is_empty() {
        println!("\n### Sums of errors in width and depth\n");
        print_sums(ensembles / 5);
    }
}

/// Sums take a search over exponents each, so there are fewer of them.
fn print_sums(ensembles: usize) {
    println!("| sum | claim | true | wrong | held | decided right |");
    println!("|---|---|---|---|---|---|");
    for sum in &sums::SUMS {
        let found: Vec<_> = (0..ensembles as u64).map(|trial| sum.judged(trial)).collect();
        for (claim, (size, exponent)) in [("L", sum.depth), ("n", sum.width)].iter().enumerate() {
            let Rule::FallsInSum { exponent: claimed, .. } = found[0][claim].0 else { continue };
            // A constant beside both parts is no part of either.
            let truth = *exponent >= claimed;
            let share = |of: &dyn Fn(&Judgement) -> bool| {
                let count = found.iter().filter(|found| of(&found[claim].1)).count();
                percent(count as f64 / ensembles as f64)
            };
            let [supported, contradicted] = [Verdict::Supported, Verdict::Contradicted]
                .map(|verdict| share(&|found| found.verdict == verdict));
            let (right, wrong) =
                if truth { (supported, contradicted) } else { (contradicted, supported) };
            let held = share(&|found| {
                found.interval.is_some_and(|[low, high]| low <= *exponent && *exponent <= high)
            });
            println!(
                "| {} | 1/{size}^{claimed} | {} | {wrong} | {held} | {right} |",
                sum.name,
                if truth { "yes" } else { "no" }
            );
        }
    }
}

/// Laws under a heading, and the designs in which they are measured.
fn sections() -> Vec<(String, Vec<Law>, Vec<Design>)> {
    let named = |names: &[&str]| -> Vec<Law> {
        laws::laws().into_iter().filter(|law| names.contains(&law.name)).collect()
    };
    let plain: Vec<Vec<f64>> = [5, 6, 8].map(doubling).to_vec();
    let all = |sizes: &[Vec<f64>], noises: &[Noise]| {
        let mut designs = Vec::new();
        for &noise in noises {
            for seeds in [4, 8, 16, 64] {
                for sizes in sizes {
                    let (sizes, floor, reference) = (sizes.clone(), None, Reference::Limit);
                    designs.push(Design { sizes, seeds, noise, floor, reference });
                }
            }
        }
        designs
    };
    let mut sections =
        vec![("Sizes that double".to_owned(), laws::laws(), all(&plain, &Noise::ALL))];
    let title = "Laws on which nothing was chosen, sizes that double".to_owned();
    sections.push((title, laws::unseen(), all(&plain, &Noise::ALL)));
    let uneven = [
        vec![4.0, 6.0, 9.0, 14.0, 20.0],
        vec![4.0, 6.0, 9.0, 14.0, 20.0, 30.0, 46.0, 68.0],
        vec![4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0],
    ];
    let some = [
        "L^-1",
        "L^-1 (1 + 4/L)",
        "1/(L + 4)",
        "L^-1 + 16 L^-2",
        "L^-2",
        "L^-0.8",
        "L^-0.5",
        "L^-1 + 10 %",
        "L^-1 + 30 %",
        "1",
        "1 + 4/L",
    ];
    sections.push((
        "Sizes that do not double: 4 to 20, 4 to 68 by 1.5, and 4, 6, 8, 12, 16, 24, 48".to_owned(),
        named(&some),
        all(&uneven, &[Noise::Normal, Noise::Common, Noise::Outlier]),
    ));
    for ratio in [2.0, 4.0, 8.0] {
        let share = 0.5;
        let mut designs = all(&plain, &[Noise::Normal, Noise::Common]);
        designs.iter_mut().for_each(|design| design.floor = Some(Floor { ratio, share }));
        let title =
            format!("A floor of half the last value, two widths, one {ratio} times the other");
        let some = ["L^-2", "L^-2 (1 + 4/L)", "L^-1", "L^-1.5", "L^-2 + 30 %"];
        sections.push((title, named(&some), designs));
    }
    type Make = fn(f64) -> Reference;
    let references: [(&str, Make); 2] =
        [("added", Reference::Added), ("aligned", Reference::Aligned)];
    for (name, reference) in references {
        let mut designs = all(&plain, &[Noise::Normal, Noise::Common]);
        for design in &mut designs {
            design.reference = reference(4.0 * design.sizes[design.sizes.len() - 1]);
        }
        let title = format!("Differences to a network of four times the largest size, {name}");
        sections.push((title, named(&["L^-0.8", "L^-1", "L^-1 (1 + 4/L)", "L^-2"]), designs));
    }
    sections
}

/// "Falls 1".
fn words(rule: Rule) -> String {
    match rule {
        Rule::Falls { exponent } => format!("falls, {exponent}"),
        Rule::FallsInSum { exponent, .. } => format!("falls in a sum, {exponent}"),
        Rule::Grows { exponent } => format!("grows, {exponent}"),
        Rule::Stays => "stays".to_owned(),
        Rule::Flat => "flat".to_owned(),
    }
}

/// "8/2 %, 4 seeds, 5 sizes".
fn place(design: &Design) -> String {
    format!("{}, {}×{}", design.noise.name(), design.seeds, design.sizes.len())
}

/// A table of the claims that are true or false, and one of those that are nearly true or false.
fn print(laws: &[Law], table: &[Vec<Vec<Cell>>], every: bool) {
    let rows = |nearly: bool| {
        let claims = laws.iter().zip(table).flat_map(|(law, claims)| {
            law.claims.iter().zip(claims).map(move |(claim, cells)| (law, *claim, cells))
        });
        claims.filter(move |(_, (_, sentence), _)| (*sentence == Sentence::Nearly) == nearly)
    };
    for nearly in [false, true] {
        if rows(nearly).next().is_none() {
            continue;
        }
        match nearly {
            false => println!(
                "| law | claim | true | wrong, most | where | held, least | where | right |\n\
                 |---|---|---|---|---|---|---|---|"
            ),
            true => println!(
                "\nFalse, or true, by less than the words of a verdict leave open:\n\n\
                 | law | claim | supported, most | where | held, least | where | contradicted |\n\
                 |---|---|---|---|---|---|---|"
            ),
        }
        for (law, (rule, sentence), cells) in rows(nearly) {
            println!("{}", row(law.name, rule, sentence, cells));
            for cell in cells.iter().filter(|_| every) {
                let [supported, contradicted, _] =
                    Verdict::ALL.map(|verdict| percent(cell.share(verdict)));
                println!(
                    "    {:<22} +{supported:>6} −{contradicted:>6} held {}",
                    place(&cell.design),
                    cell.covered().map_or_else(String::new, percent)
                );
            }
        }
    }
}

/// The worst of the designs, and the power at 8 seeds with errors of 5 and 3 %.
fn row(name: &str, rule: Rule, sentence: Sentence, cells: &[Cell]) -> String {
    let wrong = |cell: &Cell| cell.wrong(sentence);
    let worst = cells.iter().max_by(|a, b| wrong(a).total_cmp(&wrong(b))).unwrap();
    let covered = cells.iter().filter_map(|cell| Some((cell.covered()?, cell)));
    let least = covered.min_by(|a, b| a.0.total_cmp(&b.0));
    let held = least.map_or_else(
        || " | ".to_owned(),
        |(share, cell)| format!("{} | {}", percent(share), place(&cell.design)),
    );
    let usual = |cell: &&Cell| cell.design.seeds == 8 && cell.design.noise == Noise::Normal;
    let power: Vec<String> =
        cells.iter().filter(usual).map(|cell| percent(cell.right(sentence))).collect();
    let truth = match sentence {
        Sentence::True => " yes |",
        Sentence::False => " no |",
        Sentence::Nearly => "",
    };
    let missed = least.is_some_and(|(share, _)| share < 0.9);
    let bold = if missed || (wrong(worst) > 0.05 && !truth.is_empty()) { "**" } else { "" };
    let at = if wrong(worst) > 0.0 { place(&worst.design) } else { String::new() };
    format!(
        "| {bold}{name}{bold} | {} |{truth} {} | {at} | {held} | {} |",
        words(rule),
        percent(wrong(worst)),
        power.join(", ")
    )
}

/// "4.1 %", and "100 %".
fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p == 0.0 || p >= 99.95 => format!("{p:.0} %"),
        p if (10.0..80.0).contains(&p) => format!("{p:.0} %"),
        p => format!("{p:.1} %"),
    }
}
