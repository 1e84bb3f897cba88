//! Worlds for the properties: every policy field and cap, several pools and scopes, and only what can be.

use jiff::SignedDuration;
use mayfly_common::identity::BackendName;
use mayfly_common::pool::{Autoscaling, PoolScope, Ratio};

use super::*;
use crate::action::IfBusy;
use crate::backoff;
use crate::observed::Group;
use crate::observed::ImageKey;
use crate::policy::{BackendCaps, Caps};

const REPOS: [&str; 3] = ["o/r", "o/s", "p/q"];
const SCOPES: [&str; 5] = ["repo:o/r", "repo:o/s", "repo:p/q", "org:o", "enterprise:e"];
const IMAGES: [&str; 2] = ["i", "j"];
const ENGINE: &str = "dind";
const GIB: i64 = 1 << 30;

/// Numbers that decide: the first of several things where they are zero or used up, so that a failing case becomes a plain one.
pub(super) struct Choices(pub(super) std::vec::IntoIter<u16>);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or_default()) % bound.max(1)
    }

    fn second(&mut self, bound: i64) -> i64 {
        let bound = usize::try_from(bound.max(1)).unwrap();
        i64::try_from(self.below(bound)).unwrap()
    }

    /// True in one of so many cases.
    fn one_in(&mut self, cases: usize) -> bool {
        self.below(cases) + 1 == cases
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    fn maybe<T>(&mut self, cases: usize, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(cases).then(|| value(self))
    }
}

/// What is seen, what holds, and when.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) seen: Observed,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
}

pub(super) fn any_world() -> impl proptest::strategy::Strategy<Value = World> {
    use proptest::prelude::*;
    prop::collection::vec(any::<u16>(), 0..260)
        .prop_map(|numbers| world(&mut Choices(numbers.into_iter())))
}

