//! The name of a runner, which is also the name of its container and of its registration at GitHub.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name GitHub takes for a runner, in characters.
///
/// Source: GitHub docs, REST "Create configuration for a just-in-time runner", and `config.sh`, which refuses longer names.
pub const MAX_NAME_LENGTH: usize = 64;

/// A runner's name: 2 to 64 characters of `A-Z a-z 0-9 _ . -`, the first a letter or digit.
///
/// That is the intersection of what Docker takes for a container (`[a-zA-Z0-9][a-zA-Z0-9_.-]+`, Docker Engine API,
/// `POST /containers/create`) and what GitHub takes for a runner, so one name serves both and creating is idempotent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerName(String);

/// Why a text is not a [`RunnerName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Shorter than two or longer than 64 characters; holds the length found.
    #[error("must have 2 to {MAX_NAME_LENGTH} characters, has {0}")]
    Length(usize),
    /// A character outside the permitted set, or a first character that is not a letter or digit.
    #[error(
        "may hold only letters, digits, '_', '.' and '-', and must start with a letter or digit"
    )]
    Characters,
}

impl RunnerName {
    /// Takes `text` as a runner name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let length = text.chars().count();
        if !(2..=MAX_NAME_LENGTH).contains(&length) {
            return Err(InvalidName::Length(length));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(allowed) {
            return Err(InvalidName::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runner:{}", self.0)
    }
}

impl TryFrom<String> for RunnerName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<RunnerName> for String {
    fn from(name: RunnerName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_docker_and_github_both_take() {
        for good in ["ab", "mayfly-5ehl-0a1b2c", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(RunnerName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["-ab", ".ab", "_ab", "a b", "a/b", "a,b", "ä1", "a\nb", "../x", "a%2f"] {
            assert_eq!(RunnerName::parse(bad), Err(InvalidName::Characters), "{bad:?}");
        }
        for (bad, length) in
            [(String::new(), 0), ("a".into(), 1), ("x".repeat(65), 65), ("x".repeat(101), 101)]
        {
            assert_eq!(RunnerName::parse(&bad), Err(InvalidName::Length(length)));
        }
    }

    #[test]
    fn what_a_name_must_be_is_said() {
        assert_eq!(InvalidName::Length(65).to_string(), "must have 2 to 64 characters, has 65");
        assert_eq!(
            InvalidName::Characters.to_string(),
            "may hold only letters, digits, '_', '.' and '-', and must start with a letter or digit"
        );
        let name = RunnerName::parse("ab").unwrap();
        assert_eq!(
            (name.to_string(), format!("{name:?}")),
            ("ab".to_owned(), "runner:ab".to_owned())
        );
        assert!(serde_json::from_str::<RunnerName>("\"a\"").is_err());
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"ab\"");
    }
}
