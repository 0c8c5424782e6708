//! `nfd judge FILE.csv`: the verdict on anybody's curve, by the rules and intervals of the studies.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::print;
use crate::claims::curves::{Along, CurveClaim, CurveFile};
use crate::error::{Error, Result, exit};
use crate::report::judged;
use crate::stats::verdict::ALPHA;
use crate::store::files;

/// Arguments of `nfd judge`.
#[derive(Args)]
pub struct Arguments {
    /// A CSV file with columns seed, value, and depth or width or both; - for standard input.
    file: PathBuf,
    /// What is claimed: falls:P, grows:P, plateau or flat, with +floor where values have a term in
    /// 1/width at finite width.
    #[arg(long, default_value = "falls:1", value_parser = claim)]
    claim: (String, CurveClaim),
    /// The size along which the curve is judged, if it has both [default: depth].
    #[arg(long)]
    along: Option<Along>,
    /// The number of claims whose intervals are to hold together with 95 %.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    of: u16,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Draw the curve and its fit into FILE.svg or FILE.pdf.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

fn claim(text: &str) -> std::result::Result<(String, CurveClaim), String> {
    Ok((text.to_owned(), text.parse()?))
}

/// Prints the verdict; whatever it is, the exit code is 0.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { file, claim: (words, claim), along, of, json, plot } = arguments;
    let name = file.display().to_string();
    let curves = match name.as_str() {
        "-" => CurveFile::read("standard input", io::stdin().lock())?,
        _ => {
            let read = |source| Error::Io { action: "read", path: file.clone(), source };
            CurveFile::read(&name, File::open(file).map_err(read)?)?
        }
    };
    let judged = curves.judge(*claim, *along, ALPHA / f64::from(*of))?;
    if !judged.left_out.is_empty() {
        let seeds: Vec<String> = judged.left_out.iter().map(u64::to_string).collect();
        eprintln!(
            "nfd: seeds {} lack a finite value at some size and are left out at all of them",
            seeds.join(", ")
        );
    }
    if let Some(path) = plot {
        let drawn = judged::plot(words, claim.rule, &judged);
        let bytes = match path.extension().and_then(OsStr::to_str) {
            Some("svg") => drawn.svg().into_bytes(),
            Some("pdf") => drawn.pdf(),
            _ => {
                return Err(Error::Data {
                    source_name: path.display().to_string(),
                    row: None,
                    problem: "plots are SVG or PDF".to_owned(),
                    help: "name a file that ends in .svg or .pdf".to_owned(),
                });
            }
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files::replace(&files::Disk, folder.unwrap_or(Path::new(".")), &name, &bytes)?;
    }
    match json {
        true => print(&format!("{:#}\n", judged::json(words, &judged)))?,
        false => print(&judged::text(words, &judged))?,
    }
    Ok(exit::DONE)
}
