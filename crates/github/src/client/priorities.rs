//! What each kind of request is worth: what of the hour's requests is kept from it.

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::registration::RunnerId;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_planner::filter::Filter;

use super::GitHubClient;
use crate::budget::{Account, Limit, Resource};
use crate::checkup::Wanted;
use crate::hooks::{HookPlace, KnownHook};
use crate::jobs::Look;
use crate::repositories::DiscoveryMode;
use crate::stand_in::{StandIn, at};

type Try = for<'a> fn(&'a GitHubClient) -> LocalBoxFuture<'a, ()>;

/// True if it is sent where so many of 5,000 requests an hour are left.
async fn is_sent(try_it: Try, remaining: u64) -> bool {
    let github = StandIn::new(Vec::<(&'static str, Vec<_>)>::new()).await;
    let client = github.client();
    let limit = Limit { limit: 5_000, remaining, reset: at(1_000) };
    client.budget().answered(Account::User, Resource::Core, Some(limit), false, at(0));
    try_it(&client).await;
    !github.lines().is_empty()
}

fn repo() -> RepoSlug {
    RepoSlug::parse("o/r").unwrap()
}

fn scope() -> Scope {
    "org:o".parse().unwrap()
}

fn name() -> RunnerName {
    RunnerName::parse("r-1").unwrap()
}

fn labels() -> LabelSet {
    LabelSet::requested(["x"])
}

fn wanted() -> Wanted {
    Wanted::new(DiscoveryMode::All, Filter::default())
}

fn hook() -> KnownHook {
    KnownHook { id: 7, place: HookPlace::Repo(repo()) }
}

/// A request of this kind, whatever comes of it.
macro_rules! tried {
    ($client:ident, $request:expr) => {
        |$client| async move { drop($request.await) }.boxed_local()
    };
}

/// Of 5,000 requests an hour, 20 are kept for registrations, 500 for what finds jobs, 1,250 for what must not wait.
#[tokio::test]
async fn the_last_requests_of_an_hour_are_kept_for_what_matters_most() {
    let rows: [(&str, u64, Try); 13] = [
        (
            "a registration",
            0,
            tried!(client, client.jit_config(&scope(), &name(), &labels(), None)),
        ),
        (
            "a runner group",
            0,
            tried!(client, client.jit_config(&scope(), &name(), &labels(), Some("big"))),
        ),
        ("a token to register", 0, tried!(client, client.registration_token(&scope()))),
        ("the end of a registration", 0, tried!(client, client.deregister(&scope(), RunnerId(7)))),
        ("a list of runners", 20, tried!(client, client.registrations(&scope()))),
        ("queued jobs", 20, tried!(client, client.queued_jobs(&repo(), &Look::default()))),
        ("a job's workflow", 20, tried!(client, client.text_at(&repo(), "x.yml", "c0ffee"))),
        ("a job's run", 20, tried!(client, client.origin(&repo(), 7))),
        ("hooks", 20, tried!(client, client.hooks(&hook().place))),
        ("the end of a hook", 20, tried!(client, client.delete_hook(&hook()))),
        ("a ping of a hook", 20, tried!(client, client.ping_hook(&hook()))),
        (
            "jobs of the latest runs",
            500,
            tried!(client, client.recent_jobs(&repo(), at(0), ["r-1".to_owned()].into())),
        ),
        ("a check of the credential", 1_250, tried!(client, client.checkup(&wanted()))),
    ];
    for (what, kept, request) in rows {
        let sent = (is_sent(request, kept).await, is_sent(request, kept + 1).await);
        assert_eq!(sent, (false, true), "{what}: {kept} are kept from it");
    }
}
