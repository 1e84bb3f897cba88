//! The rest of an installation that drains, after the actions of a pass.

use super::Action;
use super::github_view::Listing;
use super::naming;
use super::observed::Observed;
use super::plan::Plan;
use super::policy::Policy;
use mayfly_common::machine::Machine;
use mayfly_common::registration::Registered;

/// The rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// In words: registrations and machines that no action was for, and scopes that could not be listed in full.
    pub left: Vec<String>,
    /// True if what the engine keeps for runners is removed now: no runner is left that needs it.
    pub clears: bool,
}

/// Finds the rest after `plan` was carried out: the machines that are left are `there`, and these actions are still under way.
pub fn rest(
    seen: &Observed,
    policy: &Policy,
    plan: &Plan,
    (there, in_flight): (&[Machine], &[Action]),
) -> Rest {
    let is_handled = |wanted: &Registered| {
        plan.actions.iter().any(|action| match action {
            Action::Deregister { id, .. } | Action::Retire { id, .. } => *id == wanted.id,
            Action::Remove { id, .. } => *id == Some(wanted.id),
            _ => false,
        })
    };
    let mut left = Vec::new();
    for (scope, listing) in &seen.registrations {
        // Where GitHub knows no such place, and none of ours was seen in it, there is nothing.
        let is_empty = matches!(listing, Listing::NotFound) && !seen.memory.knows(scope);
        if !matches!(listing, Listing::Known(_)) && !is_empty {
            left.push(format!("{scope}: its runners could not all be listed"));
        }
        // A name that we made, or one that a machine of ours had.
        let is_ours = |one: &&Registered| {
            naming::is_generated(&policy.name_prefix, &one.name) || seen.memory.had(scope, one.id)
        };
        for registered in listing.entries().iter().filter(is_ours) {
            if !is_handled(registered) {
                let name = &registered.name;
                left.push(format!("registration {name} of {scope}: it may be starting or at work"));
            }
        }
    }
    if !there.is_empty() {
        left.push(format!("{} runners", there.len()));
    }
    left.extend(in_flight.iter().map(|action| format!("this is still under way: {action}")));
    Rest { left, clears: there.is_empty() && in_flight.is_empty() && policy.draining }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::slice;

    use super::*;
    use crate::lifecycle::tests::{at, machine, policy, registered};
    use crate::plan;
    use mayfly_common::machine::Phase;
    use mayfly_common::scope::Scope;

    #[test]
    fn what_is_ours_and_still_there_is_named_and_nothing_of_others() {
        let scope: Scope = "repo:o/r".parse().unwrap();
        let policy = Policy { draining: true, ..policy() };
        let there = machine("chosen-by-hand", Phase::Running { working: Some(false) });
        let list = vec![
            registered(1, "chosen-by-hand", true, false),
            registered(2, "mayfly-i-0123456789ab", true, true),
            registered(3, "mayfly-other-0123456789ab", false, false),
            registered(4, "server", true, false),
        ];
        let look = |before: Observed, machines: &[Machine], listing: Listing, second: i64| {
            let registrations = BTreeMap::from([(scope.clone(), listing)]);
            let seen = Observed { machines: machines.to_vec(), registrations, ..before };
            seen.remember(&policy, at(second))
        };
        let at_work =
            "registration mayfly-i-0123456789ab of repo:o/r: it may be starting or at work";
        let seen =
            look(Observed::default(), slice::from_ref(&there), Listing::Known(list.clone()), 0);
        let planned = plan(&seen, &policy, at(0));
        let after = rest(&seen, &policy, &planned, (&[], &[]));
        assert_eq!(after, Rest { left: vec![at_work.to_owned()], clears: true });
        // GitHub did not let it go.
        let kept = rest(&seen, &policy, &planned, (&[there], &[]));
        assert_eq!(
            kept,
            Rest { left: vec![at_work.to_owned(), "1 runners".to_owned()], clears: false }
        );
        // While something is under way, nothing is cleared.
        let pull = Action::PullImage {
            backend: mayfly_common::identity::BackendName::default(),
            image: "i".to_owned(),
        };
        let amid = rest(&seen, &policy, &planned, (&[], slice::from_ref(&pull)));
        let under_way = "this is still under way: pull image i".to_owned();
        assert_eq!(amid, Rest { left: vec![at_work.to_owned(), under_way], clears: false });
        // One that ended goes with its registration.
        let exit = mayfly_common::machine::Exit { code: 1, ..Default::default() };
        let ended = machine("chosen-by-hand", Phase::Exited(exit));
        let removed = look(seen.clone(), &[ended], Listing::Known(list.clone()), 5);
        let planned = plan(&removed, &policy, at(5));
        assert_eq!(rest(&removed, &policy, &planned, (&[], &[])).left, [at_work]);
        // Its machine went some other way: its registration is known by its id, whatever its name.
        let gone = look(seen.clone(), &[], Listing::Known(list.clone()), 10);
        let by_hand = "registration chosen-by-hand of repo:o/r: it may be starting or at work";
        let found = rest(&gone, &policy, &plan(&gone, &policy, at(10)), (&[], &[])).left;
        assert_eq!(found, [by_hand, at_work]);
        let partial = look(seen, &[], Listing::Partial(list), 10);
        let found = rest(&partial, &policy, &plan(&partial, &policy, at(10)), (&[], &[])).left;
        assert_eq!(found, ["repo:o/r: its runners could not all be listed", by_hand, at_work]);
        // A repository that is not there has nothing of ours, unless something of ours was seen there.
        let missing = |before: Observed| {
            let missing = look(before, &[], Listing::NotFound, 20);
            rest(&missing, &policy, &plan(&missing, &policy, at(20)), (&[], &[])).left
        };
        assert_eq!(missing(Observed::default()), Vec::<String>::new());
        assert_eq!(missing(gone), ["repo:o/r: its runners could not all be listed"]);
    }
}
