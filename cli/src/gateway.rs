//! The way to the gateway: where it is, and the key.
//!
//! Options win over variables, and those over the profile. A key is never printed.

mod profile;
mod stream;
mod way;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use mayfly_common::problem::{PROBLEM_JSON, Problem};
use mayfly_service::env::{self, known, secret};
use reqwest::header::{self, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::profile::Profile;
use self::way::Way;
use crate::failure::{Failure, Refusal};
use crate::print::Format;

/// Where the gateway listens by default.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Longest wait for an answer. Starting runners can take a while.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The status by which a proxy asks for credentials (RFC 9110, section 15.5.8).
const PROXY_AUTHENTICATION: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

/// How to reach the gateway.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct Connection {
    /// The gateway's address. Else `MAYFLY_URL`, the profile, or <http://127.0.0.1:8080>.
    #[arg(long, global = true, value_name = "URL", value_parser = read_url)]
    url: Option<Url>,
    /// A file that holds the API key. Else `MAYFLY_API_KEY`, `MAYFLY_API_KEY_FILE` or the profile.
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The part of the profile file to use. Else `MAYFLY_PROFILE`, or `default`.
    ///
    /// The file is `~/.config/mayfly/profiles.yaml` (or under `XDG_CONFIG_HOME`): names, each with `url` and `api_key_file`.
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Print JSON.
    #[arg(long = "json", global = true, action = ArgAction::SetTrue, value_parser = Format::flag())]
    pub(crate) format: Format,
}

/// A key without white space around it.
///
/// Errors: it holds what no key has; the text names where it comes from, and not the key.
fn checked_key(origin: &str, key: &SecretString) -> Result<SecretString, Failure> {
    let key = key.expose_secret().trim();
    match mayfly_common::clean::blemish(key) {
        None => Ok(key.into()),
        Some(reason) => Err(Failure::Usage(format!("{origin}: {reason}"))),
    }
}

/// The gateway.
pub(crate) struct Gateway {
    client: Client,
    url: Url,
    way: Way,
    key: Option<SecretString>,
}

impl Gateway {
    /// The gateway that options, variables and the profile name.
    pub(crate) fn open(connection: &Connection) -> Result<Self, Failure> {
        let variables = env::variables();
        let variable = |name: &str| env::value(&variables, name).map_err(Failure::Usage);
        let ours = |name: &&str| name.starts_with("MAYFLY_");
        for (name, _) in &variables {
            if let Some(known) = known::meant(name).filter(ours) {
                // Whoever closed standard error does not read it.
                let _ = writeln!(io::stderr(), "warning: {name}: is not read; is {known} meant?");
            }
        }
        let named = variable("MAYFLY_PROFILE")?;
        let profile = Profile::read(connection.profile.clone().or(named), &variables)?;
        let (origin, text) = match (variable("MAYFLY_URL")?, profile.url) {
            (Some(text), _) => ("MAYFLY_URL", text),
            (None, Some(text)) => ("the profile's url", text),
            (None, None) => ("the default", DEFAULT_URL.to_owned()),
        };
        let url = match &connection.url {
            Some(url) => url.clone(),
            None => read_url(&text).map_err(|why| Failure::Usage(format!("{origin}: {why}")))?,
        };
        let file = |origin: &str, path: &str| {
            let key = secret::read(path);
            let key = key.map_err(|why| Failure::Usage(format!("{origin}: {why}")))?;
            checked_key(origin, &key)
        };
        let key = if let Some(path) = &connection.api_key_file {
            Some(file("--api-key-file", &path.to_string_lossy())?)
        } else if let Some(key) = variable("MAYFLY_API_KEY")? {
            Some(SecretString::from(key))
        } else if let Some(path) = variable("MAYFLY_API_KEY_FILE")? {
            Some(file("MAYFLY_API_KEY_FILE", &path)?)
        } else {
            let path = profile.api_key_file;
            path.map(|path| file("the profile's api_key_file", &path)).transpose()?
        };
        Self::new(url, key)
    }

    fn new(url: Url, key: Option<SecretString>) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        if key.as_ref().is_some_and(|key| HeaderValue::from_str(key.expose_secret()).is_err()) {
            return Err(Failure::Usage(
                "the API key holds characters that no key can have, such as a line break"
                    .to_owned(),
            ));
        }
        let way = Way::to(&url);
        let mut client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if !way.has_proxy() {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| Failure::Usage(way.explain(&error)))?;
        Ok(Self { client, url, way, key })
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, None, None).await
    }

    /// Sends a request; `tag` is what the thing to change must still be.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        tag: Option<&str>,
    ) -> Result<T, Failure> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refusal(response).await);
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|error| self.not_understood(&error))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.url.as_str().trim_end_matches('/');
        let request = self.client.request(method, format!("{base}/api/v1{path}"));
        match &self.key {
            // The address's own name and password go to a proxy before the gateway, as `Authorization`.
            Some(key) if self.url.username() != "" => {
                request.header("x-api-key", key.expose_secret())
            }
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// What an answer that is no success means.
    async fn refusal(&self, response: Response) -> Failure {
        let status = response.status();
        let text = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let (kind, request_id) = (text("content-type"), text("x-request-id"));
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return self.unreachable(&error),
        };
        if kind.is_some_and(|kind| kind.starts_with(PROBLEM_JSON))
            && let Ok(problem) = serde_json::from_slice::<Problem>(&body)
        {
            return Failure::Refused(Box::new(Refusal { problem, request_id }));
        }
        let way = &self.way;
        if status == PROXY_AUTHENTICATION && way.has_proxy() {
            return Failure::Unreachable(format!(
                "{way}: the proxy asks for a user and a password{}",
                way.proxy_note()
            ));
        }
        let answer = if status.is_redirection() {
            "a redirect, which is not followed: name the address that it leads to"
        } else {
            "and not as a Mayfly gateway does"
        };
        Failure::Unreachable(format!("{way} answered {status}, {answer}{}", way.proxy_note()))
    }

    fn not_understood(&self, error: &serde_json::Error) -> Failure {
        let way = &self.way;
        Failure::Unreachable(format!(
            "{way} answered with what is not understood here ({error}); is it of another version?{}",
            way.proxy_note()
        ))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::Unreachable(self.way.explain(error))
    }
}

/// An address of a gateway.
///
/// Errors: it is none; why, without the text itself, which may hold a password.
fn read_url(text: &str) -> Result<Url, String> {
    let example = "write http://HOST:PORT or https://HOST";
    match text.parse::<Url>() {
        Ok(url) if url.query().or(url.fragment()).is_some() => {
            Err(format!("the address must end before any ? or #; {example}"))
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(format!("the address must begin with http:// or https://; {example}")),
        Err(error) => Err(format!("the address cannot be read: {error}; {example}")),
    }
}

/// A path segment.
pub(crate) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_leads_nowhere_else() {
        assert_eq!(segment("a-Z_0.9~"), "a-Z_0.9~");
        assert_eq!(segment("../a/b?c=d#e%2F é"), "..%2Fa%2Fb%3Fc%3Dd%23e%252F%20%C3%A9");
    }
}
