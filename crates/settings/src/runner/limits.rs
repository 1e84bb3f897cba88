//! How many runners there may be, what all of them together may use, and how long one may take.

use jiff::SignedDuration;
use mayfly_backend_docker::spec::Profile;
use mayfly_common::pool::ROTATION;
use mayfly_common::quantity::{memory, nano_cpus};
use mayfly_service::env::{Checker, integer};

use crate::{Raw, parse};

/// The fields of [`super::RunnerConfig`] with the same names.
pub(super) struct Limits {
    pub(super) max: usize,
    pub(super) max_memory: Option<i64>,
    pub(super) max_nano_cpus: Option<i64>,
    pub(super) max_per_owner: Option<usize>,
    pub(super) max_per_repo: Option<usize>,
    pub(super) min_idle: u32,
    pub(super) rotation_interval: u32,
    pub(super) registration_timeout: SignedDuration,
    pub(super) max_lifetime: SignedDuration,
}

pub(super) fn read(raw: &mut Raw, check: &mut Checker) -> Limits {
    let number = |least, most| move |text: &str| integer(text, least..=most);
    let max = check.optional("MAX_RUNNERS", raw.max_runners.take(), 10, number(1, 10_000));
    let count = |name: &str, value: Option<String>, check: &mut Checker| {
        let count = |text: &str| integer(text, 1..=10_000).map(Some);
        check.optional(name, value, None, count).and_then(|number| usize::try_from(number).ok())
    };
    let max_per_owner = count("MAX_RUNNERS_PER_OWNER", raw.max_runners_per_owner.take(), check);
    let max_per_repo = count("MAX_RUNNERS_PER_REPO", raw.max_runners_per_repo.take(), check);
    let max_memory =
        check.optional("MAX_RUNNERS_MEMORY", raw.max_runners_memory.take(), None, |text| {
            memory(text).map(Some)
        });
    let max_nano_cpus =
        check.optional("MAX_RUNNERS_CPUS", raw.max_runners_cpus.take(), None, |text| {
            nano_cpus(text).map(Some)
        });
    let min_idle =
        check.optional("RUNNER_MIN_IDLE", raw.runner_min_idle.take(), 0, number(0, 10_000));
    if min_idle > max {
        check.fail("RUNNER_MIN_IDLE", "must not be more than MAX_RUNNERS");
    }
    let rotation = check.optional(
        "RUNNER_ROTATION_INTERVAL",
        raw.runner_rotation_interval.take(),
        u64::from(ROTATION),
        number(0, 31_536_000),
    );
    if (1..60).contains(&rotation) {
        check.fail("RUNNER_ROTATION_INTERVAL", "must be 0 (never) or at least 60");
    }
    let timeout = check.optional(
        "RUNNER_REGISTRATION_TIMEOUT",
        raw.runner_registration_timeout.take(),
        300,
        number(10, 86_400),
    );
    let lifetime = check.optional(
        "RUNNER_MAX_LIFETIME",
        raw.runner_max_lifetime.take(),
        432_000,
        number(60, 31_536_000),
    );
    if lifetime <= timeout {
        check.fail("RUNNER_MAX_LIFETIME", "must be longer than RUNNER_REGISTRATION_TIMEOUT");
    }
    Limits {
        max: usize::try_from(max).unwrap_or(usize::MAX),
        max_memory,
        max_nano_cpus,
        max_per_owner,
        max_per_repo,
        min_idle: u32::try_from(min_idle).unwrap_or(u32::MAX),
        rotation_interval: u32::try_from(rotation).unwrap_or(ROTATION),
        registration_timeout: parse::seconds(timeout),
        max_lifetime: parse::seconds(lifetime),
    }
}

/// Warns of caps that are smaller than one runner of the environment's pool: it would never have any.
pub(super) fn warn_of_small(limits: &Limits, profile: &Profile, check: &mut Checker) {
    let rows = [
        (limits.max_memory, profile.memory, "MAX_RUNNERS_MEMORY", "RUNNER_MEMORY"),
        (limits.max_nano_cpus, profile.nano_cpus, "MAX_RUNNERS_CPUS", "RUNNER_CPUS"),
    ];
    for (cap, of_container, variable, of_runner) in rows {
        let needs = of_container.saturating_mul(profile.containers());
        if cap.is_some_and(|cap| cap < needs) {
            let engine = if profile.engine.is_some() {
                ", which counts twice with RUNNER_DOCKER=dind"
            } else {
                ""
            };
            let reason = format!(
                "is less than one runner needs ({of_runner}{engine}): none of the environment's pool can start"
            );
            check.warn(variable, reason);
        }
    }
}
