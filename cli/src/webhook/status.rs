//! Shows the webhook and what became of its deliveries.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use mayfly_github::budget::Priority;
use mayfly_github::hooks::{Deliveries, EVENTS, Hook};
use mayfly_github::redelivery::{due, given_up};
use serde_json::{Value, json};

use super::Failure;
use super::report::{Report, number, plain, table};
use super::session::Session;
use super::target::Target;
use super::verdict::meaning;

/// How far back deliveries are counted.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) target: Target,
    /// How many of the last deliveries to show.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    last: u16,
}

pub(super) async fn run(
    options: Options,
    variables: Vec<(String, String)>,
) -> Result<Report, Failure> {
    let url = options.target.url(&variables)?;
    let session = Session::open(options.target.place(), variables)?;
    let hooks = session.hooks(url.as_ref()).await?;
    let place = session.place.to_string();
    let (mut text, mut shown, mut good) = (String::new(), Vec::new(), !hooks.is_empty());
    if hooks.is_empty() {
        let there = url.as_ref().map(|url| format!(" that sends to {url}")).unwrap_or_default();
        text = format!("{place}: there is no webhook{there}. mayfly webhook install makes one.\n");
    }
    for hook in &hooks {
        let now = session.github.now();
        let since = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
        let found = session.github.deliveries(&session.known(hook), since, Priority::Demand).await;
        let mut found =
            found.map_err(|error| session.failure("its deliveries cannot be read", &error))?;
        let last = found.list.iter().take(usize::from(options.last)).cloned().collect::<Vec<_>>();
        let newest = found.list.first().cloned();
        found.list.retain(|one| one.delivered_at >= since);
        let one = Seen::of(&found, now);
        good &= newest.is_none_or(|newest| newest.succeeded());
        describe(&mut text, &place, hook, &found, &one);
        if !last.is_empty() {
            text += "\n";
            text += &table(last.iter());
        }
        text += "\n";
        shown.push(json!({
            "hook": hook,
            "events_missing": hook.missing(&EVENTS),
            "deliveries": found.list.len(),
            "complete": found.complete,
            "failures": one.failures(),
            "due": one.due,
            "given_up": one.given_up,
            "last": last,
        }));
    }
    let json = json!({ "place": place, "hooks": shown, "good": good });
    Ok(Report { json, text: text.trim_end().to_owned() + "\n", good })
}

/// What a day's deliveries tell.
struct Seen {
    failed: BTreeMap<u16, usize>,
    due: usize,
    given_up: usize,
}

impl Seen {
    fn of(found: &Deliveries, now: Timestamp) -> Self {
        let mut failed = BTreeMap::new();
        for one in found.list.iter().filter(|one| !one.succeeded()) {
            *failed.entry(one.status_code).or_default() += 1;
        }
        Self { failed, due: due(&found.list, now).len(), given_up: given_up(&found.list) }
    }

    fn failures(&self) -> Value {
        self.failed.iter().map(|(status, count)| (status.to_string(), json!(count))).collect()
    }
}

fn describe(text: &mut String, place: &str, hook: &Hook, found: &Deliveries, seen: &Seen) {
    let id = hook.id.map(|id| format!(" {id}")).unwrap_or_default();
    let url = plain(hook.config.url.as_deref().unwrap_or("nowhere"));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{place}: webhook{id} sends to {url}");
    let _ = writeln!(text, "  events: {}", plain(&hook.events.join(", ")));
    let missing = hook.missing(&EVENTS);
    if !missing.is_empty() {
        let _ =
            writeln!(text, "  missing: {}; polling finds what they would tell", missing.join(", "));
    }
    for (wrong, what) in [
        (hook.active == Some(false), "it is switched off"),
        (!hook.config.has_secret, "it has no secret, so the gateway refuses what it sends"),
        (hook.config.insecure_ssl, "GitHub does not check the receiver's certificate"),
    ] {
        if wrong {
            let _ = writeln!(text, "  note: {what}");
        }
    }
    let more = if found.complete { "" } else { " (and more)" };
    let deliveries = number(found.list.len(), "delivery", "deliveries");
    let failed: usize = seen.failed.values().sum();
    let _ = writeln!(text, "  in a day: {deliveries}{more}, {failed} failed");
    for (status, count) in &seen.failed {
        let _ = writeln!(text, "  {count} × {status}: {}", meaning(*status));
    }
    if seen.due > 0 {
        let _ = writeln!(text, "  {} can be had once more: mayfly webhook redeliver", seen.due);
    }
    if seen.given_up > 0 {
        let _ = writeln!(text, "  {} given up after three tries", seen.given_up);
    }
}

#[cfg(test)]
mod tests;
