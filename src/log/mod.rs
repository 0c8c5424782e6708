//! What a process says while it works, by the macros of `tracing`: lines for people on stderr, and for each
//! rank a file of JSON lines in its run directory.
//!
//! | event | stderr, at the filter's default | the file of the rank |
//! |---|---|---|
//! | `error!`, `warn!` | of every rank | yes |
//! | `info!` | of rank 0 | yes |
//! | `info!` with the target [`FILE`] | no: what explains a dead job afterwards | yes |
//! | `debug!`, `trace!` | no | no |
//!
//! `NFD_LOG` replaces the filter of stderr, and what it adds the file has too. Without it nothing below
//! `info!` is looked at: a span or event that is off costs a comparison ([`tracing::level_filters::LevelFilter::current`]).

mod file;
mod lines;
mod people;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber, error, info};
use tracing_subscriber::filter::{EnvFilter, FilterExt};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::choice::choice;
use crate::error::{Error, Result};
use file::RankFile;
use lines::Lines;
use people::People;

pub use file::{close as close_file, open as open_file};
pub use people::{has_room_for_bar, hide_bar, show_bar};

choice! {
    /// How the lines on stderr look.
    pub enum Format {
        /// Sentences for people.
        Human = "human",
        /// One JSON object a line, as in the log files of a run directory.
        Json = "json",
    }
}

/// The target of events that only the file of the rank has.
pub const FILE: &str = "nfd::file";

/// The environment variable with the filter of stderr.
const VARIABLE: &str = "NFD_LOG";

/// The filter of stderr where none is asked for.
const DEFAULT: &str = "info,nfd::file=warn";

/// The same for who wants to hear of nothing but warnings and errors.
const QUIET: &str = "warn";

static RANK: AtomicUsize = AtomicUsize::new(0);
static WARNINGS: AtomicUsize = AtomicUsize::new(0);
static WARNINGS_ELSEWHERE: AtomicUsize = AtomicUsize::new(0);
static SUMMED_UP: AtomicBool = AtomicBool::new(false);

/// Begins to write what this process says, in `format`, where it is `quiet` warnings and errors alone; a panic is
/// said like an error.
///
/// # Errors
/// [`Error::Setting`] where `NFD_LOG` is no filter; what comes after is written by the default one.
pub fn start(format: Format, quiet: bool) -> Result<()> {
    let default = if quiet { QUIET } else { DEFAULT };
    let asked = match std::env::var_os(VARIABLE) {
        None => Ok(default.to_owned()),
        Some(filter) => check_filter(&filter.to_string_lossy()),
    };
    let filter = asked.as_deref().unwrap_or(default);
    people::set_sentences(format == Format::Human && !quiet);
    // There is one already where a program of its own, a test, has begun before.
    let _ = tracing::subscriber::set_global_default(subscriber(format, filter));
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => error!("thread {name} {panic}\n{trace}"),
            _ => error!("thread {name} {panic}"),
        }
    }));
    asked.map(drop)
}

/// All that becomes of an event: stderr in `format`, the file of the rank, the count of warnings.
fn subscriber(format: Format, filter: &str) -> impl Subscriber + Send + Sync + use<> {
    let people = lines(format).with_writer(People).with_filter(EnvFilter::new(filter));
    let kept = LevelFilter::INFO.or(EnvFilter::new(filter));
    let file = lines(Format::Json).with_writer(|| RankFile).with_filter(kept);
    // Without a filter of its own it would be asked about every event that there could be.
    let counted = Counted.with_filter(LevelFilter::WARN);
    Registry::default().with(people).with(file).with(counted)
}

fn lines<S>(format: Format) -> fmt::Layer<S, JsonFields, Lines>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer().fmt_fields(JsonFields::new()).event_format(Lines { format })
}

/// Takes `filter` for one, or says why it is none.
fn check_filter(filter: &str) -> Result<String> {
    let refuse = |problem: String| Error::Setting {
        name: VARIABLE,
        problem: format!("{filter:?} is no filter of log lines: {problem}"),
        help: "a level (error, warn, info, debug, trace, off), or one for a part, as in \
               NFD_LOG=warn,nfd::store=debug; docs/cluster.md has more"
            .to_owned(),
    };
    if let Err(error) = EnvFilter::try_new(filter) {
        return Err(refuse(error.to_string()));
    }
    // To the library a misspelled level is the name of a part, which nothing has. Commas are also within [].
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let unknown = |word: &&str| !word.is_empty() && !is_level(word) && !word.starts_with("nfd");
    let mut parts = filter.split(',').map(|part| part.trim().split('=').next().unwrap_or_default());
    match parts.find(unknown) {
        Some(part) if !filter.contains('[') => Err(refuse(format!("nothing is named {part}"))),
        _ => Ok(filter.to_owned()),
    }
}

/// Counts the warnings of this process.
struct Counted;

impl<S: Subscriber> Layer<S> for Counted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            WARNINGS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Says which rank this process is: it stands in its lines, and others than rank 0 tell people of warnings
/// and errors alone.
pub fn set_rank(rank: usize) {
    RANK.store(rank, Ordering::Relaxed);
}

fn rank() -> usize {
    RANK.load(Ordering::Relaxed)
}

/// The number of warnings of this process so far.
pub fn warnings() -> usize {
    WARNINGS.load(Ordering::Relaxed)
}

/// Tells rank 0 how many warnings the other ranks have had.
pub fn set_warnings_elsewhere(warnings: usize) {
    WARNINGS_ELSEWHERE.store(warnings, Ordering::Relaxed);
}

/// Says at the end of a run, once and at rank 0, how many warnings there were and where they can be read.
pub fn sum_up() {
    let warnings = warnings() + WARNINGS_ELSEWHERE.load(Ordering::Relaxed);
    if let Some(place) = file::place()
        && warnings > 0
        && rank() == 0
        && !SUMMED_UP.swap(true, Ordering::Relaxed)
    {
        let s = if warnings == 1 { "" } else { "s" };
        info!("{warnings} warning{s}{place}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What is off costs a comparison with the level of all that is on.
    #[test]
    fn nothing_below_the_filter_is_looked_at() {
        for (filter, level) in [
            (DEFAULT, LevelFilter::INFO),
            // The file has what people do without.
            ("off", LevelFilter::INFO),
            ("warn", LevelFilter::INFO),
            ("info,nfd::store=debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ] {
            let all = subscriber(Format::Human, filter);
            assert_eq!(all.max_level_hint(), Some(level), "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in
            ["", "info", "off", "warn,nfd::file=info", "nfd=debug", "nfd", "[task{seed=3}]=trace"]
        {
            assert!(check_filter(filter).is_ok(), "{filter}");
        }
        for (filter, word) in [
            ("inof", "nothing is named inof"),
            ("nfd::file=loud", "parsing level filter"),
            ("info,store=debug", "nothing is named store"),
            ("info,[task", "is no filter of log lines"),
        ] {
            let refused = check_filter(filter).unwrap_err();
            assert!(refused.to_string().contains(word), "{filter}: {refused}");
            assert_eq!(refused.exit_code(), crate::error::exit::USAGE);
        }
    }
}
