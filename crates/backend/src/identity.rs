//! The identity of a runner as a flat map of texts, which every backend can store with a machine: as labels, in a description, in a
//! file.
//!
//! Invariant: the keys and the values are those of every earlier release, so that a machine of an earlier release is adopted, and a
//! machine of this one by an earlier release.

use std::collections::BTreeMap;

use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::RunnerId;

/// The key by which our machines are found; its value is the id of the installation.
pub const INSTALLATION: &str = "dev.mayfly.instance";
/// The key of the runner's name, whatever its machine is called.
pub const RUNNER: &str = "dev.mayfly.runner";
/// The key of the backend's name; absent means `docker`.
const BACKEND: &str = "dev.mayfly.backend";
const POOL: &str = "dev.mayfly.pool";
const SCOPE: &str = "dev.mayfly.scope";
const GITHUB_RUNNER_ID: &str = "dev.mayfly.github-runner-id";
const CREATED_AT: &str = "dev.mayfly.created-at";
const DEADLINE: &str = "dev.mayfly.deadline";
const IMAGE: &str = "dev.mayfly.image";
const LABELS: &str = "dev.mayfly.labels";
/// The key of the backend's id of the image; absent in older releases.
const IMAGE_ID: &str = "dev.mayfly.image-id";
/// The key of the fingerprint; absent in older releases.
const FINGERPRINT: &str = "dev.mayfly.fingerprint";
const SCHEMA: &str = "dev.mayfly.schema";
/// The version of this set. A machine with another one is left alone.
const SCHEMA_VERSION: &str = "1";

