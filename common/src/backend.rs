//! The names of backends.

use std::fmt;

use serde::{Serialize, Serializer};

/// Longest name of a backend, in characters.
pub const MAX_BACKEND_NAME: usize = 32;

/// The name of a configured backend: 1 to 32 characters of `a-z 0-9 -`, the first a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendName(String);

/// The reason why a text is not a [`BackendName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_BACKEND_NAME} lower-case letters, digits or '-', and begin with a letter"
)]
pub struct InvalidBackendName;

impl BackendName {
    /// Takes `text` as the name of a backend.
    pub fn parse(text: &str) -> Result<Self, InvalidBackendName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || text.len() > MAX_BACKEND_NAME || !text.bytes().all(allowed) {
            return Err(InvalidBackendName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The backend `docker`, which is also that of machines whose identity names none.
impl Default for BackendName {
    fn default() -> Self {
        Self("docker".to_owned())
    }
}

impl Serialize for BackendName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_s_name_is_short_and_plain() {
        for good in ["docker", "a", "swarm-2", &"x".repeat(32)] {
            assert_eq!(BackendName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Docker", "2a", "-a", "a b", "a/b", "ä", &"x".repeat(33)] {
            assert_eq!(BackendName::parse(bad), Err(InvalidBackendName), "{bad:?}");
        }
        let default = BackendName::default();
        assert_eq!(
            (default.to_string(), format!("{default:?}")),
            ("docker".into(), "backend:docker".into())
        );
    }
}