fn world(choose: &mut Choices) -> World {
    let policy = any_policy(choose);
    let now = choose.second(2_000);
    let fresh = policy.caps.backends.values().map(|caps| caps.runners).sum();
    let mut seen = Observed {
        jobs_complete: !choose.one_in(4),
        images: any_images(choose, &policy),
        fresh_names: (0..fresh).map(|n| generated(0xf00 + n)).collect(),
        ..Observed::default()
    };
    let known = choose.below(REPOS.len() + 1);
    seen.repositories = REPOS[..known].iter().map(|repo| RepoSlug::parse(repo).unwrap()).collect();
    let mut lists: BTreeMap<Scope, Vec<Registered>> =
        SCOPES.iter().map(|scope| (scope.parse().unwrap(), Vec::new())).collect();
    for index in 0..choose.below(7) {
        let runner = any_runner(choose, &policy, index, now);
        let same = |one: &Machine| one.name.as_str().eq_ignore_ascii_case(runner.name.as_str());
        if seen.machines.iter().any(same) {
            continue;
        }
        if let Some(registered) = any_registration(choose, &runner, index) {
            lists.get_mut(&runner.scope).unwrap().push(registered);
        }
        seen.machines.push(runner);
    }
    if choose.one_in(4) && policy.caps.backends.contains_key(&second()) {
        let why = "no answer".to_owned();
        for machine in seen.machines.iter_mut().filter(|one| one.backend == second()) {
            (machine.phase, machine.defect) = (Phase::Unknown(why.clone()), None);
        }
        seen.unreachable.insert(second(), why);
    }
    for index in 0..choose.below(5) {
        let scope: Scope = choose.of(&SCOPES).parse().unwrap();
        let name = any_stray_name(choose, &policy, index);
        let used = |other: &str| other.eq_ignore_ascii_case(&name);
        let list = lists.get_mut(&scope).unwrap();
        if list.iter().any(|one| used(&one.name))
            || seen.machines.iter().any(|one| used(one.name.as_str()))
        {
            continue;
        }
        let (online, busy) =
            choose.of(&[(false, false), (true, false), (true, true), (false, true)]);
        list.push(registered(500 + i64::try_from(index).unwrap(), &name, online, busy));
    }
    let earlier = choose.second(now + 1);
    let before: BTreeMap<Scope, Vec<Registered>> = lists
        .iter()
        .map(|(scope, list)| (scope.clone(), as_before(choose, list, &seen.machines)))
        .collect();
    seen.registrations =
        before.into_iter().map(|(scope, list)| (scope, Listing::Known(list))).collect();
    seen.jobs =
        (0..choose.below(8)).map(|id| any_job(choose, i64::try_from(id).unwrap())).collect();
    for job in &seen.jobs {
        if !job.labels.is_empty() && !choose.one_in(4) {
            continue;
        }
        let group = choose.of(&[
            None,
            Some(Group::named("group")),
            Some(Group::named("org/default")),
            Some(Group::named("ent/group")),
            Some(Group::Unknown("only run time decides it".to_owned())),
        ]);
        seen.groups.extend(group.map(|group| (job.id, group)));
    }
    let listed = |second| REPOS.map(|repo| (RepoSlug::parse(repo).unwrap(), at(second))).into();
    seen.listed_at = listed(earlier);
    seen = seen.remember(&policy, at(earlier));
    seen.listed_at = listed(now);
    let left = choose.below(seen.jobs.len() + 1);
    seen.jobs.rotate_left(left);
    let more = any_job(choose, 8);
    seen.jobs.extend(choose.one_in(2).then_some(more));
    for (scope, list) in &lists {
        for registered in list {
            if choose.one_in(12) {
                seen.memory.refused(scope, registered.id, registered.busy, at(earlier));
            }
        }
    }
    seen.registrations = lists
        .into_iter()
        .filter_map(|(scope, list)| match choose.below(6) {
            0..=2 => Some((scope, Listing::Known(list))),
            3 => Some((scope, Listing::Partial(list))),
            4 => Some((scope, Listing::Unknown)),
            _ => None,
        })
        .collect();
    for machine in seen.machines.iter().filter(|one| !one.phase.is_before_start()) {
        if choose.one_in(8) {
            seen.jobs_over.insert(machine.name.clone(), at(choose.second(now + 1)));
        }
    }
    seen.wishes = (0..choose.below(3))
        .map(|id| (RequestId(u64::try_from(id).unwrap()), any_wish(choose, &seen.machines)))
        .collect();
    for pool in policy.all() {
        let scope = choose.of(&SCOPES).parse().unwrap();
        if choose.one_in(6) {
            seen.held_back.insert((pool.name.clone(), scope), at(now - 50 + choose.second(100)));
        }
        if choose.one_in(4) {
            seen.scaled.insert(pool.name.clone(), at(choose.second(now + 1)));
        }
    }
    let now = at(now);
    for repo in REPOS.map(|repo| RepoSlug::parse(repo).unwrap()) {
        for pool in policy.all() {
            if let (true, Some(scope)) = (choose.one_in(4), pool.place_for(&repo)) {
                seen.memory.failed_groups.add(&repo, &scope, pool.group.as_deref(), now);
            }
        }
    }
    for machine in seen.machines.iter().filter(|one| !one.phase.is_before_start()) {
        if choose.one_in(8) {
            let repo = RepoSlug::parse(choose.of(&REPOS)).unwrap();
            seen.working_for.insert(machine.name.clone(), repo);
        }
    }
    World { seen: seen.remember(&policy, now), policy, now }
}

/// The backend beside `docker`, where there is one.
fn second() -> BackendName {
    BackendName::parse("second").unwrap()
}

fn generated(number: usize) -> RunnerName {
    naming::generated("mayfly-i-", &format!("{number:032x}").split_off(20)).unwrap()
}

fn any_caps(choose: &mut Choices) -> BackendCaps {
    BackendCaps {
        runners: 6 - choose.below(6),
        memory: choose.maybe(3, |choose| choose.second(9) * GIB),
        nano_cpus: choose.maybe(3, |choose| choose.second(9) * 1_000_000_000),
    }
}

