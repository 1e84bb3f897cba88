//! The decision: from what was seen to what to do.
//!
//! Invariants, each held by a property test: never more than `max_runners`; a busy runner is never removed (but past its
//! deadline, or when somebody insists); after a plan is carried out, planning again gives nothing; nothing is concluded
//! about a scope that GitHub could not be asked about.

use jiff::Timestamp;
use mayfly_common::api::CreateRunners;
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use super::action::{Action, Launch, Refusal, RequestId};
use super::lifecycle::state_of;
use super::matching::{Fit, Supply, fit, match_jobs};
use super::observed::{Image, Listing, Observed, Policy, Sight, Wish};
use crate::model::{Instance, Phase, Pool, QueuedJob, Registered, RunnerId};

/// What to do, and what was thought of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do; removals come before launches.
    pub actions: Vec<Action>,
    /// The state of each of our containers, in the order they were seen.
    pub verdicts: Vec<Verdict>,
    /// Requests that are not carried out.
    pub refusals: Vec<(RequestId, Refusal)>,
    /// Queued jobs that no runner of ours may take.
    pub unmet: Vec<Unmet>,
    /// How many queued jobs are for runners like ours.
    pub demand: usize,
}

/// A runner's state, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The runner.
    pub name: RunnerName,
    /// Its state.
    pub state: RunnerState,
    /// Why, in words.
    pub why: String,
    /// Its registration, if GitHub lists one.
    pub id: Option<RunnerId>,
}

/// A job that gets no runner, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The job.
    pub job: QueuedJob,
    /// Why.
    pub why: String,
}

/// Decides everything; does nothing. Same input, same output.
pub fn plan(seen: &Observed, policy: &Policy, now: Timestamp) -> Plan {
    let mut planner = Planner {
        seen,
        policy,
        now,
        plan: Plan::default(),
        names: seen.fresh_names.iter().cloned(),
    };
    planner.judge();
    planner.remove_what_is_over();
    planner.serve_deletions();
    planner.clean_registrations();
    planner.serve_creations();
    planner.serve_jobs();
    planner.plan
}

struct Planner<'a, N> {
    seen: &'a Observed,
    policy: &'a Policy,
    now: Timestamp,
    plan: Plan,
    names: N,
}

impl<'a, N: Iterator<Item = RunnerName>> Planner<'a, N> {
    fn judge(&mut self) {
        for instance in &self.seen.instances {
            let sight = self.seen.sight_of(instance);
            let sighting = self.seen.memory.of(&instance.name);
            let (state, why) = state_of(instance, sight, sighting, self.policy, self.now);
            let id = sight.listed().map(|registered| registered.id);
            self.plan.verdicts.push(Verdict { name: instance.name.clone(), state, why, id });
        }
    }

