//! Makes the webhook, and has GitHub try it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use mayfly_github::GitHubError;
use mayfly_github::budget::Priority;
use mayfly_github::hooks::{EVENTS, HookDelivery, HookPlace, HookUrl, KnownHook, NewHook};
use serde_json::json;
use tokio::time::Instant;

use super::Failure;
use super::report::{Report, plain};
use super::secret::HookSecret;
use super::session::Session;
use super::target::Target;
use super::verdict::meaning;

/// How long to wait for what comes of GitHub's try: it waits ten seconds for an answer (docs: "Best practices for using webhooks").
const PATIENCE: Duration = Duration::from_secs(12);
/// How long to wait for a try that GitHub makes by itself, if it does.
const GLANCE: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// How far back deliveries are looked through for one to try again.
const RECENT: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What to install.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) target: Target,
}

/// What was done.
struct Installed {
    /// GitHub's id, where it tells.
    hook: Option<i64>,
    replaced: Vec<i64>,
    /// Events that are missing, and that we cannot ask for.
    missing: Vec<&'static str>,
    tried: Tried,
}

/// What came of GitHub's try.
enum Tried {
    /// GitHub made it.
    Ended(HookDelivery),
    /// It was asked for, and nothing is known yet.
    Unknown,
    /// There was nothing to try.
    Not,
    /// It could not be asked for, or not be looked at.
    Failed(GitHubError),
}

pub(super) async fn run(
    options: Options,
    variables: Vec<(String, String)>,
) -> Result<Report, Failure> {
    let url = options.target.required_url(&variables)?;
    let secret = HookSecret::of(&variables)?;
    let session = Session::open(options.target.place(), variables)?;
    let installed = match session.place {
        HookPlace::App => of_app(&session, &url, &secret).await?,
        HookPlace::Repo(_) | HookPlace::Org(_) => of_place(&session, &url, &secret).await?,
    };
    Ok(report(&session.place, &url, &secret, &installed))
}

async fn of_place(
    session: &Session,
    url: &HookUrl,
    secret: &HookSecret,
) -> Result<Installed, Failure> {
    let former = session.hooks(Some(url)).await?;
    let mut replaced = Vec::new();
    for hook in &former {
        let deleted = session.github.delete_hook(&session.known(hook)).await;
        deleted
            .map_err(|error| session.failure("the former webhook cannot be replaced", &error))?;
        replaced.extend(hook.id);
    }
    let new = NewHook { url, secret: &secret.text, events: &EVENTS };
    let made = session.github.create_hook(&session.place, new).await;
    let hook = made.map_err(|error| {
        let what = if replaced.is_empty() {
            "the webhook cannot be made"
        } else {
            "the former webhook is removed, but the new one cannot be made; run install again"
        };
        session.failure(what, &error)
    })?;
    let tried = match session.github.ping_hook(&hook).await {
        Ok(()) => watch(session, &hook, &BTreeSet::new(), PATIENCE).await,
        Err(error) => Tried::Failed(error),
    };
    Ok(Installed { hook: Some(hook.id), replaced, missing: Vec::new(), tried })
}

async fn of_app(
    session: &Session,
    url: &HookUrl,
    secret: &HookSecret,
) -> Result<Installed, Failure> {
    let hook = KnownHook { id: 0, place: HookPlace::App };
    let github = &session.github;
    let since = github.now().saturating_sub(RECENT).unwrap_or(jiff::Timestamp::MIN);
    let before = match github.deliveries(&hook, since, Priority::Demand).await {
        Ok(before) => before.list,
        // An App without a webhook has no deliveries.
        Err(GitHubError::NotFound) => Vec::new(),
        Err(error) => return Err(session.failure("its deliveries cannot be read", &error)),
    };
    let new = NewHook { url, secret: &secret.text, events: &EVENTS };
    let set = github.set_app_hook(new).await;
    set.map_err(|error| session.failure("its webhook cannot be set", &error))?;
    let events = github.app_events().await;
    let events = events.map_err(|error| session.failure("its events cannot be read", &error))?;
    let missing =
        EVENTS.into_iter().filter(|event| !events.iter().any(|other| other == event)).collect();
    // GitHub has no ping for an App: the last delivery, sent once more, tells as much.
    let asked = match before.first() {
        Some(last) => github.redeliver(&hook, last.id, Priority::Demand).await,
        None => Ok(()),
    };
    let ids = before.iter().map(|delivery| delivery.id).collect();
    let tried = match (asked, before.is_empty()) {
        (Err(error), _) => Tried::Failed(error),
        (Ok(()), false) => watch(session, &hook, &ids, PATIENCE).await,
        (Ok(()), true) => match watch(session, &hook, &ids, GLANCE).await {
            Tried::Unknown | Tried::Failed(_) => Tried::Not,
            tried => tried,
        },
    };
    Ok(Installed { hook: None, replaced: Vec::new(), missing, tried })
}

