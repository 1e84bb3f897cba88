//! What a workflow folder's answer means for the listing that comes next.

use mayfly_common::repository::{Coverage, Repository};

use super::super::testing::{Bench, at, queued};
use super::*;
use mayfly_planner::ledger::Fact;

#[tokio::test]
async fn a_repository_that_has_another_name_or_may_be_gone_has_all_of_them_listed_again() {
    let slug = |text: &str| RepoSlug::parse(text).unwrap();
    let of = |name: &str| Ok(Folder { slug: Some(slug(name)), ..Folder::default() });
    let gone = || Err(GitHubError::NotFound);
    let rows = [
        (Some(true), of("o/new"), Depth::Whole),
        (Some(true), of("o/old"), Depth::Recent),
        (Some(true), Ok(Folder::default()), Depth::Recent),
        (None, gone(), Depth::Whole),
        (Some(true), gone(), Depth::Recent),
        (Some(false), gone(), Depth::Recent),
        (None, Err(GitHubError::Server(502)), Depth::Recent),
    ];
    for (listed, folder, expected) in rows {
        let bench = Bench::new();
        let mut state = bench.reconciler.state.lock().await;
        let filter = &bench.reconciler.config.github.filter;
        state.catalog.listed(&[], Coverage::Whole, filter, at(0));
        let case = format!("{listed:?} {folder:?}");
        let mut report = PassReport::default();
        learn_folder(&mut state, (&slug("o/old"), listed), folder, at(1), &mut report);
        assert_eq!(state.catalog.depth(at(1)), expected, "{case}");
    }
}

fn repository(id: i64, slug: &str) -> Repository {
    Repository {
        id,
        slug: RepoSlug::parse(slug).unwrap(),
        pushed_at: None,
        private: Some(true),
        fork: false,
        archived: false,
        disabled: false,
    }
}

#[tokio::test]
async fn a_repository_that_is_listed_and_not_shown_is_a_problem() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let filter = &bench.reconciler.config.github.filter;
    state.catalog.listed(&[repository(1, "o/app")], Coverage::Whole, filter, at(0));
    let app = RepoSlug::parse("o/app").unwrap();
    let (gone, mut report) = (Err(GitHubError::NotFound), PassReport::default());
    learn_folder(&mut state, (&app, Some(true)), gone, at(1), &mut report);
    let why = "o/app: GitHub lists it, but has no such repository when it is asked for its workflows; the credential may not read its contents";
    assert_eq!(state.catalog.problems(), [why]);
    assert_eq!(state.catalog.due(at(2)), [], "it is asked again after a while");
}

#[tokio::test]
async fn the_jobs_of_a_renamed_repository_get_its_new_name_in_memory_and_in_the_store() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let filter = &bench.reconciler.config.github.filter;
    state.catalog.listed(&[repository(1, "o/old")], Coverage::Whole, filter, at(0));
    state
        .ledger
        .apply(Fact::Job { repo: RepoSlug::parse("o/old").unwrap(), job: queued(7) }, at(0));
    bench.reconciler.keep(&mut state).await;
    let kept = async || bench.handle.store().job(7).await.unwrap().unwrap().repo.to_string();
    assert_eq!(kept().await, "o/old");
    state.catalog.listed(&[repository(1, "o/new")], Coverage::Whole, filter, at(1));
    bench.reconciler.rename(&mut state, at(0)).await;
    assert_eq!(kept().await, "o/new");
    assert_eq!(state.ledger.row(7).unwrap().repo.to_string(), "o/new");
}
