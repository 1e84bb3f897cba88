//! Checks the limits of runners against what their host has. Pure.

use mayfly_common::quantity::{show_cpus, show_memory};

use crate::RunnerConfig;
use crate::pool::Pool;
use mayfly_backend::HostResources;
use mayfly_common::material::Profile;

/// A limit that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// True if Docker refuses to make such a container; otherwise jobs can take from the host what it does not have.
    pub refused: bool,
    /// What does not fit.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// The limits of the environment that `host` cannot keep: those of one runner, and those of all together.
pub fn environment(host: &HostResources, runner: &RunnerConfig) -> Vec<Misfit> {
    let mut found = one(host, ("RUNNER_MEMORY=", "RUNNER_CPUS="), &runner.profile);
    if let (Some(has), Some(cap)) = (host.memory, runner.max_memory)
        && cap > has
    {
        found.push(Misfit {
            refused: false,
            what: format!(
                "MAX_RUNNERS_MEMORY={} is more than the machine's {} of memory",
                show_memory(cap),
                gibibytes(has)
            ),
            hint: "set MAX_RUNNERS_MEMORY to less than the machine has: when memory runs out, the kernel ends programs, and not only jobs".to_owned(),
        });
    }
    found.extend(together_cpus(host, runner));
    found
}

/// One variable for all runners together.
fn together_cpus(host: &HostResources, runner: &RunnerConfig) -> Option<Misfit> {
    let (has, cap) = (host.nano_cpus?, runner.max_nano_cpus?);
    (cap > has).then(|| Misfit {
        refused: false,
        what: format!(
            "MAX_RUNNERS_CPUS={} is more than the machine's {} processors",
            show_cpus(cap),
            show_cpus(has)
        ),
        hint: format!(
            "set MAX_RUNNERS_CPUS to {} or less, unless jobs may slow each other down",
            show_cpus(has)
        ),
    })
}

/// The limits of a pool's runners that `host` cannot keep.
pub fn pool(host: &HostResources, pool: &Pool) -> Vec<Misfit> {
    let name = &pool.spec.name;
    let (memory, cpus) = (format!("pool {name}: memory "), format!("pool {name}: cpus "));
    one(host, (&memory, &cpus), &pool.material.profile)
}

/// How much memory all runners may use together, in bytes, if that is more than the host has and nothing bounds it.
pub fn unbounded(host: &HostResources, runner: &RunnerConfig) -> Option<i64> {
    let (most, has) = (together(runner, runner.profile.memory), host.memory?);
    (runner.max_memory.is_none() && most > has).then_some(most)
}

/// How much of processors all runners may use together, in billionths of one, if that is more than the host has and nothing bounds
/// it.
pub fn unbounded_cpus(host: &HostResources, runner: &RunnerConfig) -> Option<i64> {
    let (most, has) = (together(runner, runner.profile.nano_cpus), host.nano_cpus?);
    (runner.max_nano_cpus.is_none() && most > has).then_some(most)
}

/// What as many runners as there may be have together, of what `each` of their containers has.
fn together(runner: &RunnerConfig, each: i64) -> i64 {
    let most = i64::try_from(runner.max).unwrap_or(i64::MAX);
    most.saturating_mul(each.saturating_mul(runner.profile.containers()))
}

fn one(host: &HostResources, (memory, cpus): (&str, &str), profile: &Profile) -> Vec<Misfit> {
    let mut found = Vec::new();
    let containers = profile.containers();
    let (all_cpus, all_memory) =
        (profile.nano_cpus.saturating_mul(containers), profile.memory.saturating_mul(containers));
    // A container may be refused; two that are too much together are not.
    let beside = |all: String| format!(" ({all} with the Docker engine beside the runner)");
    if let Some(has) = host.nano_cpus
        && all_cpus > has
    {
        let refused = profile.nano_cpus > has;
        let all = if refused { String::new() } else { beside(show_cpus(all_cpus)) };
        let (asked, fits) = (show_cpus(profile.nano_cpus), show_cpus(has / containers));
        let why = if refused {
            "Docker refuses to make such a runner"
        } else {
            "the runner and its engine slow each other down"
        };
        found.push(Misfit {
            refused,
            what: format!(
                "{cpus}{asked}{all} is more than the machine's {} processors",
                show_cpus(has)
            ),
            hint: format!("set it to {fits} or less: {why}"),
        });
    }
    if let Some(has) = host.memory
        && all_memory > has
    {
        let all =
            if profile.memory > has { String::new() } else { beside(show_memory(all_memory)) };
        let (asked, fits) = (show_memory(profile.memory), gibibytes(has / containers));
        found.push(Misfit {
            refused: false,
            what: format!(
                "{memory}{asked}{all} is more than the machine's {} of memory",
                gibibytes(has)
            ),
            hint: format!(
                "set it to less than {fits}: a job that uses what it is given makes the kernel end programs, and not only its own"
            ),
        });
    }
    found
}

/// An amount of memory for people: one digit after the point.
pub fn gibibytes(bytes: i64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