fn any_policy(choose: &mut Choices) -> Policy {
    let mut backends = vec![BackendName::default()];
    backends.extend(choose.maybe(3, |_| second()));
    let default = any_pool(choose, None, &backends);
    let pools: Vec<PoolPolicy> =
        (0..choose.below(4)).map(|number| any_pool(choose, Some(number), &backends)).collect();
    let few = |choose: &mut Choices| 1 + choose.below(4);
    Policy {
        installation: "i".to_owned(),
        auto_create: !choose.one_in(10),
        draining: choose.one_in(12),
        caps: Caps {
            backends: backends.into_iter().map(|name| (name, any_caps(choose))).collect(),
            per_owner: choose.maybe(3, few),
            per_repo: choose.maybe(3, few),
        },
        default,
        pools,
        clean_registrations: !choose.one_in(8),
        name_prefix: "mayfly-i-".to_owned(),
    }
}

/// The environment's pool, or one of the others.
fn any_pool(choose: &mut Choices, number: Option<usize>, backends: &[BackendName]) -> PoolPolicy {
    let name = match number {
        None => PoolName::default_pool(),
        Some(number) => PoolName::parse(&format!("p{number}")).unwrap(),
    };
    let all = ["discovered", "repo:o/r", "repo:o/*", "org:o", "org:p", "enterprise:e"];
    let scopes: Vec<PoolScope> = match number {
        None => vec![PoolScope::Discovered],
        Some(_) => (0..=choose.below(2)).map(|_| choose.of(&all).parse().unwrap()).collect(),
    };
    let labels: &[&str] = choose.of(&[
        &["self-hosted"][..],
        &["self-hosted", "gpu"],
        &["self-hosted", "linux", "gpu"],
    ]);
    let max = choose.of(&[4, 1, 2, 3, 100]);
    let autoscaling = match choose.below(3) {
        0 | 1 => Autoscaling::PerJob,
        _ => Autoscaling::Ratio(Ratio {
            jobs_per_runner: 1 + u32::try_from(choose.below(3)).unwrap(),
            scale_up_threshold: u32::try_from(choose.below(3)).unwrap(),
            scale_down_threshold: u32::try_from(choose.below(3)).unwrap(),
            cooldown: choose.of(&[60, 0]),
        }),
    };
    let naming = if number.is_some() && choose.one_in(3) { Naming::Stable } else { Naming::Unique };
    let own = format!("mayfly-i-{name}");
    let name_prefix =
        if naming == Naming::Stable && choose.one_in(2) { format!("desk-{name}") } else { own };
    // That of the environment is always on its own.
    let backend = if number.is_some() { choose.of(backends) } else { BackendName::default() };
    PoolPolicy {
        backend,
        scopes,
        labels: LabelSet::requested(labels),
        group: choose.maybe(4, |_| "group".to_owned()),
        image: choose.of(&IMAGES).to_owned(),
        engine_image: choose.maybe(5, |_| ENGINE.to_owned()),
        pull: choose.of(&[PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]),
        min_idle: choose.below(4).min(max),
        max,
        priority: i32::try_from(choose.below(3)).unwrap(),
        autoscaling,
        registration_timeout: SignedDuration::from_secs(choose.of(&[300, 60])),
        max_lifetime: SignedDuration::from_hours(120),
        idle_timeout: SignedDuration::from_secs(choose.of(&[120, 0])),
        rotation: choose.maybe(3, |choose| SignedDuration::from_secs(choose.of(&[600, 60]))),
        rotate_before: choose.maybe(4, |choose| at(choose.second(2_000))),
        fingerprint: choose.of(&["f", "g"]).to_owned(),
        memory: choose.of(&[GIB, 2 * GIB]),
        nano_cpus: choose.of(&[1_000_000_000, 2_000_000_000]),
        naming,
        name_prefix,
        enabled: !choose.one_in(6),
        paused: choose.one_in(6),
        name,
    }
}

/// Every image that a pool needs, as it can stand for the pool's pull policy.
fn any_images(choose: &mut Choices, policy: &Policy) -> BTreeMap<ImageKey, ImageSeen> {
    let mut images = BTreeMap::new();
    for pool in policy.all() {
        for image in pool.images() {
            let states: &[Image] = match pool.pull {
                PullPolicy::Missing => {
                    &[Image::Present, Image::Present, Image::Missing, Image::Awaited]
                }
                PullPolicy::Never => &[Image::Present, Image::Present, Image::Awaited],
                PullPolicy::Always => {
                    &[Image::Present, Image::Outdated, Image::Missing, Image::Awaited]
                }
            };
            let state = choose.of(states);
            let id = matches!(state, Image::Present | Image::Outdated).then(|| "new".to_owned());
            images
                .entry((pool.backend.clone(), image.to_owned(), pool.pull))
                .or_insert(ImageSeen { state, id });
        }
    }
    images
}

