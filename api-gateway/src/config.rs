//! The gateway's configuration: the only place that reads the environment.
//!
//! Invariants: the gateway listens on this machine only, unless `API_GATEWAY_HOST` says otherwise; without an API key it does so
//! unless the operator also says in words that anybody may call (`ALLOW_ANONYMOUS=true`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use mayfly_common::clean;
use mayfly_common::host::PublicHosts;
use mayfly_common::webhook::signature::Secrets;
use mayfly_service::env::known::unknown;
use mayfly_service::env::{
    Checker, ConfigErrors, Secret, boolean, integer, port, value, variables,
};
use mayfly_service::telemetry::{Logging, parse_format, parse_level};
use mayfly_service::traces::TraceConfig;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::api_keys::ApiKeys;
use crate::base_path::BasePath;
use crate::client_address::TrustedProxies;
use crate::cors::CorsOrigins;
use crate::orchestrator::OrchestratorUrl;

/// The port unless `API_GATEWAY_PORT` says otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// What the gateway is told to do. Each field names its variable and that variable's default.
#[derive(Debug, Clone)]
pub struct Config {
    /// `API_GATEWAY_HOST` (127.0.0.1): the address to listen on.
    pub host: IpAddr,
    /// `API_GATEWAY_PORT` (8080).
    pub port: u16,
    /// `ORCHESTRATOR_URL` (<http://orchestrator:8000>).
    pub orchestrator: OrchestratorUrl,
    /// `API_KEYS` or `API_KEYS_FILE` (none: no key is asked for).
    pub keys: ApiKeys,
    /// `WEBHOOK_SECRET` or `WEBHOOK_SECRET_FILE` (none: webhooks are off).
    pub webhook_secrets: Secrets,
    /// `RATE_LIMIT_PER_SECOND` (20): how many requests a client may make per second in the long run.
    pub rate_per_second: NonZeroU32,
    /// `RATE_LIMIT_BURST` (100): how many it may make at once.
    pub rate_burst: NonZeroU32,
    /// `TRUSTED_PROXIES` (none): whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// `CORS_ORIGINS` (none): which other origins' pages may call.
    pub cors: CorsOrigins,
    /// `PUBLIC_HOSTS` (none): names, beside localhost and IP addresses, that the gateway answers to where no key is asked for.
    pub public_hosts: PublicHosts,
    /// `PUBLIC_BASE_PATH` (none): the path under which a reverse proxy shows the gateway.
    pub base_path: BasePath,
    /// `REQUEST_TIMEOUT` (60 s): how long the orchestrator may take to answer.
    pub request_timeout: Duration,
    /// `LOG_LEVEL`, `LOG_VERBOSE`, `LOG_FORMAT`.
    pub logging: Logging,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` (none: there are no traces) and `OTEL_SERVICE_NAME` (`api-gateway`).
    pub traces: Option<TraceConfig>,
    /// What is probably not wanted, one line each: `VARIABLE: reason`.
    pub warnings: Vec<String>,
}

impl Default for Config {
    /// The configuration of an empty environment.
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: DEFAULT_PORT,
            orchestrator: OrchestratorUrl::default(),
            keys: ApiKeys::default(),
            webhook_secrets: Secrets::default(),
            rate_per_second: NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN),
            rate_burst: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            trusted_proxies: TrustedProxies::default(),
            cors: CorsOrigins::default(),
            public_hosts: PublicHosts::default(),
            base_path: BasePath::default(),
            request_timeout: Duration::from_mins(1),
            logging: Logging::default(),
            traces: None,
            warnings: Vec::new(),
        }
    }
}

/// The variables as text, so that reading them cannot fail.
#[derive(Debug, Default, Deserialize)]
struct Raw {
    api_gateway_host: Option<String>,
    api_gateway_port: Option<String>,
    orchestrator_url: Option<String>,
    api_keys: Option<String>,
    api_keys_file: Option<String>,
    allow_anonymous: Option<String>,
    webhook_secret: Option<String>,
    webhook_secret_file: Option<String>,
    rate_limit_per_second: Option<String>,
    rate_limit_burst: Option<String>,
    trusted_proxies: Option<String>,
    cors_origins: Option<String>,
    public_hosts: Option<String>,
    public_base_path: Option<String>,
    request_timeout: Option<String>,
    log_level: Option<String>,
    log_verbose: Option<String>,
    log_format: Option<String>,
    otel_exporter_otlp_endpoint: Option<String>,
    otel_service_name: Option<String>,
}

impl Config {
    /// The configuration of this process' environment.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::from_variables(variables())
    }

    /// The configuration that `variables` describe, or everything that is wrong with them.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let variables = clean::all(variables);
        let mut warnings = unknown(&variables);
        let default = Self::default();
        let mut check = Checker::new();
        check.api_keys_by_name(&variables);
        let raw: Raw = check.read(variables);
        let keys = keys(&mut check, raw.api_keys, raw.api_keys_file);
        let anonymous = check.optional("ALLOW_ANONYMOUS", raw.allow_anonymous, false, boolean);
        // With keys a key is asked for, whatever this says: it only matters where there are none.
        let open_to_all = keys.is_empty() && !anonymous;
        let host = host(&mut check, raw.api_gateway_host, open_to_all);
        let cors = cors(&mut check, raw.cors_origins, &keys);
        let trusted_proxies = trusted_proxies(&mut check, raw.trusted_proxies);
        let rate = |check: &mut Checker, variable: &str, raw, default| {
            check.optional(variable, raw, default, positive)
        };
        let config = Self {
            host,
            port: check.optional("API_GATEWAY_PORT", raw.api_gateway_port, default.port, port),
            orchestrator: check.optional(
                "ORCHESTRATOR_URL",
                raw.orchestrator_url,
                default.orchestrator,
                OrchestratorUrl::parse,
            ),
            keys,
            webhook_secrets: webhook_secrets(
                &mut check,
                raw.webhook_secret,
                raw.webhook_secret_file,
            ),
            rate_per_second: rate(
                &mut check,
                "RATE_LIMIT_PER_SECOND",
                raw.rate_limit_per_second,
                default.rate_per_second,
            ),
            rate_burst: rate(
                &mut check,
                "RATE_LIMIT_BURST",
                raw.rate_limit_burst,
                default.rate_burst,
            ),
            trusted_proxies,
            cors,
            public_hosts: check.optional(
                "PUBLIC_HOSTS",
                raw.public_hosts,
                default.public_hosts,
                PublicHosts::parse,
            ),
            base_path: check.optional(
                "PUBLIC_BASE_PATH",
                raw.public_base_path,
                default.base_path,
                BasePath::parse,
            ),
            request_timeout: check.optional(
                "REQUEST_TIMEOUT",
                raw.request_timeout,
                default.request_timeout,
                |text| integer(text, 1..=3600).map(Duration::from_secs),
            ),
            logging: logging(&mut check, raw.log_level, raw.log_verbose, raw.log_format),
            traces: TraceConfig::read(
                &mut check,
                raw.otel_exporter_otlp_endpoint,
                raw.otel_service_name,
                "api-gateway",
            ),
            warnings: Vec::new(),
        };
        warnings.append(&mut check.take_warnings());
        check.finish(Some(Self { warnings, ..config }))
    }

    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// The port to ask for health on; the rest of the environment does not matter for that.
///
/// Errors: `API_GATEWAY_PORT` is no port.
pub fn healthcheck_port(variables: &[(String, String)]) -> Result<u16, String> {
    const NAME: &str = "API_GATEWAY_PORT";
    match value(variables, NAME)? {
        None => Ok(DEFAULT_PORT),
        Some(text) => port(&text).map_err(|reason| format!("{NAME}: {reason}")),
    }
}

fn keys(check: &mut Checker, inline: Option<String>, file: Option<String>) -> ApiKeys {
    // A line of the file may be meant for several as well: no key that was drawn has a comma in it.
    let kind = Kind { noun: "key", between: [&[';'], &[';', ',']] };
    several(check, "API_KEYS", inline, file, &kind, ApiKeys::from_list, ApiKeys::from_lines)
}

fn webhook_secrets(check: &mut Checker, inline: Option<String>, file: Option<String>) -> Secrets {
    let kind = Kind { noun: "secret", between: [&[';'], &[]] };
    several(check, "WEBHOOK_SECRET", inline, file, &kind, Secrets::from_list, Secrets::from_lines)
}

/// What the secrets of a variable are, and by which signs somebody may have meant to part them: in the variable, and in its file.
struct Kind {
    noun: &'static str,
    between: [&'static [char]; 2],
}

/// Takes several secrets, in a list from the variable or in lines from its file.
type Several<T> = fn(&SecretString) -> Result<T, Vec<String>>;

/// The secrets of `variable` or of its file; none after noting what is wrong with them.
fn several<T: Default>(
    check: &mut Checker,
    variable: &str,
    inline: Option<String>,
    file: Option<String>,
    kind: &Kind,
    from_list: Several<T>,
    from_lines: Several<T>,
) -> T {
    let Some(secret) = check.secret(variable, inline, file) else { return T::default() };
    if !secret.from_file && is_quoted_list(secret.text.expose_secret()) {
        check.fail(&secret.variable, "the whole list is in quotation marks: write it without them");
        return T::default();
    }
    let parse = if secret.from_file { from_lines } else { from_list };
    match parse(&secret.text) {
        Ok(parsed) => {
            warn_of_joined(check, &secret, kind);
            parsed
        }
        Err(reasons) => {
            for reason in reasons {
                check.fail(&secret.variable, reason);
            }
            T::default()
        }
    }
}

/// Notes each secret that may be meant for several. It is told by its place, never by its text.
fn warn_of_joined(check: &mut Checker, secret: &Secret, Kind { noun, between }: &Kind) {
    let (text, from_file) = (secret.text.expose_secret(), secret.from_file);
    let items: Vec<&str> = if from_file {
        text.lines().filter(|line| !line.trim().starts_with('#')).collect()
    } else {
        text.split(',').collect()
    };
    let items = items.into_iter().map(str::trim).filter(|item| !item.is_empty());
    let how = if from_file { "stand one on a line" } else { "are separated by commas" };
    for (index, item) in items.enumerate() {
        let inner = item.trim_matches(between[usize::from(from_file)]);
        let sign = inner.chars().find(|sign| between[usize::from(from_file)].contains(sign));
        if let Some(sign) = sign {
            let place = index + 1;
            check.warn(
                &secret.variable,
                format!("{noun} {place} has {sign:?} in it, and is one {noun}; several {how}"),
            );
        }
    }
}

/// True if quotation marks are around a list and not around its items: no item would be what it is meant to be.
fn is_quoted_list(text: &str) -> bool {
    let text = text.trim();
    let first = text.split(',').next().unwrap_or_default().trim();
    clean::is_quoted(text) && !clean::is_quoted(first)
}

fn host(check: &mut Checker, raw: Option<String>, open_to_all: bool) -> IpAddr {
    let default = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let host = check.optional("API_GATEWAY_HOST", raw, default, |text| match text.trim() {
        "localhost" => Ok(default),
        text => text.parse().map_err(|_| "must be an IP address or localhost"),
    });
    if open_to_all && !host.is_loopback() {
        check.fail(
            "API_GATEWAY_HOST",
            format!(
                "{host} can be reached from other machines and no API key is asked for: \
                 set API_KEYS or API_KEYS_FILE, or listen on 127.0.0.1, or, if anybody may start runners here, \
                 set ALLOW_ANONYMOUS=true"
            ),
        );
    }
    host
}

/// Which origins' pages may call; not all of them where no key is asked for.
fn cors(check: &mut Checker, raw: Option<String>, keys: &ApiKeys) -> CorsOrigins {
    let cors = check.optional("CORS_ORIGINS", raw, CorsOrigins::default(), CorsOrigins::parse);
    if keys.is_empty() && cors == CorsOrigins::Any {
        check.fail(
            "CORS_ORIGINS",
            "* lets every web page that a browser shows use a gateway that asks for no key: \
             name the origins, or set API_KEYS or API_KEYS_FILE",
        );
    }
    cors
}

fn trusted_proxies(check: &mut Checker, raw: Option<String>) -> TrustedProxies {
    let default = TrustedProxies::default();
    let proxies = check.optional("TRUSTED_PROXIES", raw, default, TrustedProxies::parse);
    if let Some(network) = proxies.everybody() {
        check.warn(
            "TRUSTED_PROXIES",
            format!(
                "{network} is everybody: any client can then claim any address, by X-Forwarded-For, and so pass the rate limit; \
                 name the proxies' addresses"
            ),
        );
    }
    proxies
}

fn logging(
    check: &mut Checker,
    level: Option<String>,
    verbose: Option<String>,
    format: Option<String>,
) -> Logging {
    let default = Logging::default();
    Logging {
        level: check.optional("LOG_LEVEL", level, default.level, parse_level),
        verbose: check.optional("LOG_VERBOSE", verbose, false, boolean),
        format: check.optional("LOG_FORMAT", format, default.format, parse_format),
    }
}

/// A whole number from 1 to a million: beyond that an interval in nanoseconds says little.
fn positive(text: &str) -> Result<NonZeroU32, String> {
    let number = integer(text, 1..=1_000_000)?;
    Ok(u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests;
