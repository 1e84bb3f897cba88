//! What a plan can say.

use std::ops::Deref;

use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::machine::MachineRef;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::lifecycle::Failure;
use super::request::RequestId;
use mayfly_common::registration::RunnerId;

/// One thing to do, with the reason an operator will read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fetch an image that runners are made from.
    PullImage {
        /// The backend that lacks it.
        backend: BackendName,
        /// The image.
        image: String,
    },
    /// Register and start a runner.
    Launch(Launch),
    /// Start a runner that was created and has waited for its Docker engine.
    Start {
        /// Which one.
        machine: MachineRef,
        /// The pool it belongs to.
        pool: PoolName,
        /// Where it is registered.
        scope: Scope,
        /// Its registration, if it has one already.
        id: Option<RunnerId>,
        /// Why.
        why: String,
    },
    /// Deregister a live runner at GitHub and, only if GitHub agrees, remove its container.
    Retire {
        /// Which one.
        machine: MachineRef,
        /// Where it is registered.
        scope: Scope,
        /// Its registration.
        id: RunnerId,
        /// Why.
        why: String,
        /// Who asked.
        request: Option<RequestId>,
    },
    /// Remove a container that is over, after deleting what is left of its registration.
    Remove {
        /// Which one.
        machine: MachineRef,
        /// The pool it belongs to.
        pool: PoolName,
        /// Where it is, or was, registered.
        scope: Scope,
        /// The registration to delete first, if there is or may be one.
        id: Option<RunnerId>,
        /// What follows where GitHub does not delete it because it runs a job.
        if_busy: IfBusy,
        /// How it ended: finished, failed or, if it was ended on request, gone.
        state: RunnerState,
        /// Why.
        why: String,
        /// How it failed, if it did.
        failure: Option<Failure>,
        /// True if the next runner of its pool waits: this one could not start, and had no job.
        holds_back: bool,
        /// Who asked.
        request: Option<RequestId>,
    },
    /// Delete a registration that has no container.
    Deregister {
        /// Where it is.
        scope: Scope,
        /// Which one.
        id: RunnerId,
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

/// What becomes of a machine whose registration GitHub does not delete, because it runs a job or cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfBusy {
    /// It stays.
    Keep,
    /// It is removed: somebody insists.
    Remove,
}

/// A runner to start. It reads as the [`RunnerIdentity`] that it is going to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// What its machine is going to carry, as far as it is known before it is registered and created: the launch adds its
    /// registration, the backend the id of its image, and a launch that begins later moves its times.
    pub identity: RunnerIdentity,
    /// True if the request named the labels (an image that is told its labels by a fixed variable must be overruled).
    pub explicit_labels: bool,
    /// Its runner group; none means GitHub's default.
    pub group: Option<String>,
    /// The queued job that it is started for, if it is for one.
    pub job: Option<i64>,
    /// Why.
    pub why: String,
    /// Who asked.
    pub request: Option<RequestId>,
}

impl Deref for Launch {
    type Target = RunnerIdentity;
    fn deref(&self) -> &RunnerIdentity {
        &self.identity
    }
}

impl Action {
    /// What it is about: a runner, a registration or an image, by its name.
    pub fn about(&self) -> &str {
        match self {
            Self::PullImage { image, .. } => image,
            Self::Launch(launch) => launch.name.as_str(),
            Self::Start { machine: MachineRef { name, .. }, .. }
            | Self::Retire { machine: MachineRef { name, .. }, .. }
            | Self::Remove { machine: MachineRef { name, .. }, .. } => name.as_str(),
            Self::Deregister { name, .. } => name,
        }
    }

    /// The runner whose machine it makes, starts or ends, if it does so with one.
    pub fn runner(&self) -> Option<&RunnerName> {
        match self {
            Self::Launch(launch) => Some(&launch.name),
            Self::Start { machine, .. }
            | Self::Retire { machine, .. }
            | Self::Remove { machine, .. } => Some(&machine.name),
            Self::PullImage { .. } | Self::Deregister { .. } => None,
        }
    }

