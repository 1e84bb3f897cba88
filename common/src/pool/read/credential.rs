//! Credentials in a description of a pool. Pools are stored and shown, so no field of one may hold a credential.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::api::fields::error;
use crate::problem::FieldError;

/// How GitHub's tokens begin (GitHub docs: "Token formats"). As values of variables, their starts are enough.
const TOKENS: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// A token of GitHub.
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^A-Za-z0-9])(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{10,}"));
/// A registration token: an A and 28 more capital letters and digits.
static REGISTRATION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?-u:\b)A[A-Z0-9]{28}(?-u:\b)"));
/// A password in a URL. A variable or a placeholder in its place is none.
static PASSWORD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"://[^[:space:]/?#:@]*:[^[:space:]/?#@${<*][^[:space:]/?#@]*@"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant and tested")
}

/// What kind of credential `text` holds.
fn kind(text: &str, is_variable: bool) -> Option<&'static str> {
    let starts = || TOKENS.iter().any(|prefix| text.contains(prefix));
    if TOKEN.is_match(text) || (is_variable && starts()) {
        return Some("looks like a GitHub token");
    }
    if REGISTRATION.is_match(text) {
        return Some("looks like a registration token");
    }
    if text.contains("PRIVATE KEY-----") {
        return Some("holds a private key");
    }
    PASSWORD.is_match(text).then_some("holds a URL with a password")
}

/// A mistake for each text in `value` that holds a credential. `at`: its JSON Pointer.
///
/// Errors: the name of a field or variable holds one. No further mistakes are told then, since their pointers would repeat the name.
pub(super) fn all(value: &Value, at: &str) -> Result<Vec<FieldError>, Vec<FieldError>> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    look(value, at, &mut names, &mut values);
    if names.is_empty() { Ok(values) } else { Err(names) }
}

fn look(value: &Value, at: &str, names: &mut Vec<FieldError>, values: &mut Vec<FieldError>) {
    let why = "pools are stored, and credentials do not belong there";
    match value {
        Value::String(text) => {
            let is_variable =
                at.rsplit_once('/').is_some_and(|(parent, _)| parent.ends_with("/env"));
            if let Some(kind) = kind(text, is_variable) {
                values.push(error(at, format!("{kind}; {why}")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look(item, &format!("{at}/{index}"), names, values);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(kind) = kind(name, false) {
                    names.push(error(at, format!("has a name that {kind}; {why}")));
                } else {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    look(value, &format!("{at}/{name}"), names, values);
                }
            }
        }
        _ => {}
    }
}
