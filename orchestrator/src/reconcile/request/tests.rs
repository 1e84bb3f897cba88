//! What a request asks of the plan, and what it is answered.

use mayfly_common::runner::RunnerState;

use super::super::testing::{
    at, deregister, launch, machine, name, pull, reference, retire, scope,
};
use super::*;
use mayfly_common::registration::RunnerId;

fn failed() -> Outcome {
    Outcome::Failed(GitHubError::Server(502).into())
}

fn shown(runner: &str) -> Runner {
    let verdict = mayfly_planner::Verdict {
        name: name(runner),
        state: RunnerState::Starting,
        why: "why".to_owned(),
        failure: None,
        id: None,
        is_supply: true,
    };
    super::super::show::runner(&machine(runner), &verdict)
}

fn started(runner: &str, request: Option<u64>) -> Action {
    Action::Launch(launch(runner, request))
}

#[test]
fn who_asked_for_runners_is_answered_with_those_of_the_request_or_why_there_are_none() {
    let runners = ["aa", "bb", "cc", "dd"].map(shown);
    let names = |outcomes: &[(Action, Outcome)]| {
        let made = created(RequestId(1), outcomes, &runners);
        made.map(|made| made.into_iter().map(|runner| runner.name).collect::<Vec<_>>())
    };
    let both = [
        (started("cc", Some(1)), Outcome::Done),
        (started("aa", Some(1)), Outcome::Done),
        (started("bb", Some(2)), Outcome::Done),
        (started("dd", None), failed()),
        (started("dd", Some(2)), failed()),
    ];
    assert_eq!(names(&both).unwrap(), ["aa", "cc"], "as they are listed");
    let one = [(started("aa", Some(1)), Outcome::Done), (started("bb", Some(1)), failed())];
    assert_eq!(names(&one).unwrap_err().to_string(), "GitHub has trouble (502)");
    let none = "no runner is started any more: the orchestrator is stopping or draining";
    assert_eq!(names(&[(started("bb", Some(2)), Outcome::Done)]).unwrap_err().to_string(), none);
}

#[test]
fn who_asked_for_a_runner_s_end_hears_what_became_of_it() {
    let remove = |request| Action::Remove {
        machine: reference("r-1"),
        pool: super::super::testing::pool("ci"),
        scope: scope("org:octo-org"),
        id: Some(RunnerId(7)),
        if_busy: mayfly_planner::IfBusy::Keep,
        state: RunnerState::Gone,
        why: "why".to_owned(),
        failure: None,
        holds_back: false,
        request: Some(RequestId(request)),
    };
    let end = |outcomes: &[(Action, Outcome)]| {
        deleted(RequestId(1), &name("r-1"), outcomes).map_err(|error| error.to_string())
    };
    assert_eq!(end(&[(retire("r-1", Some(1)), Outcome::Done)]), Ok(Deleted::Gone));
    let left = || Outcome::Left(GitHubError::Server(500));
    assert_eq!(end(&[(remove(1), left())]), Ok(Deleted::RegistrationLeft));
    assert_eq!(end(&[(remove(2), failed()), (remove(1), Outcome::Done)]), Ok(Deleted::Gone));
    let busy =
        "Runner r-1 is running a job. Wait for it, or delete it with force=true and lose the job.";
    assert_eq!(end(&[(retire("r-1", Some(1)), Outcome::Kept)]), Err(busy.to_owned()));
    assert_eq!(end(&[(retire("r-1", Some(1)), Outcome::Runs)]), Err(busy.to_owned()));
    assert_eq!(end(&[(remove(1), failed())]), Err("GitHub has trouble (502)".to_owned()));
    let later = "runner r-1 could not be deleted now".to_owned();
    assert_eq!(end(&[(remove(2), Outcome::Done), (deregister("r-1"), Outcome::Done)]), Err(later));
}

