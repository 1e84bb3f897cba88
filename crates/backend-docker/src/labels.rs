//! What makes a container ours: a full set of labels that also holds everything we need to know of it after a restart.

use std::collections::HashMap;

use mayfly_backend::identity;
pub(super) use mayfly_backend::identity::{INSTALLATION, RUNNER};
use mayfly_backend::spec::MachineSpec;
use mayfly_common::identity::{BackendName, RunnerIdentity};

use super::template::Template;

/// Which way of Docker the runner's jobs have; only where they have one.
const DOCKER: &str = "dev.mayfly.docker";
/// The runner whose Docker engine this is: on the engine's container and network.
pub(super) const DOCKER_OF: &str = "dev.mayfly.docker-of";

/// Whose containers are ours.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    /// The installation.
    pub(super) installation: String,
    /// The backend of that installation.
    pub(super) backend: BackendName,
}

/// What the labels of a container say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    /// The identity of its runner.
    pub(super) identity: RunnerIdentity,
    /// True if it has a Docker engine of its own.
    pub(super) has_engine: bool,
}

/// The labels for a new container.
pub(super) fn encode(template: &Template<'_>, spec: &MachineSpec) -> HashMap<String, String> {
    let image_id = template.image_id.map(str::to_owned);
    let identity = identity::encode(&RunnerIdentity { image_id, ..spec.identity.clone() });
    let docker = spec.profile.engine.as_ref().map(|_| (DOCKER.to_owned(), "dind".to_owned()));
    identity.into_iter().chain(docker).collect()
}

/// The labels for the Docker engine of a runner: those of the runner, so that it can stand for it, and whose engine it is.
pub(super) fn encode_sidecar(
    template: &Template<'_>,
    spec: &MachineSpec,
) -> HashMap<String, String> {
    let mut labels = encode(template, spec);
    labels.insert(DOCKER_OF.to_owned(), spec.identity.name.to_string());
    labels
}

/// The runner whose Docker engine this is; `None` as in [`decode`], or if it is no such engine.
pub(super) fn decode_sidecar(owner: &Owner, labels: &HashMap<String, String>) -> Option<Labels> {
    let of = labels.get(DOCKER_OF)?;
    read(owner, labels).filter(|found| found.identity.name.as_str() == of)
}

/// Reads the labels of a runner back; `None` unless the set is full, well-formed and of `owner`.
pub(super) fn decode(owner: &Owner, labels: &HashMap<String, String>) -> Option<Labels> {
    if labels.contains_key(DOCKER_OF) { None } else { read(owner, labels) }
}

fn read(owner: &Owner, labels: &HashMap<String, String>) -> Option<Labels> {
    let identity = identity::decode(|key| labels.get(key).map(String::as_str))?;
    let ours = identity.installation == owner.installation && identity.backend == owner.backend;
    ours.then(|| Labels { identity, has_engine: labels.contains_key(DOCKER) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{labels, labels_with_engine, owner, spec};
    use mayfly_common::material::Engine;

    const TEMPLATE: Template<'static> = Template { network: "n", image_id: Some("sha256:0") };

    fn other(installation: &str, backend: &str) -> Owner {
        let backend = BackendName::parse(backend).unwrap();
        Owner { installation: installation.to_owned(), backend }
    }

    #[test]
    fn the_labels_are_these_and_mean_what_they_are_called() {
        let mut spec = spec();
        let written = |spec: &MachineSpec| serde_json::to_value(encode(&TEMPLATE, spec)).unwrap();
        assert_eq!(written(&spec), labels());
        let image_id = Some("sha256:0".to_owned());
        let identity = RunnerIdentity { image_id, ..spec.identity.clone() };
        let alone = Labels { identity, has_engine: false };
        assert_eq!(decode(&owner(), &encode(&TEMPLATE, &spec)), Some(alone.clone()));
        spec.profile.engine = Some(Engine { image: "d".to_owned(), privileged: true });
        assert_eq!(written(&spec), labels_with_engine(false));
        let engine = encode_sidecar(&TEMPLATE, &spec);
        assert_eq!(serde_json::to_value(&engine).unwrap(), labels_with_engine(true));
        let with_engine = Labels { has_engine: true, ..alone };
        assert_eq!(decode_sidecar(&owner(), &engine), Some(with_engine));
    }

    #[test]
    fn an_engine_is_never_taken_for_its_runner() {
        let (mut spec, owner) = (spec(), owner());
        assert!(!decode(&owner, &encode(&TEMPLATE, &spec)).unwrap().has_engine);
        spec.profile.engine = Some(Engine { image: "d".to_owned(), privileged: true });
        let runner = encode(&TEMPLATE, &spec);
        assert!(decode(&owner, &runner).unwrap().has_engine);
        assert_eq!(decode_sidecar(&owner, &runner), None);
        let mut engine = encode_sidecar(&TEMPLATE, &spec);
        assert_eq!(decode(&owner, &engine), None);
        assert_eq!(decode_sidecar(&owner, &engine), decode(&owner, &runner));
        assert_eq!(decode_sidecar(&other("other", "docker"), &engine), None);
        engine.insert(DOCKER_OF.to_owned(), "another".to_owned());
        assert_eq!(decode_sidecar(&owner, &engine), None);
    }

    #[test]
    fn what_is_another_installation_s_or_another_backend_s_is_not_ours() {
        let mut labels = encode(&TEMPLATE, &spec());
        assert!(decode(&owner(), &labels).is_some());
        assert_eq!(decode(&other("other", "docker"), &labels), None);
        assert_eq!(decode(&other("i", "second"), &labels), None);
        labels.insert("dev.mayfly.backend".to_owned(), "second".to_owned());
        assert_eq!(decode(&owner(), &labels), None);
        assert!(decode(&other("i", "second"), &labels).is_some());
    }
}
