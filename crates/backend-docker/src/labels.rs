//! What makes a container ours: a full set of labels that also holds everything we need to know of it after a restart.

use std::collections::HashMap;

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::Scope;

use super::spec::Template;
use mayfly_backend::launch::LaunchSpec;
use mayfly_common::registration::RunnerId;

/// The label by which our containers are found; its value is the installation.
pub(super) const INSTALLATION: &str = "dev.mayfly.instance";
const POOL: &str = "dev.mayfly.pool";
const SCOPE: &str = "dev.mayfly.scope";
/// The runner's name, whatever its container is called.
pub(super) const RUNNER: &str = "dev.mayfly.runner";
const GITHUB_RUNNER_ID: &str = "dev.mayfly.github-runner-id";
const CREATED_AT: &str = "dev.mayfly.created-at";
const DEADLINE: &str = "dev.mayfly.deadline";
const IMAGE: &str = "dev.mayfly.image";
const LABELS: &str = "dev.mayfly.labels";
/// The engine's id of the image; only with newer releases.
const IMAGE_ID: &str = "dev.mayfly.image-id";
/// What the runner is made from, in short; only with newer releases.
const FINGERPRINT: &str = "dev.mayfly.fingerprint";
/// Which way of Docker the runner's jobs have; only where they have one.
const DOCKER: &str = "dev.mayfly.docker";
/// The runner whose Docker engine this is: on the engine's container and network.
pub(super) const DOCKER_OF: &str = "dev.mayfly.docker-of";
const SCHEMA: &str = "dev.mayfly.schema";
/// The version of this set. A container with another one is left alone.
const SCHEMA_VERSION: &str = "1";

/// What the labels of a container say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The runner's name.
    pub(super) name: RunnerName,
    /// The pool it belongs to.
    pub(super) pool: PoolName,
    /// Where it registers.
    pub(super) scope: Scope,
    /// The labels it registers with.
    pub(super) labels: LabelSet,
    /// Its registration, if it was known at creation.
    pub(super) github_id: Option<RunnerId>,
    /// The image it was created from.
    pub(super) image: String,
    /// The engine's id of that image.
    pub(super) image_id: Option<String>,
    /// What it was made from, in short.
    pub(super) fingerprint: Option<String>,
    /// When it was created.
    pub(super) created_at: Timestamp,
    /// When it is removed whatever it does.
    pub(super) deadline: Timestamp,
    /// True if it has a Docker engine of its own.
    pub(super) has_engine: bool,
}

