//! Which actions of a plan belong together.

use crate::action::Action;
use crate::request::RequestId;

/// Actions that one after the other come to one result. Different batches do not wait for each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must be done before the rest, side by side: the deletion of registrations that have the names of new runners.
    pub first: Vec<Action>,
    /// The rest, side by side.
    pub then: Vec<Action>,
}

impl Batch {
    /// All its actions.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.first.iter().chain(&self.then)
    }

    /// The request that it carries out, if it does so for one.
    pub fn request(&self) -> Option<RequestId> {
        self.then.iter().find_map(Action::request)
    }
}

/// Puts actions together that belong together: the runners of one request, which is carried out whole or not at all, and each runner with
/// the deletion of the registration that has its name.
pub fn batches(actions: Vec<Action>) -> Vec<Batch> {
    let (launches, others): (Vec<Action>, Vec<Action>) =
        actions.into_iter().partition(|action| matches!(action, Action::Launch(_)));
    let mut together: Vec<Batch> = Vec::new();
    for launch in launches {
        let request = launch.request();
        let same = |batch: &&mut Batch| request.is_some() && batch.request() == request;
        match together.iter_mut().find(same) {
            Some(batch) => batch.then.push(launch),
            None => together.push(Batch { first: Vec::new(), then: vec![launch] }),
        }
    }
    let mut alone: Vec<Batch> = Vec::new();
    for action in others {
        let needs = |batch: &&mut Batch| batch.then.iter().any(|launch| frees(&action, launch));
        match together.iter_mut().find(needs) {
            Some(batch) => batch.first.push(action),
            None => alone.push(Batch { first: Vec::new(), then: vec![action] }),
        }
    }
    // What ends comes first, where there is no room for all at once.
    alone.append(&mut together);
    alone
}

/// True if `action` frees the name that `launch` gives to a runner.
fn frees(action: &Action, launch: &Action) -> bool {
    let (Action::Deregister { scope, name, .. }, Action::Launch(new)) = (action, launch) else {
        return false;
    };
    new.scope == *scope && new.name.as_str().eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Launch;
    use mayfly_common::machine::Phase;
    use mayfly_common::registration::RunnerId;

    fn launch(name: &str, scope: &str, request: Option<u64>) -> Action {
        let mut identity = crate::lifecycle::tests::machine(name, Phase::NeverStarted).identity;
        identity.scope = scope.parse().unwrap();
        Action::Launch(Launch {
            identity,
            explicit_labels: false,
            group: None,
            job: None,
            why: "why".to_owned(),
            request: request.map(RequestId),
        })
    }

    fn deregister(name: &str, scope: &str) -> Action {
        Action::Deregister {
            scope: scope.parse().unwrap(),
            id: RunnerId(7),
            name: name.to_owned(),
            why: "why".to_owned(),
        }
    }

    #[test]
    fn only_what_needs_another_waits_for_it_and_a_request_is_one_whole() {
        let (here, there) = ("repo:o/r", "repo:o/s");
        let own = |action: &Action| Batch { first: Vec::new(), then: vec![action.clone()] };
        let pull = Action::PullImage {
            backend: mayfly_common::identity::BackendName::default(),
            image: "i".to_owned(),
        };
        let (ci_1, ci_2) = (launch("ci-1", here, None), launch("ci-2", here, None));
        let (one, two) = (launch("one", here, Some(4)), launch("two", here, Some(4)));
        let other = launch("three", here, Some(5));
        let (of_ci_1, of_two) = (deregister("CI-1", here), deregister("two", here));
        let elsewhere = deregister("ci-2", there);
        let all = [&pull, &of_ci_1, &ci_1, &one, &elsewhere, &ci_2, &of_two, &two, &other];
        let found = batches(all.into_iter().cloned().collect());
        let expected = [
            own(&pull),
            own(&elsewhere),
            Batch { first: vec![of_ci_1], then: vec![ci_1] },
            Batch { first: vec![of_two], then: vec![one, two] },
            own(&ci_2),
            own(&other),
        ];
        assert_eq!(found, expected);
        let requests: Vec<Option<u64>> =
            found.iter().map(|batch| batch.request().map(|id| id.0)).collect();
        assert_eq!(requests, [None, None, None, Some(4), None, Some(5)]);
        assert_eq!(found.iter().flat_map(Batch::actions).count(), 9, "none is lost");
        assert_eq!(batches(Vec::new()), []);
    }
}
