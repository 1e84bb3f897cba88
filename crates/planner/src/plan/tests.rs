//! Tables and properties of [`plan`](super::plan).

mod excluded;
mod pools;
mod properties;
mod reclaim;
mod world;

use mayfly_common::api::CreateRunners;
use mayfly_common::label::LabelSet;
use mayfly_common::machine::{Exit, MachineRef, Phase};
use mayfly_common::pool::{Naming, PullPolicy};
use mayfly_common::registration::Registered;

use super::*;
use crate::action::IfBusy;
use crate::capacity::CapacityLimit;
use crate::github_view::{Listing, Sight};
use crate::lifecycle::tests::{at, caps, machine, policy, registered};
use crate::naming;
use crate::observed::{Image, ImageKey, ImageSeen};
use crate::policy::PoolPolicy;
use crate::request::ApiRequest;
use mayfly_common::identity::BackendName;
use mayfly_common::scope::{RepoSlug, ScopeKind};

const IDLE: Phase = Phase::Running { working: Some(false) };

fn job(id: i64, repo: &str, labels: &[&str]) -> QueuedJob {
    QueuedJob {
        id,
        repo: RepoSlug::parse(repo).unwrap(),
        name: format!("job {id}"),
        labels: LabelSet::requested(labels),
        labels_unread: false,
        queued_at: at(id),
    }
}

/// The default pool's image in this state.
fn image(state: Image) -> BTreeMap<ImageKey, ImageSeen> {
    BTreeMap::from([(key("i", PullPolicy::Missing), ImageSeen { state, id: None })])
}

/// An image of the backend `docker`.
fn key(image: &str, policy: PullPolicy) -> ImageKey {
    (BackendName::default(), image.to_owned(), policy)
}

fn pull() -> Action {
    Action::PullImage { backend: BackendName::default(), image: "i".to_owned() }
}

fn seen() -> Observed {
    Observed {
        images: image(Image::Present),
        jobs_complete: true,
        fresh_names: (0..32)
            .map(|n| RunnerName::parse(&format!("mayfly-i-new{n}")).unwrap())
            .collect(),
        ..Observed::default()
    }
}

/// One runner with its registration; ids are taken from its place.
fn with_runner(mut seen: Observed, name: &str, phase: Phase, online: bool, busy: bool) -> Observed {
    let id = i64::try_from(seen.machines.len()).unwrap() + 1;
    let mut new = machine(name, phase);
    new.identity.github_id = Some(RunnerId(id));
    let listing =
        seen.registrations.entry(new.scope.clone()).or_insert_with(|| Listing::Known(Vec::new()));
    if let Listing::Known(list) = listing {
        list.push(registered(id, name, online, busy));
    }
    seen.machines.push(new);
    seen
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(ToString::to_string).collect()
}

fn launches(plan: &Plan) -> usize {
    plan.actions.iter().filter(|action| matches!(action, Action::Launch(_))).count()
}

impl Plan {
    fn launches_named(&self) -> Vec<String> {
        self.launched().map(|launch| launch.name.to_string()).collect()
    }

    fn launched(&self) -> impl Iterator<Item = &Launch> {
        self.actions.iter().filter_map(|action| match action {
            Action::Launch(launch) => Some(launch),
            _ => None,
        })
    }
}

fn create(count: u8, names: &[&str]) -> ApiRequest {
    ApiRequest::Create(CreateRunners {
        scope: Scope::parse(ScopeKind::Repo, "o/r").unwrap(),
        names: names.iter().map(|name| RunnerName::parse(name).unwrap()).collect(),
        group: None,
        labels: None,
        count,
    })
}

#[test]
fn queued_jobs_start_exactly_the_missing_runners() {
    let mut seen = with_runner(seen(), "mayfly-i-a", IDLE, true, false);
    seen.jobs = vec![
        job(1, "o/r", &["self-hosted"]),
        job(2, "o/r", &["self-hosted", "linux"]),
        job(3, "p/q", &["self-hosted"]),
    ];
    let plan = plan(&seen, &policy(), at(10));
    assert_eq!(
        lines(&plan),
        [
            "start runner mayfly-i-new0 for repo:p/q: job \"job 3\" of p/q waits",
            "start runner mayfly-i-new1 for repo:o/r: job \"job 2\" of o/r waits",
        ]
    );
    assert_eq!(plan.demand, 3);
}

#[test]
fn starting_runners_count_and_busy_or_failed_ones_do_not() {
    let starting = with_runner(seen(), "mayfly-i-a", IDLE, false, false);
    let busy = with_runner(seen(), "mayfly-i-a", IDLE, true, true);
    let failed = with_runner(seen(), "mayfly-i-a", Phase::Exited(Exit::default()), false, false);
    for (mut seen, expected) in [(starting, 0), (busy, 1), (failed, 1)] {
        seen.jobs = vec![job(1, "o/r", &["self-hosted"])];
        assert_eq!(launches(&plan(&seen, &policy(), at(10))), expected);
    }
}

#[test]
fn the_cap_holds_and_the_oldest_jobs_go_first() {
    let mut seen = with_runner(seen(), "mayfly-i-a", IDLE, true, true);
    seen.jobs = (1..9).rev().map(|id| job(id, "o/r", &["self-hosted"])).collect();
    let plan = plan(&seen, &policy(), at(10));
    assert_eq!(launches(&plan), 3);
    assert!(
        lines(&plan)[0].contains("job 1") && lines(&plan)[2].contains("job 3"),
        "{:?}",
        lines(&plan)
    );
}

#[test]
fn jobs_that_are_not_ours_start_nothing() {
    let mut seen = seen();
    seen.jobs = vec![
        job(1, "o/r", &["ubuntu-latest"]),
        job(2, "o/r", &["self-hosted", "gpu"]),
        job(3, "o/r", &[]),
    ];
    let plan = plan(&seen, &policy(), at(10));
    assert!(plan.actions.is_empty());
    let unmet: Vec<(i64, &str)> =
        plan.unmet.iter().map(|unmet| (unmet.job.id, unmet.why.as_str())).collect();
    assert_eq!(unmet[0], (2, "no runner here has the label gpu; ours have linux,self-hosted,x64"));
    assert_eq!(unmet[1].0, 3);
}

