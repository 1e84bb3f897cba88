//! What holds of every plan, whatever the world.

use proptest::prelude::*;

use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::pool::Autoscaling;

use super::world::{World, any_world};
use super::*;
use crate::lifecycle::{WORKER_AFTER_JOB, WORKER_WITHOUT_JOB};
use crate::observed::Group;

fn owner(scope: &Scope) -> Option<String> {
    match scope {
        Scope::Repo(repo) => Some(repo.owner().to_string()),
        Scope::Org(login) => Some(login.to_string()),
        Scope::Enterprise(_) => None,
    }
}

/// A runner that uses its host.
#[derive(Debug, Clone)]
struct User {
    backend: BackendName,
    pool: PoolName,
    scope: Scope,
    memory: i64,
    nano_cpus: i64,
}

fn user(world: &World, identity: &RunnerIdentity) -> User {
    let terms = world.policy.terms(&identity.pool);
    User {
        backend: identity.backend.clone(),
        pool: identity.pool.clone(),
        scope: identity.scope.clone(),
        memory: terms.memory,
        nano_cpus: terms.nano_cpus,
    }
}

/// Runners that use a host, and those that a plan starts.
fn users(world: &World, plan: &Plan) -> Vec<User> {
    let running = world.seen.machines.iter().filter(|machine| {
        let ended = matches!(machine.phase, Phase::Exited(_)) && !machine.lingers;
        !ended
    });
    let running = running.map(|machine| user(world, machine));
    running.chain(plan.launched().map(|launch| user(world, launch))).collect()
}

/// True if a pool is for a job.
fn may_serve(pool: &PoolPolicy, job: &QueuedJob, world: &World) -> bool {
    let Some(scope) = pool.place_for(&job.repo) else { return false };
    let asked = world.seen.groups.get(&job.id);
    let group = pool.group.as_deref().unwrap_or("Default");
    let grouped =
        !matches!(scope, Scope::Repo(_)) && asked.is_some_and(|asked| asked.is(&scope, group));
    let labels = job.labels.iter().all(|label| pool.labels.contains(label.as_str()));
    let any_group = !matches!(asked, Some(Group::Named { .. })) && !job.labels.is_empty();
    pool.enabled && labels && (grouped || any_group)
}

/// True if one more runner of a pool in a scope would be more than a cap allows.
fn is_full(world: &World, pool: &PoolPolicy, scope: &Scope, users: &[User]) -> bool {
    let caps = &world.policy.caps;
    let host = &caps.backends[&pool.backend];
    let beside = || users.iter().filter(|user| user.backend == pool.backend);
    let of = |is_at: &dyn Fn(&Scope) -> bool| users.iter().filter(|one| is_at(&one.scope)).count();
    let same_owner = |at: &Scope| owner(scope).is_some() && owner(at) == owner(scope);
    let memory = beside().map(|user| user.memory).sum::<i64>() + pool.memory;
    let nano_cpus = beside().map(|user| user.nano_cpus).sum::<i64>() + pool.nano_cpus;
    beside().count() >= host.runners
        || host.memory.is_some_and(|max| memory > max)
        || host.nano_cpus.is_some_and(|max| nano_cpus > max)
        || users.iter().filter(|one| one.pool == pool.name).count() >= pool.max
        || caps.per_owner.is_some_and(|max| of(&same_owner) >= max)
        || (matches!(scope, Scope::Repo(_))
            && caps.per_repo.is_some_and(|max| of(&|at| at == scope) >= max))
}

/// True if a runner of a pool in a scope is found to have failed just now: its back-off begins after this pass.
fn has_failed(world: &World, plan: &Plan, pool: &PoolPolicy, scope: &Scope) -> bool {
    plan.actions.iter().any(|action| {
        let Action::Remove {
            machine: MachineRef { name, .. },
            pool: of,
            scope: at,
            holds_back: true,
            ..
        } = action
        else {
            return false;
        };
        let first = |one: &Machine| world.seen.memory.of(one).failed_passes == 1;
        let gone = world.seen.machines.iter().find(|one| one.name == *name);
        *of == pool.name && at == scope && gone.is_some_and(first)
    })
}

