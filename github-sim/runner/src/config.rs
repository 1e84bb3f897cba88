//! What the environment says. Read once, here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Variables that hold credentials, or that only the listener understands; no step sees them.
pub(crate) const HIDDEN: &[&str] = &[
    "ACTIONS_RUNNER_INPUT_JITCONFIG",
    "ACCESS_TOKEN",
    "APP_ID",
    "APP_PRIVATE_KEY",
    "RUNNER_TOKEN",
];

/// How the runner becomes known to the simulator.
pub(crate) enum Identity {
    /// A just-in-time configuration's secret.
    Jit { secret: String },
    /// A registration token and what to register as.
    Token { scope: String, token: String, labels: Vec<String>, ephemeral: bool },
}

/// Wrong on purpose, for tests of what watches runners (`RUNNER_SIM_BEHAVIOUR`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// As it should.
    Normal,
    /// Comes online and ends, without a job.
    ExitWithoutJob,
    /// Starts and never comes online.
    NeverRegister,
    /// Takes a job and dies in the middle of it.
    CrashMidJob,
}

/// Everything the listener needs.
pub(crate) struct Config {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) behaviour: Behaviour,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self, String> {
        Self::from_lookup(&|name| {
            let value = std::env::var_os(name)?.into_string().ok()?;
            Some(value).filter(|value| !value.trim().is_empty())
        })
    }

    fn from_lookup(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let behaviour = match get("RUNNER_SIM_BEHAVIOUR").as_deref() {
            None | Some("normal") => Behaviour::Normal,
            Some("exit-without-job") => Behaviour::ExitWithoutJob,
            Some("never-register") => Behaviour::NeverRegister,
            Some("crash-mid-job") => Behaviour::CrashMidJob,
            Some(other) => return Err(format!("RUNNER_SIM_BEHAVIOUR: unknown {other:?}")),
        };
        if let Some(encoded) = get("ACTIONS_RUNNER_INPUT_JITCONFIG") {
            let config = decoded(encoded.trim())?;
            let settings = decoded(text(&config, ".runner")?)?;
            let credentials = decoded(text(&config, ".credentials")?)?;
            let secret = text(&credentials["data"], "secret")?.to_owned();
            return Ok(Self {
                server: text(&settings, "serverUrl")?.trim_end_matches('/').to_owned(),
                name: text(&settings, "agentName")?.to_owned(),
                identity: Identity::Jit { secret },
                behaviour,
            });
        }
        let token = get("RUNNER_TOKEN")
            .ok_or("neither ACTIONS_RUNNER_INPUT_JITCONFIG nor RUNNER_TOKEN is set")?;
        let of_org = get("RUNNER_SCOPE").is_some_and(|scope| scope.starts_with("org"));
        let (server, scope) = if of_org {
            let org = get("ORG_NAME").ok_or("ORG_NAME is required")?;
            let host = get("GITHUB_HOST").map(|host| format!("http://{host}"));
            let server = get("GITHUB_SERVER_URL").or(host);
            (server.ok_or("GITHUB_SERVER_URL is required")?, format!("org:{org}"))
        } else {
            let url = get("REPO_URL").ok_or("REPO_URL is required")?;
            let mut parts = url.trim_end_matches('/').rsplitn(3, '/');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(repo), Some(owner), Some(server)) if server.contains("://") => {
                    (server.to_owned(), format!("repo:{owner}/{repo}"))
                }
                _ => return Err("REPO_URL must be the URL of a repository".to_owned()),
            }
        };
        let labels = get("RUNNER_LABELS").or_else(|| get("LABELS")).unwrap_or_default();
        let mut labels: Vec<String> =
            labels.split(',').map(|label| label.trim().to_owned()).collect();
        // What config.sh adds unless told not to.
        let added = ["self-hosted", "linux", "x64"].map(str::to_owned);
        if get("NO_DEFAULT_LABELS").is_none() {
            labels.extend(added);
        }
        labels.retain(|label| !label.is_empty());
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            name: get("RUNNER_NAME").ok_or("RUNNER_NAME is required")?,
            identity: Identity::Token {
                scope,
                token,
                labels,
                ephemeral: get("EPHEMERAL").is_some(),
            },
            behaviour,
        })
    }
}

fn decoded(encoded: &str) -> Result<Value, String> {
    let wrong = "the just-in-time configuration cannot be read";
    let bytes = STANDARD.decode(encoded).map_err(|_| wrong)?;
    serde_json::from_slice(&bytes).map_err(|_| wrong.to_owned())
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    let missing = || format!("the just-in-time configuration lacks {name}");
    value[name].as_str().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_lookup(&|name| {
            let known = pairs.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_just_in_time_configuration_is_three_files_in_one() {
        let file = |value: Value| STANDARD.encode(value.to_string());
        let config = file(json!({
            ".runner": file(json!({"serverUrl": "http://sim:1/", "agentName": "r1"})),
            ".credentials": file(json!({"data": {"secret": "s"}})),
        }));
        let config = read(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &config)]).unwrap();
        assert_eq!((config.server.as_str(), config.name.as_str()), ("http://sim:1", "r1"));
        assert!(matches!(config.identity, Identity::Jit { secret } if secret == "s"));
        assert!(read(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", "e30=")]).is_err());
    }

    #[test]
    fn the_variables_of_a_registration_by_token() {
        let repo = [
            ("RUNNER_TOKEN", "t"),
            ("REPO_URL", "http://sim:1/octo/tools"),
            ("RUNNER_NAME", "r1"),
            ("LABELS", "gpu, x64"),
        ];
        let config = read(&repo).unwrap();
        assert_eq!(config.server, "http://sim:1");
        let Identity::Token { scope, labels, ephemeral, .. } = config.identity else {
            panic!("not by token")
        };
        assert_eq!((scope.as_str(), ephemeral), ("repo:octo/tools", false));
        assert!(labels.contains(&"gpu".to_owned()) && labels.contains(&"self-hosted".to_owned()));
        let org = [
            ("RUNNER_TOKEN", "t"),
            ("RUNNER_SCOPE", "org"),
            ("ORG_NAME", "octo"),
            ("GITHUB_SERVER_URL", "http://sim:1"),
            ("RUNNER_NAME", "r1"),
            ("EPHEMERAL", "0"),
        ];
        let Identity::Token { scope, ephemeral, .. } = read(&org).unwrap().identity else {
            panic!("not by token")
        };
        assert_eq!((scope.as_str(), ephemeral), ("org:octo", true));
        assert!(read(&[]).is_err() && read(&[("RUNNER_SIM_BEHAVIOUR", "x")]).is_err());
    }
}
