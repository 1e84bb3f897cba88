//! The way to the gateway: its address, the proxy on it, and what a failure there means.
//!
//! Invariants: this machine is reached without a proxy, by whatever name; nothing that is shown holds the user or the password of an address.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use mayfly_common::loopback::is_this_machine;
use reqwest::Url;
use rustls::CertificateError;

/// Longest wait for the addresses of a name that a proxy would be asked for.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The way to one address.
pub(super) struct Way {
    host: String,
    shown: String,
    proxy: Option<Proxy>,
}

/// The proxy that requests go through.
struct Proxy {
    shown: String,
    variable: &'static str,
}

/// What went wrong, as far as it can be told.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// No connection in time.
    NoConnection,
    /// A connection, and no answer in time.
    NoAnswer,
    /// The name has no address.
    Name,
    /// Nothing listens there.
    Refused,
    /// The network or the host cannot be reached.
    NoRoute,
    /// The certificate is not accepted; why, in words.
    Certificate(String),
    /// What answers does not speak TLS, or no version in common.
    Tls(String),
    /// What answers does not speak HTTP.
    NotHttp,
    /// The connection ended before the answer did.
    Cut,
    /// The proxy does not open a tunnel; why, in words.
    Tunnel(String),
    /// Something else; all that is known.
    Other(String),
}

impl Way {
    pub(super) fn to(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        let proxy = if is_this_machine(&host) { None } else { Proxy::of_environment(url) };
        let proxy = proxy.filter(|_| !is_name_of_this_machine(&host));
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = url.path().trim_end_matches('/');
        let shown = format!("{}://{host}{port}{path}", url.scheme());
        Self { host, shown, proxy }
    }

    /// True if requests go through a proxy.
    pub(super) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// What happened, and what to do about it.
    pub(super) fn explain(&self, error: &reqwest::Error) -> String {
        self.words(&cause(error))
    }

    /// What to add where something other than the gateway answered.
    pub(super) fn proxy_note(&self) -> String {
        self.proxy.as_ref().map_or_else(String::new, |proxy| {
            let (host, variable) = (&self.host, proxy.variable);
            format!(
                "\n→ the request went through the proxy {} of {variable}; to ask the gateway directly, add {host} to NO_PROXY",
                proxy.shown
            )
        })
    }

