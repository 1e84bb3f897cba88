//! Logging: one line per event, in text with a category or in JSON.
//!
//! A text line reads `2026-01-31T12:00:00Z 🚀 START orchestrator is listening address=127.0.0.1:8000`. The category comes
//! from the event's `category` field (the constants below), else from its level.
//!
//! Invariant: what is logged is chosen where it is logged; secrets are types that cannot be formatted.

#[cfg(feature = "traces")]
mod with_traces;

use std::fmt::{self, Write as _};
use std::io;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use mayfly_common::foreign_text::steers;
#[cfg(feature = "traces")]
pub use with_traces::{dispatch_with, start};

/// A service starts to serve.
pub const START: &str = "START";
/// What a service was configured to do.
pub const CONFIG: &str = "CONFIG";
/// What the reconcile loop sees.
pub const MONITOR: &str = "MONITOR";
/// Something wanted was done.
pub const SUCCESS: &str = "SUCCESS";
/// A request came in.
pub const REQUEST: &str = "REQUEST";
/// A request was answered.
pub const RESPONSE: &str = "RESPONSE";
/// The health of a service or of what it needs changed.
pub const HEALTH: &str = "HEALTH";
/// A service stops.
pub const SHUTDOWN: &str = "SHUTDOWN";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For log stores.
    Json,
}

/// What is logged and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// `LOG_LEVEL`: the least severe level that is logged; INFO if not set.
    pub level: Level,
    /// `LOG_VERBOSE`: also the libraries' events, and every event's module.
    pub verbose: bool,
    /// `LOG_FORMAT`: `text` (the default) or `json`.
    pub format: Format,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: Level::INFO, verbose: false, format: Format::Text }
    }
}

/// Reads `LOG_LEVEL`.
pub fn parse_level(text: &str) -> Result<Level, String> {
    match text.trim().to_ascii_uppercase().as_str() {
        "TRACE" => Ok(Level::TRACE),
        "DEBUG" => Ok(Level::DEBUG),
        "INFO" => Ok(Level::INFO),
        "WARN" | "WARNING" => Ok(Level::WARN),
        "ERROR" | "CRITICAL" => Ok(Level::ERROR),
        _ => Err("must be DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned()),
    }
}

/// Reads `LOG_FORMAT`.
pub fn parse_format(text: &str) -> Result<Format, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("must be text or json".to_owned()),
    }
}

/// Starts logging to standard error for the whole process (standard output belongs to results such as `--json`). A second
/// call changes nothing.
pub fn init(logging: Logging) {
    let _ = dispatch(logging, io::stderr).try_init();
}

/// Logging to `writer`, for those who choose where lines go.
pub fn dispatch<W>(logging: Logging, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter(logging));
    match logging.format {
        Format::Json => {
            let builder = builder.with_writer(PlainJson(writer)).json();
            Dispatch::new(builder.flatten_event(true).with_target(logging.verbose).finish())
        }
        Format::Text => {
            let builder = builder.with_writer(writer);
            Dispatch::new(builder.event_format(TextLine { module: logging.verbose }).finish())
        }
    }
}

/// What is logged. Spans are not: they are for traces only.
fn filter(logging: Logging) -> EnvFilter {
    let level = logging.level.as_str().to_ascii_lowercase();
    let filter = if logging.verbose {
        level
    } else {
        let ours = ["mayfly", "mayfly_common", "api_gateway", "orchestrator", "github_sim"];
        ours.iter().fold("warn".to_owned(), |filter, name| filter + "," + name + "=" + &level)
    };
    EnvFilter::new(format!("{filter},{}=off", crate::traces::TARGET))
}

/// Escapes what [`steers`] in JSON lines, where it can only stand within strings: a log store's page shows them to people, too.
struct PlainJson<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for PlainJson<W> {
    type Writer = PlainJson<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        PlainJson(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        PlainJson(self.0.make_writer_for(meta))
    }
}

impl<W: io::Write> io::Write for PlainJson<W> {
    /// Takes all of `bytes`, which are whole lines: the formatter hands over one line at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatter has escaped ASCII control characters, except the line break at the end.
        if bytes.is_ascii() && !bytes.contains(&0x7f) {
            self.0.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut plain = String::with_capacity(bytes.len());
        for found in String::from_utf8_lossy(bytes).chars() {
            if found > '~' && steers(found) {
                let _ = write!(plain, "\\u{:04x}", u32::from(found));
            } else {
                plain.push(found);
            }
        }
        self.0.write_all(plain.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text form of an event.
struct TextLine {
    module: bool,
}

/// What a pass over an event's fields writes. The category and the message stand before the other fields, wherever they were
/// given, so an event is passed over three times; that is cheaper than keeping texts.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Part {
    Category,
    Message,
    Rest,
}

struct Fields<'w, 'a> {
    part: Part,
    category: Option<&'static str>,
    line: OneLine<'w, 'a>,
    outcome: fmt::Result,
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match (self.part, field.name()) {
            (Part::Category, "category") => self.category = known(value),
            (_, "category") => {}
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match (self.part, field.name()) {
            (Part::Message, "message") => write!(self.line, "{value:?}"),
            (Part::Rest, "message") | (Part::Category | Part::Message, _) => Ok(()),
            (Part::Rest, name) => write!(self.line, " {name}={value:?}"),
        };
        self.outcome = self.outcome.and(written);
    }
}

/// Keeps an event on its line and in its order: text from outside must not be able to start a line of its own, nor to turn around
/// or hide what is beside it.
struct OneLine<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|found| self.0.write_char(shown(found)))
    }
}

/// A character as a log line shows it.
fn shown(found: char) -> char {
    match found {
        _ if found.is_control() => '␤',
        _ if steers(found) => char::REPLACEMENT_CHARACTER,
        _ => found,
    }
}

/// The constant that `category` spells.
fn known(category: &str) -> Option<&'static str> {
    [START, CONFIG, MONITOR, SUCCESS, REQUEST, RESPONSE, HEALTH, SHUTDOWN]
        .into_iter()
        .find(|one| *one == category)
}

fn symbol(category: &str) -> &'static str {
    match category {
        START => "🚀",
        CONFIG => "⚙️",
        MONITOR => "🔄",
        SUCCESS => "✅",
        "ERROR" => "❌",
        "WARNING" => "⚠️",
        REQUEST => "🌐",
        RESPONSE => "📤",
        HEALTH => "💚",
        SHUTDOWN => "🛑",
        _ => "📋",
    }
}

fn by_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let found = pass(Part::Category, &mut writer, event)?;
        // A warning is a warning whatever it is about.
        let category = found.filter(|_| level >= Level::INFO).unwrap_or(by_level(level));
        #[expect(clippy::disallowed_methods, reason = "a log line's time is the wall clock's")]
        let now = Timestamp::now();
        write!(writer, "{now:.3} {} {category} ", symbol(category))?;
        pass(Part::Message, &mut writer, event)?;
        pass(Part::Rest, &mut writer, event)?;
        if self.module {
            write!(writer, " module={}", event.metadata().target())?;
        }
        writeln!(writer)
    }
}

/// Writes one part of an event; answers with the category if that is the part.
fn pass(
    part: Part,
    writer: &mut Writer<'_>,
    event: &Event<'_>,
) -> Result<Option<&'static str>, fmt::Error> {
    let mut fields = Fields { part, category: None, line: OneLine(writer), outcome: Ok(()) };
    event.record(&mut fields);
    fields.outcome.map(|()| fields.category)
}

#[cfg(test)]
mod tests;
