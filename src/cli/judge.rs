//! `nfd judge FILE.csv`: the verdict on anybody's curve, by the rules and intervals of the studies.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::Args;
use tracing::info;

use super::output_file::OutputFile;
use super::print;
use crate::claims::curve_file::CurveFile;
use crate::claims::curves::{Along, CurveClaim, Judged, Question};
use crate::error::{Error, Result, exit};
use crate::report::judged;

/// Arguments of `nfd judge`.
#[derive(Args)]
pub struct Arguments {
    /// A CSV file with columns seed, value, and depth or width or both; - for standard input.
    file: PathBuf,
    /// What is claimed: falls:P, grows:P, plateau or flat, with +floor where values have a term in
    /// 1/width at finite width.
    #[arg(long, default_value = "falls:1")]
    claim: CurveClaim,
    /// The size along which the curve is judged [default: the one that varies, depth if both do].
    #[arg(long)]
    along: Option<Along>,
    /// The size R of the network to which the values are differences, x^-P − R^-P.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..))]
    reference: Option<u64>,
    /// The number of claims whose intervals are to hold together with 95 %.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    of: u16,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Draw the curve and its fit into FILE.svg or FILE.pdf.
    #[arg(long, value_name = "FILE", value_parser = parse_plot)]
    plot: Option<PlotFile>,
}

/// A file of one of the kinds that plots are written in.
#[derive(Clone)]
struct PlotFile {
    path: PathBuf,
    is_pdf: bool,
}

fn parse_plot(text: &str) -> std::result::Result<PlotFile, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some(ending @ ("svg" | "pdf")) => Ok(PlotFile { is_pdf: ending == "pdf", path }),
        _ => Err("plots are SVG or PDF: name a file that ends in .svg or .pdf".to_owned()),
    }
}

/// Prints the verdict; whatever it is, the exit code is 0.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { file, claim, along, reference, of, json, plot } = arguments;
    let name = file.display().to_string();
    let values = match name.as_str() {
        "-" => CurveFile::read("standard input", io::stdin().lock())?,
        _ => {
            let read = |source| Error::Io { action: "read", path: file.clone(), source };
            CurveFile::read(&name, File::open(file).map_err(read)?)?
        }
    };
    let (claim, along, reference, simultaneous) = (*claim, *along, *reference, *of);
    let judged = values.judge(Question { claim, along, reference, simultaneous })?;
    say_what_is_left_out(&judged);
    if let Some(PlotFile { path, is_pdf }) = plot {
        let drawn = judged::plot(&judged);
        let bytes = if *is_pdf { drawn.pdf() } else { drawn.svg().into_bytes() };
        OutputFile::new(path, "--plot")?.write(&bytes)?;
    }
    match json {
        true => print(format!("{:#}\n", judged::json(&judged)))?,
        false => print(judged::text(&judged))?,
    }
    Ok(exit::DONE)
}

fn say_what_is_left_out(judged: &Judged) {
    let Judged { size, seeds_left_out, sizes_left_out, .. } = judged;
    if !sizes_left_out.is_empty() {
        let widths = if judged.question.claim.has_floor { " at both widths" } else { "" };
        let list = few(sizes_left_out);
        info!("sizes left out, as no seed has a value there{widths}: {size} = {list}");
    }
    if !seeds_left_out.is_empty() {
        let list = few(seeds_left_out);
        info!("seeds left out at all sizes, as each lacks a value at one: {list}");
    }
}

/// "1, 2, 3", of many the first and their number.
fn few(numbers: &[u64]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = numbers.iter().take(MOST).map(u64::to_string).collect();
    match numbers.len() {
        n if n > MOST => format!("{}, … ({n} in all)", shown.join(", ")),
        _ => shown.join(", "),
    }
}