/// The labels for a new container.
pub(super) fn encode(template: &Template<'_>, spec: &LaunchSpec) -> HashMap<String, String> {
    let pairs = [
        (INSTALLATION, template.installation.to_owned()),
        (POOL, spec.pool.as_str().to_owned()),
        (SCOPE, spec.scope.to_string()),
        (RUNNER, spec.name.to_string()),
        (GITHUB_RUNNER_ID, spec.github_id.map(|id| id.0.to_string()).unwrap_or_default()),
        (CREATED_AT, spec.created_at.to_string()),
        (DEADLINE, spec.deadline.to_string()),
        (IMAGE, spec.material.image.clone()),
        (LABELS, encode_labels(&spec.labels)),
        (SCHEMA, SCHEMA_VERSION.to_owned()),
    ];
    let more = [
        (FINGERPRINT, Some(spec.material.fingerprint.clone())),
        (IMAGE_ID, template.image_id.map(str::to_owned)),
        (DOCKER, spec.material.profile.engine.as_ref().map(|_| "dind".to_owned())),
    ];
    let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
    pairs.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The labels for the Docker engine of a runner: those of the runner, so that it can stand for it, and whose engine it is.
pub(super) fn encode_sidecar(
    template: &Template<'_>,
    spec: &LaunchSpec,
) -> HashMap<String, String> {
    let mut labels = encode(template, spec);
    labels.insert(DOCKER_OF.to_owned(), spec.name.to_string());
    labels
}

/// The runner whose Docker engine this is; `None` as in [`decode`], or if it is no such engine.
pub(super) fn decode_sidecar(
    installation: &str,
    labels: &HashMap<String, String>,
) -> Option<Identity> {
    let of = labels.get(DOCKER_OF)?;
    read(installation, labels).filter(|identity| identity.name.as_str() == of)
}

/// Reads the labels of a runner back; `None` unless the set is full, well-formed and of `installation`.
pub(super) fn decode(installation: &str, labels: &HashMap<String, String>) -> Option<Identity> {
    if labels.contains_key(DOCKER_OF) { None } else { read(installation, labels) }
}

fn read(installation: &str, labels: &HashMap<String, String>) -> Option<Identity> {
    let text = |name: &str| labels.get(name).map(String::as_str);
    if text(INSTALLATION)? != installation || text(SCHEMA)? != SCHEMA_VERSION {
        return None;
    }
    let github_id = match text(GITHUB_RUNNER_ID)? {
        "" => None,
        id => Some(RunnerId(id.parse().ok()?)),
    };
    Some(Identity {
        name: RunnerName::parse(text(RUNNER)?).ok()?,
        pool: PoolName::parse(text(POOL)?).ok()?,
        scope: text(SCOPE)?.parse().ok()?,
        labels: decode_labels(text(LABELS)?),
        github_id,
        image: text(IMAGE)?.to_owned(),
        image_id: text(IMAGE_ID).map(str::to_owned),
        fingerprint: text(FINGERPRINT).map(str::to_owned),
        created_at: text(CREATED_AT)?.parse().ok()?,
        deadline: text(DEADLINE)?.parse().ok()?,
        has_engine: text(DOCKER).is_some(),
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
    use mayfly_common::material::{Engine, Material, Profile};
    use mayfly_common::pool::Isolation;

    const TEMPLATE: Template<'static> =
        Template { installation: "i", network: "n", image_id: Some("sha256:0") };

    fn spec() -> LaunchSpec {
        LaunchSpec {
            name: RunnerName::parse("mayfly-i-1").unwrap(),
            pool: PoolName::manual(),
            material: Material {
                image: "img:1".to_owned(),
                command: None,
                profile: Profile {
                    memory: 1,
                    nano_cpus: 1,
                    pids: 1,
                    isolation: Isolation::Strict,
                    seccomp: None,
                    engine: None,
                },
                fingerprint: "f00".to_owned(),
            },
            scope: "org:octo".parse().unwrap(),
            labels: LabelSet::requested(["self-hosted", "gpu"]),
            github_id: Some(RunnerId(7)),
            environment: vec![("ACTIONS_RUNNER_INPUT_JITCONFIG".into(), "c2VjcmV0".into())],
            created_at: Timestamp::from_second(1_800_000_000).unwrap(),
            deadline: Timestamp::from_second(1_800_000_600).unwrap(),
        }
    }

    #[test]
    fn what_is_written_reads_back_and_holds_no_credential() {
        let labels = encode(&TEMPLATE, &spec());
        let identity = decode("i", &labels).unwrap();
        assert_eq!(
            (identity.name, identity.scope, identity.labels),
            (spec().name, spec().scope, spec().labels)
        );
        assert_eq!(
            (identity.pool, identity.github_id, identity.image.as_str()),
            (PoolName::manual(), spec().github_id, "img:1")
        );
        assert_eq!(identity.image_id.as_deref(), Some("sha256:0"));
        assert_eq!(identity.fingerprint.as_deref(), Some("f00"));
        assert_eq!((identity.created_at, identity.deadline), (spec().created_at, spec().deadline));
        assert!(labels.values().all(|value| !value.contains("c2VjcmV0")));
        let token = LaunchSpec { github_id: None, ..spec() };
        assert_eq!(decode("i", &encode(&TEMPLATE, &token)).unwrap().github_id, None);
    }

    #[test]
    fn the_labels_are_these_and_mean_what_they_are_called() {
        let mut spec = crate::stand_in::spec();
        let written = |spec: &LaunchSpec| serde_json::to_value(encode(&TEMPLATE, spec)).unwrap();
        assert_eq!(written(&spec), crate::stand_in::labels());
        let identity = Identity {
            name: spec.name.clone(),
            pool: spec.pool.clone(),
            scope: spec.scope.clone(),
            labels: spec.labels.clone(),
            github_id: Some(RunnerId(7)),
            image: "img:1".to_owned(),
            image_id: Some("sha256:0".to_owned()),
            fingerprint: Some("f00".to_owned()),
            created_at: Timestamp::from_second(1_800_000_000).unwrap(),
            deadline: Timestamp::from_second(1_800_005_400).unwrap(),
            has_engine: false,
        };
        assert_eq!(decode("i", &encode(&TEMPLATE, &spec)), Some(identity.clone()));
        spec.material.profile.engine = Some(Engine { image: "d".to_owned(), privileged: true });
        assert_eq!(written(&spec), crate::stand_in::labels_with_engine(false));
        let engine = encode_sidecar(&TEMPLATE, &spec);
        assert_eq!(
            serde_json::to_value(&engine).unwrap(),
            crate::stand_in::labels_with_engine(true)
        );
        let with_engine = Identity { has_engine: true, ..identity };
        assert_eq!(decode_sidecar("i", &engine), Some(with_engine));
        // Of an older release: without what is only with newer ones.
        let mut older = encode(&TEMPLATE, &spec);
        older.retain(|name, _| ![IMAGE_ID, FINGERPRINT, DOCKER].contains(&name.as_str()));
        let older = decode("i", &older).unwrap();
        assert_eq!((older.image_id, older.fingerprint, older.has_engine), (None, None, false));
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

    #[test]
    fn an_engine_is_never_taken_for_its_runner() {
        let mut spec = spec();
        assert!(!decode("i", &encode(&TEMPLATE, &spec)).unwrap().has_engine);
        spec.material.profile.engine = Some(Engine { image: "d".to_owned(), privileged: true });
        let runner = encode(&TEMPLATE, &spec);
        assert!(decode("i", &runner).unwrap().has_engine);
        assert_eq!(decode_sidecar("i", &runner), None);
        let mut engine = encode_sidecar(&TEMPLATE, &spec);
        assert_eq!(decode("i", &engine), None);
        assert_eq!(decode_sidecar("i", &engine), decode("i", &runner));
        assert_eq!(decode_sidecar("other", &engine), None);
        engine.insert(DOCKER_OF.to_owned(), "another".to_owned());
        assert_eq!(decode_sidecar("i", &engine), None);
    }

    #[test]
    fn a_partial_foreign_or_odd_set_is_not_ours() {
        let full = encode(&TEMPLATE, &spec());
        assert_eq!(decode("other", &full), None);
        for name in full.keys().filter(|name| ![IMAGE_ID, FINGERPRINT].contains(&name.as_str())) {
            let mut partial = full.clone();
            partial.remove(name);
            assert_eq!(decode("i", &partial), None, "without {name}");
        }
        for (name, value) in [
            (SCHEMA, "2"),
            (SCOPE, "octo"),
            (DEADLINE, "soon"),
            (GITHUB_RUNNER_ID, "x"),
            (POOL, "a pool"),
        ] {
            let mut odd = full.clone();
            odd.insert(name.to_owned(), value.to_owned());
            assert_eq!(decode("i", &odd), None, "{name}={value}");
        }
    }
}