#[test]
fn a_clean_up_counts_what_it_ended_and_not_what_it_started() {
    let actions = vec![
        retire("aa", None),
        deregister("bb"),
        deregister("cc"),
        retire("dd", None),
        started("ee", None),
        pull("i"),
    ];
    let results = [Outcome::Done, Outcome::Done, Outcome::Kept, failed(), failed(), Outcome::Done];
    let outcomes: Vec<(Action, Outcome)> = actions.iter().cloned().zip(results).collect();
    let report = PassReport { problems: vec!["odd".to_owned()], ..PassReport::default() };
    let expected = CleanupReport {
        dry_run: false,
        total: 4,
        cleaned: 2,
        failed: 2,
        actions: vec![
            "retire runner aa: aa is surplus".to_owned(),
            "delete registration bb of org:octo-org: it has no machine".to_owned(),
            "delete registration cc of org:octo-org: it has no machine".to_owned(),
            "retire runner dd: dd is surplus".to_owned(),
        ],
        problems: vec!["odd".to_owned()],
    };
    assert_eq!(cleaned(false, &actions, &outcomes, &report), expected);
    let dry = CleanupReport { dry_run: true, cleaned: 0, failed: 0, ..expected };
    assert_eq!(cleaned(true, &actions, &[], &report), dry);
}

#[test]
fn a_request_is_a_wish_or_has_a_pass_of_its_own() {
    let wanted = |names: &[&str]| CreateRunners {
        scope: scope("org:octo-org"),
        names: names.iter().map(|text| name(text)).collect(),
        group: None,
        labels: None,
        count: 2,
    };
    let create =
        |names: &[&str]| Request::Create { wanted: wanted(names), reply: oneshot::channel().0 };
    let delete = |force| Request::Delete { name: name("r-1"), force, reply: oneshot::channel().0 };
    let cleanup = |dry_run| Request::Cleanup { dry_run, reply: oneshot::channel().0 };
    let uninstall = Request::Uninstall { reply: oneshot::channel().0 };
    let end = |force| Some(ApiRequest::Delete { name: name("r-1"), force });
    let rows = [
        (
            create(&["aa", "bb"]),
            Some(ApiRequest::Create(wanted(&["aa", "bb"]))),
            true,
            false,
            false,
        ),
        (create(&[]), Some(ApiRequest::Create(wanted(&[]))), false, false, false),
        (delete(true), end(true), false, false, false),
        (delete(false), end(false), false, false, false),
        (cleanup(true), None, false, true, false),
        (cleanup(false), None, false, false, false),
        (uninstall, None, false, false, true),
    ];
    for (number, (request, wish, named, dry, uninstalls)) in rows.into_iter().enumerate() {
        assert_eq!(request.wish(), wish, "{number}");
        let place = named.then(|| scope("org:octo-org"));
        let told = (request.named(), request.is_dry_run(), request.is_uninstall());
        assert_eq!(told, (place, dry, uninstalls), "{number}");
    }
}

#[test]
fn every_request_that_is_refused_is_answered() {
    let error = || RequestError::Unavailable("why".to_owned());
    let said = |answer: Option<RequestError>| answer.map(|error| error.to_string());
    let why = Some("why".to_owned());
    let wanted = CreateRunners {
        scope: scope("org:octo-org"),
        names: Vec::new(),
        group: None,
        labels: None,
        count: 1,
    };
    let (reply, mut answer) = oneshot::channel();
    Request::Create { wanted, reply }.refuse(error());
    assert_eq!(said(answer.try_recv().unwrap().err()), why);
    let (reply, mut answer) = oneshot::channel();
    Request::Delete { name: name("r-1"), force: true, reply }.refuse(error());
    assert_eq!(said(answer.try_recv().unwrap().err()), why);
    let (reply, mut answer) = oneshot::channel();
    Request::Cleanup { dry_run: true, reply }.refuse(error());
    assert_eq!(said(answer.try_recv().unwrap().err()), why);
    let (reply, mut answer) = oneshot::channel();
    Request::Uninstall { reply }.refuse(error());
    assert_eq!(said(answer.try_recv().unwrap().err()), why);
}

#[test]
fn an_action_that_failed_is_told_by_who_did_not_do_their_part() {
    type Is = fn(&RequestError) -> bool;
    let until = at(60);
    let rows: [(ActionError, Is); 3] = [
        (GitHubError::RateLimited { until, why: "x".into() }.into(), |error| {
            matches!(error, RequestError::GitHub(_))
        }),
        (BackendError::unreachable("Docker", "x").into(), |error| {
            matches!(error, RequestError::Backend(_))
        }),
        (ActionError::BrokeOff, |error| matches!(error, RequestError::Unavailable(_))),
    ];
    for (error, is) in rows {
        let text = error.to_string();
        let told = RequestError::from(error);
        assert!(is(&told), "{told:?}");
        assert_eq!(told.to_string(), text);
    }
}
