//! What the world's own tests start from.

use std::collections::BTreeMap;

use crate::names::{RepoSlug, Scope};

use super::World;
use super::model::{JobSpec, NewRepo, Step};
use crate::clock::Clock;

pub(super) fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).expect("a repository")
}

pub(super) fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

/// An organisation with one empty repository, and the clock that drives it.
pub(super) fn world() -> (World, Clock) {
    let clock = Clock::manual("2026-11-21T00:00:00Z".parse().expect("a time"));
    let mut world = World::new(clock.clone());
    world.add_org("octo-org").expect("a new organisation");
    let new = NewRepo { slug: slug("octo-org/tools"), private: false, files: BTreeMap::new() };
    world.add_repo(new).expect("a new repository");
    (world, clock)
}

/// A job of `octo-org/tools` that asks for `labels`.
pub(super) fn queue(world: &mut World, labels: &[&str]) -> u64 {
    let spec = JobSpec {
        name: "build".into(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        steps: vec![Step::run("true")],
        ..JobSpec::default()
    };
    world.queue_job(&slug("octo-org/tools"), spec).expect("a queued job")
}

/// Makes history wrong: a repository that its id does not lead to.
pub(crate) fn violate(world: &mut World) {
    world.add_org("octo-org").expect("a new organisation");
    let new = NewRepo { slug: slug("octo-org/tools"), private: false, files: BTreeMap::new() };
    world.add_repo(new).expect("a new repository");
    world.repo_ids.clear();
}
