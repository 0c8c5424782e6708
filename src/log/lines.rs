//! How a line looks.

use std::fmt;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::{FILE, Format, rank};

/// Writes an event as a line.
pub(super) struct Lines {
    pub format: Format,
}

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let fields = all_fields(context, event)?;
        match self.format {
            Format::Human => human(&mut out, event, &fields),
            Format::Json => {
                let time = humantime::format_rfc3339_millis(SystemTime::now());
                let (level, rank) = (event.metadata().level(), rank());
                writeln!(out, r#"{{"time":"{time}","level":"{level}","rank":{rank},{fields}}}"#)
            }
        }
    }
}

/// The fields of the event, its message among them, and those of each span around it in an object by the span's
/// name: `"message":"…","seconds":0.5,"task":{"width":400}`.
fn all_fields<S>(
    context: &FmtContext<'_, S, JsonFields>,
    event: &Event<'_>,
) -> Result<String, fmt::Error>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut own = String::new();
    context.format_fields(Writer::new(&mut own), event)?;
    let mut all = own.trim_start_matches('{').trim_end_matches('}').to_owned();
    for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
        let extensions = span.extensions();
        let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
        all += &format!(r#","{}":{}"#, span.name(), fields.fields);
    }
    Ok(all)
}

/// A sentence; of what people must ask for also the level and all fields.
fn human(out: &mut Writer<'_>, event: &Event<'_>, fields: &str) -> fmt::Result {
    let mut message = Message(String::new());
    event.record(&mut message);
    let Message(message) = message;
    let rank = match rank() {
        0 => String::new(),
        rank => format!("rank {rank}: "),
    };
    let about = event.metadata();
    match *about.level() {
        // Advice about the design of an experiment has a word of its own.
        Level::WARN if !message.starts_with("WARNING: ") => {
            writeln!(out, "nfd: {rank}warning: {message}")
        }
        Level::ERROR | Level::WARN => writeln!(out, "nfd: {rank}{message}"),
        Level::INFO if about.target() != FILE => writeln!(out, "nfd: {rank}{message}"),
        level => {
            let level = level.as_str().to_lowercase();
            writeln!(out, "nfd: {rank}{level}: {{{fields}}}")
        }
    }
}

/// The words of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
