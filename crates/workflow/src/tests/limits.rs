//! The limits, each by the largest file that it lets through.

use crate::expression::{Outcomes, parse};
use crate::value::Value;
use crate::{Answer, ScanError, json, scan};

/// Fails unless `fits` holds for `most` and no longer for one more.
fn ends_at(most: usize, fits: impl Fn(usize) -> bool) {
    assert_eq!((fits(most), fits(most + 1)), (true, false), "at {most}");
}

/// True if a file with these further lines is read.
fn is_read(more: &str) -> bool {
    let text = format!("jobs: {{a: {{runs-on: x}}}}\n{more}");
    match scan(&text) {
        Ok(jobs) => jobs.len() == 1,
        Err(ScanError::Yaml(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_file_has_at_most_a_mebibyte() {
    let text = |length: usize| {
        let begin = "jobs: {a: {runs-on: x}}\n#";
        format!("{begin}{}", " ".repeat(length - begin.len()))
    };
    assert!(scan(&text(1_048_576)).is_ok());
    let refused = Err(ScanError::TooLarge { bytes: 1_048_577, limit: 1_048_576 });
    assert_eq!(scan(&text(1_048_577)), refused);
}

#[test]
fn the_tree_of_a_file_is_bounded_in_depth_and_in_size() {
    let nested = |depth| is_read(&format!("b: {}{}", "[".repeat(depth), "]".repeat(depth)));
    ends_at(49, nested);
    let listed = |count| is_read(&format!("b: [{}]", "1,".repeat(count)));
    ends_at(99_991, listed);
}

#[test]
fn aliases_are_bounded_in_number_and_in_what_they_add() {
    let used = |count: usize| is_read(&format!("b: &b 1\nc: [{}]", "*b,".repeat(count)));
    ends_at(1_000, used);
    // Such a list is 200 events.
    let added = |uses: usize| {
        is_read(&format!("b: &b [{}]\nc: [{}]", "1,".repeat(198), "*b,".repeat(uses)))
    };
    ends_at(500, added);
    let long = "x".repeat(8_192);
    let text = |uses: usize| is_read(&format!("b: &b {long}\nc: [{}]", "*b,".repeat(uses)));
    ends_at(510, text);
}

#[test]
fn a_file_is_repaired_at_most_sixteen_times() {
    let lines = |count: usize| {
        let lines: Vec<_> = (0..count).map(|n| format!("  x{n}: 'a\nb'\n")).collect();
        is_read(&format!("b:\n  y: 1\n{}", lines.concat()))
    };
    ends_at(16, lines);
}

#[test]
fn an_expression_is_bounded_in_length_and_in_depth() {
    let long = |length: usize| parse(&"a".repeat(length)).is_some();
    ends_at(21_000, long);
    let called =
        |depth: usize| parse(&format!("{}a{}", "f(".repeat(depth), ")".repeat(depth))).is_some();
    ends_at(49, called);
    let chained = |depth: usize| parse(&format!("a{}", ".b".repeat(depth))).is_some();
    ends_at(49, chained);
}

#[test]
fn json_is_bounded_in_depth_and_in_length() {
    let nested =
        |depth: usize| json::read(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).is_some();
    ends_at(50, nested);
    let written = |length: usize| json::write(&Value::text("x".repeat(length))).is_some();
    ends_at(65_536, written);
}

/// The answer for a job whose label is this text and one more letter of its matrix.
fn answer(text: &str) -> Answer {
    let job =
        format!("strategy: {{matrix: {{a: [x]}}}}\n    runs-on: \"{text}${{{{ matrix.a }}}}\"");
    scan(&format!("jobs:\n  a:\n    {job}\n")).unwrap().remove(0).self_hosted
}

#[test]
fn an_expression_has_at_most_sixteen_values_and_builds_64_kib_of_text() {
    let values = |count: usize| {
        let outcomes: Outcomes = (0..count).map(|n| Value::text(format!("v{n}"))).collect();
        outcomes.iter().len() == count
    };
    ends_at(16, values);
    let text = |length: usize| answer(&"x".repeat(length)) == Answer::No;
    ends_at(65_535, text);
}
