//! What the timings of a GPU are asked for on the command line, and how long they may take.

use std::time::{Duration, Instant};

use crate::problem::Size;

const USAGE: &str = "usage: timing --bench [--quick] [--limit SECONDS] [--case N,L,P,MEMBERS]";

/// The command line.
pub struct Options {
    /// Whether everything works, not how fast.
    pub quick: bool,
    /// One size of the dense engine in f32, and nothing else: for a profiler.
    pub case: Option<Size>,
    /// Seconds, after which no other case begins.
    pub limit: Option<f64>,
}

impl Options {
    /// From the words behind the program's name; None without `--bench`, as `cargo test --all-targets` starts
    /// benches.
    ///
    /// # Errors
    /// The usage, where a word is not known.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let wrong = |word: &str| format!("{word}: not understood\n{USAGE}");
        let mut options = Options { quick: false, case: None, limit: None };
        let (mut words, mut bench) = (words, false);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word.as_str() {
                "--bench" => bench = true,
                "--quick" => options.quick = true,
                "--limit" => {
                    let seconds = value().parse().ok().filter(|seconds| *seconds > 0.0);
                    options.limit = Some(seconds.ok_or_else(|| wrong("--limit"))?);
                }
                "--case" => {
                    let size = Size::read(&value(), 2);
                    options.case = Some(size.ok_or_else(|| wrong("--case"))?);
                }
                _ if bench => return Err(wrong(&word)),
                // Of cargo test, for others.
                _ => {}
            }
        }
        Ok(bench.then_some(options))
    }
}

/// When no other case begins.
pub struct Watch {
    end: Option<Instant>,
}

impl Watch {
    /// So many seconds from now; None: never.
    pub fn start(seconds: Option<f64>) -> Watch {
        Watch { end: seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)) }
    }

    /// Whether it has come to that.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}
