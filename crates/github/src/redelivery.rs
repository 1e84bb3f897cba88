//! Which failed deliveries are asked for once more: GitHub never does that by itself (docs: "Handling failed webhook deliveries").
//! Pure.
//!
//! Invariants: what was delivered is never asked for again; nothing is tried more than [`MAX_ATTEMPTS`] times.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::hooks::HookDelivery;

/// Attempts to deliver the same event, GitHub's own first one included.
pub const MAX_ATTEMPTS: usize = 3;
/// Most redeliveries of one round.
pub const MAX_PER_ROUND: usize = 50;
/// How old the last attempt must be: a receiver that just failed fails again.
pub const MIN_AGE: SignedDuration = SignedDuration::from_mins(1);
/// The events that the platform reads.
pub const EVENTS: [&str; 6] =
    ["workflow_job", "push", "repository", "public", "installation", "installation_repositories"];

/// What became of one event: all the attempts to deliver it.
struct Story {
    attempts: usize,
    succeeded: bool,
    first: Timestamp,
    /// The last attempt: when, and its id.
    last: (Timestamp, i64),
}

impl Story {
    fn is_over(&self) -> bool {
        self.succeeded || self.attempts >= MAX_ATTEMPTS
    }
}

/// What is to be asked for once more, as ids of failed attempts, oldest first and at most [`MAX_PER_ROUND`]: of events that we
/// read, that were never delivered, and that were tried fewer than [`MAX_ATTEMPTS`] times, the last time at least [`MIN_AGE`] ago.
pub fn due(deliveries: &[HookDelivery], now: Timestamp) -> Vec<i64> {
    let old = |story: &Story| now.duration_since(story.last.0) >= MIN_AGE;
    let mut due: Vec<(Timestamp, i64)> = stories(deliveries)
        .into_values()
        .filter(|story| !story.is_over() && old(story))
        .map(|story| story.last)
        .collect();
    due.sort_unstable();
    due.truncate(MAX_PER_ROUND);
    due.into_iter().map(|(_, id)| id).collect()
}

/// How many events that we read were given up: tried often enough, and never delivered.
pub fn given_up(deliveries: &[HookDelivery]) -> usize {
    stories(deliveries).values().filter(|story| !story.succeeded && story.is_over()).count()
}

/// Since when deliveries must be read to decide again: what is older has been decided for good.
pub fn open_since(deliveries: &[HookDelivery], now: Timestamp) -> Timestamp {
    let stories = stories(deliveries);
    // GitHub lists a delivery only when it has ended, so something this young can still turn up.
    let young = now.saturating_sub(MIN_AGE).unwrap_or(Timestamp::MIN);
    let open = stories.values().filter(|story| !story.is_over()).map(|story| story.first);
    let mut since = open.min().map_or(young, |first| first.min(young));
    // No story is cut in two: its second half alone would look like a new one.
    let cut = |since| {
        let cut = stories.values().filter(|story| story.first < since && story.last.0 >= since);
        cut.map(|story| story.first).min()
    };
    while let Some(earlier) = cut(since) {
        since = earlier;
    }
    since
}

fn stories(deliveries: &[HookDelivery]) -> BTreeMap<&str, Story> {
    let mut stories: BTreeMap<&str, Story> = BTreeMap::new();
    for one in deliveries.iter().filter(|one| EVENTS.contains(&one.event.as_str())) {
        let at = (one.delivered_at, one.id);
        let story = stories.entry(one.guid.as_str()).or_insert(Story {
            attempts: 0,
            succeeded: false,
            first: one.delivered_at,
            last: at,
        });
        story.attempts += 1;
        story.succeeded |= one.succeeded();
        story.first = story.first.min(one.delivered_at);
        story.last = story.last.max(at);
    }
    stories
}