    fn judged(&self) -> impl Iterator<Item = (&'a Instance, Verdict)> + use<'a, N> {
        self.seen.instances.iter().zip(self.plan.verdicts.clone())
    }

    fn remove_what_is_over(&mut self) {
        for (instance, verdict) in self.judged() {
            if !matches!(verdict.state, RunnerState::Finished | RunnerState::Failed) {
                continue;
            }
            let id = match self.seen.sight_of(instance) {
                // GitHub refuses to delete a registration whose job it believes in; the deadline is ours to enforce.
                Sight::Listed(registered) if registered.busy && instance_runs(instance) => None,
                Sight::Listed(registered) => Some(registered.id),
                Sight::Absent => None,
                // GitHub removed the registration of a runner that did its job; any other may still be there.
                Sight::Unknown if verdict.state == RunnerState::Finished => None,
                Sight::Unknown => instance.github_id,
            };
            self.plan.actions.push(Action::Remove {
                name: instance.name.clone(),
                scope: instance.scope.clone(),
                id,
                state: verdict.state,
                why: verdict.why,
                request: None,
            });
        }
    }

    fn serve_deletions(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let Wish::Delete { name, force } = wish else { continue };
            let found = self.judged().find(|(instance, _)| instance.name == *name);
            let decision = match found {
                None => Err(Refusal::NoSuchRunner(name.clone())),
                Some((instance, verdict)) => self.deletion(instance, &verdict, *force, *request),
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
        instance: &Instance,
        verdict: &Verdict,
        force: bool,
        asker: RequestId,
    ) -> Result<Option<Action>, Refusal> {
        let why = "it was deleted through the API".to_owned();
        for action in &mut self.plan.actions {
            match action {
                Action::Remove { name, request, .. } | Action::Retire { name, request, .. }
                    if *name == instance.name =>
                {
                    if request.is_some() {
                        return Err(Refusal::NoSuchRunner(name.clone()));
                    }
                    *request = Some(asker);
                    return Ok(None);
                }
                _ => {}
            }
        }
        let (name, scope) = (instance.name.clone(), instance.scope.clone());
        let gone = |id| Action::Remove {
            name: name.clone(),
            scope: scope.clone(),
            id,
            state: RunnerState::Gone,
            why: why.clone(),
            request: Some(asker),
        };
        match (verdict.state, self.seen.sight_of(instance), force) {
            (RunnerState::Busy, _, false) => Err(Refusal::Busy(instance.name.clone())),
            // GitHub keeps a busy registration; it is cleaned when GitHub has noticed that the runner is gone.
            (RunnerState::Busy, _, true) | (_, Sight::Absent, _) => Ok(Some(gone(None))),
            (_, Sight::Unknown, false) => Err(Refusal::Unsure(instance.name.clone())),
            (_, Sight::Unknown, true) => Ok(Some(gone(instance.github_id))),
            (_, Sight::Listed(registered), _) => Ok(Some(Action::Retire {
                name,
                scope,
                id: registered.id,
                why,
                request: Some(asker),
            })),
        }
    }

    /// Deletes registrations of ours that have no container: what a crash between registering and creating leaves, and
    /// what a container removed behind our back leaves.
    fn clean_registrations(&mut self) {
        if !self.policy.clean_registrations {
            return;
        }
        let names = self.seen.names();
        for (scope, listing) in &self.seen.registrations {
            let Listing::Known(list) = listing else { continue };
            let orphan = |registered: &&Registered| {
                let name = registered.name.to_ascii_lowercase();
                let ours = name.starts_with(&self.policy.name_prefix.to_ascii_lowercase());
                ours && !registered.online
                    && !registered.busy
                    && !names.iter().any(|known| known.eq_ignore_ascii_case(&name))
            };
            for registered in list.iter().filter(orphan) {
                self.plan.actions.push(Action::Deregister {
                    scope: scope.clone(),
                    id: registered.id,
                    name: registered.name.clone(),
                    why: "it is offline and has no container here".to_owned(),
                });
            }
        }
    }

    fn serve_creations(&mut self) {
        for (request, wish) in &self.seen.wishes {
            let Wish::Create(wanted) = wish else { continue };
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
        let asked = usize::from(wanted.count);
        self.want_image();
        if self.seen.image != Image::Present {
            return Err(Refusal::NoImage);
        }
        if self.free() < asked {
            let running = self.policy.max_runners - self.free();
            return Err(Refusal::AtCapacity { running, max: self.policy.max_runners, asked });
        }
        let planned: Vec<&RunnerName> = self.launches().map(|launch| &launch.name).collect();
        let taken = |name: &&RunnerName| {
            let same = |other: &RunnerName| other.as_str().eq_ignore_ascii_case(name.as_str());
            self.seen.instances.iter().any(|instance| same(&instance.name))
                || planned.iter().any(|name| same(name))
        };
        if let Some(name) = wanted.names.iter().find(taken) {
            return Err(Refusal::NameTaken(name.clone()));
        }
        let names: Vec<RunnerName> = if wanted.names.is_empty() {
            self.names.by_ref().take(asked).collect()
        } else {
            wanted.names.clone()
        };
        let launch = |name| Launch {
            name,
            pool: Pool::Manual,
            scope: wanted.scope.clone(),
            labels: wanted.labels.clone().unwrap_or_else(|| self.policy.labels.clone()),
            explicit_labels: wanted.labels.is_some(),
            group: wanted.group.clone(),
            why: "it was asked for through the API".to_owned(),
            request: Some(request),
        };
        Ok(names.into_iter().map(launch).collect())
    }

    fn serve_jobs(&mut self) {
        let mut ours = Vec::new();
        for job in &self.seen.jobs {
            match self.offer(job) {
                Fit::Ours => ours.push(job.clone()),
                Fit::Unmet(why) => self.plan.unmet.push(Unmet { job: job.clone(), why }),
                Fit::Hosted => {}
            }
        }
        self.plan.demand = ours.len();
        let free: Vec<&Instance> = self.available();
        let supply: Vec<Supply<'_>> = free
            .iter()
            .map(|instance| Supply { scope: &instance.scope, labels: &instance.labels })
            .collect();
        let matched = match_jobs(&ours, &supply);
        if self.policy.auto_create {
            // Not only when the first job waits: a pull takes longer than anything else.
            if self.seen.image == Image::Missing {
                self.want_image();
            }
            let missing: Vec<&QueuedJob> =
                matched.unserved.iter().map(|&index| &ours[index]).collect();
            self.launch_for(&missing);
        }
        if self.seen.jobs_complete {
            let needless = free
                .iter()
                .zip(&matched.needed)
                .filter(|(_, needed)| !**needed)
                .map(|(instance, _)| *instance);
            self.retire_idle(needless);
        }
    }

    /// Whether a job is for us: for the labels of the pool, or for those of a runner somebody made by hand.
    fn offer(&self, job: &QueuedJob) -> Fit {
        let manual = self.seen.instances.iter().any(|instance| {
            instance_runs(instance)
                && instance.scope.covers(&job.repo)
                && instance.labels.covers(&job.labels)
        });
        match fit(&job.labels, &self.policy.labels) {
            Fit::Unmet(_) if manual && !job.labels.is_empty() => Fit::Ours,
            verdict => verdict,
        }
    }

    /// Runners that can still take a job: idle, or starting within their time. Failed ones never count.
    fn available(&self) -> Vec<&'a Instance> {
        let leaving = |name: &RunnerName| self.plan.actions.iter().any(|action| ends(action, name));
        self.judged()
            .filter(|(instance, verdict)| {
                matches!(verdict.state, RunnerState::Idle | RunnerState::Starting)
                    && !leaving(&instance.name)
            })
            .map(|(instance, _)| instance)
            .collect()
    }

    fn launch_for(&mut self, jobs: &[&QueuedJob]) {
        // A job that only the labels of a hand-made runner cover waits for that runner.
        for job in jobs.iter().filter(|job| self.policy.labels.covers(&job.labels)) {
            self.want_image();
            let scope = Scope::Repo(job.repo.clone());
            if self.seen.image != Image::Present || self.free() == 0 {
                return;
            }
            if self.seen.held_back.get(&scope).is_some_and(|until| *until > self.now) {
                continue;
            }
            let Some(name) = self.names.next() else { return };
            self.plan.actions.push(Action::Launch(Launch {
                name,
                pool: Pool::Default,
                scope,
                labels: self.policy.labels.clone(),
                explicit_labels: false,
                group: self.policy.group.clone(),
                why: format!("job {:?} of {} waits", job.name, job.repo),
                request: None,
            }));
        }
    }

    fn retire_idle<'b>(&mut self, needless: impl Iterator<Item = &'b Instance>) {
        for instance in needless {
            let idle_since = self.seen.memory.of(&instance.name).idle_since;
            let long = idle_since
                .is_some_and(|since| self.now.duration_since(since) >= self.policy.idle_timeout);
            let registration = self.seen.sight_of(instance).listed();
            if let (Pool::Default, true, Some(registered)) = (instance.pool, long, registration) {
                self.plan.actions.push(Action::Retire {
                    name: instance.name.clone(),
                    scope: instance.scope.clone(),
                    id: registered.id,
                    why: format!(
                        "no job has needed it for {} s",
                        self.policy.idle_timeout.as_secs()
                    ),
                    request: None,
                });
            }
        }
    }

    fn want_image(&mut self) {
        let fetch = matches!(self.seen.image, Image::Missing | Image::Outdated);
        if fetch && !self.plan.actions.contains(&Action::PullImage) {
            self.plan.actions.push(Action::PullImage);
        }
    }

    fn launches(&self) -> impl Iterator<Item = &Launch> {
        self.plan.actions.iter().filter_map(|action| match action {
            Action::Launch(launch) => Some(launch),
            _ => None,
        })
    }

    /// How many more runners fit. A container counts until it is gone, even if this plan removes it: the removal may fail.
    fn free(&self) -> usize {
        let running = self.seen.instances.iter().filter(|instance| instance_runs(instance)).count();
        self.policy.max_runners.saturating_sub(running + self.launches().count())
    }
}

fn instance_runs(instance: &Instance) -> bool {
    matches!(instance.phase, Phase::Running { .. })
}

fn ends(action: &Action, runner: &RunnerName) -> bool {
    matches!(action, Action::Remove { name, .. } | Action::Retire { name, .. } if name == runner)
}

#[cfg(test)]
mod tests;
