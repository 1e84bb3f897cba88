//! Image names, read by Docker's reference grammar (github.com/distribution/reference, `reference.go` and `normalize.go`).

use std::fmt;
use std::net::Ipv6Addr;

/// The registry of names that have none.
const DOCKER_HUB: &str = "docker.io";
/// The registry's former name.
const FORMER_DOCKER_HUB: &str = "index.docker.io";
/// Where Docker Hub keeps the images that are named by one word.
const OFFICIAL: &str = "library";
/// The tag of names that have neither tag nor digest.
const DEFAULT_TAG: &str = "latest";
/// Longest name without tag and digest, in characters.
const MAX_NAME: usize = 255;
/// Longest tag, in characters.
const MAX_TAG: usize = 128;
/// The digests that engines know, and how many hexadecimal digits each has (github.com/opencontainers/go-digest).
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// The name of an image: registry, repository, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    text: String,
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not an [`ImageName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an image name such as ghcr.io/actions/actions-runner:latest; {0}")]
pub struct InvalidImage(&'static str);

impl ImageName {
    /// Reads `text`.
    ///
    /// Errors: the part that the grammar refuses.
    pub fn parse(text: &str) -> Result<Self, InvalidImage> {
        let text = text.trim();
        check(!text.is_empty(), "this one is empty")?;
        check(!text.contains("://"), "this one is a URL: leave out everything up to //")?;
        let is_id = text.len() == 64 && text.bytes().all(is_hexadecimal);
        check(!is_id, "this one is an image's id: put sha256: before it")?;
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(checked_digest(digest)?)),
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(checked_registry(first)?), rest),
            _ => (None, name),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(checked_tag(tag)?)),
            None => (rest, None),
        };
        let lower = !repository.bytes().any(|byte| byte.is_ascii_uppercase());
        check(lower, "the repository must be in lower case")?;
        check(
            repository.split('/').all(is_component),
            "each part of the repository must be lower-case letters and digits, with '.', '_', '__' or '-' only between them",
        )?;
        let name = Self {
            text: text.to_owned(),
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        };
        check(name.full_name().len() <= MAX_NAME, "this one is longer than 255 characters")?;
        Ok(name)
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry as it was written, with its port; none for Docker Hub's short names.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The name in full, without tag and digest: `docker.io/library/alpine` for `alpine`.
    pub fn full_name(&self) -> String {
        full_name(self.registry(), &self.repository)
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag that is pulled: none where a digest says which version it is, whatever tag is beside it.
    pub fn effective_tag(&self) -> Option<&str> {
        match self.digest {
            Some(_) => None,
            None => Some(self.tag().unwrap_or(DEFAULT_TAG)),
        }
    }

    /// The digest, if one is written.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// True if the name says for certain which version is meant: a digest, or a tag that is not `latest`.
    pub fn is_pinned(&self) -> bool {
        self.effective_tag() != Some(DEFAULT_TAG)
    }

    /// True if an engine may take the name for the id of an image that it has, or for the beginning of one: any image then.
    pub fn may_be_an_id(&self) -> bool {
        let alone = self.registry.is_none() && self.digest.is_none();
        let is_hex = |text: &str| text.bytes().all(is_hexadecimal);
        let whole = self.repository == "sha256" && self.tag.as_deref().is_some_and(is_hex);
        alone && (whole || (self.tag.is_none() && is_hex(&self.repository)))
    }

    /// True if the engine looks for the image on the internet: at Docker Hub, or at a host that is a domain name. Not at this
    /// machine (`localhost`), an IP address, or a host that only a local resolver knows (`registry:5000`). A domain name that
    /// resolves to a local address cannot be told apart.
    pub fn is_on_the_internet(&self) -> bool {
        self.registry().is_none_or(is_domain)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// True if the first part of a name is a registry and not a part of the repository, as Docker decides it.
pub fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The name in full of `repository` at `registry`, in which Docker Hub's short forms have become long.
pub fn full_name(registry: Option<&str>, repository: &str) -> String {
    let registry = match registry {
        None | Some(FORMER_DOCKER_HUB) => DOCKER_HUB.to_owned(),
        Some(registry) => registry.to_ascii_lowercase(),
    };
    if registry == DOCKER_HUB && !repository.contains('/') {
        format!("{registry}/{OFFICIAL}/{repository}")
    } else {
        format!("{registry}/{repository}")
    }
}

fn check(good: bool, why: &'static str) -> Result<(), InvalidImage> {
    if good { Ok(()) } else { Err(InvalidImage(why)) }
}

fn is_hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn checked_registry(text: &str) -> Result<&str, InvalidImage> {
    let (host, port) = host_and_port(text);
    let good_port =
        port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    check(good_port, "the registry's port must be a number")?;
    let good_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok() && !address.contains('.'),
        None => host.split('.').all(is_host_part),
    };
    check(good_host, "the registry must be a host name or an IP address, with or without a port")?;
    Ok(text)
}

/// The host of a registry, and its port.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn is_host_part(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

/// True if a part of a repository is words of lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<u8>| byte.is_some_and(word);
    if !ends(part.bytes().next()) || !ends(part.bytes().last()) {
        return false;
    }
    let mut separators = part.split(|c: char| u8::try_from(c).is_ok_and(word));
    separators.all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}

fn checked_tag(tag: &str) -> Result<&str, InvalidImage> {
    check(!tag.is_empty(), "the colon is followed by no tag")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let good = tag.len() <= MAX_TAG && tag.bytes().all(allowed) && !tag.starts_with(['.', '-']);
    check(
        good,
        "the tag must be 1 to 128 letters, digits, '_', '.' or '-', the first a letter, a digit or '_'",
    )?;
    Ok(tag)
}

fn checked_digest(digest: &str) -> Result<&str, InvalidImage> {
    let known = digest.split_once(':').is_some_and(|(algorithm, digits)| {
        DIGESTS.contains(&(algorithm, digits.len())) && digits.bytes().all(is_hexadecimal)
    });
    check(known, "the digest must be sha256:, sha384: or sha512: and all its hexadecimal digits")?;
    Ok(digest)
}

/// True if a registry's host is a domain name that is not this machine's own.
fn is_domain(registry: &str) -> bool {
    let host = host_and_port(registry).0.to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    // Resolvers read such an end as a part of an IPv4 address: 127.1, 0x7f.1 (WHATWG URL, "ends in a number checker").
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(is_hexadecimal));
    // Names of this machine, by RFC 6761 and by the usual hosts file.
    let own = last == "localhost" || host == "localhost.localdomain";
    host.contains('.') && !numeric && !own
}

#[cfg(test)]
mod tests;
