//! The profile file: gateways by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::Failure;

/// One gateway.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Its address.
    pub(super) url: Option<String>,
    /// The file that holds the API key.
    pub(super) api_key_file: Option<String>,
}

impl Profile {
    /// The profile `name`, or `default`. Without a name it is no error that there is none.
    pub(super) fn read(
        name: Option<String>,
        variables: &[(String, String)],
    ) -> Result<Self, Failure> {
        let missing = |name: &str| Failure::Usage(format!("there is no profile {name}"));
        let Some(path) = path(variables) else {
            return name.map_or_else(|| Ok(Self::default()), |name| Err(missing(&name)));
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_) if name.is_none() => return Ok(Self::default()),
            Err(error) => return Err(Failure::Usage(format!("{}: {error}", path.display()))),
        };
        let profiles: BTreeMap<String, Self> =
            serde_saphyr::from_str(&text).map_err(|error| malformed(&path, &error))?;
        let wanted = name.as_deref().unwrap_or("default");
        match profiles.get(wanted) {
            Some(profile) => Ok(profile.clone()),
            None if name.is_none() => Ok(Self::default()),
            None => {
                let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
                Err(Failure::Usage(format!(
                    "{} has no profile {wanted}; it has {}",
                    path.display(),
                    known.join(", ")
                )))
            }
        }
    }
}

/// Says where the file is wrong. What is written there may be a key, and the parser's own words quote it.
fn malformed(path: &Path, error: &serde_saphyr::Error) -> Failure {
    let line = error.location().map_or_else(String::new, |at| format!(", line {}", at.line()));
    Failure::Usage(format!(
        "{}{line}: a profile is a name with url and api_key_file below it, and nothing else; the API key itself belongs in the file that api_key_file names",
        path.display()
    ))
}

/// The file, as the XDG base directory specification has it.
fn path(variables: &[(String, String)]) -> Option<PathBuf> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    };
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(base.join("mayfly").join("profiles.yaml"))
}