    /// The request from the API that it is a part of, if it is for one.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Launch(Launch { request, .. })
            | Self::Retire { request, .. }
            | Self::Remove { request, .. } => *request,
            Self::PullImage { .. } | Self::Start { .. } | Self::Deregister { .. } => None,
        }
    }

    /// True if it ends the machine of a runner.
    pub fn ends(&self, runner: &RunnerName) -> bool {
        matches!(self, Self::Remove { .. } | Self::Retire { .. }) && self.runner() == Some(runner)
    }

    /// Its kind, as metrics and traces name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull_image",
            Self::Launch(_) => "launch",
            Self::Start { .. } => "start",
            Self::Retire { .. } => "retire",
            Self::Remove { .. } => "remove",
            Self::Deregister { .. } => "deregister",
        }
    }

    /// True if this action starts a runner.
    pub fn is_launch(&self) -> bool {
        matches!(self, Self::Launch(_) | Self::Start { .. })
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PullImage { image, .. } => write!(f, "pull image {image}"),
            Self::Launch(launch) => {
                write!(f, "start runner {} for {}: {}", launch.name, launch.scope, launch.why)
            }
            Self::Start { machine: MachineRef { name, .. }, why, .. } => {
                write!(f, "start container {name}: {why}")
            }
            Self::Retire { machine: MachineRef { name, .. }, why, .. } => {
                write!(f, "retire runner {name}: {why}")
            }
            Self::Remove { machine: MachineRef { name, .. }, why, .. } => {
                write!(f, "remove container {name}: {why}")
            }
            Self::Deregister { scope, name, why, .. } => {
                write!(f, "delete registration {name} of {scope}: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::registration::RunnerId;

    use super::*;

    /// Its kind, what it is about, whether it starts a runner, and its words.
    #[test]
    fn every_kind_has_the_name_that_the_metrics_document() {
        let scope: Scope = "repo:o/r".parse().unwrap();
        let runner = |name| RunnerName::parse(name).unwrap();
        let pool = PoolName::default_pool;
        let machine = |name| MachineRef {
            backend: BackendName::default(),
            name: runner(name),
            id: format!("c-{name}"),
        };
        let policy = crate::lifecycle::tests::policy();
        let (made, at) = (runner("l1"), crate::lifecycle::tests::at(0));
        let launch = Launch {
            identity: policy.identity(&policy.default, made, scope.clone(), at),
            explicit_labels: false,
            group: None,
            job: None,
            why: "a job waits".to_owned(),
            request: None,
        };
        let rows = [
            (
                Action::PullImage { backend: BackendName::default(), image: "img:1".to_owned() },
                ("pull_image", "img:1", false),
                "pull image img:1",
            ),
            (
                Action::Launch(launch),
                ("launch", "l1", true),
                "start runner l1 for repo:o/r: a job waits",
            ),
            (
                Action::Start {
                    machine: machine("s1"),
                    pool: pool(),
                    scope: scope.clone(),
                    id: None,
                    why: "its engine answers".to_owned(),
                },
                ("start", "s1", true),
                "start container s1: its engine answers",
            ),
            (
                Action::Retire {
                    machine: machine("t1"),
                    scope: scope.clone(),
                    id: RunnerId(1),
                    why: "nobody needs it".to_owned(),
                    request: None,
                },
                ("retire", "t1", false),
                "retire runner t1: nobody needs it",
            ),
            (
                Action::Remove {
                    machine: machine("m1"),
                    pool: pool(),
                    scope: scope.clone(),
                    id: None,
                    if_busy: IfBusy::Keep,
                    state: mayfly_common::runner::RunnerState::Finished,
                    why: "it did its job".to_owned(),
                    failure: None,
                    holds_back: false,
                    request: None,
                },
                ("remove", "m1", false),
                "remove container m1: it did its job",
            ),
            (
                Action::Deregister {
                    scope,
                    id: RunnerId(1),
                    name: "d1".to_owned(),
                    why: "it is offline".to_owned(),
                },
                ("deregister", "d1", false),
                "delete registration d1 of repo:o/r: it is offline",
            ),
        ];
        let docs = include_str!("../../../docs/metrics.md");
        for (action, (kind, about, is_launch), words) in rows {
            assert_eq!((action.kind(), action.about()), (kind, about));
            assert_eq!((action.is_launch(), &*action.to_string()), (is_launch, words));
            assert!(docs.contains(&format!("`{kind}`")), "docs/metrics.md does not name {kind}");
        }
    }
}