fn any_runner(choose: &mut Choices, policy: &Policy, index: usize, now: i64) -> Machine {
    let mut pools: Vec<PoolName> = policy.all().map(|pool| pool.name.clone()).collect();
    pools.extend([PoolName::manual(), PoolName::parse("gone").unwrap()]);
    let pool = choose.of(&pools);
    let terms = policy.terms(&pool);
    let name = match policy.pool(&pool) {
        Some(pool) if pool.naming == Naming::Stable => {
            naming::place(pool, 1 + choose.below(pool.max.min(4) + 1)).unwrap()
        }
        _ if pool == PoolName::manual() && choose.one_in(2) => {
            RunnerName::parse(&format!("hand-{index}")).unwrap()
        }
        _ => generated(index),
    };
    let has_engine = terms.engine_image.is_some();
    let exited = |code, log_tail: &str| {
        Phase::Exited(Exit { code, out_of_memory: false, log_tail: log_tail.to_owned() })
    };
    let broken = || "its engine ended".to_owned();
    let phase = match choose.below(10) {
        0 | 1 => Phase::Running { working: Some(false) },
        2 => Phase::Running { working: Some(true) },
        3 => Phase::Running { working: None },
        4 => exited(0, "Running job: a\nJob a completed with result: Succeeded"),
        5 => exited(0, ""),
        6 => exited(137, "Running job: a"),
        7 => Phase::Unknown("its node is down".to_owned()),
        _ if has_engine => choose.of(&[Phase::Ready, Phase::Preparing, Phase::Broken(broken())]),
        _ => Phase::NeverStarted,
    };
    let created_at = at(choose.second(now + 1));
    let lifetime = SignedDuration::from_secs(choose.of(&[432_000, 600]));
    let mut runner = machine(name.as_str(), phase);
    // A pool may have been moved since.
    let elsewhere = choose.one_in(6);
    let backends: Vec<&BackendName> = policy.caps.backends.keys().collect();
    runner.identity.backend =
        if elsewhere { choose.of(&backends).clone() } else { terms.backend.clone() };
    runner.identity.labels = terms.labels.clone();
    runner.identity.image.clone_from(&terms.image);
    runner.identity.scope = choose.of(&SCOPES).parse().unwrap();
    // One that registers itself does not know its id beforehand.
    runner.identity.github_id =
        if choose.one_in(4) { None } else { Some(RunnerId(1 + i64::try_from(index).unwrap())) };
    runner.identity.image_id = Some(choose.of(&["new", "old"]).to_owned());
    runner.identity.fingerprint = choose.of(&[Some("f"), Some("g"), None]).map(str::to_owned);
    runner.identity.created_at = created_at;
    runner.identity.deadline = created_at + lifetime;
    let runs = matches!(runner.phase, Phase::Running { .. });
    runner.defect = (has_engine && runs && choose.one_in(3)).then(broken);
    runner.lingers = has_engine;
    runner.identity.pool = pool;
    runner
}

/// What GitHub lists of a runner. One that never ran never came online.
fn any_registration(choose: &mut Choices, runner: &Machine, index: usize) -> Option<Registered> {
    let kinds: &[Option<(bool, bool)>] = match &runner.phase {
        phase if phase.is_before_start() => &[Some((false, false)), None],
        Phase::Running { .. } | Phase::Unknown(_) => &[
            Some((true, false)),
            Some((true, true)),
            Some((false, false)),
            Some((false, true)),
            None,
        ],
        _ => &[
            None,
            Some((false, false)),
            Some((true, false)),
            Some((true, true)),
            Some((false, true)),
        ],
    };
    let (online, busy) = choose.of(kinds)?;
    Some(registered(1 + i64::try_from(index).unwrap(), runner.name.as_str(), online, busy))
}

