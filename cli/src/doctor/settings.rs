//! The variables, read once for everything that is asked.
//!
//! Invariants: every variable that is wrong is named; one that is missing is an error only where the one topic that is asked for
//! cannot do without it.

use mayfly_github::hooks::HookUrl;
use mayfly_service::env::{self, ConfigErrors, set};
use mayfly_settings::Config;

use super::topic::Topic;

/// Any of these says that there is to be a credential; the orchestrator's own reader says what is wrong with it.
const CREDENTIAL: [&str; 6] = [
    "GITHUB_RUNNER_TOKEN",
    "GITHUB_RUNNER_TOKEN_FILE",
    "GITHUB_APP_ID",
    "GITHUB_APP_PRIVATE_KEY",
    "GITHUB_APP_PRIVATE_KEY_FILE",
    "GITHUB_APP_INSTALLATION",
];
const IMAGE: &str = "RUNNER_IMAGE";
/// How the names of those variables begin that are for the orchestrator alone.
const OWN: [&str; 3] = ["DISCOVERY_", "GITHUB_", "RUNNER_"];
const WEBHOOK_URL: &str = "MAYFLY_WEBHOOK_URL";
/// Stands for what is not set, so that the rest can be read. Never used.
const UNSET: &str = "unset";

/// What is configured.
#[derive(Debug)]
pub(super) struct Settings {
    /// The orchestrator's configuration; what is not set in it has a placeholder.
    pub(super) config: Config,
    /// True if there is a credential.
    pub(super) credential: bool,
    /// The runners' image, if it is set.
    pub(super) image: Option<String>,
    /// True if webhooks are used: the gateway has a secret for them.
    pub(super) secret: bool,
    /// Where webhooks send.
    pub(super) webhook_url: Option<HookUrl>,
}

impl Settings {
    /// What `variables` say about `topic`, or about all. `probe_image`: whether an image is named beside them.
    ///
    /// Errors: every variable that is wrong.
    pub(super) fn read(
        topic: Option<Topic>,
        probe_image: bool,
        mut variables: Vec<(String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let secret = ["WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE"];
        let secret = secret.iter().any(|name| value(&variables, name).is_some());
        if let Some(topic) = topic {
            variables.retain(|(name, _)| topic.reads(name));
        }
        let credential = CREDENTIAL.iter().any(|name| value(&variables, name).is_some());
        let image = value(&variables, IMAGE).map(|image| image.trim().to_owned());
        let needs_credential = matches!(topic, Some(Topic::GitHub | Topic::Webhooks));
        let needs_image =
            topic == Some(Topic::Image) || (topic == Some(Topic::Isolation) && !probe_image);
        if !credential && !needs_credential {
            stand_in(&mut variables, CREDENTIAL[0]);
        }
        if image.is_none() && !needs_image {
            stand_in(&mut variables, IMAGE);
        }
        let mut errors = Vec::new();
        let webhook_url = env::value(&variables, WEBHOOK_URL).and_then(|text| {
            let url = text.map(|text| text.parse::<HookUrl>()).transpose();
            url.map_err(|error| format!("{WEBHOOK_URL}: {error}"))
        });
        let webhook_url = webhook_url.map_err(|error| errors.push(error)).ok().flatten();
        match Config::from_variables(variables) {
            Ok(config) if errors.is_empty() => {
                Ok(Self { config, credential, image, secret, webhook_url })
            }
            Ok(_) => Err(ConfigErrors(errors)),
            Err(ConfigErrors(mut all)) => {
                all.append(&mut errors);
                Err(ConfigErrors(all))
            }
        }
    }
}

/// Where the variables are, if nothing is set here of how runners, GitHub and discovery shall be.
pub(super) fn elsewhere(variables: &[(String, String)]) -> Option<String> {
    let mut settings =
        env::known::known().filter(|name| OWN.iter().any(|start| name.starts_with(start)));
    settings.all(|name| value(variables, name).is_none()).then(|| {
        "doctor reads the orchestrator's variables, and none of them is set here: for those of a file, `set -a; . deploy/.env` first"
            .to_owned()
    })
}

/// A variable's value, in whatever case its name is written, if it is set.
fn value(variables: &[(String, String)], name: &str) -> Option<String> {
    let found = variables.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    set(found.map(|(_, value)| value.clone()))
}

fn stand_in(variables: &mut Vec<(String, String)>, name: &str) {
    variables.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    variables.push((name.to_owned(), UNSET.to_owned()));
}

#[cfg(test)]
mod tests;
