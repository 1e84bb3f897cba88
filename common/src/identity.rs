//! The identity of a runner: the facts that its machine carries about itself, so that a restarted Mayfly can adopt it.

use jiff::Timestamp;

pub use crate::backend::{BackendName, InvalidBackendName, MAX_BACKEND_NAME};
use crate::label::LabelSet;
use crate::name::RunnerName;
use crate::pool::PoolName;
use crate::registration::RunnerId;
use crate::scope::Scope;

/// The facts that a machine carries about its runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerIdentity {
    /// The installation that it belongs to.
    pub installation: String,
    /// The backend that makes its machine.
    pub backend: BackendName,
    /// The pool it belongs to.
    pub pool: PoolName,
    /// Where it registers.
    pub scope: Scope,
    /// The name of the runner, of its machine and of its registration.
    pub name: RunnerName,
    /// The labels it registers with.
    pub labels: LabelSet,
    /// The id of its registration, where that is known before the machine is created (just-in-time registration).
    pub github_id: Option<RunnerId>,
    /// The image that the machine is made from.
    pub image: String,
    /// The backend's id of that image; none while it is not known, and for runners of an older release.
    pub image_id: Option<String>,
    /// A digest of all that the runner is made from; another value means another make. None for runners of an older release.
    pub fingerprint: Option<String>,
    /// When the machine was created.
    pub created_at: Timestamp,
    /// When the machine is removed, whatever it does.
    pub deadline: Timestamp,
}

impl RunnerIdentity {
    /// Moves the creation to `now`, and the deadline by as much.
    #[must_use]
    pub fn created_at(self, now: Timestamp) -> Self {
        let lifetime = self.deadline.duration_since(self.created_at);
        let deadline = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        Self { created_at: now, deadline, ..self }
    }

    /// True if both are one runner, made at one time with one registration: what a repeated creation finds.
    pub fn is_same_runner(&self, other: &Self) -> bool {
        (&self.installation, &self.name, self.created_at, self.github_id)
            == (&other.installation, &other.name, other.created_at, other.github_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn identity() -> RunnerIdentity {
        RunnerIdentity {
            installation: "i".to_owned(),
            backend: BackendName::default(),
            pool: PoolName::default_pool(),
            scope: "org:octo".parse().unwrap(),
            name: RunnerName::parse("r-1").unwrap(),
            labels: LabelSet::default(),
            github_id: Some(RunnerId(1)),
            image: "img".to_owned(),
            image_id: None,
            fingerprint: None,
            created_at: at(100),
            deadline: at(160),
        }
    }

    #[test]
    fn a_later_creation_keeps_the_lifetime() {
        let later = identity().created_at(at(130));
        assert_eq!(later, RunnerIdentity { created_at: at(130), deadline: at(190), ..identity() });
        let endless = RunnerIdentity { deadline: Timestamp::MAX, ..identity() };
        assert_eq!(endless.created_at(at(130)).deadline, Timestamp::MAX);
    }

    #[test]
    fn one_runner_is_told_from_another_of_its_name() {
        let one = identity();
        let image = RunnerIdentity { image_id: Some("sha256:1".to_owned()), ..identity() };
        assert!(one.is_same_runner(&image));
        let others = [
            RunnerIdentity { installation: "j".to_owned(), ..identity() },
            RunnerIdentity { name: RunnerName::parse("r-2").unwrap(), ..identity() },
            RunnerIdentity { created_at: at(101), ..identity() },
            RunnerIdentity { github_id: None, ..identity() },
            RunnerIdentity { github_id: Some(RunnerId(2)), ..identity() },
        ];
        for other in others {
            assert!(!one.is_same_runner(&other), "{other:?}");
        }
    }
}
