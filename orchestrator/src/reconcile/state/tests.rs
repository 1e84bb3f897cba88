//! What is forgotten.

use super::super::testing::{Bench, at};
use super::*;
use mayfly_common::registration::{Registered, RunnerId};
use mayfly_planner::{Listing, Observed};

#[tokio::test]
async fn nothing_stays_known_of_the_registrations_of_a_repository_that_is_gone() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let places = || ["repo:o/gone", "repo:o/stays"].map(|place| place.parse::<Scope>().unwrap());
    let policy = bench.reconciler.policy(&mut state, "i", at(0));
    let stray = |id| Registered {
        id: RunnerId(id),
        name: format!("{}0123456789ab", policy.name_prefix),
        online: false,
        busy: false,
    };
    let lists = places().map(|place| (place, Listing::Known(vec![stray(1)])));
    let seen = Observed { registrations: lists.into(), ..Observed::default() };
    state.memory = seen.remember(&policy, at(0)).memory;
    state.schedule.scopes = places().into();
    state.schedule.contested = places().map(|place| (place, at(60))).into();
    assert_eq!(state.memory.watched(), places().into());
    state.forget_registrations(vec![RepoSlug::parse("o/gone").unwrap()]);
    let [_, stays] = places();
    let left = BTreeSet::from([stays]);
    assert_eq!(state.memory.watched(), left);
    assert_eq!(state.schedule.scopes, left);
    assert_eq!(state.schedule.contested.keys().cloned().collect::<BTreeSet<_>>(), left);
}
