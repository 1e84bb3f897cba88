//! Gathers what a pass decides on. An error of one part is a problem of that part: the rest is seen all the same.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use mayfly_common::api::PassReport;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolScope;
use mayfly_common::scope::{RepoSlug, Scope};

use super::ask::worker;
use super::pass::Round;
use super::poll::Jobs;
use super::request::Request;
use super::show::trouble_at;
use super::{Reconciler, State};
use crate::backends::{Listed, Wanted};
use mayfly_backend::BackendError;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::Machine;
use mayfly_github::{DiscoveryMode, GitHubError};
use mayfly_planner::agenda::{Due, Places, Urge};
use mayfly_planner::cadence::CheckWait;
use mayfly_planner::ledger::Fact;
use mayfly_planner::{
    ApiRequest, Listing, Observed, RequestId, Verdict, gone_places, naming, plan,
};

/// Readings of GitHub that are under way at a time; GitHub allows 100 requests (docs: "Rate limits for the REST API").
pub(super) const CONCURRENT: usize = 8;

impl Reconciler {
    /// Looks at everything that is due.
    ///
    /// Errors: the engine cannot be asked. Without it nothing can be concluded.
    pub(super) async fn look(
        &self,
        state: &mut State,
        requests: &[(RequestId, Request)],
        installation: &str,
        report: &mut PassReport,
    ) -> Result<Observed, BackendError> {
        // What ends from now on may or may not show in the list.
        let in_flight = state.flight.actions();
        let Listed { machines, mut unreachable } = self.backends.list(&mut state.listed).await?;
        report.problems.extend(machines.iter().filter_map(unread));
        let now = self.clock.now();
        let Due { check, news, sweep } = self.due(state, requests, now);
        // The first reading costs more than any other: it says nothing about those to come.
        let cold = state.catalog.is_cold();
        if check {
            self.github.budget().check_began();
            state.told.accounts.clear();
        }
        if check || news {
            let before = report.problems.len();
            self.discover(state, now, report).await;
            state.told.problems.checked(report.problems.get(before..).unwrap_or_default());
        }
        let places = self.places(state, requests, &machines, now);
        let scopes = state.schedule.scopes_to_list(places, sweep, now);
        let pace = self.github.budget().pace(self.github.now());
        let look = check || sweep.is_some() || state.schedule.may_look(pace, now);
        let registrations = if look {
            state.schedule.looks(now);
            let Registrations { listings, missing } =
                self.registrations(state, &scopes, report).await;
            self.note_missing(state, missing, &machines, report);
            listings
        } else {
            scopes.into_iter().map(|scope| (scope, Listing::Unasked)).collect()
        };
        if sweep.is_some() {
            state.schedule.has_swept(self.config.purge_interval, now);
        }
        // After the registrations: a job that is taken in between is not seen as waiting beside a busy runner.
        let memory = state.memory.clone();
        let seen = Observed { machines, registrations, memory, ..Observed::default() };
        let worked = seen.machines.iter().filter(|machine| seen.has_worked(machine));
        let worked = worked.map(worker).collect();
        state.ledger.apply(Fact::AtWork(worked), now);
        let jobs = if self.config.auto_create {
            self.read_jobs(state, &seen.registrations, check, look, report).await
        } else {
            Jobs { known: Vec::new(), complete: true }
        };
        if check {
            self.note_check(state, cold, report, now);
        }
        let wanted = self.images_wanted();
        let images = self.backends.look_at_images(wanted, &mut unreachable, now).await?;
        report.problems.extend(unreachable.iter().map(|(name, why)| silent(name, why)));
        Ok(Observed {
            jobs: jobs.known,
            jobs_complete: jobs.complete,
            listed_at: listed_at(state),
            images,
            unreachable,
            groups: BTreeMap::new(),
            repositories: by_activity(state, now),
            unserved: state.catalog.unserved(),
            scaled: state.scaled.clone(),
            wishes: wishes(requests),
            fresh_names: self.fresh_names(installation),
            in_flight,
            held_back: state.backoff.held_back(now),
            jobs_over: jobs_over(state, &seen.machines),
            working_for: working_for(state, &seen.machines),
            ..seen
        })
    }

    /// What is due.
    fn due(&self, state: &mut State, requests: &[(RequestId, Request)], now: Timestamp) -> Due {
        let cleans = |(_, request): &(RequestId, Request)| {
            matches!(request, Request::Cleanup { .. } | Request::Uninstall { .. })
        };
        let changed = self.book.take_changed();
        let urge = if requests.iter().any(|(_, request)| request.is_uninstall()) {
            Urge::Everywhere
        } else if changed || requests.iter().any(cleans) {
            Urge::Some
        } else {
            Urge::None
        };
        let how = (self.config.auto_create, self.config.purge_interval);
        state.schedule.due(urge, how, state.ledger.hearing(), now)
    }

