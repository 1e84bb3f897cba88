//! The way to the Docker Engine: `DOCKER_HOST` and what decides whether it is encrypted.
//!
//! Invariant: where the environment asks for TLS, nothing is sent without it.

use mayfly_common::env::{Checker, set};
use reqwest::Url;

use super::Raw;

/// The port of Docker's API with TLS, by convention (Docker docs: "Protect the Docker daemon socket").
const TLS_PORT: u16 = 2376;

/// The port of Docker's API without it, which Docker takes where `tcp://` names none (of the same source).
const PORT: u16 = 2375;

/// The variables that decide how the engine is reached.
pub const ENGINE_VARIABLES: [&str; 4] =
    ["DOCKER_HOST", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"];

/// Reads where the engine is; none is the local socket.
pub(super) fn host(raw: &mut Raw, check: &mut Checker) -> Option<String> {
    let host = check.optional("DOCKER_HOST", raw.docker_host.take(), None, |text| {
        address(text.trim()).map(Some)
    });
    let local = host.as_ref().is_none_or(|host: &String| host.starts_with("unix://"));
    // As Docker means them: any text switches TLS on, and certificates are for nothing else.
    let asks = [
        ("DOCKER_TLS", raw.docker_tls.take()),
        ("DOCKER_TLS_VERIFY", raw.docker_tls_verify.take()),
        ("DOCKER_CERT_PATH", raw.docker_cert_path.take()),
    ];
    for (name, _) in asks.into_iter().filter(|(_, text)| !local && set(text.clone()).is_some()) {
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
            // The scheme is one that the reader of URLs knows.
            let url = Url::parse(&format!("http://{rest}")).ok().filter(|url| url.host_str().is_some());
            let url = url.ok_or("must name a host, such as tcp://docker.example.com:2375")?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err("must not hold a user name or password".to_owned());
            }
            if url.port() == Some(TLS_PORT) {
                return Err(format!(
                    "port {TLS_PORT} is Docker's port for TLS, and TLS to the Docker Engine is not supported"
                ));
            }
            Ok(if scheme == "tcp" { with_port(rest) } else { text.to_owned() })
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
fn with_port(rest: &str) -> String {
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // An IPv6 address is in brackets.
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    match port {
        Some("") => format!("tcp://{host}{PORT}{path}"),
        Some(_) => format!("tcp://{host}{path}"),
        None => format!("tcp://{host}:{PORT}{path}"),
    }
}
