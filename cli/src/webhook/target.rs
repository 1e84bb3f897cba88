//! Whose webhook, and where it sends.

use clap::{ArgAction, Args};
use mayfly_common::scope::{Login, RepoSlug};
use mayfly_github::hooks::{HookPlace, HookUrl};
use mayfly_service::env::value;

use super::Failure;
use crate::print::Format;

/// The variable that stands for `--url`.
const URL: &str = "MAYFLY_WEBHOOK_URL";

/// Arguments of every command.
#[derive(Debug, Args)]
pub(super) struct Target {
    #[command(flatten)]
    place: Place,
    /// Where the webhook sends: the gateway as GitHub reaches it, such as <https://ci.example.org/webhooks/github>. Else the
    /// variable `MAYFLY_WEBHOOK_URL`.
    #[arg(long, value_name = "URL")]
    url: Option<HookUrl>,
    /// Print one line of JSON.
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = Format::flag())]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The webhook of this repository.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
    /// The webhook of this organisation, which hears of all its repositories.
    #[arg(long, value_name = "LOGIN", value_parser = Login::parse)]
    org: Option<Login>,
    /// The webhook of the App, which hears of everything it is installed on. Takes the App's credential.
    #[arg(long)]
    app: bool,
}

impl Target {
    pub(super) fn place(&self) -> HookPlace {
        match (&self.place.repo, &self.place.org) {
            (Some(repo), _) => HookPlace::Repo(repo.clone()),
            (None, Some(org)) => HookPlace::Org(org.clone()),
            // The group lets none of them through only with `--app`.
            (None, None) => HookPlace::App,
        }
    }

    /// The URL, if there is one.
    pub(super) fn url(&self, variables: &[(String, String)]) -> Result<Option<HookUrl>, Failure> {
        if let Some(url) = &self.url {
            return Ok(Some(url.clone()));
        }
        let Some(text) = value(variables, URL).map_err(Failure::Usage)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| Failure::Usage(format!("{URL}: {error}")))
    }

    /// The URL, which must be there.
    pub(super) fn required_url(&self, variables: &[(String, String)]) -> Result<HookUrl, Failure> {
        let missing = "say where the webhook sends: --url https://HOST/webhooks/github, or MAYFLY_WEBHOOK_URL";
        self.url(variables)?.ok_or_else(|| Failure::Usage(missing.to_owned()))
    }
}

/// The value of a variable, in whatever case it is written, as the services read it.
pub(super) fn variable(variables: &[(String, String)], name: &str) -> Option<String> {
    let found = variables.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone())
}
