//! Shorthands for findings.

use mayfly_github::checkup::{Finding, Level};

/// As it should be.
pub(super) fn ok(what: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, what: what.into(), hint: None }
}

/// Nothing is wrong, and somebody may want to know.
pub(super) fn note(what: impl AsRef<str>) -> Finding {
    ok(format!("note: {}", what.as_ref()))
}

/// Not looked at, and why.
pub(super) fn skipped(why: impl AsRef<str>) -> Finding {
    ok(format!("not checked: {}", why.as_ref()))
}

/// Something will not work, or not for long.
pub(super) fn warning(what: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, what: what.into(), hint: Some(hint.into()) }
}

/// Jobs will not get runners, or runners are not confined as they are meant to be.
pub(super) fn failure(what: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { level: Level::Failure, what: what.into(), hint: Some(hint.into()) }
}

/// Findings as they are told, each with its level and hint: for tests, which compare all of it.
#[cfg(test)]
pub(in crate::doctor) fn told<'a>(found: impl IntoIterator<Item = &'a Finding>) -> Vec<String> {
    let hint =
        |one: &Finding| one.hint.as_ref().map(|hint| format!(" → {hint}")).unwrap_or_default();
    found.into_iter().map(|one| format!("{:?}: {}{}", one.level, one.what, hint(one))).collect()
}
