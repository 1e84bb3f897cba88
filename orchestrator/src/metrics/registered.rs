//! A registry that is being filled: each metric is registered as it is made.

use mayfly_github::Traffic;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::labels::PoolLabel;

/// Spans by pool.
pub(super) type Spans = Family<PoolLabel, Histogram, fn() -> Histogram>;

/// What is registered so far, in the order in which it is shown.
pub(super) struct Registered(pub(super) Registry);

impl Registered {
    /// A metric that begins empty.
    pub(super) fn metric<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Registers `metric`, which is measured in `unit`.
    pub(super) fn with_unit<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &str,
        unit: Unit,
        metric: M,
    ) -> M {
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }

    /// Spans of time, from a twentieth of a second to over two hours.
    pub(super) fn spans(&mut self, name: &str, help: &str) -> Spans {
        let make: fn() -> Histogram = || Histogram::new(exponential_buckets(0.05, 2.0, 18));
        self.with_unit(name, help, Unit::Seconds, Family::new_with_constructor(make))
    }

    /// The registry, with this build and `traffic` at its end.
    pub(super) fn finish(mut self, traffic: &Traffic) -> Registry {
        let build = Info::new(vec![("version", mayfly_common::VERSION)]);
        self.0.register("build", "This build", build);
        self.0.register(
            "github_requests",
            "Requests sent to GitHub; `unchanged` ones (304) cost nothing of the hour's",
            traffic.by_route(),
        );
        self.0
    }
}