/// The name of a registration that no machine here has: a leftover of ours, another installation's, somebody's server.
fn any_stray_name(choose: &mut Choices, policy: &Policy, index: usize) -> String {
    let place = |choose: &mut Choices| {
        let pool = choose.of(&policy.pools);
        format!("{}-{}", pool.name_prefix, 1 + choose.below(3))
    };
    match choose.below(7) {
        0 => generated(0xa00 + index).to_string(),
        1 => format!("mayfly-i-2-{:012x}", 0xb00 + index),
        2 => generated(0xc00 + index).as_str().to_ascii_uppercase(),
        3 if !policy.pools.is_empty() => place(choose).to_ascii_uppercase(),
        4 if !policy.pools.is_empty() => place(choose),
        5 => format!("HAND-{}", choose.below(3)),
        _ => format!("server-{index}"),
    }
}

/// A list as it may have been earlier.
fn as_before(choose: &mut Choices, list: &[Registered], runners: &[Machine]) -> Vec<Registered> {
    let was = |choose: &mut Choices, registered: &Registered| {
        let never_ran = runners
            .iter()
            .any(|one| one.name.as_str() == registered.name && one.phase.is_before_start());
        if never_ran {
            return Some(registered.clone());
        }
        let kinds = [None, Some((false, false)), Some((true, false)), Some((true, true))];
        let (online, busy) = match choose.below(3) {
            0 => Some((registered.online, registered.busy)),
            _ => choose.of(&kinds),
        }?;
        Some(Registered { online, busy, ..registered.clone() })
    };
    list.iter().filter_map(|registered| was(choose, registered)).collect()
}

fn any_job(choose: &mut Choices, id: i64) -> QueuedJob {
    let labels: &[&str] = choose.of(&[
        &["self-hosted"][..],
        &["self-hosted", "gpu"],
        &["ubuntu-latest"],
        &[],
        &["self-hosted", "huge"],
    ]);
    job(id, choose.of(&REPOS), labels)
}

fn any_wish(choose: &mut Choices, runners: &[Machine]) -> ApiRequest {
    let scope = choose.of(&SCOPES).parse().unwrap();
    let count = 1 + choose.below(3);
    match (choose.below(3), runners.is_empty()) {
        (0, false) => {
            ApiRequest::Delete { name: choose.of(runners).identity.name, force: choose.one_in(2) }
        }
        (1, _) => ApiRequest::Delete { name: generated(0xdead), force: choose.one_in(2) },
        _ => ApiRequest::Create(CreateRunners {
            names: if choose.one_in(2) {
                let name = |number| RunnerName::parse(&format!("hand-{number}")).unwrap();
                (0..count).map(name).collect()
            } else {
                Vec::new()
            },
            group: None,
            labels: choose.maybe(3, |_| LabelSet::requested(["self-hosted", "own"])),
            count: u8::try_from(count).unwrap(),
            scope,
        }),
    }
}

impl World {
    pub(super) fn plan(&self) -> Plan {
        plan(&self.seen, &self.policy, self.now)
    }

    /// What the world looks like at the same moment after `plan` was carried out without a failure of ours.
    pub(super) fn after(&self, plan: &Plan) -> Self {
        let next = self.carried_out(plan);
        Self { seen: next.seen.remember(&self.policy, self.now), ..next }
    }

    /// What the next pass sees while `plan` is being carried out. The actions with `true` at their place in `done` have come to their
    /// end, and all others are under way, of which nothing is seen yet.
    pub(super) fn amid(&self, plan: &Plan, done: &[bool]) -> Self {
        let is_done = |index: usize| done.get(index).copied().unwrap_or(false);
        let (mut ended, mut open) =
            (Plan { scaled: plan.scaled.clone(), ..Plan::default() }, Vec::new());
        for (index, action) in plan.actions.iter().enumerate() {
            if is_done(index) {
                ended.actions.push(action.clone())
            } else {
                open.push(action.clone())
            }
        }
        let mut next = self.carried_out(&ended);
        let used: Vec<&RunnerName> = plan.launched().map(|launch| &launch.name).collect();
        next.seen.fresh_names.retain(|name| !used.contains(&name));
        for action in &open {
            if let Action::Launch(launch) = action {
                next.seen.memory.launched(&launch.name, launch.job, self.now);
            }
        }
        next.seen.in_flight = open;
        Self { seen: next.seen.remember(&self.policy, self.now), ..next }
    }