#[test]
fn without_automatic_mode_jobs_start_nothing() {
    let mut seen = seen();
    seen.jobs = vec![job(1, "o/r", &["self-hosted"])];
    assert!(plan(&seen, &Policy { auto_create: false, ..policy() }, at(10)).actions.is_empty());
}

#[test]
fn held_back_scopes_wait_and_others_go_on() {
    let mut seen = seen();
    seen.jobs = vec![job(1, "o/r", &["self-hosted"]), job(2, "p/q", &["self-hosted"])];
    let place = (PoolName::default_pool(), "repo:o/r".parse().unwrap());
    seen.held_back = [(place, at(20))].into();
    assert_eq!(
        lines(&plan(&seen, &policy(), at(10))),
        ["start runner mayfly-i-new0 for repo:p/q: job \"job 2\" of p/q waits"]
    );
    assert_eq!(launches(&plan(&seen, &policy(), at(20))), 2);
}

#[test]
fn the_image_is_pulled_ahead_of_jobs_and_renewed_when_one_waits() {
    let with = |state, jobs: Vec<QueuedJob>| Observed { jobs, images: image(state), ..seen() };
    let waiting = || vec![job(1, "o/r", &["self-hosted"]), job(2, "o/r", &["self-hosted"])];
    let actions = |seen: &Observed| plan(seen, &policy(), at(10)).actions;
    assert_eq!(actions(&with(Image::Missing, vec![])), [pull()]);
    assert_eq!(actions(&with(Image::Missing, waiting())), [pull()]);
    assert_eq!(actions(&with(Image::Outdated, vec![])), []);
    assert_eq!(actions(&with(Image::Outdated, waiting())), [pull()]);
    assert_eq!(actions(&with(Image::Awaited, waiting())), []);
    let by_request_only = Policy { auto_create: false, ..policy() };
    assert_eq!(plan(&with(Image::Missing, vec![]), &by_request_only, at(10)).actions, []);
    let asked =
        Observed { wishes: vec![(RequestId(1), create(1, &[]))], ..with(Image::Missing, vec![]) };
    let both = plan(&asked, &by_request_only, at(10));
    assert_eq!(
        (both.actions, both.refusals),
        (vec![pull()], vec![(RequestId(1), Refusal::NoImage)])
    );
}

#[test]
fn what_is_over_is_removed_with_its_registration() {
    let done = Phase::Exited(Exit {
        log_tail: "Job a completed with result: Succeeded".into(),
        ..Exit::default()
    });
    let mut seen = with_runner(seen(), "mayfly-i-a", done.clone(), false, false);
    let removal = |seen: &Observed| match plan(seen, &policy(), at(10)).actions.as_slice() {
        [Action::Remove { id, state, .. }] => (*id, *state),
        other => panic!("{other:?}"),
    };
    assert_eq!(removal(&seen), (Some(RunnerId(1)), RunnerState::Finished));
    // GitHub does not list it any more: nothing to delete there.
    seen.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(vec![]));
    assert_eq!(removal(&seen), (None, RunnerState::Finished));
    // GitHub cannot be asked: one that did its job is deregistered by GitHub, any other must be deleted first.
    seen.registrations.insert("repo:o/r".parse().unwrap(), Listing::Unknown);
    assert_eq!(removal(&seen), (None, RunnerState::Finished));
    seen.machines[0].phase = Phase::Exited(Exit::default());
    assert_eq!(removal(&seen), (Some(RunnerId(1)), RunnerState::Failed));
}

#[test]
fn past_the_deadline_even_a_busy_runner_ends() {
    let seen = with_runner(seen(), "mayfly-i-a", IDLE, true, true);
    assert!(plan(&seen, &policy(), at(99_999)).actions.is_empty());
    let over = plan(&seen, &policy(), at(100_000));
    assert!(
        matches!(
            over.actions.as_slice(),
            [Action::Remove { id: None, state: RunnerState::Failed, .. }]
        ),
        "{:?}",
        over.actions
    );
}

#[test]
fn surplus_idle_runners_retire_after_their_time_and_manual_ones_stay() {
    let mut seen = with_runner(
        with_runner(seen(), "mayfly-i-a", IDLE, true, false),
        "by-hand",
        IDLE,
        true,
        false,
    );
    seen.machines[1].identity.pool = PoolName::manual();
    seen = seen.remember(&policy(), at(0));
    assert!(plan(&seen, &policy(), at(119)).actions.is_empty());
    assert_eq!(
        lines(&plan(&seen, &policy(), at(120))),
        ["retire runner mayfly-i-a: no job has needed it for 120 s"]
    );
    // The same when a job needs it, or when nobody knows whether one does.
    let needed = Observed {
        jobs: vec![job(1, "o/r", &["self-hosted"]), job(2, "o/r", &["self-hosted"])],
        ..seen.clone()
    };
    assert!(plan(&needed, &policy(), at(500)).actions.is_empty());
    let unsure = Observed { jobs_complete: false, ..seen.clone() };
    assert!(plan(&unsure, &policy(), at(500)).actions.is_empty());
    // A worker seen inside means busy, whatever GitHub's flag says.
    seen.machines[0].phase = Phase::Running { working: Some(true) };
    assert!(plan(&seen, &policy(), at(500)).actions.is_empty());
}

/// The registrations that a plan deletes, by their ids.
fn deregistered(plan: &Plan) -> Vec<i64> {
    let ids = plan.actions.iter().filter_map(|action| match action {
        Action::Deregister { id, .. } => Some(id.0),
        _ => None,
    });
    ids.collect()
}