/// Waits for a delivery that is none of `before`.
async fn watch(
    session: &Session,
    hook: &KnownHook,
    before: &BTreeSet<i64>,
    patience: Duration,
) -> Tried {
    let until = Instant::now() + patience;
    loop {
        let now = session.github.now();
        match session.github.deliveries(hook, now, Priority::Demand).await {
            Ok(found) => {
                if let Some(new) = found.list.into_iter().find(|one| !before.contains(&one.id)) {
                    return Tried::Ended(new);
                }
            }
            // A hook that was just made may not be known everywhere yet.
            Err(GitHubError::NotFound) if Instant::now() < until => {}
            Err(error) => return Tried::Failed(error),
        }
        if Instant::now() >= until {
            return Tried::Unknown;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn report(place: &HookPlace, url: &HookUrl, secret: &HookSecret, done: &Installed) -> Report {
    let mut text = match (&done.hook, done.replaced.len()) {
        (None, _) => format!("{place}: its webhook sends to {url}.\n"),
        (Some(id), 0) => format!("{place}: webhook {id} sends to {url}.\n"),
        (Some(id), _) => {
            format!("{place}: webhook {id} sends to {url}, in place of the former one.\n")
        }
    };
    // Writing to a String cannot fail.
    if url.is_plain() {
        let _ = writeln!(text, "Note: what is sent over http can be read on the way; use https.");
    }
    if !url.path().ends_with("/webhooks/github") {
        let _ = writeln!(text, "Note: the gateway takes webhooks at /webhooks/github.");
    }
    if !done.missing.is_empty() {
        let events = done.missing.join(", ");
        let _ = writeln!(
            text,
            "The App does not get these events: {events}.\nTick them on the App's page, under \"Permissions & events\", \"Subscribe to events\" (workflow_job takes \"Actions\": read, push \"Contents\": read)."
        );
    }
    let (line, good) = tried(&done.tried, secret.new);
    text += &line;
    if let Some(line) = secret.line() {
        let _ = writeln!(
            text,
            "\nA new secret was made. It is shown this once; put it into .env and restart the gateway:\n\n{line}\n\nThen run install again with this secret set, to have GitHub try it."
        );
    }
    let good = good && done.missing.is_empty();
    let ping = match &done.tried {
        Tried::Ended(one) => json!({
            "status_code": one.status_code,
            "status": one.status,
            "works": one.succeeded(),
            "meaning": meaning(one.status_code),
        }),
        Tried::Failed(error) => json!({ "error": error.to_string() }),
        Tried::Unknown | Tried::Not => serde_json::Value::Null,
    };
    let json = json!({
        "place": place.to_string(),
        "url": url.as_str(),
        "hook": done.hook,
        "replaced": done.replaced,
        "events_missing": done.missing,
        "secret_line": secret.line(),
        "tried": ping,
        "good": good,
    });
    Report { json, text, good }
}

/// What GitHub's try tells, and whether that is as it should be. A secret that nobody knows yet cannot be right.
fn tried(tried: &Tried, new_secret: bool) -> (String, bool) {
    match tried {
        Tried::Ended(one) if one.succeeded() => {
            (format!("GitHub tried it: {}: it works.\n", one.status_code), true)
        }
        Tried::Ended(one) if new_secret && matches!(one.status_code, 401 | 404) => {
            let line = format!(
                "GitHub tried it: {}: it gets there; the gateway does not know the secret yet.\n",
                one.status_code
            );
            (line, true)
        }
        Tried::Ended(one) => {
            let status = plain(&one.status);
            let line = format!(
                "GitHub tried it: {} {status}: {}.\n",
                one.status_code,
                meaning(one.status_code)
            );
            (line, false)
        }
        Tried::Unknown => {
            let seconds = PATIENCE.as_secs();
            (
                format!(
                    "GitHub was asked to try it and told nothing within {seconds} seconds; see mayfly webhook status.\n"
                ),
                false,
            )
        }
        Tried::Not => {
            ("GitHub tries it with the next event; see mayfly webhook status.\n".to_owned(), true)
        }
        Tried::Failed(error) => (format!("It was not tried: {error}.\n"), false),
    }
}

#[cfg(test)]
mod tests;
