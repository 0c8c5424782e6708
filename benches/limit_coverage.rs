//! Whether the errors of the limit are as large as it says: 200 repetitions on independent noise, against
//! values that are known twenty times better (docs/limit.md).
//!
//! `cargo bench --bench limit_coverage [REPETITIONS]`: two minutes or so on two cores.

use std::path::Path;

use nfd::data;
use nfd::ensemble::cores;
use nfd::ensemble::limits::Limits;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;

/// E f of `exact` at n = L = ∞ by repetitions 0 and 1000 to a tolerance of 1e-4: steps 1 and 2, samples 0 and 1.
const REFERENCE: [f64; 4] = [0.73968, 0.73961, 0.97580, 0.97575];
const NAMES: [&str; 4] = ["k = 1, f.0", "k = 1, f.1", "k = 2, f.0", "k = 2, f.1"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds arguments of its own.
    let typed = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let repetitions: usize = typed.unwrap_or(200);
    let mut errors: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); NAMES.len()];
    for repetition in 0..repetitions {
        let text = serde_json::json!({
            "name": "coverage",
            "study": "limit",
            "data": { "source": "toy" },
            "training": { "steps": 2, "learning_rate": 3.0 },
            "ensemble": { "closures": ["exact"] },
            "limit": { "tolerance": 2e-3, "width": 1024, "repetition": repetition },
        });
        let file = ExperimentFile::new(Path::new("coverage"), text.to_string(), &[])?;
        let experiment = resolve(file.parse()?, &file)?.experiment;
        let samples = data::load(&experiment.data)?;
        let Some(mut limits) = Limits::new(&experiment, &samples) else { continue };
        limits.compute(cores::available(), usize::MAX)?;
        let targets = limits.quantities().targets.clone();
        for limit in limits.finished() {
            for (i, errors) in targets.clone().zip(&mut errors) {
                let number = limit.estimate.number(i);
                errors.push((number.value, number.standard_error, number.bias_bound));
            }
        }
    }
    println!("{repetitions} repetitions of toy, two updates, tolerance 2e-3, width 1024");
    println!("             1 σ     2 σ     rms/σ   mean error ± its error  mean bias bound");
    for ((name, truth), errors) in NAMES.iter().zip(REFERENCE).zip(&errors) {
        let count = errors.len() as f64;
        let share = |sigmas: f64| {
            let within = |(f, error, _): &&(f64, f64, f64)| (f - truth).abs() <= sigmas * error;
            100.0 * errors.iter().filter(within).count() as f64 / count
        };
        let squares: f64 = errors.iter().map(|(f, error, _)| ((f - truth) / error).powi(2)).sum();
        let mean = errors.iter().map(|(f, ..)| f - truth).sum::<f64>() / count;
        let error = errors.iter().map(|(_, error, _)| error * error).sum::<f64>().sqrt() / count;
        let bound = errors.iter().map(|(.., bound)| bound).sum::<f64>() / count;
        println!(
            "{name}   {:4.1} %  {:4.1} %  {:5.2}   {mean:9.1e} ± {error:.1e}     {bound:.1e}",
            share(1.0),
            share(2.0),
            (squares / count).sqrt()
        );
    }
    Ok(())
}
