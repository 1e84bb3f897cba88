//! The world's data in the shapes of GitHub's REST description.

pub(crate) mod accounts;
pub(crate) mod apps;
pub(crate) mod files;
pub(crate) mod hooks;
pub(crate) mod payloads;
pub(crate) mod repos;
pub(crate) mod root;
pub(crate) mod runners;
pub(crate) mod runs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// A time as GitHub writes it: UTC, whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A global node id: opaque to clients.
pub(crate) fn node_id(kind: &str, id: u64) -> String {
    STANDARD.encode(format!("0{}:{kind}{id}", kind.len()))
}

/// An object of `name: base + suffix`.
pub(crate) fn links(base: &str, pairs: &[(&str, &str)]) -> Map<String, Value> {
    pairs
        .iter()
        .map(|(name, suffix)| ((*name).to_owned(), Value::from(format!("{base}{suffix}"))))
        .collect()
}

/// The fields of `more` added to those of `base`; both are objects.
pub(crate) fn merged(mut base: Map<String, Value>, more: Value) -> Map<String, Value> {
    if let Value::Object(more) = more {
        base.extend(more);
    }
    base
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_whole_seconds() {
        let at = "2026-11-21T01:02:03.987Z".parse().unwrap();
        assert_eq!(super::time(at), "2026-11-21T01:02:03Z");
    }
}
