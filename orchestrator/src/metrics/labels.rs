//! The labels of metrics, each with few values.

use prometheus_client::encoding::EncodeLabelSet;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabels {
    pub(super) pool: String,
    pub(super) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolLabel {
    pub(super) pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    pub(super) pool: String,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FailureLabels {
    pub(super) pool: String,
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

/// What a pass can have trouble with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The engine could not be asked: the pass did nothing.
    Backend,
    /// GitHub did not tell something.
    GitHub,
    /// A runner image cannot be had.
    Image,
    /// An action failed.
    Action,
}

impl Trouble {
    pub(super) const ALL: [Self; 4] = [Self::Backend, Self::GitHub, Self::Image, Self::Action];

    pub(super) fn label(self) -> KindLabel {
        let kind = match self {
            Self::Backend => "docker",
            Self::GitHub => "github",
            Self::Image => "image",
            Self::Action => "action",
        };
        KindLabel { kind }
    }
}

/// What can be left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// A registration without a container.
    Registration,
    /// A container without a registration, or one that was never started.
    Container,
}

impl Orphan {
    pub(super) fn label(self) -> KindLabel {
        let kind = match self {
            Self::Registration => "registration",
            Self::Container => "container",
        };
        KindLabel { kind }
    }
}

/// A bucket of requests. As many values as the App has installations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LimitLabels {
    pub(super) account: String,
    pub(super) resource: String,
}

/// An action and its outcome, as words with few values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ActionLabels {
    /// The kind of action.
    pub(crate) action: &'static str,
    /// `done`, `left`, `kept` or `failed`.
    pub(crate) outcome: &'static str,
}
