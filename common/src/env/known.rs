//! The variables there are, so that a misspelt one does not go unnoticed.

use super::{ConfigErrors, api_keys, set};

/// How the names of runners' variables begin. Case counts; what follows is the name in the container.
pub const RUNNER_PREFIX: &str = "runnerenv_";

/// Variables that compose.yaml fills in and the orchestrator does not read itself: with another case in its name, one is not read.
pub(super) const OF_COMPOSE: [&str; 19] = [
    "ALLOW_ANONYMOUS",
    "API_GATEWAY_BIND",
    "API_GATEWAY_PORT",
    "API_KEYS",
    "API_KEYS_FILE",
    "CORS_ORIGINS",
    "DOCKER_SOCKET",
    "DOCKER_SOCKET_USER",
    "IMAGE_VERSION",
    "MAYFLY_ENV_FILE",
    "PUBLIC_BASE_PATH",
    "PUBLIC_HOSTS",
    "RATE_LIMIT_BURST",
    "RATE_LIMIT_PER_SECOND",
    "REGISTRY",
    "REQUEST_TIMEOUT",
    "TRUSTED_PROXIES",
    "WEBHOOK_SECRET",
    "WEBHOOK_SECRET_FILE",
];
/// The other variables of the services, of Compose's files and of the command line.
const OTHER: &[&str] = &[
    "ALLOWED_IMAGES",
    "ALLOW_PUBLIC_REPOS",
    "API_GATEWAY_HOST",
    "AUTO_CREATE_RUNNERS",
    "COMPOSE_PROJECT_NAME",
    "DATABASE_PATH",
    "DIND_ENABLED",
    "DIND_IMAGE",
    "DIND_PRIVILEGED",
    "DISCOVERY_EXCLUDE",
    "DISCOVERY_INCLUDE",
    "DISCOVERY_MODE",
    "DOCKER_CERT_PATH",
    "DOCKER_HOST",
    "DOCKER_NETWORK",
    "DOCKER_NETWORK_MTU",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "GITHUB_API_URL",
    "GITHUB_APP_ID",
    "GITHUB_APP_INSTALLATION",
    "GITHUB_APP_PRIVATE_KEY",
    "GITHUB_APP_PRIVATE_KEY_FILE",
    "GITHUB_CA_FILE",
    "GITHUB_CLEANUP_ENABLED",
    "GITHUB_ORGANIZATION",
    "GITHUB_RUNNER_TOKEN",
    "GITHUB_RUNNER_TOKEN_FILE",
    "GITHUB_SERVER_URL",
    "GITHUB_USER_LOGIN",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "LOG_VERBOSE",
    "MAX_RUNNERS",
    "MAX_RUNNERS_CPUS",
    "MAX_RUNNERS_MEMORY",
    "MAX_RUNNERS_PER_OWNER",
    "MAX_RUNNERS_PER_REPO",
    "MAYFLY_API_KEY",
    "MAYFLY_API_KEY_FILE",
    "MAYFLY_DEMO_NET",
    "MAYFLY_PRICE_PER_MINUTE",
    "MAYFLY_PROFILE",
    "MAYFLY_URL",
    "MAYFLY_WEBHOOK_URL",
    "ORCHESTRATOR_HOST",
    "ORCHESTRATOR_ID",
    "ORCHESTRATOR_PORT",
    "ORCHESTRATOR_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "RUNNER_CACHE_URL",
    "RUNNER_CHECK_INTERVAL",
    "RUNNER_COMMAND",
    "RUNNER_CPUS",
    "RUNNER_DOCKER",
    "RUNNER_GROUP",
    "RUNNER_IMAGE",
    "RUNNER_ISOLATION",
    "RUNNER_LABELS",
    "RUNNER_MAX_LIFETIME",
    "RUNNER_MEMORY",
    "RUNNER_MIN_IDLE",
    "RUNNER_PIDS_LIMIT",
    "RUNNER_PULL_POLICY",
    "RUNNER_PURGE_INTERVAL",
    "RUNNER_REGISTRATION_TIMEOUT",
    "RUNNER_ROTATION_INTERVAL",
    "RUNNER_SECCOMP_PROFILE",
];
/// Variables that Compose alone reads and that a service, started without it, has another way for.
const OF_COMPOSE_ALONE: [(&str, &str); 3] = [
    ("API_GATEWAY_BIND", "outside Compose the gateway listens on API_GATEWAY_HOST"),
    ("DOCKER_SOCKET", "outside Compose DOCKER_HOST names the socket, as unix:// and its path"),
    ("DOCKER_SOCKET_USER", "outside Compose the user who runs the orchestrator opens the socket"),
];
/// The variable that is set where Compose starts the services (`.env` names itself).
const COMPOSE: &str = "MAYFLY_ENV_FILE";

