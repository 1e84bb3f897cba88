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
pub fn in_compose(variables: &[(String, String)]) -> bool {
    variables.iter().any(|(name, value)| name == COMPOSE && !value.trim().is_empty())
}

/// Names that other tools have for the same, too far from ours for a comparison of letters.
const ALIASES: [(&str, &str); 36] = [
    ("GITHUB_API", "GITHUB_API_URL"),
    ("GITHUB_URL", "GITHUB_SERVER_URL"),
    ("APP_ID", "GITHUB_APP_ID"),
    ("RATE_LIMIT_REQUESTS", "RATE_LIMIT_PER_SECOND"),
    ("RUNNER_ISOLATE", "RUNNER_ISOLATION"),
    ("RUNNER_DIND", "DIND_ENABLED"),
    ("API_TOKENS", "API_KEYS"),
    ("ORCHESTRATOR_NAME", "ORCHESTRATOR_ID"),
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
    ("MIN_RUNNERS", "RUNNER_MIN_IDLE"),
    ("GITHUB_APP_PRIVATE_KEY_PATH", "GITHUB_APP_PRIVATE_KEY_FILE"),
    ("ALLOW_PUBLIC_REPOSITORIES", "ALLOW_PUBLIC_REPOS"),
    ("RUNNER_PIDS", "RUNNER_PIDS_LIMIT"),
    ("RUNNER_IDLE_TIMEOUT", "RUNNER_ROTATION_INTERVAL"),
    ("LOG_LVL", "LOG_LEVEL"),
    ("DOCKER_MTU", "DOCKER_NETWORK_MTU"),
    ("CHECK_INTERVAL", "RUNNER_CHECK_INTERVAL"),
    ("DB_PATH", "DATABASE_PATH"),
    ("X_API_KEY", "API_KEYS"),
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
mod tests;
