//! What was sent to GitHub, counted for the metrics and the status: by route and by outcome, both with few values.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// 2xx.
    Done,
    /// 304: what we hold is still right; costs nothing of the hour's requests.
    Unchanged,
    /// 4xx that is not about a limit.
    Refused,
    /// A limit, primary or secondary.
    Limited,
    /// 5xx, or an answer that cannot be read.
    Failed,
    /// No answer.
    Unreachable,
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The labels of a counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// The path as GitHub's documentation writes it, with its placeholders.
    pub(super) route: &'static str,
    /// See [`Ended`].
    pub(super) outcome: &'static str,
}

/// The counters. They only grow.
#[derive(Debug, Default)]
pub struct Traffic {
    by_route: Family<RouteLabels, Counter>,
    sent: AtomicU64,
    unchanged: AtomicU64,
}

impl Traffic {
    /// Counts a request.
    pub(super) fn ended(&self, route: &'static str, ended: Ended) {
        self.by_route.get_or_create(&RouteLabels { route, outcome: ended.as_str() }).inc();
        self.sent.fetch_add(1, Ordering::Relaxed);
        if ended == Ended::Unchanged {
            self.unchanged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests were sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many of them were answered with 304.
    pub fn unchanged(&self) -> u64 {
        self.unchanged.load(Ordering::Relaxed)
    }

    /// The counters by route and outcome, for a registry.
    pub fn by_route(&self) -> Family<RouteLabels, Counter> {
        self.by_route.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_named_as_documented() {
        use Ended::{Done, Failed, Limited, Refused, Unchanged, Unreachable};
        let named = [Done, Unchanged, Refused, Limited, Failed, Unreachable].map(Ended::as_str);
        let expected = ["done", "unchanged", "refused", "limited", "failed", "unreachable"];
        assert_eq!(named, expected);
        let traffic = Traffic::default();
        traffic.ended("/user", Done);
        traffic.ended("/user", Unchanged);
        assert_eq!((traffic.sent(), traffic.unchanged()), (2, 1));
    }
}
