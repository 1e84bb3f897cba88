//! Removes the webhook.

use clap::Args;
use mayfly_github::hooks::HookPlace;
use serde_json::json;

use super::Failure;
use super::report::Report;
use super::session::Session;
use super::target::Target;

/// What to remove.
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
    if place == HookPlace::App {
        return Err(Failure::Usage(
            "GitHub lets nobody remove an App's webhook from here: untick \"Active\" under \"Webhook\" on the App's page".to_owned(),
        ));
    }
    let url = options.target.required_url(&variables)?;
    let session = Session::open(place, variables)?;
    let mut removed = Vec::new();
    for hook in session.hooks(Some(&url)).await? {
        let deleted = session.github.delete_hook(&session.known(&hook)).await;
        deleted.map_err(|error| session.failure("the webhook cannot be removed", &error))?;
        removed.extend(hook.id);
    }
    let place = session.place.to_string();
    let text = match removed.as_slice() {
        [] => format!("{place}: there is no webhook that sends to {url}.\n"),
        _ => format!(
            "{place}: the webhook that sent to {url} is removed. Jobs are found by polling from now on.\n"
        ),
    };
    let json = json!({ "place": place, "url": url.as_str(), "removed": removed, "good": true });
    Ok(Report { json, text, good: true })
}
