//! A cap that is reached: who has the runners that it counts, and how room comes.

use std::collections::BTreeMap;

use mayfly_common::api::Runner;
use mayfly_common::identity::BackendName;
use mayfly_common::runner::RunnerState;

use super::Facts;
use crate::CapacityLimit;
use crate::not_assigned::PATIENCE;
use crate::snapshot::Wait;

/// Who has the runners that a cap counts.
pub(super) fn users(cap: &CapacityLimit, facts: &Facts<'_>) -> String {
    let mut by: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for runner in facts.seen.runners.iter().filter(|runner| counts(cap, runner)) {
        let (all, idle) = by.entry(&runner.scope_name).or_default();
        *all += 1;
        *idle += usize::from(runner.state == RunnerState::Idle);
    }
    let mut by: Vec<(&str, (usize, usize))> = by.into_iter().collect();
    by.sort_by_key(|(name, (all, _))| (std::cmp::Reverse(*all), *name));
    let shown = by.iter().take(3).map(|(name, (all, idle))| match idle {
        0 => format!("{name} has {all}"),
        _ => format!("{name} has {all} ({idle} idle)"),
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) }
}

/// How room comes: by itself, from a runner that is idle beside a job, or by a higher cap.
pub(super) fn room(cap: &CapacityLimit, facts: &Facts<'_>) -> String {
    let idle_for = |name: &str| {
        let mut idle = facts.seen.runners.iter().filter(|runner| counts(cap, runner));
        idle.any(|runner| runner.name == name && runner.state == RunnerState::Idle)
    };
    let mut beside = facts.seen.waits.iter().filter_map(|(job, wait)| match wait {
        Wait::Runner(runner) if idle_for(runner.as_str()) => Some((*job, runner.as_str())),
        _ => None,
    });
    match beside.next() {
        Some((job, runner)) => format!(
            "runner {runner} is idle beside job {job}; if GitHub does not assign the job to it within {} min, the runner is removed and its room is free; else {}",
            PATIENCE.as_mins(),
            raise(cap)
        ),
        None => raise(cap),
    }
}

/// True if a cap counts a runner.
fn counts(cap: &CapacityLimit, runner: &Runner) -> bool {
    match cap {
        CapacityLimit::Pool(pool, _) => runner.pool == pool.as_str(),
        CapacityLimit::Owner(owner, _) => {
            runner.scope_name.split('/').next() == Some(owner.as_str())
        }
        CapacityLimit::Repo(repo, _) => runner.scope_name == repo.to_string(),
        CapacityLimit::Runners(backend, _)
        | CapacityLimit::Memory(backend, _)
        | CapacityLimit::Cpus(backend, _) => runner.backend == backend.as_str(),
        CapacityLimit::OneMemory(..) | CapacityLimit::OneCpus(..) => false,
    }
}

fn raise(cap: &CapacityLimit) -> String {
    match cap {
        CapacityLimit::Runners(backend, _)
        | CapacityLimit::Memory(backend, _)
        | CapacityLimit::Cpus(backend, _)
        | CapacityLimit::OneMemory(backend, ..)
        | CapacityLimit::OneCpus(backend, ..)
            if *backend != BackendName::default() =>
        {
            format!("raise the limits of backend {backend} if its host has room")
        }
        CapacityLimit::Runners(..) => "raise MAX_RUNNERS if the host has room".to_owned(),
        CapacityLimit::Memory(..) => {
            "raise MAX_RUNNERS_MEMORY if the host has room, or give runners less".to_owned()
        }
        CapacityLimit::Cpus(..) => {
            "raise MAX_RUNNERS_CPUS if the host has room, or give runners less".to_owned()
        }
        CapacityLimit::OneMemory(..) => {
            "raise MAX_RUNNERS_MEMORY if the host has room, or give the pool's runners less memory"
                .to_owned()
        }
        CapacityLimit::OneCpus(..) => {
            "raise MAX_RUNNERS_CPUS if the host has room, or give the pool's runners less cpus"
                .to_owned()
        }
        CapacityLimit::Pool(pool, max) => {
            format!("raise the pool's max: mayfly pool scale {pool} --max {}", max + 1)
        }
        CapacityLimit::Owner(..) => "raise MAX_RUNNERS_PER_OWNER".to_owned(),
        CapacityLimit::Repo(..) => "raise MAX_RUNNERS_PER_REPO".to_owned(),
    }
}