#[test]
fn registrations_of_ours_that_stay_offline_without_a_container_are_deleted_and_others_never() {
    let mut seen = seen();
    let list = vec![
        registered(1, "mayfly-i-0123456789ab", false, false),
        registered(2, "MAYFLY-I-0123456789AB", false, false),
        registered(3, "mayfly-i-aaaaaaaaaaaa", true, false),
        registered(4, "mayfly-i-bbbbbbbbbbbb", false, true),
        registered(5, "mayfly-j-0123456789ab", false, false),
        registered(6, "somebody-else", false, false),
        registered(7, "mayfly-i-2-0123456789ab", false, false),
        registered(8, "mayfly-i-default-1", false, false),
        registered(9, "mayfly-i-gone", false, false),
    ];
    seen.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(list));
    let first = seen.remember(&policy(), at(1_000));
    let ids = |seen: &Observed, policy: &Policy, now| {
        let seen = seen.clone().remember(policy, at(now));
        deregistered(&plan(&seen, policy, at(now)))
    };
    assert_eq!(ids(&first, &policy(), 1_000), [] as [i64; 0], "another host may just start it");
    assert_eq!(ids(&first, &policy(), 1_299), [] as [i64; 0]);
    assert_eq!(ids(&first, &policy(), 1_300), [1]);
    let off = Policy { clean_registrations: false, ..policy() };
    assert_eq!(ids(&first, &off, 1_300), [] as [i64; 0]);
    // An interruption begins the time anew, silence does not.
    let scope: Scope = "repo:o/r".parse().unwrap();
    let mut silent = first.clone();
    silent.registrations.insert(scope.clone(), Listing::Unknown);
    let mut again = silent.remember(&policy(), at(1_200));
    again.registrations.clone_from(&first.registrations);
    assert_eq!(ids(&again, &policy(), 1_300), [1]);
    let mut online = first.clone();
    let list = vec![registered(1, "mayfly-i-0123456789ab", true, false)];
    online.registrations.insert(scope.clone(), Listing::Known(list));
    let mut again = online.remember(&policy(), at(1_200));
    again.registrations.clone_from(&first.registrations);
    assert_eq!(ids(&again, &policy(), 1_300), [] as [i64; 0]);
    // The clock was set back: it waits its time from now on, not for hours.
    let back = first.remember(&policy(), at(100));
    assert_eq!(ids(&back, &policy(), 400), [1]);
}

#[test]
fn what_a_machine_of_ours_had_is_deleted_whatever_its_name() {
    let running = with_runner(seen(), "gpu-1", IDLE, true, false).remember(&policy(), at(1_000));
    let mut gone = Observed { machines: Vec::new(), ..running };
    let list = vec![registered(1, "gpu-1", false, false), registered(9, "gpu-2", false, false)];
    gone.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(list));
    let gone = gone.remember(&policy(), at(1_010)).remember(&policy(), at(1_310));
    assert_eq!(deregistered(&plan(&gone, &policy(), at(1_310))), [1]);
    // Somebody registered a server of theirs under that name since.
    let mut theirs = gone;
    let list = vec![registered(2, "gpu-1", false, false)];
    theirs.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(list));
    let theirs = theirs.remember(&policy(), at(1_310)).remember(&policy(), at(9_000));
    assert_eq!(deregistered(&plan(&theirs, &policy(), at(9_000))), [] as [i64; 0]);
}

#[test]
fn a_wanted_name_is_taken_from_an_idle_registration_that_a_machine_of_ours_had() {
    let running = with_runner(seen(), "desk", IDLE, true, false).remember(&policy(), at(1_000));
    for (id, online, busy, free) in [
        (1, false, false, true),
        (1, true, false, false),
        (1, false, true, false),
        (1, true, true, false),
        (7, false, false, false),
    ] {
        let mut gone = Observed { machines: Vec::new(), ..running.clone() };
        let list = vec![registered(id, "Desk", online, busy)];
        gone.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(list));
        gone.wishes = vec![(RequestId(1), create(1, &["desk"]))];
        let plan = plan(&gone.remember(&policy(), at(1_010)), &policy(), at(1_010));
        let taken = plan.refusals.iter().any(|(_, why)| matches!(why, Refusal::Registered { .. }));
        let deleted = deregistered(&plan) == [id];
        assert_eq!(
            (launches(&plan) == 1, deleted, !taken),
            (free, free, free),
            "{id} {online} {busy}"
        );
    }
}

