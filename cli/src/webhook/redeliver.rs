//! Asks GitHub for what it could not deliver.

use std::fmt::Write as _;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use mayfly_github::budget::Priority;
use mayfly_github::hooks::HookPlace;
use mayfly_github::redelivery::{MAX_PER_ROUND, due, given_up};
use serde_json::json;

use super::Failure;
use super::report::{Report, number};
use super::session::Session;
use super::target::Target;

/// How far back deliveries are read: GitHub remembers them for three days (docs: "Redelivering webhooks").
const REMEMBERED: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What to deliver once more.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) async fn run(
    options: Options,
    variables: Vec<(String, String)>,
) -> Result<Report, Failure> {
    let place = options.target.place();
    // Other webhooks of a repository or an organisation are others' business.
    let url = match place {
        HookPlace::App => options.target.url(&variables)?,
        HookPlace::Repo(_) | HookPlace::Org(_) => Some(options.target.required_url(&variables)?),
    };
    let session = Session::open(place, variables)?;
    let hooks = session.hooks(url.as_ref()).await?;
    if hooks.is_empty() {
        let there = url.map(|url| format!(" that sends to {url}")).unwrap_or_default();
        let text = format!(
            "{}: there is no webhook{there}; mayfly webhook install makes one",
            session.place
        );
        return Err(Failure::Failed(text));
    }
    let (mut text, mut done, mut good) = (String::new(), Vec::new(), true);
    for hook in &hooks {
        let known = session.known(hook);
        let now = session.github.now();
        let since = now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        let found = session.github.deliveries(&known, since, Priority::Demand).await;
        let found =
            found.map_err(|error| session.failure("its deliveries cannot be read", &error))?;
        let due = due(&found.list, now);
        let (mut asked, mut refused) = (Vec::new(), Vec::new());
        for &id in &due {
            match session.github.redeliver(&known, id, Priority::Demand).await {
                Ok(()) => asked.push(id),
                Err(error) => {
                    refused.push(json!({ "delivery": id, "error": error.to_string() }));
                    let what = format!("delivery {id} cannot be had again");
                    let why = session.explain(&what, &error);
                    let _ = writeln!(text, "{why}");
                    if error.is_wait() {
                        break;
                    }
                }
            }
        }
        good &= refused.is_empty();
        let given_up = given_up(&found.list);
        let id = hook.id.map(|id| format!(" {id}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}: webhook{id}: GitHub was asked for {} once more; mayfly webhook status shows what comes of it.",
            session.place,
            number(asked.len(), "delivery", "deliveries")
        );
        if due.len() == MAX_PER_ROUND {
            let _ = writeln!(text, "There may be more: run it again.");
        }
        if given_up > 0 {
            let _ = writeln!(text, "{given_up} given up after three tries.");
        }
        done.push(json!({
            "hook": hook.id,
            "read": found.list.len(),
            "redelivered": asked,
            "refused": refused,
            "given_up": given_up,
        }));
    }
    let json = json!({ "place": session.place.to_string(), "hooks": done, "good": good });
    Ok(Report { json, text, good })
}
