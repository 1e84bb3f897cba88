//! The Docker Engine: the way to it, and what it says of itself.

mod judge;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{SystemInfo, SystemVersion};
use jiff::Timestamp;
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_github::checkup::Finding;
use tokio::net::UnixStream;
use tokio::time::timeout;

use judge::{Rights, Way};

use super::finding::failure;

/// How long a socket may take to open. It is local.
const OPENING: Duration = Duration::from_secs(5);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// An engine that answers.
pub(super) struct Engine {
    /// The connection.
    pub(super) docker: Docker,
    /// True if it is reached by a socket, and so most likely on this machine.
    pub(super) local: bool,
    /// Its versions.
    pub(super) version: SystemVersion,
    /// What it says of itself.
    pub(super) info: SystemInfo,
    /// Between when this was asked and answered.
    pub(super) asked: (Timestamp, Timestamp),
    way: Way,
}

impl Engine {
    /// The engine at `host`, or at the default socket.
    ///
    /// Errors: why it cannot be reached.
    pub(super) async fn reach(host: Option<&str>) -> Result<Self, Finding> {
        let way = Way::of(host);
        if let Some(socket) = way.socket() {
            open(&way, socket).await?;
        }
        let connection = match host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_socket_defaults(),
        };
        let docker = connection.map_err(|error| judge::silent(&way, &said(&error)))?;
        let docker = docker.with_timeout(ANSWER);
        // One that begins an answer may never end it.
        let asking = async {
            let docker = docker.negotiate_version().await?;
            let before = SystemClock.now();
            let info = docker.info().await?;
            let asked = (before, SystemClock.now());
            let version = docker.version().await?;
            Ok((docker, info, asked, version))
        };
        let told = timeout(ANSWER, asking).await.unwrap_or(Err(Error::RequestTimeoutError));
        let (docker, info, asked, version) = told.map_err(|error| trouble(&way, &error))?;
        Ok(Self { docker, local: way.socket().is_some(), version, info, asked, way })
    }

    /// What there is to say of it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        judge::engine(&self.way, &self.version, &self.info)
    }
}

/// Opens the socket, only to learn why it cannot be: the client library tells less.
async fn open(way: &Way, socket: &Path) -> Result<(), Finding> {
    let error = match timeout(OPENING, UnixStream::connect(socket)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => std::io::ErrorKind::TimedOut.into(),
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let rights = std::fs::metadata(socket).ok().map(|found| Rights {
        mode: found.mode() & 0o777,
        owner: found.uid(),
        group: judge::group(&groups, found.gid()),
    });
    Err(judge::closed(way, &error, rights.as_ref()))
}

fn trouble(way: &Way, error: &Error) -> Finding {
    match error {
        Error::DockerResponseServerError { status_code: 401 | 403, .. } => failure(
            format!("what answers at {way} refuses to tell about the engine: {}", said(error)),
            "a proxy before the socket has to let /version, /info, /containers, /images and /networks through",
        ),
        _ => judge::silent(way, &said(error)),
    }
}

/// The HTTP status of an answer; none where there was none.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, or why it said nothing, with all causes: the outermost is often just "client error".
pub(super) fn said(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.clone();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