    /// Where registrations of ours can be.
    fn places(
        &self,
        state: &State,
        requests: &[(RequestId, Request)],
        machines: &[Machine],
        now: Timestamp,
    ) -> Places {
        let mut configured = BTreeSet::new();
        if let DiscoveryMode::Organization(org) = &self.config.github.discovery {
            configured.insert(Scope::Org(org.clone()));
        }
        for entry in self.book.all() {
            configured.extend(entry.pool.spec.scopes.iter().filter_map(|scope| match scope {
                PoolScope::One(place) => Some(place.clone()),
                PoolScope::Discovered | PoolScope::Repos(_) => None,
            }));
        }
        Places {
            used: machines.iter().map(|machine| machine.scope.clone()).collect(),
            watched: state.memory.watched(),
            named: requests.iter().filter_map(|(_, one)| one.named()).collect(),
            configured,
            others: state.catalog.relevant(now).into_iter().map(Scope::Repo).collect(),
        }
    }

    /// Notes that GitHub was asked for repositories and jobs, and when that is next due. `cold`: for the first time.
    fn note_check(&self, state: &mut State, cold: bool, report: &PassReport, now: Timestamp) {
        let (base, theirs) = (self.config.check_interval, self.github.now());
        let interval = if cold { base } else { self.github.budget().stretch(base, theirs) };
        // Requests that were not sent because GitHub did not answer another one are repeated soon, too.
        let failed = report.github_error.is_some() || self.github.hanging_until().is_some();
        state.schedule.has_checked(CheckWait::after(interval, failed), now);
    }

    async fn registrations(
        &self,
        state: &State,
        scopes: &BTreeSet<Scope>,
        report: &mut PassReport,
    ) -> Registrations {
        let asked = scopes.clone().into_iter().map(async |scope: Scope| {
            let listed = self.github.registrations(&scope).await;
            (scope, listed)
        });
        let (mut listings, mut missing) = (BTreeMap::new(), Vec::new());
        let mut results = stream::iter(asked).buffer_unordered(CONCURRENT);
        while let Some((scope, result)) = results.next().await {
            let listing = match result {
                Ok(found) if found.whole => Listing::Known(found.list),
                Ok(found) => Listing::Partial(found.list),
                Err(error) => {
                    let not_found = matches!(error, GitHubError::NotFound);
                    if let (Scope::Repo(repo), true) = (&scope, not_found) {
                        missing.push(repo.clone());
                    } else {
                        let what = format!("{scope}: runners cannot be listed");
                        trouble_at(report, account(&scope), &what, &error);
                    }
                    if not_found {
                        gone_places::listing(&scope, &state.catalog)
                    } else {
                        Listing::Unknown
                    }
                }
            };
            listings.insert(scope, listing);
        }
        missing.sort();
        Registrations { listings, missing }
    }

    /// Forgets repositories that are gone; those that somebody still counts on are problems.
    fn note_missing(
        &self,
        state: &mut State,
        missing: Vec<RepoSlug>,
        machines: &[Machine],
        report: &mut PassReport,
    ) {
        let pools = self.book.all();
        let named = || pools.iter().flat_map(|entry| &entry.pool.spec.scopes);
        let (needed, gone): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|repo| gone_places::is_needed(repo, machines, named(), &state.catalog));
        report.problems.extend(needed.iter().map(cannot_be_listed));
        state.forget_registrations(gone);
    }

    /// The images of all pools by backend, each with those who use it.
    fn images_wanted(&self) -> BTreeMap<BackendName, BTreeMap<String, Wanted>> {
        let mut wanted: BTreeMap<BackendName, BTreeMap<String, Wanted>> = BTreeMap::new();
        for entry in self.book.all() {
            let wanted = wanted.entry(entry.pool.spec.backend.clone()).or_default();
            for image in entry.pool.material.images() {
                let wanted = wanted.entry(image.to_owned()).or_default();
                wanted.policies.insert(entry.pool.pull);
                if entry.pool.spec.enabled {
                    wanted.users.insert(entry.pool.spec.name.clone(), entry.pool.pull);
                }
            }
        }
        wanted
    }

    /// What is there after the actions: runners just started are shown at once.
    pub(super) async fn look_again(
        &self,
        state: &mut State,
        round: &Round<'_>,
    ) -> (Vec<Machine>, Vec<Verdict>) {
        let Round { seen, policy, planned, outcomes, .. } = *round;
        let unchanged = || (seen.machines.clone(), planned.verdicts.clone());
        if outcomes.is_empty() {
            return unchanged();
        }
        let in_flight = state.flight.actions();
        let Ok(Listed { machines, .. }) = self.backends.list(&mut state.listed).await else {
            return unchanged();
        };
        let (jobs, wishes) = (Vec::new(), Vec::new());
        let after = Observed { machines, jobs, wishes, in_flight, ..seen.clone() };
        let verdicts = plan(&after, policy, self.clock.now()).verdicts;
        (after.machines, verdicts)
    }

    /// More names than one plan can need.
    fn fresh_names(&self, installation: &str) -> Vec<RunnerName> {
        let prefix = naming::prefix(installation);
        let name = |_| naming::generated(&prefix, &uuid::Uuid::new_v4().simple().to_string());
        let others: usize = self.backends.caps().map(|(_, caps)| caps.runners).sum();
        (0..self.config.runner.max.saturating_add(others)).filter_map(name).collect()
    }
}

