//! The way to the Docker Engine: `DOCKER_HOST` and what decides whether it is encrypted.
//!
//! Invariant: where the environment asks for TLS, nothing is sent without it.

use http::uri::Authority;
use mayfly_common::host::is_host;
use mayfly_service::env::known::meant;
use mayfly_service::env::{Checker, set};

use super::Raw;

/// The port of Docker's API with TLS, by convention (Docker docs: "Protect the Docker daemon socket").
const TLS_PORT: u16 = 2376;

/// The port of Docker's API without it, which Docker takes where `tcp://` names none (of the same source).
const PORT: u16 = 2375;

/// Docker's own variables for TLS.
const TLS: [&str; 3] = ["DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY"];

/// True if the variable decides how the engine is reached.
pub fn is_engine_variable(name: &str) -> bool {
    name.eq_ignore_ascii_case("DOCKER_HOST") || asks_for_tls(name)
}

/// True if whoever set the variable wants TLS: one of Docker's, a misspelt one, or one of Docker's images (`DOCKER_TLS_CERTDIR`).
fn asks_for_tls(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    let letters: String = letters.map(|byte| char::from(byte.to_ascii_uppercase())).collect();
    let begins = ["DOCKERTLS", "DOCKERCERT"].iter().any(|start| letters.starts_with(start));
    begins || meant(name).is_some_and(|known| TLS.contains(&known))
}

/// Reads where the engine is; none is the local socket. `variables`: all of them, for names that ask for TLS.
pub(super) fn host(
    raw: &mut Raw,
    variables: &[(String, String)],
    check: &mut Checker,
) -> Option<String> {
    let host = check.optional("DOCKER_HOST", raw.docker_host.take(), None, |text| {
        address(text.trim()).map(Some)
    });
    let local = host.as_ref().is_none_or(|host: &String| host.starts_with("unix://"));
    // As Docker means them: any text switches TLS on, and certificates are for nothing else.
    let asks = variables
        .iter()
        .filter(|(name, value)| !local && asks_for_tls(name) && set(Some(value.clone())).is_some());
    for (name, _) in asks {
        check.fail(
            name,
            "asks for TLS, and TLS to the Docker Engine is not supported; use its socket (unix://), or a tunnel that ends on this machine",
        );
    }
    host
}

fn address(text: &str) -> Result<String, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("must begin with unix://, tcp:// or http://".to_owned());
    };
    match scheme {
        "unix" if rest.starts_with('/') => Ok(text.to_owned()),
        "unix" => Err("must name the socket by its full path, such as unix:///var/run/docker.sock".to_owned()),
        "tcp" | "http" => {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            if host.contains('@') {
                return Err("must not hold a user name or password".to_owned());
            }
            if host.contains(['/', '?', '#']) {
                return Err("must end after the host and its port".to_owned());
            }
            let host = Authority::try_from(host).ok().filter(is_host);
            let host = host.ok_or("must name a host, such as tcp://docker.example.com:2375")?;
            if host.port_u16() == Some(TLS_PORT) {
                return Err(format!(
                    "port {TLS_PORT} is Docker's port for TLS, and TLS to the Docker Engine is not supported"
                ));
            }
            Ok(if scheme == "tcp" { with_port(&host) } else { format!("http://{host}") })
        }
        "https" => Err("TLS to the Docker Engine is not supported".to_owned()),
        "ssh" => Err(
            "ssh:// is not supported yet: forward the socket with `ssh -L /run/docker-remote.sock:/var/run/docker.sock HOST` and name that one"
                .to_owned(),
        ),
        _ => Err("must begin with unix://, tcp:// or http://".to_owned()),
    }
}

/// An address of `tcp://` with its port: Docker's own where none is named.
fn with_port(host: &Authority) -> String {
    let port = host.port_u16().unwrap_or(PORT);
    format!("tcp://{}:{port}", host.host())
}
