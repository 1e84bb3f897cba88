//! Templates of the variables that runner containers get: `runnerenv_NAME=text with {placeholders}`.
//!
//! A placeholder is `{[a-z_]+}`. All are replaced in one pass, so that an inserted value is never expanded again; any other
//! brace stays as it is, and so does every `$`.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// Every placeholder, with what it stands for.
pub const PLACEHOLDERS: [(&str, &str); 22] = [
    ("api_gateway_port", "Port of the API gateway"),
    ("cache_url", "Value of RUNNER_CACHE_URL, with a slash at the end; empty without it"),
    ("docker_network", "Network the runner's container joins"),
    ("hostname", "Host name of the orchestrator"),
    ("jit_config", "Just-in-time configuration of this one runner; usable once"),
    ("labels", "Labels of the runner, joined by commas"),
    ("orchestrator_id", "Installation that manages the runner"),
    ("orchestrator_port", "Port of the orchestrator"),
    ("registration_token", "Registration token of the scope; valid for an hour"),
    ("registry_url", "Value of REGISTRY"),
    ("repo_full_name", "owner/repo, or the organisation"),
    ("repo_name", "Name of the repository, or the organisation"),
    ("repo_owner", "Owner of the repository, or unknown for an organisation"),
    ("runner_group", "Runner group of the runner, or Default"),
    ("runner_image", "Image of the runner"),
    ("runner_name", "Name of the runner"),
    ("scope_name", "owner/repo, or the organisation"),
    ("timestamp", "Unix time in seconds"),
    ("timestamp_date", "Date as YYYY-MM-DD, UTC"),
    ("timestamp_iso", "Time as YYYY-MM-DDTHH:MM:SSZ"),
    ("timestamp_time", "Time as HH-MM-SS, UTC"),
    ("user_login", "Value of GITHUB_USER_LOGIN"),
];

/// What a placeholder stands for in one runner.
pub enum Value {
    /// Anybody may see it.
    Plain(String),
    /// A credential.
    Secret(SecretString),
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(&'static str),
}

/// A template uses a placeholder that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown placeholder {{{0}}}; GET /api/v1/config/placeholders, or .env.example, lists those there are"
)]
pub struct UnknownPlaceholder(pub String);

impl Template {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((start, end)) = next_placeholder(rest) {
            let name = &rest[start + 1..end - 1];
            let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
            let (known, _) = known.ok_or_else(|| UnknownPlaceholder(name.to_owned()))?;
            parts.extend((start > 0).then(|| Part::Text(rest[..start].to_owned())));
            parts.push(Part::Placeholder(known));
            rest = &rest[end..];
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        Ok(Self { parts })
    }

    /// True if it uses the placeholder `name`.
    pub fn uses(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Placeholder(used) if *used == name))
    }

    /// The text with every placeholder replaced; a secret if one of them is. One without a value becomes empty.
    pub fn render(&self, values: &BTreeMap<&'static str, Value>) -> Value {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Placeholder(name) => match values.get(name) {
                Some(Value::Plain(value)) => value.clone(),
                Some(Value::Secret(value)) => value.expose_secret().to_owned(),
                None => String::new(),
            },
        };
        let rendered: String = self.parts.iter().map(text).collect();
        let secret = |part: &Part| match part {
            Part::Text(_) => false,
            Part::Placeholder(name) => matches!(values.get(name), Some(Value::Secret(_))),
        };
        if self.parts.iter().any(secret) {
            Value::Secret(rendered.into())
        } else {
            Value::Plain(rendered)
        }
    }
}

/// The source text.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Placeholder(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// Where the next `{[a-z_]+}` begins and ends, in bytes.
fn next_placeholder(text: &str) -> Option<(usize, usize)> {
    text.match_indices('{').find_map(|(start, _)| {
        let name =
            text[start + 1..].bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        let end = start + 1 + name;
        (name > 0 && text.as_bytes().get(end) == Some(&b'}')).then_some((start, end + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<&'static str, Value> {
        BTreeMap::from([
            ("scope_name", Value::Plain("{registration_token}".into())),
            ("registration_token", Value::Secret("AAA{scope_name}".into())),
            ("runner_name", Value::Plain("r1".into())),
        ])
    }

    #[test]
    fn placeholders_are_replaced_once_and_the_rest_stays() {
        let rows = [
            ("https://github.com/{scope_name}", "https://github.com/{registration_token}"),
            ("{registration_token}{runner_name}", "AAA{scope_name}r1"),
            (
                "$$HOME $d ${X} {X} {} { } {a-b} {{runner_name}}",
                "$$HOME $d ${X} {X} {} { } {a-b} {r1}",
            ),
            (r#"{"name": "{runner_name}", "n": {"a": 1}}"#, r#"{"name": "r1", "n": {"a": 1}}"#),
            ("ä{runner_name}ö{", "är1ö{"),
            ("", ""),
        ];
        for (template, expected) in rows {
            let parsed = Template::parse(template).unwrap();
            let (text, secret) = match parsed.render(&values()) {
                Value::Plain(text) => (text, false),
                Value::Secret(text) => (text.expose_secret().to_owned(), true),
            };
            assert_eq!((&*text, secret), (expected, parsed.uses("registration_token")));
            assert_eq!(parsed.to_string(), template);
        }
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let error = Template::parse("x-{runner_name}-{nonsense}").unwrap_err();
        assert!(error.to_string().starts_with("unknown placeholder {nonsense};"), "{error}");
    }

    #[test]
    fn every_placeholder_is_well_formed_and_listed_once() {
        let mut names: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted());
        names.dedup();
        assert_eq!(names.len(), PLACEHOLDERS.len());
        for name in names {
            assert!(Template::parse(&format!("{{{name}}}")).unwrap().uses(name));
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_loses_nothing(text in "[a-z{}_$ ]{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                proptest::prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}