/// Every variable of both services, of Compose's files and of the command line. A test holds this and `.env.example` equal.
pub fn known() -> impl Iterator<Item = &'static str> {
    OF_COMPOSE.iter().chain(OTHER).copied()
}

/// True if Compose started the service that has these variables.
pub(super) fn in_compose(variables: &[(String, String)]) -> bool {
    variables.iter().any(|(name, value)| name == COMPOSE && !value.trim().is_empty())
}

/// Names that other tools have for the same, too far from ours for a comparison of letters.
const ALIASES: [(&str, &str); 18] = [
    ("GITHUB_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("GITHUB_API_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("GH_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("GH_PAT", "GITHUB_RUNNER_TOKEN"),
    ("ACCESS_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("GITHUB_PAT", "GITHUB_RUNNER_TOKEN"),
    ("GITHUB_ACCESS_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("RUNNER_TOKEN", "GITHUB_RUNNER_TOKEN"),
    ("GITHUB_ORG", "GITHUB_ORGANIZATION"),
    ("ORG_NAME", "GITHUB_ORGANIZATION"),
    ("GITHUB_APP_KEY", "GITHUB_APP_PRIVATE_KEY"),
    ("GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_INSTALLATION"),
    ("GITHUB_WEBHOOK_SECRET", "WEBHOOK_SECRET"),
    ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
    ("DOCKER_CONTEXT", "DOCKER_HOST"),
    ("RUNNERS_MAX", "MAX_RUNNERS"),
    ("RUNNER_MAX", "MAX_RUNNERS"),
    ("MIN_IDLE", "RUNNER_MIN_IDLE"),
];
/// Names that look like ours and are others'.
const OTHERS: [&str; 1] = ["RUNNER_NAME"];

/// The known variable that `name` is probably meant to be; none if it is one, or is like none.
pub fn meant(name: &str) -> Option<&'static str> {
    if name.starts_with(RUNNER_PREFIX) {
        return None;
    }
    let upper = name.to_ascii_uppercase().replace(['-', '.'], "_");
    // Names are read in any case, but with these signs they are others.
    if name.eq_ignore_ascii_case(&upper) && (known().chain(OTHERS).any(|other| other == upper)) {
        return None;
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == upper).map(|(_, known)| *known);
    let alias = alias.or_else(|| api_keys::spelt_alike(name));
    let is_runner_variable =
        ["RUNNERENV", "RUNNER_ENV_"].iter().any(|start| upper.starts_with(start));
    if alias.is_some() || is_runner_variable {
        return alias.or(Some(RUNNER_PREFIX));
    }
    if let Some(known) = known().find(|known| upper.strip_prefix("MAYFLY_") == Some(known)) {
        return Some(known);
    }
    if let Some(known) = known().find(|known| is_short_for(&upper, known)) {
        return Some(known);
    }
    let tolerance = if upper.len() < 8 { 1 } else { 2 };
    let distance = |known: &&str| strsim::osa_distance(&upper, known);
    let nearest = known().min_by_key(distance)?;
    (distance(&nearest) <= tolerance).then_some(nearest)
}

/// True if `name` is `known` with words cut short, as in `MAX_RUNNERS_MEM`.
fn is_short_for(name: &str, known: &str) -> bool {
    let (words, whole): (Vec<&str>, Vec<&str>) =
        (name.split('_').collect(), known.split('_').collect());
    let begins = |(word, whole): (&&str, &&str)| word.len() >= 3 && whole.starts_with(*word);
    words.len() > 1 && words.len() == whole.len() && words.iter().zip(&whole).all(begins)
}

/// The lines of [`unknown`] about variables that `errors` does not name: a misspelt name may be why another variable is missing.
pub fn unknown_beside(errors: &ConfigErrors, variables: &[(String, String)]) -> Vec<String> {
    let variable = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let named: Vec<String> = errors.0.iter().map(|line| variable(line)).collect();
    let mut lines = unknown(variables);
    lines.retain(|line| !named.contains(&variable(line)));
    lines
}

/// The variables that nobody reads and that look like one that somebody does, one line each.
pub fn unknown(variables: &[(String, String)]) -> Vec<String> {
    let compose = in_compose(variables);
    let told = |(name, value): &(String, String)| {
        set(Some(value.clone()))?;
        let alone =
            OF_COMPOSE_ALONE.iter().find(|(of_compose, _)| of_compose.eq_ignore_ascii_case(name));
        if let Some((_, instead)) = alone.filter(|_| !compose) {
            return Some(format!("{name}: is read by Compose alone; {instead}"));
        }
        let known = meant(name)?;
        Some(if known == RUNNER_PREFIX {
            format!(
                "{name}: is not read; a variable for runners begins with {RUNNER_PREFIX}, in lower case"
            )
        } else {
            format!("{name}: is not read; is {known} meant?")
        })
    };
    let mut lines: Vec<String> = variables.iter().filter_map(told).collect();
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_means_the_nearest_known_one() {
        let rows = [
            ("RUNER_IMAGE", "RUNNER_IMAGE"),
            ("MAX_RUNNER", "MAX_RUNNERS"),
            ("RUNNERS_MAX", "MAX_RUNNERS"),
            ("GITHUB_TOKEN", "GITHUB_RUNNER_TOKEN"),
            ("GITHUB_API_TOKEN", "GITHUB_RUNNER_TOKEN"),
            ("GH_TOKEN", "GITHUB_RUNNER_TOKEN"),
            ("access_token", "GITHUB_RUNNER_TOKEN"),
            ("API_KEY", "API_KEYS"),
            ("APIKEYS", "API_KEYS"),
            ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
            ("AUTO_CREATE_RUNNER", "AUTO_CREATE_RUNNERS"),
            ("DISCOVERY-MODE", "DISCOVERY_MODE"),
            ("DISCOVERY-MODES", "DISCOVERY_MODE"),
            ("WEBHOOK_SECRETS", "WEBHOOK_SECRET"),
            ("ALLOWED_IMAGE", "ALLOWED_IMAGES"),
            ("max_runner", "MAX_RUNNERS"),
            ("MAX_RUNNERS_MEM", "MAX_RUNNERS_MEMORY"),
            ("DOCKER_NET", "DOCKER_NETWORK"),
            ("RUNNER_MEM", "RUNNER_MEMORY"),
            ("MAYFLY_MAX_RUNNERS", "MAX_RUNNERS"),
            ("RUNNERENV_TZ", RUNNER_PREFIX),
            ("RunnerEnv_TZ", RUNNER_PREFIX),
            ("runner_env_TZ", RUNNER_PREFIX),
            ("runnerenvTZ", RUNNER_PREFIX),
        ];
        for (name, expected) in rows {
            assert_eq!(meant(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_known_or_foreign_name_means_nothing_else() {
        let known = known().chain(["runner_image", "Max_Runners", "runnerenv_TZ"]);
        // What shells, systemd, Kubernetes, Compose and GitHub's own runner set.
        let foreign = [
            "PATH",
            "HOME",
            "USER",
            "LANG",
            "TERM",
            "PWD",
            "SHLVL",
            "HOSTNAME",
            "TZ",
            "LOGNAME",
            "INVOCATION_ID",
            "JOURNAL_STREAM",
            "NOTIFY_SOCKET",
            "STATE_DIRECTORY",
            "KUBERNETES_PORT",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "RUST_LOG",
            "CI",
            "XDG_CONFIG_HOME",
            "DOCKER_CERT_PATH",
            "DOCKER_CONFIG",
            "DOCKER_API_VERSION",
            "COMPOSE_FILE",
            "NO_COLOR",
            "RUNNER_OS",
            "RUNNER_ARCH",
            "RUNNER_TEMP",
            "RUNNER_NAME",
            "RUNNER_TOOL_CACHE",
            "RUNNER_WORKSPACE",
            "RUNNER_ENVIRONMENT",
            "RUNNER_DEBUG",
            "RUNNER_TRACKING_ID",
            "GITHUB_ACTIONS",
            "GITHUB_ACTOR",
            "GITHUB_ENV",
            "GITHUB_JOB",
            "GITHUB_REF",
            "GITHUB_RUN_ID",
            "GITHUB_SHA",
            "GITHUB_REPOSITORY",
            "GITHUB_WORKSPACE",
            "GITHUB_EVENT_NAME",
            "GITHUB_STATE",
            "GITHUB_GRAPHQL_URL",
            "GITHUB_SIM_LISTEN",
            "GITHUB_SIM_SEED_DEMO",
            "MAYFLY_TEST_DOCKER",
            "ORCHESTRATOR_SERVICE_HOST",
            "OTEL_RESOURCE_ATTRIBUTES",
        ];
        for name in known.chain(foreign) {
            assert_eq!(meant(name), None, "{name}");
        }
    }

    #[test]
    fn only_what_is_set_is_told_and_never_its_value() {
        let pairs = [("RUNER_IMAGE", "ghp_secret"), ("MAX_RUNNER", " "), ("RUNNERENV_A", "x")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            unknown(&pairs),
            [
                "RUNER_IMAGE: is not read; is RUNNER_IMAGE meant?",
                "RUNNERENV_A: is not read; a variable for runners begins with runnerenv_, in lower case",
            ]
        );
    }

    #[test]
    fn what_compose_alone_reads_is_told_outside_compose() {
        let lines = |more: &[(&str, &str)]| {
            let pairs =
                [("DOCKER_SOCKET", "/run/user/1000/docker.sock"), ("api_gateway_bind", "::")];
            let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            unknown(&pairs.iter().chain(more).map(owned).collect::<Vec<_>>())
        };
        assert_eq!(
            lines(&[("DOCKER_SOCKET_USER", " ")]),
            [
                "DOCKER_SOCKET: is read by Compose alone; outside Compose DOCKER_HOST names the socket, as unix:// and its path",
                "api_gateway_bind: is read by Compose alone; outside Compose the gateway listens on API_GATEWAY_HOST",
            ]
        );
        assert!(lines(&[("MAYFLY_ENV_FILE", ".env")]).is_empty());
        assert!(OF_COMPOSE_ALONE.iter().all(|(name, _)| OF_COMPOSE.contains(name)));
    }

    #[test]
    fn what_our_own_files_set_or_read_is_known() {
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let mut folders: Vec<_> =
            ["deploy", "docs", "cli/src", "orchestrator/src", "api-gateway/src"]
                .map(|folder| root.join(folder))
                .into();
        let mut names = std::collections::BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let Ok(text) = std::fs::read_to_string(&path) else {
                    folders.extend(path.is_dir().then_some(path));
                    continue;
                };
                let name = |rest: &str| {
                    let plain = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
                    rest.bytes().take_while(plain).map(char::from).collect::<String>()
                };
                let is_compose = path.extension().is_some_and(|end| end == "yaml");
                let filled = text.split("${").skip(1).filter(|_| is_compose).map(name);
                let told = text.split("Environment=").skip(1).map(name);
                let ours =
                    text.split("MAYFLY_").skip(1).map(|rest| format!("MAYFLY_{}", name(rest)));
                names.extend(filled.chain(told).chain(ours).filter(|name| name.len() > 7));
            }
        }
        // Not for services: Cargo's and the tests', and Docker's.
        for other in ["MAYFLY_TEST_DOCKER", "MAYFLY_VERSION", "BUILDX_CONFIG"] {
            names.remove(other);
        }
        names.retain(|name| !known().any(|known| known == name) && name != "API_KEY");
        assert!(names.is_empty(), "{names:?} are not listed");
    }

    #[test]
    fn the_example_file_and_this_list_have_the_same_variables() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/.env.example");
        let text = std::fs::read_to_string(file).unwrap();
        let name = |line: &str| {
            let name = line.trim_start_matches('#').split_once('=')?.0.to_owned();
            let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            (!name.is_empty() && name.bytes().all(plain)).then_some(name)
        };
        let listed: std::collections::BTreeSet<String> = text.lines().filter_map(name).collect();
        // The command line's, which say where a gateway is and not how one runs, and the demo's.
        let others = ["API_KEY", "API_KEY_FILE", "DEMO_NET", "PRICE_PER_MINUTE", "PROFILE", "URL"];
        let others = others.map(|name| format!("MAYFLY_{name}"));
        let known = known().map(str::to_owned);
        let known: std::collections::BTreeSet<String> =
            known.filter(|name| !others.contains(name)).collect();
        assert_eq!(listed, known);
        let all: std::collections::BTreeSet<&str> = super::known().collect();
        assert_eq!(all.len(), super::known().count(), "each is listed once");
        assert!(OF_COMPOSE.is_sorted() && OTHER.is_sorted());
    }
}
