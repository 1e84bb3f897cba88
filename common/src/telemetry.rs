//! Logging: one line per event, in text with a category or in JSON.
//!
//! A text line reads `2026-01-31T12:00:00Z 🚀 START orchestrator is listening address=127.0.0.1:8000`. The category comes
//! from the event's `category` field (the constants below), else from its level.
//!
//! Invariant: what is logged is chosen where it is logged; secrets are types that cannot be formatted.

use std::fmt;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

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

/// Starts logging to standard error for the whole process (standard output belongs to results such as `--json`). A second call changes nothing.
pub fn init(logging: Logging) {
    let level = logging.level.as_str().to_ascii_lowercase();
    let filter = if logging.verbose {
        level
    } else {
        format!(
            "warn,mayfly={level},mayfly_common={level},api_gateway={level},orchestrator={level},github_sim={level}"
        )
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr);
    let _ = match logging.format {
        Format::Json => builder.json().flatten_event(true).with_target(logging.verbose).try_init(),
        Format::Text => builder.event_format(TextLine { module: logging.verbose }).try_init(),
    };
}

/// The text form of an event.
struct TextLine {
    module: bool,
}

/// An event's fields, sorted into what the line needs.
#[derive(Default)]
struct Fields {
    category: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "category" {
            self.category = Some(value.to_owned());
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        if field.name() == "message" {
            self.message = one_line(&format!("{value:?}"));
        } else {
            let _ = write!(self.rest, " {}={}", field.name(), one_line(&format!("{value:?}")));
        }
    }
}

/// Keeps an event on its line: text from outside must not be able to start a line of its own.
fn one_line(text: &str) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { '␤' } else { c }).collect()
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
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        // A warning is a warning whatever it is about.
        let category = match fields.category.as_deref() {
            Some(category) if level >= Level::INFO => category,
            _ => by_level(level),
        };
        #[expect(clippy::disallowed_methods, reason = "a log line's time is the wall clock's")]
        let now = Timestamp::now();
        write!(
            writer,
            "{now:.3} {} {category} {}{}",
            symbol(category),
            fields.message,
            fields.rest
        )?;
        if self.module {
            write!(writer, " module={}", event.metadata().target())?;
        }
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn lines_carry_the_category_and_cannot_be_forged() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .event_format(TextLine { module: false })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(category = START, port = 8000, "listening");
            tracing::warn!(category = MONITOR, name = "a\n2026 🚀 START forged", "odd");
            tracing::info!("plain");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(
            lines,
            [
                "🚀 START listening port=8000",
                "⚠️ WARNING odd name=a␤2026 🚀 START forged",
                "📋 INFO plain"
            ]
        );
    }

    #[test]
    fn the_seed_s_level_names_work() {
        for (text, level) in
            [("debug", Level::DEBUG), ("WARNING", Level::WARN), ("CRITICAL", Level::ERROR)]
        {
            assert_eq!(parse_level(text), Ok(level));
        }
        assert!(parse_level("LOUD").is_err());
    }
}