/// What GitHub said of the registrations of some scopes.
struct Registrations {
    listings: BTreeMap<Scope, Listing>,
    /// Repositories that GitHub does not know, or hides from the credential.
    missing: Vec<RepoSlug>,
}

/// The problem of a repository whose runners GitHub does not list. It concerns no other repository of the account.
fn cannot_be_listed(repo: &RepoSlug) -> String {
    format!("{}: runners cannot be listed: {}", Scope::Repo(repo.clone()), GitHubError::NotFound)
}

/// The problem of a backend that does not answer, where others do.
fn silent(backend: &BackendName, why: &str) -> String {
    format!("backend {backend} does not answer: {why}. Its runners are left as they are")
}

/// The problem of a runner if the engine did not answer all questions about its container.
fn unread(machine: &Machine) -> Option<String> {
    let why = machine.unread.as_ref()?;
    Some(format!("container {} cannot be read: {why}", machine.name))
}

/// The account that a scope belongs to.
fn account(scope: &Scope) -> &str {
    match scope {
        Scope::Repo(slug) => slug.owner().as_str(),
        Scope::Org(login) => login.as_str(),
        Scope::Enterprise(slug) => slug.as_str(),
    }
}

/// Repositories that may have jobs for us, those first that had one last.
fn by_activity(state: &State, now: Timestamp) -> Vec<RepoSlug> {
    let active = state.ledger.latest();
    let mut repositories = state.catalog.relevant(now);
    repositories.sort_by_key(|repo| (std::cmp::Reverse(active.get(repo).copied()), repo.clone()));
    repositories
}

/// The last time that the queued jobs of each repository were read. Leaves out repositories with a job that may be hidden.
fn listed_at(state: &State) -> BTreeMap<RepoSlug, Timestamp> {
    let repos = state.ledger.waiting_in().into_keys();
    let repos = repos.filter(|repo| !state.ledger.is_doubted(repo));
    repos.filter_map(|repo| state.catalog.polled_at(&repo).map(|at| (repo, at))).collect()
}

fn wishes(requests: &[(RequestId, Request)]) -> Vec<(RequestId, ApiRequest)> {
    requests.iter().filter_map(|(id, request)| Some((*id, request.wish()?))).collect()
}

/// When the jobs of these runners were over, as far as the ledger knows.
fn jobs_over(state: &State, machines: &[Machine]) -> BTreeMap<RunnerName, Timestamp> {
    let created = machines.iter().map(|one| (one.name.as_str(), one.created_at));
    let over = state.ledger.over(created);
    let at = |machine: &Machine| over.get(machine.name.as_str()).copied();
    let known = machines.iter().filter_map(|machine| Some((machine.name.clone(), at(machine)?)));
    known.collect()
}

/// The repository whose job each of these runners, and each that left lately, has or had, as far as the ledger knows.
fn working_for(state: &State, machines: &[Machine]) -> BTreeMap<RunnerName, RepoSlug> {
    let there = machines.iter().map(|one| (&one.name, one.created_at));
    let runners: BTreeMap<&RunnerName, Timestamp> = state.memory.departed().chain(there).collect();
    let created = runners.iter().map(|(name, at)| (name.as_str(), *at));
    let repos = state.ledger.repositories(created);
    let of = |name: &RunnerName| repos.get(name.as_str()).map(|repo| (*repo).clone());
    runners.into_keys().filter_map(|name| Some((name.clone(), of(name)?))).collect()
}

#[cfg(test)]
mod tests;