    /// The same, not yet looked at.
    pub(super) fn carried_out(&self, plan: &Plan) -> Self {
        let mut next = self.clone();
        next.seen.wishes.clear();
        next.seen.scaled.extend(plan.scaled.iter().map(|pool| (pool.clone(), self.now)));
        for action in &plan.actions {
            next.carry_out(action);
        }
        next
    }

    /// The list of a scope, if it is known.
    fn list(&mut self, scope: &Scope) -> Option<&mut Vec<Registered>> {
        match self.seen.registrations.get_mut(scope) {
            Some(Listing::Known(list) | Listing::Partial(list)) => Some(list),
            Some(Listing::Unknown | Listing::Unasked | Listing::NotFound) | None => None,
        }
    }

    /// Asks GitHub to delete a registration. Answers false where it refuses.
    fn deregister(&mut self, scope: &Scope, id: RunnerId) -> bool {
        let now = self.now;
        let Some(list) = self.list(scope) else { return true };
        if list.iter().any(|one| one.id == id && one.busy) {
            self.seen.memory.refused(scope, id, true, now);
            return false;
        }
        list.retain(|one| one.id != id);
        true
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::PullImage { backend, image } => {
                for ((of, name, _), seen) in &mut self.seen.images {
                    let meant = (of, name) == (backend, image);
                    if meant && matches!(seen.state, Image::Missing | Image::Outdated) {
                        seen.state = Image::Awaited;
                    }
                }
            }
            Action::Launch(launch) => self.launch(launch),
            Action::Start { machine: MachineRef { name, .. }, .. } => {
                for machine in self.seen.machines.iter_mut().filter(|one| one.name == *name) {
                    machine.phase = IDLE;
                }
            }
            Action::Retire { machine: MachineRef { name, .. }, scope, id, .. } => {
                if self.deregister(scope, *id) {
                    self.seen.memory.ended(name);
                    self.seen.machines.retain(|machine| machine.name != *name);
                }
            }
            Action::Remove {
                machine: MachineRef { name, .. },
                pool,
                scope,
                id,
                if_busy,
                holds_back,
                ..
            } => {
                if *holds_back {
                    let until = self.now + backoff::FIRST;
                    self.seen.held_back.insert((pool.clone(), scope.clone()), until);
                }
                let gone = id.is_none_or(|id| self.deregister(scope, id));
                if gone || *if_busy == IfBusy::Remove {
                    self.seen.memory.ended(name);
                    self.seen.machines.retain(|machine| machine.name != *name);
                }
            }
            Action::Deregister { scope, id, .. } => drop(self.deregister(scope, *id)),
        }
    }

    fn launch(&mut self, launch: &Launch) {
        let id = RunnerId(1_000 + i64::try_from(self.seen.machines.len()).unwrap());
        let terms = self.policy.terms(&launch.pool).clone();
        let newest =
            self.seen.images.get(&(terms.backend.clone(), terms.image.clone(), terms.pull));
        let mut new = machine(launch.name.as_str(), IDLE);
        new.identity = launch.identity.clone();
        new.identity.image_id = newest.and_then(|image| image.id.clone());
        if terms.engine_image.is_some() {
            new.phase = Phase::Preparing;
            new.lingers = true;
        }
        new.identity.github_id = Some(id);
        let now = self.now;
        self.seen.memory.launched(&launch.name, launch.job, now);
        self.seen.memory.started(&launch.name, (launch.pool.clone(), launch.scope.clone()));
        self.seen.fresh_names.retain(|name| *name != launch.name);
        if let Some(list) = self.list(&launch.scope) {
            let same = |one: &Registered| one.name.eq_ignore_ascii_case(launch.name.as_str());
            if list.iter().any(same) {
                return;
            }
            list.push(registered(id.0, launch.name.as_str(), false, false));
        }
        self.seen.machines.push(new);
    }
}
