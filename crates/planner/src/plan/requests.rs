//! What somebody asks for through the API: runners that are made, or ended.

use mayfly_common::api::CreateRunners;
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Machine, Phase};
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::registration::Registered;
use mayfly_common::runner::RunnerState;

use super::{Planner, Verdict};
use crate::action::{Action, IfBusy, Launch};
use crate::capacity::Counted;
use crate::github_view::{Listing, Sight};
use crate::observed::Image;
use crate::request::{ApiRequest, Refusal, RequestId};

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    pub(super) fn serve_deletions(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let ApiRequest::Delete { name, force } = wish else { continue };
            let found = self.judged().find(|(machine, _)| machine.name == *name);
            let decision = match found {
                _ if self.seen.is_in_hand(name) => Err(Refusal::InHand(name.clone())),
                None => Err(Refusal::NoSuchRunner(name.clone())),
                Some((machine, verdict)) => self.deletion(machine, &verdict, *force, *request),
            };
            match decision {
                Ok(Some(action)) => self.plan.actions.push(action),
                Ok(None) => {}
                Err(refusal) => self.plan.refusals.push((*request, refusal)),
            }
        }
    }

    /// How to end one runner on request. `Ok(None)`: it is being ended already, and the request rides along.
    fn deletion(
        &mut self,
        machine: &Machine,
        verdict: &Verdict,
        force: bool,
        asker: RequestId,
    ) -> Result<Option<Action>, Refusal> {
        if let Phase::Unknown(why) = &machine.phase {
            return Err(Refusal::Unseen(machine.name.clone(), why.clone()));
        }
        let why = "it was deleted through the API".to_owned();
        let sight = self.seen.sight_of(machine);
        let listed = sight.listed();
        let known = listed.map(|registered| registered.id).or(machine.github_id);
        // GitHub keeps a registration whose job it believes in; it is cleaned when GitHub has noticed that the runner is gone.
        let leaves_registration = force
            && (listed.is_some_and(|registered| registered.busy)
                || self.is_put_off(&machine.scope, known));
        if let Some(ending) = self.plan.actions.iter_mut().find(|action| action.ends(&machine.name))
        {
            if let Action::Remove { id, if_busy, .. } = ending
                && force
            {
                *if_busy = IfBusy::Remove;
                *id = id.filter(|_| !leaves_registration);
            }
            let (Action::Remove { request, .. } | Action::Retire { request, .. }) = ending else {
                return Ok(None);
            };
            if request.is_some() {
                return Err(Refusal::NoSuchRunner(machine.name.clone()));
            }
            *request = Some(asker);
            return Ok(None);
        }
        let scope = machine.scope.clone();
        let gone = |id| Action::Remove {
            machine: machine.reference(),
            pool: machine.pool.clone(),
            scope: scope.clone(),
            id,
            if_busy: if force { IfBusy::Remove } else { IfBusy::Keep },
            state: RunnerState::Gone,
            why: why.clone(),
            failure: None,
            holds_back: false,
            request: Some(asker),
        };
        match (verdict.state, sight, force) {
            (RunnerState::Busy, _, false) => Err(Refusal::Busy(machine.name.clone())),
            (RunnerState::Busy, _, true) | (_, Sight::Absent, _) => Ok(Some(gone(None))),
            _ if leaves_registration => Ok(Some(gone(None))),
            (_, Sight::Unknown | Sight::Unasked, false) => {
                Err(Refusal::Unsure(machine.name.clone()))
            }
            (_, Sight::Unknown | Sight::Unasked, true) => Ok(Some(gone(machine.github_id))),
            // It may take a job before GitHub is asked to delete it.
            (_, Sight::Listed(registered), true) => Ok(Some(gone(Some(registered.id)))),
            (_, Sight::Listed(registered), false) => Ok(Some(Action::Retire {
                machine: machine.reference(),
                scope,
                id: registered.id,
                why,
                request: Some(asker),
            })),
        }
    }

    pub(super) fn serve_creations(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let ApiRequest::Create(wanted) = wish else { continue };
            match self.creation(wanted, *request) {
                Ok(launches) => self.plan.actions.extend(launches.into_iter().map(Action::Launch)),
                Err(refusal) => self.plan.refusals.push((*request, refusal)),
            }
        }
    }

    /// All the runners of a request, or none of them.
    fn creation(
        &mut self,
        wanted: &CreateRunners,
        request: RequestId,
    ) -> Result<Vec<Launch>, Refusal> {
        if self.policy.draining {
            return Err(Refusal::Draining);
        }
        let (asked, terms) = (usize::from(wanted.count), &self.policy.default);
        if let Some(why) = self.seen.unreachable.get(&terms.backend) {
            return Err(Refusal::Unreachable(terms.backend.clone(), why.clone()));
        }
        self.want_images(terms, &[Image::Missing, Image::Outdated]);
        if self.lacking(terms).is_some() {
            return Err(Refusal::NoImage);
        }
        let max = self.policy.caps.of(&terms.backend).runners;
        let running = self.capacity.runners(&terms.backend);
        if max.saturating_sub(running) < asked {
            return Err(Refusal::AtCapacity { running, max, asked });
        }
        let planned: Vec<&RunnerName> =
            self.plan.actions.iter().filter_map(Action::runner).collect();
        let taken = |name: &&RunnerName| {
            let same = |other: &RunnerName| other.as_str().eq_ignore_ascii_case(name.as_str());
            self.seen.machines.iter().any(|machine| same(&machine.name))
                || planned.iter().any(|name| same(name))
        };
        if let Some(name) = wanted.names.iter().find(taken) {
            return Err(Refusal::NameTaken(name.clone()));
        }
        let namesakes = self.replaceable(wanted)?;
        let mut capacity = self.capacity.clone();
        let manual = PoolName::manual();
        let by_hand = Counted { pool: &manual, ..Counted::more(terms, &wanted.scope) };
        for _ in 0..asked {
            capacity
                .take_by_hand(by_hand, terms)
                .map_err(|cap| Refusal::NoRoom(cap.to_string()))?;
        }
        let names: Vec<RunnerName> = if wanted.names.is_empty() {
            self.names.by_ref().take(asked).collect()
        } else {
            wanted.names.clone()
        };
        self.capacity = capacity;
        for registered in namesakes {
            self.deregister(&wanted.scope, registered);
        }
        let identity = |name| RunnerIdentity {
            pool: PoolName::manual(),
            labels: wanted.labels.clone().unwrap_or_else(|| terms.labels.clone()),
            ..self.policy.identity(terms, name, wanted.scope.clone(), self.now)
        };
        let launch = |name| Launch {
            identity: identity(name),
            explicit_labels: wanted.labels.is_some(),
            group: wanted.group.clone(),
            job: None,
            why: "it was asked for through the API".to_owned(),
            request: Some(request),
        };
        Ok(names.into_iter().map(launch).collect())
    }

    /// Registrations without a machine that have a name somebody asks for, and give way to the new runner: a machine of ours had them,
    /// or they are abandoned.
    fn replaceable(&self, wanted: &CreateRunners) -> Result<Vec<&'a Registered>, Refusal> {
        let scope = &wanted.scope;
        let timeout = self.policy.default.registration_timeout;
        let listed = self.seen.registrations.get(scope).map_or(&[][..], Listing::entries);
        let mut namesakes = Vec::new();
        for name in &wanted.names {
            let same = |one: &&Registered| one.name.eq_ignore_ascii_case(name.as_str());
            let Some(registered) = listed.iter().find(same) else { continue };
            let idle = !registered.online && !registered.busy;
            let ours = idle && self.seen.memory.had(scope, registered.id);
            let free = ours || self.is_abandoned(scope, registered, timeout);
            if !(free && self.policy.clean_registrations) {
                let (name, scope) = (name.clone(), scope.clone());
                return Err(Refusal::Registered { name, scope, timeout });
            }
            namesakes.push(registered);
        }
        Ok(namesakes)
    }
}
