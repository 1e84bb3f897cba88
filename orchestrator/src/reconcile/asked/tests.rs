//! When a request is answered, and with what.

use mayfly_common::api::CleanupReport;
use mayfly_common::scope::Scope;
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

use super::super::flight::batch_id;
use super::super::request::Deleted;
use super::super::testing::{deregister, launch, machine, name, pull, retire, scope};
use super::*;
use mayfly_planner::batches;

type Answer<T> = Receiver<Result<T, RequestError>>;

fn delete(id: u64, runner: &str) -> ((RequestId, Request), Answer<Deleted>) {
    let (reply, answer) = oneshot::channel();
    ((RequestId(id), Request::Delete { name: name(runner), force: false, reply }), answer)
}

/// What began of a plan with these actions: batch 1 and so on.
fn begun(actions: &[Action]) -> Vec<(BatchId, Batch)> {
    (1..).map(batch_id).zip(batches(actions.to_vec())).collect()
}

fn plan(actions: &[Action]) -> Plan {
    Plan { actions: actions.to_vec(), ..Plan::default() }
}

fn answer(asked: &mut Asked, runners: &[Runner]) {
    let none = Err(RequestError::Unavailable("not asked".to_owned()));
    asked.answer(Some(runners), &PassReport::default(), &none);
}

#[test]
fn a_refusal_is_for_whoever_asked_and_comes_at_once() {
    let ((first, mut refused), (second, mut done)) = (delete(1, "r-1"), delete(2, "r-2"));
    let actions = [retire("r-2", Some(2))];
    let refusals = vec![(RequestId(1), Refusal::NoSuchRunner(name("r-1")))];
    let planned = Plan { refusals, ..plan(&actions) };
    let mut asked = Asked::default();
    asked.add(vec![first, second], &planned, &begun(&actions));
    answer(&mut asked, &[]);
    let words = refused.try_recv().unwrap().unwrap_err().to_string();
    assert_eq!(words, "There is no runner r-1.");
    assert_eq!(done.try_recv().unwrap_err(), TryRecvError::Empty, "it is under way");
    asked.note(batch_id(1), &actions[0], &Outcome::Done);
    asked.ended(batch_id(1));
    answer(&mut asked, &[]);
    assert_eq!(done.try_recv().unwrap().unwrap(), Deleted::Gone);
    assert!(asked.0.is_empty());
}

#[test]
fn who_asks_waits_for_what_was_asked_for_and_for_nothing_else() {
    let actions =
        [retire("r-1", None), Action::Launch(launch("r-2", Some(7))), retire("r-3", Some(8))];
    let begun = begun(&actions);
    let place: Scope = scope("org:octo-org");
    let create = mayfly_common::api::CreateRunners {
        scope: place,
        names: Vec::new(),
        group: None,
        labels: None,
        count: 1,
    };
    let (reply, mut created) = oneshot::channel();
    let mut asked = Asked::default();
    let create = (RequestId(7), Request::Create { wanted: create, reply });
    let (end, mut ended) = delete(8, "r-3");
    let (other, mut stopped) = delete(9, "r-9");
    asked.add(vec![create, end, other], &plan(&actions), &begun);
    answer(&mut asked, &[]);
    let none = stopped.try_recv().unwrap().unwrap_err().to_string();
    assert_eq!(none, "runner r-9 could not be deleted now", "nothing began for it");
    // What another batch comes to says nothing to it.
    for (batch, of) in begun {
        asked.note(batch, of.actions().next().unwrap(), &Outcome::Done);
        asked.ended(batch);
        let runner = super::super::show::runner(
            &machine("r-2"),
            &mayfly_planner::Verdict {
                name: name("r-2"),
                state: mayfly_common::runner::RunnerState::Starting,
                why: "why".to_owned(),
                failure: None,
                id: None,
                is_supply: true,
            },
        );
        answer(&mut asked, &[runner]);
        let launched = of.request() == Some(RequestId(7));
        let retired = of.request() == Some(RequestId(8));
        if launched {
            let names: Vec<String> =
                created.try_recv().unwrap().unwrap().into_iter().map(|one| one.name).collect();
            assert_eq!(names, ["r-2"]);
        }
        assert_eq!(ended.try_recv().is_ok(), retired);
    }
    assert!(asked.0.is_empty());
}

#[test]
fn a_clean_up_is_answered_when_all_is_ended_that_it_ends() {
    let actions =
        [retire("r-1", None), pull("i"), Action::Launch(launch("r-2", None)), deregister("r-3")];
    let begun = begun(&actions);
    let (reply, mut cleaned) = oneshot::channel::<Result<CleanupReport, RequestError>>();
    let mut asked = Asked::default();
    let request = Request::Cleanup { dry_run: false, reply };
    asked.add(vec![(RequestId(1), request)], &plan(&actions), &begun);
    let cleans = |batch: &Batch| {
        batch.actions().all(|one| matches!(one, Action::Retire { .. } | Action::Deregister { .. }))
    };
    let (ends, others): (Vec<_>, Vec<_>) = begun.into_iter().partition(|(_, batch)| cleans(batch));
    assert_eq!((ends.len(), others.len()), (2, 2));
    for (index, (batch, of)) in ends.into_iter().enumerate() {
        answer(&mut asked, &[]);
        assert!(cleaned.try_recv().is_err(), "{index} are done");
        asked.note(batch, of.actions().next().unwrap(), &Outcome::Done);
        asked.ended(batch);
    }
    answer(&mut asked, &[]);
    let report = cleaned.try_recv().unwrap().unwrap();
    assert_eq!((report.total, report.cleaned, report.failed), (2, 2, 0));
}

#[test]
fn only_new_runners_must_have_been_seen_for_an_answer() {
    let failed = || Outcome::Failed(mayfly_github::GitHubError::TimedOut.into());
    for (outcome, answered) in [(Outcome::Done, false), (failed(), true)] {
        let actions = [Action::Launch(launch("r-1", Some(1))), retire("r-2", Some(2))];
        let (reply, mut created) = oneshot::channel();
        let wanted = mayfly_common::api::CreateRunners {
            scope: scope("org:octo-org"),
            names: Vec::new(),
            group: None,
            labels: None,
            count: 1,
        };
        let (end, mut ended) = delete(2, "r-2");
        let mut asked = Asked::default();
        let requests = vec![(RequestId(1), Request::Create { wanted, reply }), end];
        asked.add(requests, &plan(&actions), &begun(&actions));
        for (batch, of) in begun(&actions) {
            let outcome =
                if of.request() == Some(RequestId(1)) { &outcome } else { &Outcome::Done };
            asked.note(batch, of.actions().next().unwrap(), outcome);
            asked.ended(batch);
        }
        let none = Err(RequestError::Unavailable("the engine is away".to_owned()));
        asked.answer(None, &PassReport::default(), &none);
        assert_eq!(ended.try_recv().unwrap().unwrap(), Deleted::Gone);
        assert_eq!(created.try_recv().is_ok(), answered);
    }
}
