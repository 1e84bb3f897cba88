use super::*;
use std::sync::{Arc, Mutex};

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
    let dispatch = dispatch(Logging { level: Level::INFO, ..Logging::default() }, lines.clone());
    tracing::dispatcher::with_default(&dispatch, || {
        tracing::info!(category = START, port = 8000, "listening");
        tracing::warn!(category = MONITOR, name = "a\n2026 🚀 START forged", "odd");
        tracing::info!(job = "Failed\u{202e}\u{200b}ok", "plain é");
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "🚀 START listening port=8000",
            "⚠️ WARNING odd name=a␤2026 🚀 START forged",
            "📋 INFO plain é job=Failed\u{fffd}\u{fffd}ok"
        ]
    );
}

#[test]
fn a_json_line_holds_nothing_that_turns_text_around() {
    let lines = Lines::default();
    let logging = Logging { format: Format::Json, ..Logging::default() };
    let said = "Failed\u{202e}\u{7f}\u{9b}0m\u{200b}é \u{1f680}\nok";
    tracing::dispatcher::with_default(&dispatch(logging, lines.clone()), || {
        tracing::info!(job = said, "one");
        tracing::info!("two");
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.chars().all(|found| found == '\n' || !steers(found)), "{text:?}");
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((events.len(), &events[0]["job"]), (2, &said.into()));
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

/// What is logged of these events, each line without its time.
fn logged(logging: Logging, events: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    tracing::dispatcher::with_default(&dispatch(logging, lines.clone()), events);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

#[test]
fn each_category_and_each_level_has_its_sign() {
    let found = logged(Logging { level: Level::DEBUG, ..Logging::default() }, || {
        tracing::info!(category = START, "a");
        tracing::info!(category = CONFIG, "b");
        tracing::info!(category = MONITOR, "c");
        tracing::info!(category = SUCCESS, "d");
        tracing::info!(category = REQUEST, "e");
        tracing::info!(category = RESPONSE, "f");
        tracing::info!(category = HEALTH, "g");
        tracing::info!(category = SHUTDOWN, "h");
        tracing::debug!(category = SUCCESS, "i");
        tracing::info!(category = "FORGED", "j");
        tracing::error!(category = SUCCESS, "k");
        tracing::warn!("l");
        tracing::info!("m");
        tracing::debug!("n");
        tracing::trace!("o");
    });
    let expected = [
        "🚀 START a",
        "⚙️ CONFIG b",
        "🔄 MONITOR c",
        "✅ SUCCESS d",
        "🌐 REQUEST e",
        "📤 RESPONSE f",
        "💚 HEALTH g",
        "🛑 SHUTDOWN h",
        "✅ SUCCESS i",
        "📋 INFO j",
        "❌ ERROR k",
        "⚠️ WARNING l",
        "📋 INFO m",
        "📋 DEBUG n",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_logged_is_chosen_by_level_and_by_whose_it_is() {
    let events = || {
        for _ in 0..1 {
            tracing::info!(target: "hyper", "library");
            tracing::warn!(target: "hyper", "library warns");
            tracing::info!(target: "mayfly", "a");
            tracing::info!(target: "mayfly_common::x", "b");
            tracing::info!(target: "api_gateway", "c");
            tracing::info!(target: "orchestrator::y", "d");
            tracing::info!(target: "github_sim", "e");
            tracing::debug!(target: "orchestrator", "detail");
            tracing::error!(target: "traces", "never");
        }
    };
    let words = |lines: Vec<String>| {
        let word = |line: &String| line.splitn(3, ' ').nth(2).unwrap().to_owned();
        lines.iter().map(word).collect::<Vec<_>>()
    };
    let plain = Logging::default();
    assert_eq!((plain.level, plain.verbose, plain.format), (Level::INFO, false, Format::Text));
    assert_eq!(words(logged(plain, events)), ["library warns", "a", "b", "c", "d", "e"]);
    let verbose = Logging { verbose: true, ..plain };
    assert_eq!(
        words(logged(verbose, events)),
        [
            "library module=hyper",
            "library warns module=hyper",
            "a module=mayfly",
            "b module=mayfly_common::x",
            "c module=api_gateway",
            "d module=orchestrator::y",
            "e module=github_sim"
        ]
    );
    let quiet = Logging { level: Level::ERROR, ..plain };
    assert_eq!(words(logged(quiet, events)), ["library warns"]);
}

#[test]
fn a_json_line_is_flat_and_names_the_module_only_when_asked() {
    for (verbose, target) in [(false, None), (true, Some("mayfly"))] {
        let lines = Lines::default();
        let logging = Logging { format: Format::Json, verbose, ..Logging::default() };
        tracing::dispatcher::with_default(&dispatch(logging, lines.clone()), || {
            tracing::info!(target: "mayfly", port = 7, category = START, "one");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(event.as_object_mut().unwrap().remove("timestamp").is_some());
        let mut expected =
            serde_json::json!({"level": "INFO", "message": "one", "port": 7, "category": "START"});
        if let Some(target) = target {
            expected["target"] = target.into();
        }
        assert_eq!(event, expected);
    }
}

#[test]
fn each_level_and_format_is_read_and_others_are_refused() {
    let levels = [
        ("trace", Level::TRACE),
        ("Debug", Level::DEBUG),
        ("info", Level::INFO),
        (" warn ", Level::WARN),
        ("WARNING", Level::WARN),
        ("error", Level::ERROR),
        ("critical", Level::ERROR),
    ];
    for (text, level) in levels {
        assert_eq!(parse_level(text), Ok(level));
    }
    let wrong = Err("must be DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned());
    assert_eq!(parse_level("fatal"), wrong);
    assert_eq!((parse_format(" Text"), parse_format("JSON")), (Ok(Format::Text), Ok(Format::Json)));
    assert_eq!(parse_format("xml"), Err("must be text or json".to_owned()));
}

#[cfg(feature = "traces")]
#[tokio::test]
async fn a_line_looks_the_same_with_a_collector() {
    use crate::traces::{TraceConfig, Traces};

    let config = TraceConfig {
        endpoint: "http://127.0.0.1:1/v1/traces".to_owned(),
        service: "test".to_owned(),
    };
    let traces = Traces::to(&config).unwrap();
    let lines = |logging: Logging, traces: Option<&Traces>| {
        let lines = Lines::default();
        let dispatch = dispatch_with(logging, lines.clone(), traces);
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(target: "mayfly", port = 7, said = "a\u{202e}b", "one");
            tracing::info!(target: "hyper", "library");
            tracing::debug!(target: "mayfly", "detail");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(mut event) => {
                event["timestamp"] = "now".into();
                event.to_string()
            }
            Err(_) => line.split_once(' ').unwrap().1.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>()
    };
    for format in [Format::Text, Format::Json] {
        for (verbose, count) in [(false, 1), (true, 2)] {
            let logging = Logging { verbose, format, ..Logging::default() };
            let without = lines(logging, None);
            assert_eq!(without.len(), count, "{without:?}");
            assert_eq!(lines(logging, Some(&traces)), without);
        }
    }
    traces.finish().await;
}