#[test]
fn another_orchestrator_with_our_names_is_reported_and_our_own_leftovers_are_not() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    let listed = |before: Observed, list: Vec<Registered>, now| {
        let mut next = before;
        next.registrations.insert(scope.clone(), Listing::Known(list));
        next.remember(&policy(), at(now))
    };
    let clashes = |seen: &Observed| plan(seen, &policy(), at(1_000)).clashes.len();
    let name = "mayfly-i-0123456789ab";
    // What is there when we begin to look may be what a crash of ours left.
    let left = listed(seen(), vec![registered(1, name, false, false)], 1_000);
    assert_eq!(clashes(&left), 0);
    let online = listed(left.clone(), vec![registered(1, name, true, false)], 1_010);
    assert_eq!(clashes(&online), 1, "it came online without a container here");
    assert_eq!(
        online.memory.clashes().next().unwrap().to_string().split(": ").next(),
        Some("repo:o/r")
    );
    let other = registered(2, "mayfly-i-aaaaaaaaaaaa", false, false);
    let mut looked = left.clone();
    looked.memory = Observed { machines: vec![machine("a1", IDLE)], ..looked.clone() }
        .remember(&policy(), at(1_000))
        .memory;
    let late = listed(looked.clone(), vec![other.clone()], 1_059);
    assert_eq!(clashes(&late), 0, "an earlier process was making it when it ended");
    let appeared = listed(looked, vec![other.clone()], 1_060);
    assert_eq!(clashes(&appeared), 1, "it appeared while we looked");
    // It is reported until nothing was seen of it for ten minutes, with the same example.
    let ended = listed(appeared.clone(), vec![], 1_300);
    assert_eq!(ended.memory.clashes().next(), appeared.memory.clashes().next());
    assert_eq!(clashes(&listed(ended, vec![], 1_660)), 0);
    // A pool with numbered names is made where such a registration was left long ago.
    let mut numbered = policy();
    numbered.pools = vec![PoolPolicy {
        name: PoolName::parse("p").unwrap(),
        naming: Naming::Stable,
        name_prefix: "p".to_owned(),
        ..policy().default
    }];
    let since_made = |numbered: &Policy, online| {
        let mut next = left.clone();
        let list = vec![registered(4, "p-1", online, false)];
        next.registrations.insert(scope.clone(), Listing::Known(list));
        plan(&next.remember(numbered, at(1_010)), numbered, at(1_010)).clashes.len()
    };
    let made = [false, true].map(|online| since_made(&numbered, online));
    assert_eq!(made, [0, 1], "one that is online is another's");
    // A name of a pool that registers elsewhere: GitHub keeps the names of each place apart.
    for (scopes, expected) in
        [(vec!["repo:o/r"], 1), (vec!["discovered"], 1), (vec!["org:o"], 0), (vec!["repo:o/s"], 0)]
    {
        numbered.pools[0].scopes = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        assert_eq!(since_made(&numbered, true), expected, "{scopes:?}");
    }
    // Other names are no business of ours.
    let foreign = vec![registered(3, "mayfly-i-2-aaaaaaaaaaaa", true, false)];
    assert_eq!(clashes(&listed(left.clone(), foreign, 1_010)), 0);
    // A launch whose answer was lost, and a runner whose container somebody removed, are ours.
    let mut unanswered = left.clone();
    unanswered.memory.launched(
        &RunnerName::parse("mayfly-i-aaaaaaaaaaaa").unwrap(),
        None,
        at(1_005),
    );
    assert_eq!(clashes(&listed(unanswered, vec![other], 1_010)), 0);
    let mut before = left;
    before.memory.launched(&RunnerName::parse("mayfly-i-r0").unwrap(), None, at(1_005));
    let running =
        with_runner(before, "mayfly-i-r0", IDLE, true, false).remember(&policy(), at(1_010));
    let removed = Observed { machines: Vec::new(), ..running };
    let list = vec![registered(2, "mayfly-i-r0", true, true)];
    assert_eq!(clashes(&listed(removed, list, 1_020)), 0);
}

#[test]
fn a_deletion_that_github_refused_is_put_off_with_growing_waits() {
    let killed = Phase::Exited(Exit { code: 137, ..Exit::default() });
    let mut seen = with_runner(seen(), "mayfly-i-a", killed, true, true);
    let scope: Scope = "repo:o/r".parse().unwrap();
    let asks = |seen: &Observed, now| lines(&plan(seen, &policy(), at(now))).len();
    assert_eq!(asks(&seen, 0), 1);
    for (refused, until) in [(0, 30), (30, 90), (90, 210), (210, 450), (450, 750), (750, 1_050)] {
        seen.memory.refused(&scope, RunnerId(1), true, at(refused));
        seen = seen.remember(&policy(), at(refused));
        assert_eq!((asks(&seen, until - 1), asks(&seen, until)), (0, 1), "{refused}");
    }
    // Somebody who asks gets an answer from GitHub.
    let name = RunnerName::parse("mayfly-i-a").unwrap();
    let wishes = vec![(RequestId(7), ApiRequest::Delete { name, force: false })];
    let asked = plan(&Observed { wishes, ..seen.clone() }, &policy(), at(751));
    assert!(
        matches!(asked.actions.as_slice(), [Action::Remove { request: Some(RequestId(7)), .. }]),
        "{:?}",
        asked.actions
    );
    // GitHub's list does not call it busy any more.
    let mut free = seen.clone();
    let list = vec![registered(1, "mayfly-i-a", false, false)];
    free.registrations.insert(scope.clone(), Listing::Known(list));
    let free = free.remember(&policy(), at(760));
    assert_eq!(asks(&free, 760), 1);
    // The clock was set back.
    assert_eq!(asks(&seen, -7_200), 1);
    // The same for a waiting runner that is to go, and for a registration without a container.
    let mut idle = with_runner(self::seen(), "mayfly-i-a", IDLE, true, false);
    idle = idle.remember(&policy(), at(0));
    assert_eq!(asks(&idle, 500), 1);
    idle.memory.refused(&scope, RunnerId(1), false, at(500));
    assert_eq!((asks(&idle, 529), asks(&idle, 530)), (0, 1));
    let mut orphan = self::seen();
    let list = vec![registered(1, "mayfly-i-0123456789ab", false, false)];
    orphan.registrations.insert(scope.clone(), Listing::Known(list));
    orphan = orphan.remember(&policy(), at(0));
    assert_eq!(asks(&orphan, 500), 1);
    orphan.memory.refused(&scope, RunnerId(1), false, at(500));
    assert_eq!((asks(&orphan, 529), asks(&orphan, 530)), (0, 1));
}

/// How a runner ends and whether GitHub lists it then, and when; what that is of one that had no job, and of one that had a job.
type End = (Phase, Option<&'static str>, Option<bool>, i64, (&'static str, bool), &'static str);

