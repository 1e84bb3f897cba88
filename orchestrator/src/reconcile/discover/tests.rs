//! What a workflow folder's answer means for the listing that comes next.

use mayfly_common::repository::Coverage;

use super::super::testing::{Bench, at};
use super::*;

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
