//! Reading configuration from the environment so that every mistake is reported at once, each with its variable's name.
//!
//! The pattern: [`Checker::read`] fills a struct of `Option<String>`, which cannot fail; the [`Checker`] then turns each text
//! into its type and collects what is wrong. An empty value counts as unset, because compose files pass `X=${X:-}`. A secret's
//! value never becomes part of an error.
//!
//! | module | what |
//! |---|---|
//! | here | [`Checker`] |
//! | [`api_keys`] | the gateway's keys under names that nothing reads |
//! | [`known`] | the variables there are, and which one a misspelt name means |
//! | [`secret`] | secrets, from a variable or the file that it names |

pub mod api_keys;
pub mod known;
pub mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mayfly_common::clean::{self, blemish};
use serde::de::DeserializeOwned;

pub use secret::Secret;

/// The process's variables, as [`clean::all`] leaves them. Bytes that are not UTF-8 become U+FFFD, which [`blemish`] refuses.
/// (`envy::from_env` panics on them.)
pub fn variables() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    clean::all(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
}

/// Everything that is wrong with a configuration, one line each: `VARIABLE: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Turns texts into types, keeping every error.
#[derive(Debug, Default)]
pub struct Checker {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Checker {
    /// A checker that has seen nothing wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `variable` is wrong.
    pub fn fail(&mut self, variable: &str, reason: impl fmt::Display) {
        self.errors.push(format!("{variable}: {reason}"));
    }

    /// Notes that `variable` is probably not what its author wants.
    pub fn warn(&mut self, variable: &str, reason: impl fmt::Display) {
        self.warnings.push(format!("{variable}: {reason}"));
    }

    /// What is probably not wanted, one line each: `VARIABLE: reason`.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Fills a struct, all of whose fields are `Option<String>`, from the variables of the fields' names in any case.
    pub fn read<T: DeserializeOwned + Default>(&mut self, variables: Vec<(String, String)>) -> T {
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, value) in clean::all(variables).into_iter().filter(|(_, v)| !v.trim().is_empty())
        {
            let key = name.to_ascii_lowercase();
            match found.get(&key) {
                Some((other, text)) if *text != value => {
                    let reason =
                        format!("is set twice, to different values: as {other} and as {name}");
                    self.fail(&name.to_ascii_uppercase(), reason);
                }
                _ => drop(found.insert(key, (name, value))),
            }
        }
        let pairs = found.into_iter().map(|(key, (_, value))| (key, value));
        envy::from_iter(pairs).unwrap_or_else(|error| {
            self.fail("environment", format!("cannot be read: {error}"));
            T::default()
        })
    }

    /// The text of a variable, if it is set to something that can be meant.
    pub fn text(&mut self, variable: &str, raw: Option<String>) -> Option<String> {
        let text = set(raw)?;
        match blemish(&text) {
            None => Some(text.trim().to_owned()),
            Some(reason) => {
                self.fail(variable, reason);
                None
            }
        }
    }

    /// The same for a text in which quotation marks and line breaks may be meant.
    pub fn free_text(&mut self, variable: &str, raw: Option<String>) -> Option<String> {
        let text = set(raw)?;
        match clean::garbled(&text) {
            None => Some(text),
            Some(reason) => {
                self.fail(variable, reason);
                None
            }
        }
    }

    /// The value of an optional variable, or `default`.
    pub fn optional<T, E: fmt::Display>(
        &mut self,
        variable: &str,
        raw: Option<String>,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        match self.text(variable, raw).map(|text| parse(&text)) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(reason)) => {
                self.fail(variable, reason);
                default
            }
        }
    }

    /// The value of a variable that must be set; `None` after noting that it is not, or that it is wrong.
    pub fn required<T, E: fmt::Display>(
        &mut self,
        variable: &str,
        raw: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if set(raw.clone()).is_none() {
            self.fail(variable, "is required");
            return None;
        }
        let text = self.text(variable, raw)?;
        parse(&text).map_err(|reason| self.fail(variable, reason)).ok()
    }

    /// `value` if nothing was wrong, else everything that was.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(self.errors)),
        }
    }
}

/// The value of one variable, whatever the case of its name, if it is set.
///
/// Errors: it is set to what cannot be meant; the text begins with the variable's name and never holds the value.
pub fn value(variables: &[(String, String)], variable: &str) -> Result<Option<String>, String> {
    let named = variables.iter().filter(|(name, _)| name.eq_ignore_ascii_case(variable));
    let texts = named.map(|(_, value)| clean::text(value).trim()).filter(|text| !text.is_empty());
    let texts: BTreeSet<&str> = texts.collect();
    match (texts.first(), texts.len()) {
        (None, _) => Ok(None),
        (Some(text), 1) => match blemish(text) {
            None => Ok(Some((*text).to_owned())),
            Some(reason) => Err(format!("{variable}: {reason}")),
        },
        (Some(_), _) => Err(format!("{variable}: is set twice, to different values")),
    }
}

/// A text that is set: neither absent nor blank.
pub fn set(raw: Option<String>) -> Option<String> {
    raw.filter(|text| !text.trim().is_empty())
}

/// `true` or `false`, in any case; also `1`/`0` and `yes`/`no`.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A whole number within `range`.
pub fn integer(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let wrong = || format!("must be a whole number from {} to {}", range.start(), range.end());
    text.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
}

/// A TCP port.
pub fn port(text: &str) -> Result<u16, String> {
    integer(text, 1..=65535).map(|number| u16::try_from(number).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;
