//! Caps for all runners together, beside what one runner needs.

use mayfly_backend_docker::spec::Profile;
use mayfly_service::env::Checker;

/// Warns of caps that are smaller than one runner of the environment's pool: it would never have any.
pub(super) fn warn_of_small(
    memory: Option<i64>,
    nano_cpus: Option<i64>,
    profile: &Profile,
    check: &mut Checker,
) {
    let rows = [
        (memory, profile.memory, "MAX_RUNNERS_MEMORY", "RUNNER_MEMORY"),
        (nano_cpus, profile.nano_cpus, "MAX_RUNNERS_CPUS", "RUNNER_CPUS"),
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
