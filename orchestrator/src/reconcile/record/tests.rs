//! What is noted of a runner that is gone.

use mayfly_common::machine::Exit;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::super::testing::{Bench, at, machine};
use super::*;
use mayfly_planner::ledger::Fact;

#[tokio::test]
async fn a_runner_s_job_is_noted_where_it_says_which_or_how_that_ended() {
    let began = "2027-01-15 08:00:00Z: Running job: build\n";
    let ended = "2027-01-15 08:00:09Z: Job build completed with result: Failed\n";
    let exited = |log_tail: &str| {
        Phase::Exited(Exit { code: 1, out_of_memory: false, log_tail: log_tail.to_owned() })
    };
    let running = Phase::Running { working: Some(true) };
    let rows = [
        (running.clone(), began, true),
        (running, "words\n", false),
        (exited(began), "", true),
        (exited(ended), "", true),
        (exited("words\n"), "", false),
    ];
    let job = EventJob {
        id: 7,
        name: "build".to_owned(),
        status: JobStatus::InProgress,
        conclusion: None,
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: Some(at(1)),
        completed_at: None,
        runner_name: Some("r-1".to_owned()),
    };
    for (phase, log, noted) in rows {
        let bench = Bench::new();
        let mut state = bench.reconciler.state.lock().await;
        state.ledger.apply(
            Fact::Job { repo: RepoSlug::parse("octo-org/app").unwrap(), job: job.clone() },
            at(1),
        );
        let ended = Machine { phase, ..machine("r-1") };
        note_job(&mut state, &ended, log, at(10));
        let row = state.ledger.row(7).unwrap();
        assert_eq!(row.pool.as_deref(), noted.then_some("ci"), "{log:?} {:?}", ended.phase);
    }
}