/// Writes an identity.
pub fn encode(identity: &RunnerIdentity) -> BTreeMap<String, String> {
    let pairs = [
        (INSTALLATION, identity.installation.clone()),
        (POOL, identity.pool.as_str().to_owned()),
        (SCOPE, identity.scope.to_string()),
        (RUNNER, identity.name.to_string()),
        (GITHUB_RUNNER_ID, identity.github_id.map(|id| id.0.to_string()).unwrap_or_default()),
        (CREATED_AT, identity.created_at.to_string()),
        (DEADLINE, identity.deadline.to_string()),
        (IMAGE, identity.image.clone()),
        (LABELS, encode_labels(&identity.labels)),
        (SCHEMA, SCHEMA_VERSION.to_owned()),
    ];
    let backend = Some(&identity.backend).filter(|backend| **backend != BackendName::default());
    let more = [
        (BACKEND, backend.map(ToString::to_string)),
        (FINGERPRINT, identity.fingerprint.clone()),
        (IMAGE_ID, identity.image_id.clone()),
    ];
    let more = more.into_iter().filter_map(|(key, value)| Some((key, value?)));
    pairs.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Reads an identity. `text` gives the value of a key. `None` unless the set is full and well-formed.
pub fn decode<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Option<RunnerIdentity> {
    if text(SCHEMA)? != SCHEMA_VERSION {
        return None;
    }
    let github_id = match text(GITHUB_RUNNER_ID)? {
        "" => None,
        id => Some(RunnerId(id.parse().ok()?)),
    };
    let backend = match text(BACKEND) {
        None => BackendName::default(),
        Some(name) => BackendName::parse(name).ok()?,
    };
    Some(RunnerIdentity {
        installation: text(INSTALLATION)?.to_owned(),
        backend,
        pool: PoolName::parse(text(POOL)?).ok()?,
        scope: text(SCOPE)?.parse().ok()?,
        name: RunnerName::parse(text(RUNNER)?).ok()?,
        labels: decode_labels(text(LABELS)?),
        github_id,
        image: text(IMAGE)?.to_owned(),
        image_id: text(IMAGE_ID).map(str::to_owned),
        fingerprint: text(FINGERPRINT).map(str::to_owned),
        created_at: text(CREATED_AT)?.parse().ok()?,
        deadline: text(DEADLINE)?.parse().ok()?,
    })
}

/// The runner's labels as one text: joined by commas, or, where one has a comma itself, a list in JSON.
fn encode_labels(labels: &LabelSet) -> String {
    let joined = labels.to_string();
    if labels.with_comma().is_none() && !joined.starts_with('[') {
        return joined;
    }
    serde_json::Value::from(labels.to_strings()).to_string()
}

fn decode_labels(text: &str) -> LabelSet {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(labels) => LabelSet::requested(labels),
        Err(_) => LabelSet::requested(text.split(',')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn identity() -> RunnerIdentity {
        RunnerIdentity {
            installation: "i".to_owned(),
            backend: BackendName::default(),
            pool: PoolName::parse("ci").unwrap(),
            scope: "org:octo".parse().unwrap(),
            name: RunnerName::parse("mayfly-i-1").unwrap(),
            labels: LabelSet::requested(["self-hosted", "gpu"]),
            github_id: Some(RunnerId(7)),
            image: "img:1".to_owned(),
            image_id: Some("sha256:0".to_owned()),
            fingerprint: Some("f00".to_owned()),
            created_at: Timestamp::from_second(1_800_000_000).unwrap(),
            deadline: Timestamp::from_second(1_800_005_400).unwrap(),
        }
    }

    fn read(facts: &BTreeMap<String, String>) -> Option<RunnerIdentity> {
        decode(|key| facts.get(key).map(String::as_str))
    }

    fn text(facts: &[(&str, &str)]) -> BTreeMap<String, String> {
        facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// What release 0.1.0 wrote for [`identity`], letter by letter.
    fn older() -> BTreeMap<String, String> {
        text(&[
            ("dev.mayfly.instance", "i"),
            ("dev.mayfly.pool", "ci"),
            ("dev.mayfly.scope", "org:octo"),
            ("dev.mayfly.runner", "mayfly-i-1"),
            ("dev.mayfly.github-runner-id", "7"),
            ("dev.mayfly.created-at", "2027-01-15T08:00:00Z"),
            ("dev.mayfly.deadline", "2027-01-15T09:30:00Z"),
            ("dev.mayfly.image", "img:1"),
            ("dev.mayfly.labels", "gpu,self-hosted"),
            ("dev.mayfly.schema", "1"),
        ])
    }

    #[test]
    fn an_identity_is_written_as_ever_and_an_older_one_is_read() {
        let mut expected = older();
        expected.extend(text(&[
            ("dev.mayfly.fingerprint", "f00"),
            ("dev.mayfly.image-id", "sha256:0"),
        ]));
        assert_eq!(encode(&identity()), expected);
        let expected = RunnerIdentity { image_id: None, fingerprint: None, ..identity() };
        assert_eq!(read(&older()), Some(expected));
    }

    #[test]
    fn what_is_written_reads_back() {
        let other = BackendName::parse("swarm-2").unwrap();
        let rows = [
            identity(),
            RunnerIdentity { github_id: None, image_id: None, fingerprint: None, ..identity() },
            RunnerIdentity { backend: other, ..identity() },
            RunnerIdentity { deadline: Timestamp::MAX, ..identity() },
        ];
        for identity in rows {
            assert_eq!(read(&encode(&identity)), Some(identity));
        }
    }

    #[test]
    fn only_another_backend_than_docker_is_named() {
        assert!(!encode(&identity()).contains_key("dev.mayfly.backend"));
        let backend = BackendName::parse("swarm").unwrap();
        let facts = encode(&RunnerIdentity { backend, ..identity() });
        assert_eq!(facts.get("dev.mayfly.backend").map(String::as_str), Some("swarm"));
    }

    #[test]
    fn a_partial_or_odd_set_is_none() {
        let full = older();
        for key in full.keys() {
            let mut partial = full.clone();
            partial.remove(key);
            assert_eq!(read(&partial), None, "without {key}");
        }
        for (key, value) in [
            (SCHEMA, "2"),
            (SCOPE, "octo"),
            (DEADLINE, "soon"),
            (CREATED_AT, ""),
            (GITHUB_RUNNER_ID, "x"),
            (POOL, "a pool"),
            (RUNNER, "a runner"),
            (BACKEND, "A backend"),
        ] {
            let mut odd = full.clone();
            odd.insert(key.to_owned(), value.to_owned());
            assert_eq!(read(&odd), None, "{key}={value}");
        }
    }

    #[test]
    fn every_label_reads_back_and_plain_ones_are_written_as_ever() {
        let rows: [(&[&str], &str); 7] = [
            (&["self-hosted", "gpu"], "gpu,self-hosted"),
            (&["runner=2cpu-linux-x64"], "runner=2cpu-linux-x64"),
            (&["amazon linux 2", "größe"], "amazon linux 2,größe"),
            (&["a,b", "c"], r#"["a,b","c"]"#),
            (&["[x]"], r#"["[x]"]"#),
            (&[r#"["a"]"#], r#"["[\"a\"]"]"#),
            (&[], ""),
        ];
        for (labels, text) in rows {
            let labels = LabelSet::requested(labels);
            assert_eq!(encode_labels(&labels), text);
            assert_eq!(decode_labels(text), labels, "{text}");
        }
        // As an older release wrote it.
        assert_eq!(decode_labels("a,[b]"), LabelSet::requested(["a", "[b]"]));
    }
}
