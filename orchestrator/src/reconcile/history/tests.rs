//! How many runners that are gone are remembered, in which order, and how much of what they printed.

use mayfly_common::runner::RunnerState;
use mayfly_common::scope::ScopeKind;

use super::super::testing::at;
use super::*;

fn gone(name: &str, pool: &str) -> Finished {
    Finished {
        name: name.to_owned(),
        scope: ScopeKind::Repo,
        scope_name: "o/r".to_owned(),
        pool: pool.to_owned(),
        image: "i".to_owned(),
        state: RunnerState::Finished,
        reason: "why".to_owned(),
        exit_code: None,
        out_of_memory: false,
        created_at: at(0),
        removed_at: at(1),
        log: None,
    }
}

fn names(history: &History) -> Vec<String> {
    history.latest().into_iter().map(|gone| gone.name).collect()
}

#[test]
fn the_latest_fifty_are_kept_those_of_this_process_before_those_of_an_earlier_one() {
    let mut history = History::default();
    history.load(vec![gone("b", "old"), gone("a", "old")]);
    history.add(&gone("c", "new"), "words");
    assert_eq!(names(&history), ["c", "b", "a"]);
    for number in 0..48 {
        history.add(&gone(&format!("n{number}"), "ci"), "");
    }
    let kept = names(&history);
    assert_eq!(
        (kept.len(), kept[0].as_str(), kept[48].as_str(), kept[49].as_str()),
        (50, "n47", "c", "b")
    );
    let mut loaded = History::default();
    loaded.load((0..60).map(|number| gone(&number.to_string(), "ci")).collect());
    assert_eq!((names(&loaded).len(), names(&loaded)[49].as_str()), (50, "49"));
}

#[test]
fn the_latest_of_a_name_counts_and_what_printed_nothing_has_no_log() {
    let mut history = History::default();
    history.add(&gone("a", "first"), "one");
    history.add(&gone("b", "other"), "");
    history.add(&gone("a", "second"), "two");
    assert_eq!(history.pool_of("a"), Some("second"));
    assert_eq!((history.pool_of("b"), history.pool_of("c")), (Some("other"), None));
    let logs: Vec<(String, String)> =
        history.logs().into_iter().map(|(name, log)| (name, log.to_string())).collect();
    assert_eq!(logs, [("a".to_owned(), "two".to_owned())]);
}

#[test]
fn of_a_long_log_the_end_is_kept_in_whole_characters() {
    let most = 16_384;
    assert_eq!(History::end_of(&"a".repeat(most)).len(), most);
    let log = format!("xy{}", "a".repeat(most - 1));
    assert_eq!(History::end_of(&log), &log[1..]);
    let log = "é".repeat(most / 2) + "a";
    assert_eq!(History::end_of(&log).len(), most - 1, "no half of a character");
    let lines = "abc\n".repeat(most / 4);
    for (log, expected) in [
        (lines.clone(), &*lines),
        (format!("x\n{lines}"), &lines),
        (format!("{lines}x"), &format!("{}x", &lines[4..])),
        (format!("{lines}abc\n"), &lines),
    ] {
        assert!(History::end_of(&log) == expected, "whole lines of {} bytes", log.len());
    }
    let mut history = History::default();
    history.add(&gone("a", "ci"), &log);
    assert_eq!(history.logs()["a"].len(), most - 1);
}
