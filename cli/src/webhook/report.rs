//! What a command has to say, for people and for programs.

use mayfly_common::foreign_text::steers;
use mayfly_github::hooks::HookDelivery;
use serde_json::Value;

use crate::print;

/// The outcome of a command.
#[derive(Debug)]
pub(super) struct Report {
    /// For programs.
    pub(super) json: Value,
    /// For people; ends with a line break.
    pub(super) text: String,
    /// True if everything is as it should be.
    pub(super) good: bool,
}

/// One line without what would steer a terminal, or turn around or hide what is beside it: some of it others wrote.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|found| if steers(found) { ' ' } else { found }).collect()
}

/// Deliveries as a table that fits the terminal.
pub(super) fn table<'a>(deliveries: impl Iterator<Item = &'a HookDelivery>) -> String {
    let rows = deliveries.map(|one| {
        let action = one.action.as_deref().map(|action| format!(".{action}")).unwrap_or_default();
        let again = if one.redelivery { " (again)" } else { "" };
        [
            one.delivered_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            plain(&format!("{}{action}{again}", one.event)),
            plain(&format!("{} {}", one.status_code, one.status)),
            format!("{:.1} s", one.duration),
            plain(&one.guid),
        ]
    });
    print::table(["delivered at", "event", "answer", "took", "GUID"], rows)
}

/// A count with its noun.
pub(super) fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