#[test]
fn what_ends_before_a_job_has_the_next_wait_and_what_had_one_never() {
    let exited = |code, log_tail: &str| {
        Phase::Exited(Exit { code, out_of_memory: false, log_tail: log_tail.to_owned() })
    };
    let refused = "Runner version v2.300.0 is deprecated and cannot receive messages.";
    let defect = Some("its engine ended");
    let (online, offline) = (Some(true), Some(false));
    let rows: [End; 8] = [
        (exited(1, "no disk"), None, offline, 20, ("ended_before_job", true), "ended_in_job"),
        (exited(7, refused), None, offline, 20, ("version_refused", true), "ended_in_job"),
        (exited(1, "no disk"), None, None, 20, ("ended_in_job", false), "ended_in_job"),
        (IDLE, defect, online, 20, ("engine_ended", true), "engine_ended"),
        (IDLE, None, offline, 400, ("registration_timeout", true), "lost_connection"),
        (IDLE, None, None, 400, ("registration_timeout", true), "registration_gone"),
        (
            Phase::Running { working: Some(true) },
            None,
            offline,
            700,
            ("lost_connection", false),
            "lost_connection",
        ),
        (IDLE, None, online, 100_000, ("past_deadline", false), "past_deadline"),
    ];
    for (phase, defect, listed, second, without, with) in rows {
        for (had_job, (kind, waits)) in [(false, without), (true, (with, false))] {
            let mut before = with_runner(seen(), "mayfly-i-a", IDLE, had_job, had_job);
            before = before.remember(&policy(), at(1));
            let mut after = before.clone();
            after.machines[0].phase = phase.clone();
            after.machines[0].defect = defect.map(str::to_owned);
            let list = listed.map(|online| registered(1, "mayfly-i-a", online, false));
            let list = Listing::Known(list.into_iter().collect());
            after.registrations.insert(after.machines[0].scope.clone(), list);
            let after = after.remember(&policy(), at(2)).remember(&policy(), at(second));
            let plan = plan(&after, &policy(), at(second));
            let Some(Action::Remove { failure: Some(failure), holds_back, .. }) =
                plan.actions.first()
            else {
                panic!("{kind}: {:?}", plan.actions)
            };
            assert_eq!((failure.kind(), *holds_back), (kind, waits), "had a job: {had_job}");
        }
    }
}

#[test]
fn requests_are_served_whole_or_refused() {
    let base = with_runner(seen(), "taken", IDLE, true, true);
    let ask = |wish: ApiRequest| {
        let plan = plan(
            &Observed { wishes: vec![(RequestId(7), wish)], ..base.clone() },
            &policy(),
            at(10),
        );
        (launches(&plan), plan.refusals.into_iter().map(|(_, refusal)| refusal).next())
    };
    assert_eq!(ask(create(3, &[])), (3, None));
    assert_eq!(
        ask(create(4, &[])),
        (0, Some(Refusal::AtCapacity { running: 1, max: 4, asked: 4 }))
    );
    assert_eq!(ask(create(2, &["new-1", "new-2"])), (2, None));
    assert_eq!(
        ask(create(2, &["fresh", "Taken"])),
        (0, Some(Refusal::NameTaken(RunnerName::parse("Taken").unwrap())))
    );
}

#[test]
fn two_requests_never_share_a_name_nor_a_place() {
    let ask = |policy: &Policy, wishes: Vec<ApiRequest>| {
        let wishes = (1..).map(RequestId).zip(wishes).collect();
        let plan = plan(&Observed { wishes, ..seen() }, policy, at(10));
        (plan.launches_named(), plan.refusals)
    };
    let taken = Refusal::NameTaken(RunnerName::parse("One").unwrap());
    let both = ask(&policy(), vec![create(1, &["one"]), create(1, &["One"])]);
    assert_eq!(both, (vec!["one".to_owned()], vec![(RequestId(2), taken)]));
    let full = ask(&policy(), vec![create(3, &[]), create(2, &[])]);
    let refused = Refusal::AtCapacity { running: 3, max: 4, asked: 2 };
    assert_eq!((full.0.len(), full.1), (3, vec![(RequestId(2), refused)]));
}

#[test]
fn requests_obey_the_host_s_memory_and_processors_and_a_refused_one_takes_nothing() {
    type Narrow = fn(&mut Policy);
    let rows: [Narrow; 2] = [
        |policy| caps(policy).memory = Some(2 * policy.default.memory),
        |policy| caps(policy).nano_cpus = Some(2 * policy.default.nano_cpus),
    ];
    for narrow in rows {
        let mut policy = policy();
        narrow(&mut policy);
        let wishes = [create(3, &[]), create(2, &[]), create(1, &[])];
        let wishes = (1..).map(RequestId).zip(wishes).collect();
        let plan = plan(&Observed { wishes, ..seen() }, &policy, at(10));
        let refused: Vec<RequestId> = plan.refusals.iter().map(|(id, _)| *id).collect();
        assert_eq!(refused, [RequestId(1), RequestId(3)], "{:?}", plan.refusals);
        assert!(plan.refusals.iter().all(|(_, why)| matches!(why, Refusal::NoRoom(_))));
        // Neither took a name: the one that is served has the first ones.
        assert_eq!(plan.launches_named(), ["mayfly-i-new0", "mayfly-i-new1"]);
    }
}

#[test]
fn deletion_asks_github_first_and_spares_the_busy() {
    let delete =
        |name: &str, force| ApiRequest::Delete { name: RunnerName::parse(name).unwrap(), force };
    let idle = with_runner(seen(), "a1", IDLE, true, false);
    let busy = with_runner(seen(), "a1", IDLE, true, true);
    let mut unknown = idle.clone();
    unknown.registrations.insert("repo:o/r".parse().unwrap(), Listing::Unknown);
    let name = RunnerName::parse("a1").unwrap();
    let run = |seen: &Observed, wish: ApiRequest| {
        let plan = plan(
            &Observed { wishes: vec![(RequestId(7), wish)], ..seen.clone() },
            &policy(),
            at(10),
        );
        (plan.actions, plan.refusals.into_iter().map(|(_, refusal)| refusal).next())
    };
    assert!(matches!(
        run(&idle, delete("a1", false)).0.as_slice(),
        [Action::Retire { request: Some(RequestId(7)), .. }]
    ));
    assert_eq!(run(&busy, delete("a1", false)), (vec![], Some(Refusal::Busy(name.clone()))));
    assert!(matches!(
        run(&busy, delete("a1", true)).0.as_slice(),
        [Action::Remove { id: None, request: Some(RequestId(7)), .. }]
    ));
    assert_eq!(run(&unknown, delete("a1", false)), (vec![], Some(Refusal::Unsure(name.clone()))));
    let other = RunnerName::parse("b2").unwrap();
    assert_eq!(run(&idle, delete("b2", true)), (vec![], Some(Refusal::NoSuchRunner(other))));
    // A worker seen inside counts, though GitHub's flag lags.
    let mut working = idle.clone();
    working.machines[0].phase = Phase::Running { working: Some(true) };
    assert_eq!(run(&working, delete("a1", false)), (vec![], Some(Refusal::Busy(name))));
    // One that is being removed anyway: the request rides along.
    let over = with_runner(seen(), "a1", Phase::Exited(Exit::default()), false, false);
    assert!(matches!(
        run(&over, delete("a1", false)).0.as_slice(),
        [Action::Remove { request: Some(RequestId(7)), .. }]
    ));
}

