//! What a backend needs to create and start a runner.

use jiff::Timestamp;
use mayfly_common::label::LabelSet;
use mayfly_common::material::Material;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::RunnerId;
use mayfly_common::scope::Scope;

/// What a backend needs to create and start a runner. The environment may hold credentials: no `Debug`.
pub struct LaunchSpec {
    /// The runner's and the container's name.
    pub name: RunnerName,
    /// The pool it belongs to.
    pub pool: PoolName,
    /// What it is made from.
    pub material: Material,
    /// Where it registers.
    pub scope: Scope,
    /// The labels it registers with.
    pub labels: LabelSet,
    /// Its registration, if it has one already.
    pub github_id: Option<RunnerId>,
    /// Variables for the container.
    pub environment: Vec<(String, String)>,
    /// When it is created.
    pub created_at: Timestamp,
    /// When it is removed whatever it does.
    pub deadline: Timestamp,
}