/// True if GitHub did not assign a job of the repository lately to runners of a pool in a scope.
fn is_doubtful(world: &World, repo: &RepoSlug, pool: &PoolPolicy, scope: &Scope) -> bool {
    world.seen.memory.failed_groups.has(repo, scope, pool.group.as_deref())
}

/// True if an action deletes the registration of a machine that we had, whose name somebody asks for.
fn frees_asked_name(world: &World, plan: &Plan, action: &Action) -> bool {
    let Action::Deregister { scope, id, name, .. } = action else { return false };
    let same = |launch: &Launch| launch.name.as_str().eq_ignore_ascii_case(name);
    world.seen.memory.had(scope, *id)
        && plan.launched().any(|one| one.request.is_some() && same(one))
}

fn frees(action: &Action) -> bool {
    matches!(action, Action::Remove { .. } | Action::Retire { .. } | Action::Deregister { .. })
}

/// A thousand cases, or `PROPTEST_CASES` where that is more.
fn many() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(1_000), ..usual }
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn planning_again_and_again_comes_to_rest_and_ends_nothing_that_it_started(world in any_world()) {
        let mut history = Vec::new();
        let mut started: BTreeSet<RunnerName> = BTreeSet::new();
        let (mut now, mut plan) = (world.clone(), world.plan());
        // Each pass after the first fills the room that the one before it freed, so there are no more than there are runners.
        for _ in 0..world.seen.machines.len() + 8 {
            let next = now.after(&plan);
            let again = next.plan();
            started.extend(plan.launched().map(|launch| launch.name.clone()));
            for name in &started {
                prop_assert!(!again.actions.iter().any(|action| action.ends(name)), "started and ended: {name}\n{:#?}\n{:#?}", plan.actions, again.actions);
            }
            // What has begun or is done is not begun again.
            if !plan.actions.iter().any(frees) {
                prop_assert!(again.actions.is_empty(), "first {:#?}\nsecond {:#?}", plan.actions, again.actions);
            }
            // What is started now had no room, or no name, before something came free; or the runner that a job counted on went.
            let users = users(&now, &plan);
            let lost = plan.expected.values().any(|name| plan.actions.iter().any(|action| action.ends(name)));
            for launch in again.launched() {
                let pool = now.policy.terms(&launch.pool);
                let full = is_full(&now, pool, &launch.scope, &users);
                let failed = has_failed(&now, &plan, pool, &launch.scope);
                prop_assert!(full || lost || failed || pool.naming == Naming::Stable, "first {:#?}\nthen {launch:#?}", plan.actions);
            }
            history.push(again.actions.clone());
            if again.actions.is_empty() {
                return Ok(());
            }
            (now, plan) = (next, again);
        }
        prop_assert!(false, "it does not settle: {history:#?}");
    }

    #[test]
    fn while_a_plan_is_carried_out_nothing_more_is_planned(world in any_world()) {
        let plan = world.plan();
        let again = world.amid(&plan, &[]).plan();
        // Without the runners that go, a job may count on another one, and there is room for others.
        if plan.actions.iter().any(frees) {
            return Ok(());
        }
        prop_assert!(again.actions.is_empty(), "first {:#?}\nsecond {:#?}", plan.actions, again.actions);
        let jobs = |plan: &Plan| plan.expected.keys().copied().collect::<Vec<_>>();
        prop_assert_eq!(jobs(&plan), jobs(&again));
    }

    #[test]
    fn whatever_is_done_first_of_a_plan_nothing_is_begun_twice_or_beside_another(world in any_world(), done in proptest::collection::vec(any::<bool>(), 40)) {
        let plan = world.plan();
        let next = world.amid(&plan, &done);
        let again = next.plan();
        for action in &again.actions {
            prop_assert!(!plan.actions.contains(action), "{action:?}");
            let Some(runner) = action.runner() else { continue };
            let other = next.seen.in_flight.iter().find(|other| other.runner() == Some(runner));
            prop_assert!(other.is_none(), "{action:#?} beside {other:#?}");
        }
        // What is under way takes room.
        let mut users = users(&next, &again);
        let unlisted = next.seen.in_flight.iter().filter_map(|action| match action {
            Action::Launch(launch) => Some(launch),
            _ => None,
        });
        users.extend(unlisted.map(|launch| user(&world, launch)));
        for launch in again.launched() {
            let beside = users.iter().filter(|one| one.backend == launch.backend).count();
            prop_assert!(beside <= world.policy.caps.backends[&launch.backend].runners);
        }
    }

    #[test]
    fn never_more_than_any_cap(world in any_world()) {
        let plan = world.plan();
        let (caps, users) = (&world.policy.caps, users(&world, &plan));
        let asked: Vec<&Launch> = plan.launched().collect();
        let own: Vec<&Launch> = plan.launched().filter(|launch| launch.request.is_none()).collect();
        if asked.is_empty() {
            return Ok(());
        }
        for backend in asked.iter().map(|launch| &launch.backend) {
            let host = &caps.backends[backend];
            let beside = || users.iter().filter(|user| user.backend == *backend);
            prop_assert!(beside().count() <= host.runners);
            prop_assert!(host.memory.is_none_or(|max| beside().map(|user| user.memory).sum::<i64>() <= max));
            prop_assert!(host.nano_cpus.is_none_or(|max| beside().map(|user| user.nano_cpus).sum::<i64>() <= max));
        }
        for launch in own {
            let pool = world.policy.pool(&launch.pool).unwrap();
            let of = |same: &dyn Fn(&Scope, &PoolName) -> bool| {
                users.iter().filter(|one| same(&one.scope, &one.pool)).count()
            };
            prop_assert!(of(&|_, other| *other == pool.name) <= pool.max);
            if matches!(launch.scope, Scope::Repo(_)) {
                prop_assert!(caps.per_repo.is_none_or(|max| of(&|scope, _| *scope == launch.scope) <= max));
            }
            if let Some(login) = owner(&launch.scope) {
                prop_assert!(caps.per_owner.is_none_or(|max| of(&|scope, _| owner(scope).as_ref() == Some(&login)) <= max));
            }
        }
    }

    #[test]
    fn runners_start_only_where_their_pool_may_and_with_names_that_are_free(world in any_world()) {
        let plan = world.plan();
        let mut names: BTreeSet<String> =
            world.seen.machines.iter().map(|one| one.name.as_str().to_ascii_lowercase()).collect();
        for launch in plan.launched() {
            let name = launch.name.as_str().to_ascii_lowercase();
            prop_assert!(names.insert(name.clone()), "{name} twice");
            if launch.request.is_some() {
                continue;
            }
            let pool = world.policy.pool(&launch.pool).unwrap();
            prop_assert!(world.policy.auto_create && !world.policy.draining);
            prop_assert!(pool.enabled && !pool.paused);
            let repos = ["o/r", "o/s", "p/q"].map(|repo| RepoSlug::parse(repo).unwrap());
            prop_assert!(pool.places(&repos).contains(&launch.scope), "{} in {}", pool.name, launch.scope);
            prop_assert_eq!((&launch.labels, &launch.group), (&pool.labels, &pool.group));
            let held = world.seen.held_back.get(&(pool.name.clone(), launch.scope.clone()));
            prop_assert!(held.is_none_or(|until| *until <= world.now));
            for image in pool.images() {
                let seen = &world.seen.images[&(pool.backend.clone(), image.to_owned(), pool.pull)];
                prop_assert_eq!(seen.state, Image::Present);
            }
            let listing = world.seen.registrations.get(&launch.scope);
            let holder = listing.map_or(&[][..], Listing::entries).iter().find(|one| one.name.eq_ignore_ascii_case(&name));
            if let Some(holder) = holder {
                prop_assert!(deregistered(&plan).contains(&holder.id.0), "{name} is taken at GitHub");
            }
        }
    }

    #[test]
    fn only_registrations_that_are_ours_to_delete_are_deleted(world in any_world()) {
        let plan = world.plan();
        for (scope, listing) in &world.seen.registrations {
            for registered in listing.entries() {
                let planned = plan.actions.iter().any(|action| matches!(action, Action::Deregister { scope: at, id, .. } if at == scope && *id == registered.id));
                if !planned {
                    continue;
                }
                let name = &registered.name;
                prop_assert!(world.policy.clean_registrations && !registered.online && !registered.busy);
                prop_assert!(!world.seen.machines.iter().any(|one| one.name.as_str().eq_ignore_ascii_case(name)));
                let exact = name.strip_prefix("mayfly-i-").is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
                let wanted = plan.launched().any(|launch| launch.scope == *scope && launch.name.as_str().eq_ignore_ascii_case(name));
                prop_assert!(exact || wanted, "{name}");
                let least = world.policy.all().map(|pool| pool.registration_timeout).min().unwrap();
                let since = world.seen.memory.stray(scope, registered.id).and_then(|stray| stray.offline_since);
                prop_assert!(since.is_some_and(|since| world.now.duration_since(since) >= least), "{name} too soon");
            }
        }
    }

    #[test]
    fn nothing_ends_a_busy_runner_unless_somebody_insists(world in any_world()) {
        let plan = world.plan();
        let forced = |name: &RunnerName| world.seen.wishes.iter().any(|(_, wish)| matches!(wish, ApiRequest::Delete { name: n, force: true } if n == name));
        for (machine, verdict) in world.seen.machines.iter().zip(&plan.verdicts) {
            let sight = world.seen.sight_of(machine);
            let sighting = world.seen.memory.of(machine);
            let passed = |since: Option<Timestamp>, span| since.is_some_and(|at| world.now.duration_since(at) >= span);
            // Against GitHub's word a process' name counts for a while only.
            let jobless = sight == Sight::Absent || sight.listed().is_some_and(|one| !one.online && !one.busy);
            let since = sighting.jobless_since;
            let named = !jobless
                || !(passed(since, WORKER_WITHOUT_JOB)
                    || (passed(since, WORKER_AFTER_JOB) && passed(sighting.job_over_at, WORKER_AFTER_JOB)));
            let worker = named && machine.phase == Phase::Running { working: Some(true) };
            let busy = sight.listed().is_some_and(|registered| registered.busy);
            if matches!(machine.phase, Phase::Running { .. }) && (worker || busy) && world.now < machine.deadline && !forced(&machine.name) {
                prop_assert_eq!(verdict.state, RunnerState::Busy);
                prop_assert!(!plan.actions.iter().any(|action| action.ends(&machine.name)));
            }
        }
    }

    #[test]
    fn a_silent_github_proves_nothing(mut world in any_world()) {
        for listing in world.seen.registrations.values_mut() {
            *listing = Listing::Unknown;
        }
        world.seen.wishes.clear();
        let plan = world.plan();
        for machine in world.seen.machines.iter().filter(|machine| matches!(machine.phase, Phase::Running { .. }) && world.now < machine.deadline) {
            prop_assert!(!plan.actions.iter().any(|action| action.ends(&machine.name)));
        }
        prop_assert!(deregistered(&plan).is_empty());
    }

    #[test]
    fn every_request_gets_one_answer_and_every_job_one_place(world in any_world()) {
        let plan = world.plan();
        for (id, _) in &world.seen.wishes {
            let served = plan.actions.iter().any(|action| match action {
                Action::Launch(launch) => launch.request == Some(*id),
                Action::Remove { request, .. } | Action::Retire { request, .. } => *request == Some(*id),
                _ => false,
            });
            let refused = plan.refusals.iter().filter(|(refused, _)| refused == id).count();
            prop_assert_eq!(usize::from(served) + refused, 1, "request {:?}", id);
        }
        for job in &world.seen.jobs {
            let places = [
                plan.expected.contains_key(&job.id),
                plan.hosted.contains(&job.id),
                plan.unmet.iter().any(|unmet| unmet.job.id == job.id),
                plan.waiting.iter().any(|waiting| waiting.job == job.id),
            ];
            let there = places.iter().filter(|there| **there).count();
            // A job that only a runner made by hand may take waits for it; without automatic mode nothing is in the way of any.
            let pools = world.policy.all().any(|pool| may_serve(pool, job, &world));
            prop_assert!(there == 1 || (there == 0 && !(pools && world.policy.auto_create)), "{:?} {:?}", job, places);
        }
        // A runner is expected by one job at most.
        let expected: BTreeSet<&RunnerName> = plan.expected.values().collect();
        prop_assert_eq!(expected.len(), plan.expected.len());
    }

    #[test]
    fn a_job_waits_only_where_something_is_in_the_way_of_every_pool_for_it(world in any_world()) {
        let plan = world.plan();
        if !world.policy.auto_create || world.policy.draining {
            return Ok(());
        }
        let users = users(&world, &plan);
        for waiting in &plan.waiting {
            let job = world.seen.jobs.iter().find(|job| job.id == waiting.job).unwrap();
            let held = world.seen.memory.assignment(job.id).is_some_and(|known| known.held_until(world.now).is_some());
            let pools: Vec<&PoolPolicy> = world.policy.all().filter(|pool| may_serve(pool, job, &world)).collect();
            // Whose number is not for one job to decide.
            let ratio = pools.iter().any(|pool| matches!(pool.autoscaling, Autoscaling::Ratio(_)));
            for pool in pools {
                let scope = pool.place_for(&job.repo).unwrap();
                let back = world.seen.held_back.get(&(pool.name.clone(), scope.clone()));
                let image = pool.images().any(|image| world.seen.images[&(pool.backend.clone(), image.to_owned(), pool.pull)].state != Image::Present);
                let named = pool.naming == Naming::Stable;
                let back = back.is_some_and(|until| *until > world.now) || has_failed(&world, &plan, pool, &scope);
                let full = is_full(&world, pool, &scope, &users) || world.seen.unreachable.contains_key(&pool.backend);
                prop_assert!(held || ratio || pool.paused || image || back || named || full, "{job:?} {pool:#?} {waiting:?}");
                // What is said of it is true.
                if let Cause::Unreachable(backend, _) = &waiting.cause {
                    prop_assert!(world.seen.unreachable.contains_key(backend));
                }
                if let Cause::Cap(_) = waiting.cause {
                    prop_assert!(full || waiting.pool.as_ref() != Some(&pool.name));
                }
            }
        }
    }

    #[test]
    fn a_doubtful_pool_starts_a_runner_for_a_job_only_where_no_other_pool_can_and_after_all_others(world in any_world()) {
        let plan = world.plan();
        let users = users(&world, &plan);
        for launch in plan.launched() {
            // Those that wait for no job in particular say so.
            let of = |job: &&QueuedJob| launch.why == format!("job {:?} of {} waits", job.name, job.repo);
            let Some(job) = world.seen.jobs.iter().find(of) else { continue };
            let started = world.policy.pool(&launch.pool).unwrap();
            if !is_doubtful(&world, &job.repo, started, &launch.scope) {
                continue;
            }
            for pool in world.policy.all().filter(|pool| may_serve(pool, job, &world)) {
                let scope = pool.place_for(&job.repo).unwrap();
                let held = world.seen.memory.assignment(job.id).is_some_and(|known| known.is_held(&scope, pool.group.as_deref(), world.now));
                if held || is_doubtful(&world, &job.repo, pool, &scope) {
                    continue;
                }
                let back = world.seen.held_back.get(&(pool.name.clone(), scope.clone())).is_some_and(|until| *until > world.now) || has_failed(&world, &plan, pool, &scope);
                let image = pool.images().any(|image| world.seen.images[&(pool.backend.clone(), image.to_owned(), pool.pull)].state != Image::Present);
                let named = pool.naming == Naming::Stable;
                let ratio = world.policy.all().any(|pool| matches!(pool.autoscaling, Autoscaling::Ratio(_)));
                let full = is_full(&world, pool, &scope, &users) || world.seen.unreachable.contains_key(&pool.backend);
                prop_assert!(pool.paused || back || image || named || ratio || full, "{job:?} in {} instead of {}", launch.pool, pool.name);
            }
            // Where each runner takes one place, no other job waits for the one that this took.
            let mut without = users.clone();
            let its = users.iter().position(|one| one.pool == launch.pool && one.scope == launch.scope);
            without.remove(its.unwrap());
            for waiting in &plan.waiting {
                let (Cause::Cap(cap), Some(first)) = (&waiting.cause, &waiting.pool) else { continue };
                let other = world.seen.jobs.iter().find(|job| job.id == waiting.job).unwrap();
                let sure = world.policy.all().filter(|pool| may_serve(pool, other, &world)).all(|pool| {
                    let scope = pool.place_for(&other.repo).unwrap();
                    !is_doubtful(&world, &other.repo, pool, &scope)
                });
                let pool = world.policy.pool(first).unwrap();
                let scope = pool.place_for(&other.repo).unwrap();
                let one_place = !matches!(cap, CapacityLimit::Memory(..) | CapacityLimit::Cpus(..) | CapacityLimit::OneMemory(..) | CapacityLimit::OneCpus(..));
                prop_assert!(!sure || !one_place || is_full(&world, pool, &scope, &without), "{waiting:?} {launch:?}");
            }
        }
    }

    #[test]
    fn a_runner_that_had_a_job_holds_no_other_back_however_it_ended(world in any_world()) {
        for action in &world.plan().actions {
            let Action::Remove { machine: MachineRef { name, .. }, failure, holds_back, .. } = action else { continue };
            let machine = world.seen.machines.iter().find(|one| one.name == *name).unwrap();
            let had_a_job = world.seen.memory.of(machine).was_busy;
            prop_assert!(!(had_a_job && *holds_back), "{}: {:?}", name, failure);
        }
    }

    #[test]
    fn nothing_is_done_to_a_machine_that_cannot_be_seen(world in any_world()) {
        for action in &world.plan().actions {
            let there = world.seen.machines.iter().find(|one| one.name.as_str() == action.about());
            let unseen = there.is_some_and(|one| matches!(one.phase, Phase::Unknown(_)));
            prop_assert!(!unseen, "{action}");
        }
    }

    #[test]
    fn a_backend_that_does_not_answer_blinds_for_its_own_machines_only(world in any_world()) {
        let plan = world.plan();
        for action in &plan.actions {
            let on = match action {
                Action::PullImage { backend, .. } => Some(backend),
                Action::Launch(launch) => Some(&launch.backend),
                Action::Start { machine, .. } | Action::Retire { machine, .. } | Action::Remove { machine, .. } => Some(&machine.backend),
                Action::Deregister { .. } => None,
            };
            match on {
                Some(backend) => prop_assert!(!world.seen.unreachable.contains_key(backend), "{action}"),
                // It may have the machine.
                None => prop_assert!(world.seen.unreachable.is_empty() || frees_asked_name(&world, &plan, action), "{action}"),
            }
        }
        // The others go on as if they were alone: where it has no room, no name and no job in common with them, nothing changes.
        let mut without = world.clone();
        without.seen.unreachable.clear();
        let gone = |plan: &Plan| plan.actions.iter().filter(|action| matches!(action, Action::Remove { .. })).count();
        prop_assert_eq!(gone(&plan), gone(&without.plan()));
    }

    #[test]
    fn nothing_is_done_twice_in_a_plan(world in any_world()) {
        let plan = world.plan();
        for (index, action) in plan.actions.iter().enumerate() {
            prop_assert!(!plan.actions[..index].contains(action), "{action:?}");
            if let Action::Remove { machine: MachineRef { name, .. }, .. } | Action::Retire { machine: MachineRef { name, .. }, .. } = action {
                let ended = plan.actions.iter().filter(|other| other.ends(name)).count();
                prop_assert_eq!(ended, 1, "{}", name);
            }
        }
    }
}