#[test]
fn a_deletion_rides_along_with_the_removal_of_its_own_runner() {
    let over = || Phase::Exited(Exit::default());
    let seen = with_runner(seen(), "a1", over(), false, false);
    let mut seen = with_runner(seen, "b1", over(), false, false);
    let name = RunnerName::parse("b1").unwrap();
    seen.wishes = vec![(RequestId(7), ApiRequest::Delete { name, force: false })];
    let asked: Vec<(String, Option<RequestId>)> = plan(&seen, &policy(), at(10))
        .actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Remove { machine: MachineRef { name, .. }, request, .. } => {
                Some((name.to_string(), request))
            }
            _ => None,
        })
        .collect();
    assert_eq!(asked, [("a1".to_owned(), None), ("b1".to_owned(), Some(RequestId(7)))]);
}

#[test]
fn a_deletion_by_force_ends_the_machine_whatever_github_says_of_it() {
    let ended = |code, log: &str| {
        let log_tail = log.to_owned();
        Phase::Exited(Exit { code, log_tail, ..Exit::default() })
    };
    let running = |working| Phase::Running { working: Some(working) };
    // Without force and with it, where GitHub lists the runner as busy, as idle, does not list it, could not be asked, was not asked;
    // then those with force where it refused a moment ago to delete the registration.
    let rows = [
        (
            "busy",
            running(true),
            ["busy", "busy", "busy", "busy", "busy"],
            ["remove", "remove", "remove", "remove", "remove"],
            ["remove", "remove", "remove", "remove", "remove"],
        ),
        (
            "idle",
            running(false),
            ["busy", "retire 1", "remove", "unsure", "unsure"],
            ["remove", "remove 1", "remove", "remove 1", "remove 1"],
            ["remove", "remove", "remove", "remove", "remove"],
        ),
        (
            "finished",
            ended(0, "2026-01-01 00:00:00Z: Job build completed with result: Succeeded"),
            ["remove 1", "remove 1", "remove", "remove", "remove"],
            ["remove", "remove 1", "remove", "remove", "remove"],
            ["remove", "remove", "remove", "remove", "remove"],
        ),
        (
            "failed",
            ended(1, "2026-01-01 00:00:00Z: Running job: build"),
            ["remove 1", "remove 1", "remove", "remove 1", "remove 1"],
            ["remove", "remove 1", "remove", "remove 1", "remove 1"],
            ["remove", "remove", "remove", "remove", "remove"],
        ),
    ];
    let scope: Scope = "repo:o/r".parse().unwrap();
    let done = |seen: &Observed, force| {
        let wish = ApiRequest::Delete { name: RunnerName::parse("a1").unwrap(), force };
        let wishes = vec![(RequestId(7), wish)];
        let plan = plan(&Observed { wishes, ..seen.clone() }, &policy(), at(10));
        if let [Action::Remove { if_busy, .. }] = plan.actions.as_slice() {
            let insists = *if_busy == IfBusy::Remove;
            assert_eq!(
                insists, force,
                "what GitHub says when it is asked to delete does not count"
            );
        }
        match (plan.actions.as_slice(), plan.refusals.as_slice()) {
            ([Action::Remove { id: None, request: Some(RequestId(7)), .. }], []) => {
                "remove".to_owned()
            }
            ([Action::Remove { id: Some(id), request: Some(RequestId(7)), .. }], []) => {
                format!("remove {}", id.0)
            }
            ([Action::Retire { id, request: Some(RequestId(7)), .. }], []) => {
                format!("retire {}", id.0)
            }
            ([], [(RequestId(7), Refusal::Busy(_))]) => "busy".to_owned(),
            ([], [(RequestId(7), Refusal::Unsure(_))]) => "unsure".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    for (what, phase, gently, by_force, refused_before) in rows {
        let listed = |busy| Listing::Known(vec![registered(1, "a1", true, busy)]);
        let sights = [
            listed(true),
            listed(false),
            Listing::Known(Vec::new()),
            Listing::Unknown,
            Listing::Unasked,
        ];
        for (place, sight) in sights.into_iter().enumerate() {
            let mut seen = with_runner(seen(), "a1", phase.clone(), true, false);
            seen.registrations.insert(scope.clone(), sight.clone());
            assert_eq!(done(&seen, false), gently[place], "{what} {sight:?}");
            assert_eq!(done(&seen, true), by_force[place], "{what} {sight:?}");
            seen.memory.refused(&scope, RunnerId(1), true, at(9));
            assert_eq!(
                done(&seen, true),
                refused_before[place],
                "{what} {sight:?}, refused before"
            );
        }
    }
}

#[test]
fn a_hand_made_runner_serves_labels_the_pool_does_not_offer() {
    let mut seen = with_runner(seen(), "gpu-1", IDLE, true, false);
    seen.machines[0].identity.pool = PoolName::manual();
    seen.machines[0].identity.labels = LabelSet::requested(["self-hosted", "gpu"]);
    seen.jobs =
        vec![job(1, "o/r", &["self-hosted", "gpu"]), job(2, "o/r", &["self-hosted", "gpu"])];
    let plan = plan(&seen, &policy(), at(10));
    assert_eq!((plan.actions.len(), plan.unmet.len(), plan.demand), (0, 0, 2));
}

#[test]
fn a_hand_made_runner_is_for_jobs_of_its_place_with_its_labels_while_it_runs() {
    let (gpu, other) = (["self-hosted", "gpu"], ["self-hosted", "other"]);
    let rows = [
        ("o/r", gpu, IDLE, true),
        ("o/r", gpu, Phase::Running { working: Some(true) }, true),
        ("o/r", gpu, Phase::Exited(Exit::default()), false),
        ("o/r", other, IDLE, false),
        ("p/q", gpu, IDLE, false),
    ];
    for (repo, labels, phase, ours) in rows {
        // Another one is there, too.
        let mut seen = with_runner(seen(), "a1", IDLE, true, false);
        seen = with_runner(seen, "gpu-1", phase.clone(), true, false);
        seen.machines[1].identity.pool = PoolName::manual();
        seen.machines[1].identity.labels = LabelSet::requested(["self-hosted", "gpu"]);
        seen.jobs = vec![job(1, repo, &labels)];
        let plan = plan(&seen, &policy(), at(10));
        let expected = (usize::from(ours), usize::from(!ours));
        assert_eq!((plan.demand, plan.unmet.len()), expected, "{repo} {labels:?} {phase:?}");
    }
}

#[test]
fn a_job_without_labels_is_unmet_whoever_runs() {
    let mut seen = with_runner(seen(), "gpu-1", IDLE, true, false);
    seen.machines[0].identity.pool = PoolName::manual();
    seen.jobs = vec![job(1, "o/r", &[])];
    let plan = plan(&seen, &policy(), at(10));
    assert_eq!((plan.actions.len(), plan.unmet.len(), plan.demand), (0, 1, 0));
}

#[test]
fn a_runner_that_ends_or_lost_its_connection_serves_no_job() {
    for listed in [vec![], vec![registered(1, "mayfly-i-a", false, false)]] {
        let mut seen = with_runner(seen(), "mayfly-i-a", IDLE, true, false);
        seen = seen.remember(&policy(), at(0));
        seen.registrations.insert("repo:o/r".parse().unwrap(), Listing::Known(listed));
        seen.jobs = vec![job(1, "o/r", &["self-hosted"])];
        let seen = seen.remember(&policy(), at(10));
        let plan = plan(&seen, &policy(), at(10));
        assert_eq!(launches(&plan), 1, "{:?}", plan.verdicts);
    }
}

#[test]
fn a_runner_starts_when_its_machine_is_ready_and_holds_its_place_meanwhile() {
    let with = |phase| {
        let mut seen = with_runner(seen(), "a1", phase, false, false);
        seen.jobs = vec![job(1, "o/r", &["self-hosted"]), job(2, "o/r", &["self-hosted"])];
        seen
    };
    let mut room_for_one = capped(1);
    room_for_one.auto_create = true;
    let rows = [
        (Phase::Preparing, vec![]),
        (Phase::Ready, vec!["start container a1: it is ready to be started"]),
        (Phase::Broken("it ended".to_owned()), vec!["remove container a1: it ended"]),
    ];
    for (phase, expected) in rows {
        let seen = with(phase.clone());
        let plan = plan(&seen, &room_for_one, at(10));
        assert_eq!(lines(&plan), expected, "{phase:?}");
    }
    let mut leaving = with(Phase::Ready);
    let name = RunnerName::parse("a1").unwrap();
    leaving.wishes = vec![(RequestId(1), ApiRequest::Delete { name, force: false })];
    let plan = plan(&leaving, &room_for_one, at(10));
    assert_eq!(lines(&plan), ["retire runner a1: it was deleted through the API"]);
}

#[test]
fn a_pool_that_pulls_every_time_keeps_no_other_from_the_same_image() {
    let mut policy = policy();
    let eager = PoolPolicy {
        name: PoolName::parse("eager").unwrap(),
        pull: PullPolicy::Always,
        labels: LabelSet::requested(["self-hosted", "fresh"]),
        ..policy.default.clone()
    };
    policy.pools = vec![eager];
    let mut images = image(Image::Present);
    let awaited = ImageSeen { state: Image::Awaited, id: None };
    images.insert(key("i", PullPolicy::Always), awaited);
    let jobs = vec![job(1, "o/r", &["self-hosted"]), job(2, "o/r", &["self-hosted", "fresh"])];
    let plan = plan(&Observed { jobs, images, ..seen() }, &policy, at(10));
    let launched: Vec<&str> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Launch(launch) => Some(launch.pool.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(launched, ["default"]);
    assert_eq!(plan.waiting[0].cause, Cause::Image("i".to_owned()));
}

#[test]
fn a_pool_with_engines_needs_both_images() {
    let mut policy = policy();
    policy.default.engine_image = Some("dind".to_owned());
    let with = |runner: Image, engine: Image| Observed {
        images: [("i", runner), ("dind", engine)]
            .map(|(name, state)| (key(name, PullPolicy::Missing), ImageSeen { state, id: None }))
            .into(),
        jobs: vec![job(1, "o/r", &["self-hosted"])],
        ..seen()
    };
    let rows = [
        (Image::Present, Image::Missing, vec!["pull image dind"], Some("dind")),
        (Image::Missing, Image::Missing, vec!["pull image i", "pull image dind"], Some("i")),
        (Image::Present, Image::Awaited, vec![], Some("dind")),
        (Image::Present, Image::Outdated, vec!["pull image dind"], Some("dind")),
    ];
    for (runner, engine, expected, lacking) in rows {
        let plan = plan(&with(runner, engine), &policy, at(10));
        assert_eq!(lines(&plan), expected, "{runner:?} {engine:?}");
        let cause = plan.waiting.first().map(|waiting| waiting.cause.clone());
        assert_eq!(cause, lacking.map(|image| Cause::Image(image.to_owned())));
    }
    assert_eq!(launches(&plan(&with(Image::Present, Image::Present), &policy, at(10))), 1);
}

#[test]
fn nothing_is_done_to_what_cannot_be_seen_and_it_counts() {
    let unseen = || Phase::Unknown("its node is down".to_owned());
    let with = |online, busy| {
        let mut seen = with_runner(seen(), "a1", unseen(), online, busy);
        seen.jobs = vec![job(1, "o/r", &["self-hosted"])];
        seen
    };
    // What GitHub calls online is expected to take the job; anything else is no supply.
    let of_two = || capped(2);
    let rows = [
        ((true, false), RunnerState::Idle, 0),
        ((true, true), RunnerState::Busy, 1),
        ((false, false), RunnerState::Starting, 1),
    ];
    for ((online, busy), state, launched) in rows {
        let plan = plan(&with(online, busy), &of_two(), at(10));
        assert_eq!((plan.verdicts[0].state, launches(&plan)), (state, launched), "{online} {busy}");
    }
    assert_eq!(launches(&plan(&with(false, false), &capped(1), at(10))), 0, "it takes its room");
    // Its deadline, a drain, a pool that is gone and somebody's word: it stays.
    let name = RunnerName::parse("a1").unwrap();
    let why = "The state of runner a1 cannot be seen now: its node is down. Try again.";
    for force in [true, false] {
        let mut seen = Observed { jobs: Vec::new(), ..with(true, false) };
        seen.machines[0].identity.pool = PoolName::parse("gone").unwrap();
        seen.wishes = vec![(RequestId(1), ApiRequest::Delete { name: name.clone(), force })];
        let draining = Policy { draining: true, ..policy() };
        for policy in [policy(), draining] {
            let plan = plan(&seen, &policy, at(200_000));
            assert_eq!(plan.actions, [], "{force}");
            assert_eq!(plan.refusals[0].1.to_string(), why);
        }
    }
}

#[test]
fn a_drain_ends_what_waits_or_starts_and_starts_nothing() {
    let draining = Policy { draining: true, ..policy() };
    let mut seen = with_runner(seen(), "idle", IDLE, true, false);
    seen = with_runner(seen, "manual", IDLE, true, false);
    seen.machines[1].identity.pool = PoolName::manual();
    seen = with_runner(seen, "starting", IDLE, false, false);
    seen = with_runner(seen, "busy", IDLE, true, true);
    seen = with_runner(seen, "working", Phase::Running { working: Some(true) }, true, false);
    seen = with_runner(seen, "created", Phase::Ready, false, false);
    seen = with_runner(seen, "ended", Phase::Exited(Exit::default()), false, false);
    seen.jobs = vec![job(1, "o/r", &["self-hosted"]), job(2, "p/q", &["self-hosted"])];
    seen.wishes = vec![(RequestId(1), create(1, &["wanted"]))];
    // GitHub could not be asked for all jobs: no matter.
    seen.jobs_complete = false;
    let plan = plan(&seen, &draining, at(10));
    let why = "the platform is draining";
    let mut expected = vec![
        format!("retire runner idle: {why}"),
        format!("retire runner manual: {why}"),
        format!("retire runner starting: {why}"),
        format!("retire runner created: {why}"),
    ];
    let mut found: Vec<String> =
        lines(&plan).into_iter().filter(|line| !line.contains("ended")).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(lines(&plan).iter().any(|line| line.starts_with("remove container ended")));
    assert_eq!(plan.refusals, [(RequestId(1), Refusal::Draining)]);
    let waiting: Vec<&Cause> = plan.waiting.iter().map(|waiting| &waiting.cause).collect();
    assert!(!waiting.is_empty() && waiting.iter().all(|cause| **cause == Cause::Draining));
    // No image is fetched for runners that are not started.
    let missing =
        Observed { images: image(Image::Missing), jobs: seen.jobs.clone(), ..self::seen() };
    assert!(super::plan(&missing, &draining, at(10)).actions.is_empty());
    assert_eq!(super::plan(&missing, &policy(), at(10)).actions, [pull()]);
}

/// The usual policy with another `MAX_RUNNERS`.
fn capped(runners: usize) -> Policy {
    let mut policy = policy();
    caps(&mut policy).runners = runners;
    policy
}

/// What is seen after `plan` was carried out at `now` without a failure.
fn carried_out(seen: &Observed, plan: &Plan, now: Timestamp) -> Observed {
    let world = world::World { seen: seen.clone(), policy: policy(), now };
    world.carried_out(plan).seen
}

/// The failure is counted when the machine is removed, which is after this plan: without a wait, each step of a back-off would start two.
#[test]
fn where_a_runner_just_failed_to_start_the_next_one_waits_until_the_failure_is_counted() {
    let log_tail = "no such file\n".to_owned();
    let failed = Phase::Exited(Exit { code: 1, out_of_memory: false, log_tail });
    let look = |memory: crate::memory::Memory, second: i64| {
        let mut seen = with_runner(seen(), "a1", failed.clone(), false, false);
        seen.jobs = vec![job(7, "o/r", &["self-hosted"])];
        seen.memory = memory;
        let seen = seen.remember(&policy(), at(second));
        let planned = plan(&seen, &policy(), at(second));
        let waits = planned.waiting.iter().any(|one| matches!(one.cause, Cause::HeldBack(..)));
        let removes = planned.actions.iter().any(|one| matches!(one, Action::Remove { .. }));
        ((launches(&planned), waits, removes), seen.memory)
    };
    let (first, memory) = look(crate::memory::Memory::default(), 10);
    assert_eq!(first, (0, true, true));
    // Its removal failed: what was counted is in `held_back`, and the place is not blocked for ever.
    let (second, _) = look(memory, 20);
    assert_eq!(second, (1, false, true));
}