    fn words(&self, cause: &Cause) -> String {
        let address = "name the right address with --url or MAYFLY_URL";
        // Up to the tunnel or the first byte, what fails is the way to the proxy.
        let on_the_way = match &self.proxy {
            Some(proxy) => format!("the proxy {} of {}", proxy.shown, proxy.variable),
            None => self.host.clone(),
        };
        let next = match &self.proxy {
            Some(proxy) => format!(
                "correct {}, or add {} to NO_PROXY to ask the gateway directly",
                proxy.variable, self.host
            ),
            None if is_this_machine(&self.host) => format!(
                "start the gateway there (where Compose does not: docker compose logs --tail 20 orchestrator says why), or {address}"
            ),
            None => format!("start the gateway there, or {address}"),
        };
        let (what, hint) = match cause {
            Cause::NoConnection => (
                format!("no connection to {on_the_way} in time"),
                match &self.proxy {
                    Some(_) => next,
                    None => format!("check that the machine runs and that no firewall drops the connection, or {address}"),
                },
            ),
            Cause::NoAnswer => (
                "connected, but no answer in time".to_owned(),
                "look at the gateway's log; a change may have been made all the same, so check before you repeat it".to_owned(),
            ),
            Cause::Name => (format!("the name of {on_the_way} cannot be resolved"), match &self.proxy {
                Some(_) => next,
                None => format!("check the name and the DNS, or {address}"),
            }),
            Cause::Refused => (format!("{on_the_way} refuses the connection: nothing listens there"), next),
            Cause::NoRoute => (format!("there is no route to {on_the_way}"), match &self.proxy {
                Some(_) => next,
                None => format!("check the network or the VPN, or {address}"),
            }),
            Cause::Certificate(why) => (
                format!("TLS: the certificate is not accepted: {why}"),
                "use the name that the certificate is for; to trust an authority of your own, name its certificates in SSL_CERT_FILE"
                    .to_owned(),
            ),
            Cause::Tls(why) => (
                format!("TLS fails: {why}"),
                "is it plain HTTP there? Then write http:// in --url or MAYFLY_URL".to_owned(),
            ),
            Cause::NotHttp => (
                "what answers there does not speak HTTP".to_owned(),
                format!("does it speak TLS? Then write https://; else {address}"),
            ),
            Cause::Cut => (
                "the connection was closed before the answer was complete".to_owned(),
                "look at the gateway's log, then repeat the command; a change may have been made all the same".to_owned(),
            ),
            Cause::Tunnel(why) => (format!("{on_the_way} opens no tunnel to {}: {why}", self.host), next),
            Cause::Other(why) => (format!("the request fails: {why}"), next),
        };
        format!("{self}: {what}\n→ {hint}")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Proxy {
    /// The proxy of the environment for `url`, as the HTTP client finds it.
    fn of_environment(url: &Url) -> Option<Self> {
        let found = Matcher::from_env().intercept(&url.as_str().parse().ok()?)?;
        let names = match url.scheme() {
            "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
            _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        };
        let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let variable = names.into_iter().find(is_set).unwrap_or(names[0]);
        let shown = found.uri().to_string().trim_end_matches('/').to_owned();
        Some(Self { shown, variable })
    }
}

/// True if the system knows `host` by addresses of this machine alone, as many have their own name in `/etc/hosts`.
fn is_name_of_this_machine(host: &str) -> bool {
    let (sender, found) = mpsc::channel();
    let host = host.to_owned();
    // The system's resolver cannot be told how long to take.
    thread::spawn(move || {
        let found = (host.as_str(), 0).to_socket_addrs();
        let addresses: Vec<IpAddr> =
            found.into_iter().flatten().map(|address| address.ip()).collect();
        // Nobody waits any more: the proxy is used.
        let _ = sender.send(addresses);
    });
    found.recv_timeout(LOOK_UP).is_ok_and(|addresses| are_of_this_machine(&addresses))
}

fn are_of_this_machine(addresses: &[IpAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|address| address.to_canonical().is_loopback())
}

/// What the chain of causes of `error` says.
fn cause(error: &reqwest::Error) -> Cause {
    if error.is_timeout() {
        return if error.is_connect() { Cause::NoConnection } else { Cause::NoAnswer };
    }
    if error.is_dns() {
        return Cause::Name;
    }
    let mut texts: Vec<String> = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = of_one(error) {
            return found;
        }
        texts.push(error.to_string());
        // An I/O error hides the one that it is made from.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    texts.dedup();
    Cause::Other(if texts.is_empty() { "no reason is given".to_owned() } else { texts.join(": ") })
}

/// What one error says by itself, if it says what happened.
fn of_one(error: &(dyn Error + 'static)) -> Option<Cause> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(match error {
            rustls::Error::InvalidCertificate(why) => Cause::Certificate(certificate(why)),
            rustls::Error::InvalidMessage(_) => Cause::Tls("the answer is not TLS".to_owned()),
            other => Cause::Tls(other.to_string()),
        });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_parse() {
            return Some(Cause::NotHttp);
        }
        if error.is_incomplete_message() {
            return Some(Cause::Cut);
        }
    }
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.get_ref().is_none_or(|inner| !inner.is::<rustls::Error>())
    {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Cause::Refused),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Some(Cause::NoRoute)
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Cause::Cut),
            _ => None,
        };
    }
    // The type is not public.
    let text = error.to_string();
    text.strip_prefix("tunnel error: ").map(|why| Cause::Tunnel(why.to_owned()))
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "it is signed by an authority that this machine does not trust".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_this_machine_if_all_of_its_addresses_are() {
        let rows: [(&[&str], bool); 7] = [
            (&[], false),
            (&["127.0.1.1"], true),
            (&["::1", "127.0.0.1"], true),
            (&["::ffff:127.0.0.1"], true),
            (&["127.0.0.1", "10.0.0.1"], false),
            (&["10.0.0.1", "127.0.0.1"], false),
            (&["10.0.0.1"], false),
        ];
        for (texts, expected) in rows {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
            assert_eq!(are_of_this_machine(&addresses), expected, "{texts:?}");
        }
        // The system's resolver knows these without a network.
        assert!(is_name_of_this_machine("localhost") && is_name_of_this_machine("127.0.0.1"));
        assert!(!is_name_of_this_machine("10.0.0.1"));
    }
}
