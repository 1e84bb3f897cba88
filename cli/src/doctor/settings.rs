//! The variables, read once for everything that is asked.
//!
//! Invariants: every variable that is wrong is named; one that is missing is an error only where the one topic that is asked for
//! cannot do without it.

use mayfly_github::hooks::HookUrl;
use mayfly_service::env::{self, ConfigErrors, set};
use orchestrator::config::Config;

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
    /// Whether there is a credential.
    pub(super) credential: bool,
    /// The runners' image, if it is set.
    pub(super) image: Option<String>,
    /// Whether webhooks are used: the gateway has a secret for them.
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
mod tests {
    use super::*;

    fn read(
        topic: Option<Topic>,
        probe_image: bool,
        pairs: &[(&str, &str)],
    ) -> Result<Settings, Vec<String>> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let read = Settings::read(topic, probe_image, pairs.iter().map(owned).collect());
        let names = |line: String| line.split(':').next().unwrap().to_owned();
        read.map_err(|errors| errors.0.into_iter().map(names).collect())
    }

    #[test]
    fn what_is_missing_stops_only_the_topic_that_needs_it() {
        let cases: [(Option<Topic>, bool, &[&str]); 10] = [
            (None, false, &[]),
            (Some(Topic::Docker), false, &[]),
            (Some(Topic::Disk), false, &[]),
            (Some(Topic::Clock), false, &[]),
            (Some(Topic::Image), false, &["RUNNER_IMAGE"]),
            (Some(Topic::Isolation), false, &["RUNNER_IMAGE"]),
            (Some(Topic::Isolation), true, &[]),
            (Some(Topic::GitHub), false, &["GITHUB_RUNNER_TOKEN"]),
            (Some(Topic::Webhooks), false, &["GITHUB_RUNNER_TOKEN"]),
            (None, true, &[]),
        ];
        for (topic, probe_image, expected) in cases {
            let blank = [("RUNNER_IMAGE", " "), ("github_runner_token", "")];
            let found = read(topic, probe_image, &blank).map(drop).err().unwrap_or_default();
            assert_eq!(found, expected, "{topic:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_at_once_and_only_where_it_matters() {
        let wrong = [
            ("DOCKER_HOST", "here"),
            ("RUNNER_IMAGE", "a b"),
            ("RUNNER_MEMORY", "1"),
            ("GITHUB_RUNNER_TOKEN", "a b"),
            ("MAYFLY_WEBHOOK_URL", "nowhere"),
            ("LOG_LEVEL", "LOUD"),
        ];
        let names = |topic| {
            let mut names = read(topic, false, &wrong).unwrap_err();
            names.sort_unstable();
            names
        };
        let mut all = wrong.map(|(name, _)| name);
        all.sort_unstable();
        assert_eq!(names(None), all);
        assert_eq!(names(Some(Topic::Docker)), ["DOCKER_HOST", "RUNNER_MEMORY"]);
        assert_eq!(names(Some(Topic::Disk)), ["DOCKER_HOST"]);
        assert_eq!(names(Some(Topic::Image)), ["DOCKER_HOST", "RUNNER_IMAGE"]);
        assert_eq!(names(Some(Topic::GitHub)), ["GITHUB_RUNNER_TOKEN"]);
        let webhooks = ["GITHUB_RUNNER_TOKEN", "MAYFLY_WEBHOOK_URL"];
        assert_eq!(names(Some(Topic::Webhooks)), webhooks);
        let isolation = ["DOCKER_HOST", "RUNNER_IMAGE", "RUNNER_MEMORY"];
        assert_eq!(names(Some(Topic::Isolation)), isolation);
    }

    #[test]
    fn webhooks_are_used_where_there_is_a_secret() {
        let secret = |name, value| read(None, false, &[(name, value)]).unwrap().secret;
        assert!(secret("WEBHOOK_SECRET", "s"));
        assert!(secret("webhook_secret_file", "/f"));
        assert!(!secret("WEBHOOK_SECRET", " "));
        assert!(!secret("OTHER", "s"));
    }
}
