//! Reading configuration from the environment so that every mistake is reported at once, each with its variable's name.
//!
//! The pattern: [`variables`] hands UTF-8 pairs to `envy`, which fills a struct of `Option<String>` and so cannot fail;
//! a [`Checker`] then turns each text into its type and collects what is wrong. An empty value counts as unset, because
//! compose files pass `X=${X:-}`. A secret's value never becomes part of an error.

use std::fmt;
use std::path::Path;

use secrecy::SecretString;

/// The process' variables whose names and values are UTF-8. (`envy::from_env` panics on any that is not.)
pub fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
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

    /// The value of an optional variable, or `default`.
    pub fn optional<T, E: fmt::Display>(
        &mut self,
        variable: &str,
        raw: Option<String>,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        match set(raw).map(|text| parse(&text)) {
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
        let Some(text) = set(raw) else {
            self.fail(variable, "is required");
            return None;
        };
        parse(&text).map_err(|reason| self.fail(variable, reason)).ok()
    }

    /// A secret from `variable` or, if `variable`_FILE is set, from that file (trailing white space is dropped).
    pub fn secret(
        &mut self,
        variable: &str,
        raw: Option<String>,
        file: Option<String>,
    ) -> Option<SecretString> {
        match (set(raw), set(file)) {
            (Some(_), Some(_)) => {
                self.fail(
                    variable,
                    format!("is set twice: set either {variable} or {variable}_FILE"),
                );
                None
            }
            (Some(value), None) => Some(value.into()),
            (None, Some(path)) => match std::fs::read_to_string(Path::new(&path)) {
                Ok(text) if text.trim().is_empty() => {
                    self.fail(&format!("{variable}_FILE"), format!("{path} is empty"));
                    None
                }
                Ok(text) => Some(text.trim_end().to_owned().into()),
                Err(error) => {
                    self.fail(&format!("{variable}_FILE"), format!("cannot read {path}: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// `value` if nothing was wrong, else everything that was.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(self.errors)),
        }
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
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn every_mistake_is_reported_with_its_variable() {
        let mut check = Checker::new();
        let a = check.optional("A", Some("x".into()), true, boolean);
        let b = check.optional("B", Some("0".into()), 8080, port);
        let c: Option<u64> = check.required("C", Some("  ".into()), |text| integer(text, 1..=2));
        assert_eq!((a, b, c), (true, 8080, None));
        let errors = check.finish(Some(())).unwrap_err().to_string();
        assert_eq!(
            errors,
            "A: must be true or false\nB: must be a whole number from 1 to 65535\nC: is required"
        );
    }

    #[test]
    fn secrets_come_from_the_variable_or_its_file_and_stay_out_of_errors() {
        let path = std::env::temp_dir().join(format!("mayfly-env-test-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        let file = Some(path.to_string_lossy().into_owned());
        let mut check = Checker::new();
        assert_eq!(check.secret("T", None, file.clone()).unwrap().expose_secret(), "s3cret");
        assert!(check.secret("T", Some("s3cret".into()), file).is_none());
        assert!(check.secret("T", None, Some("/does/not/exist".into())).is_none());
        std::fs::remove_file(path).unwrap();
        let errors = check.finish(Some(())).unwrap_err().to_string();
        assert!(
            errors.contains("T: is set twice") && errors.contains("T_FILE: cannot read"),
            "{errors}"
        );
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}
