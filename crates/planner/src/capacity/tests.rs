//! How many more runners fit, and which limit is in the way.

use super::*;
use crate::lifecycle::tests::{caps, machine, policy};
use mayfly_common::machine::Phase;

type Narrow = fn(&mut Policy);

#[test]
fn a_cap_that_is_smaller_than_one_runner_is_named_as_such() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    let rows: [(&str, Narrow); 3] = [
        (
            "one runner of pool default needs 256 MiB of memory, and all runners together may have 100 MiB (MAX_RUNNERS_MEMORY)",
            |p| caps(p).memory = Some(100 << 20),
        ),
        (
            "one runner of pool default needs 1.50 processors, and all runners together may have 0.50 (MAX_RUNNERS_CPUS)",
            |p| caps(p).nano_cpus = Some(500_000_000),
        ),
        ("pool default starts no runner: its max is 0", |p| p.default.max = 0),
    ];
    for (words, narrow) in rows {
        let mut policy = policy();
        (policy.default.memory, policy.default.nano_cpus) = (256 << 20, 1_500_000_000);
        caps(&mut policy).memory = Some(256 << 20);
        caps(&mut policy).nano_cpus = Some(1_500_000_000);
        let none = || std::iter::empty::<&Machine>();
        // As large as the cap is not larger.
        assert_eq!(Capacity::beside(&policy, none()).admits(&policy.default, &scope), Ok(()));
        narrow(&mut policy);
        let cap = Capacity::beside(&policy, none()).admits(&policy.default, &scope).unwrap_err();
        assert_eq!(cap.to_string(), words);
        let of_pool = matches!(cap, CapacityLimit::Pool(..));
        assert_eq!(cap.counts(Counted::more(&policy.default, &scope)), of_pool, "{words}");
    }
}

#[test]
fn every_cap_is_named_when_it_is_reached() {
    let base = policy();
    let scope: Scope = "repo:o/r".parse().unwrap();
    let running = [machine("a1", Phase::Running { working: None })];
    let rows: [(&str, Narrow); 6] = [
        ("all 1 runners of the host are in use (MAX_RUNNERS)", |p| caps(p).runners = 1),
        ("the memory limit of all runners, 3 MiB, is reached (MAX_RUNNERS_MEMORY)", |p| {
            caps(p).memory = Some(3 << 20)
        }),
        ("the CPU limit of all runners, 1.50, is reached (MAX_RUNNERS_CPUS)", |p| {
            caps(p).nano_cpus = Some(1_500_000_000)
        }),
        ("all 1 runners of pool default are in use", |p| p.default.max = 1),
        ("o has all 1 runners that one owner may have (MAX_RUNNERS_PER_OWNER)", |p| {
            p.caps.per_owner = Some(1)
        }),
        ("o/r has all 1 runners that one repository may have (MAX_RUNNERS_PER_REPO)", |p| {
            p.caps.per_repo = Some(1)
        }),
    ];
    for (words, narrow) in rows {
        let mut policy = base.clone();
        (policy.default.memory, policy.default.nano_cpus) = (2 << 20, 1_000_000_000);
        assert_eq!(
            Capacity::beside(&policy, running.iter()).admits(&policy.default, &scope),
            Ok(())
        );
        narrow(&mut policy);
        let mut capacity = Capacity::beside(&policy, running.iter());
        let cap = capacity.admits(&policy.default, &scope).unwrap_err();
        assert_eq!(cap.to_string(), words);
        // What is given back is free again, for as long as it counts here at all.
        assert!(cap.counts(Counted::of(&running[0])));
        capacity.release(Counted::of(&running[0]), &policy.default);
        assert_eq!(capacity.admits(&policy.default, &scope), Ok(()), "{words}");
    }
}
#[test]
fn each_cap_counts_the_runners_of_its_own() {
    let pool = |name| PoolName::parse(name).unwrap();
    let repo = |slug| RepoSlug::parse(slug).unwrap();
    let backend = |name| BackendName::parse(name).unwrap();
    let (docker, second) = (backend("docker"), backend("second"));
    // Pool ci at o/r, pool other there on another backend, and pool ci at o/s, p/q, o and e.
    let runners = [
        (&docker, "ci", "repo:o/r"),
        (&second, "other", "repo:o/r"),
        (&docker, "ci", "repo:o/s"),
        (&docker, "ci", "repo:p/q"),
        (&docker, "ci", "org:o"),
        (&docker, "ci", "enterprise:e"),
    ];
    let first = [true, false, true, true, true, true];
    let rows = [
        (CapacityLimit::Runners(docker.clone(), 1), first),
        (CapacityLimit::Memory(docker.clone(), 1), first),
        (CapacityLimit::Cpus(docker.clone(), 1), first),
        (CapacityLimit::Runners(second.clone(), 1), first.map(|one| !one)),
        (CapacityLimit::OneMemory(docker.clone(), pool("ci"), 2, 1), [false; 6]),
        (CapacityLimit::OneCpus(docker.clone(), pool("ci"), 2, 1), [false; 6]),
        (CapacityLimit::Pool(pool("ci"), 1), [true, false, true, true, true, true]),
        (
            CapacityLimit::Owner(repo("o/r").owner().clone(), 1),
            [true, true, true, false, true, false],
        ),
        (CapacityLimit::Repo(repo("o/r"), 1), [true, true, false, false, false, false]),
    ];
    for (cap, expected) in rows {
        let found = runners.map(|(backend, name, scope)| {
            let (pool, scope) = (pool(name), scope.parse().unwrap());
            cap.counts(Counted { backend, pool: &pool, scope: &scope })
        });
        assert_eq!(found, expected, "{cap}");
    }
}
