//! Gathers what a pass decides on. An error of one part is a problem of that part: the rest is seen all the same.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::PassReport;
use mayfly_common::name::RunnerName;
use mayfly_common::scope::{RepoSlug, Scope};

use super::handle::Request;
use super::{Reconciler, State, name_prefix};
use crate::backend::BackendError;
use crate::github::{DiscoveryMode, GitHubError};
use crate::model::QueuedJob;
use crate::scaling::{Listing, Observed, RequestId, Wish};

/// Readings of GitHub that are under way at a time; GitHub allows 100 requests (docs: "Rate limits for the REST API").
const CONCURRENT: usize = 8;

/// How soon a check that GitHub did not wholly answer is repeated, where the interval is longer.
const RETRY_CHECK: SignedDuration = SignedDuration::from_secs(30);

impl Reconciler {
    /// Looks at everything that is due.
    ///
    /// Errors: the engine cannot be asked. Without it nothing can be concluded.
    pub(super) async fn observe(
        &self,
        state: &mut State,
        requests: &[Request],
        instance: &str,
        report: &mut PassReport,
    ) -> Result<Observed, BackendError> {
        let instances = self.backend.list().await?;
        let now = self.clock.now();
        let urged = requests.iter().any(|request| matches!(request, Request::Cleanup { .. }));
        let check = self.config.auto_create && (urged || now >= state.next_check);
        if check {
            self.discover(state, now, report).await;
            state.next_check = after(now, self.config.check_interval);
        }
        let used: BTreeSet<Scope> =
            instances.iter().map(|instance| instance.scope.clone()).collect();
        let sweep = urged || now >= state.next_sweep;
        let scopes = if sweep { self.scopes_to_sweep(state, &used) } else { used.clone() };
        state.scopes.extend(used);
        let registrations = self.registrations(&scopes, report).await;
        if sweep {
            state.next_sweep = after(now, self.config.purge_interval);
        }
        // After the registrations: a job that is taken in between is not seen as waiting beside a busy runner.
        let jobs_complete = if self.config.auto_create {
            self.read_jobs(state, &registrations, check, report).await
        } else {
            true
        };
        if check && report.github_error.is_some() {
            state.next_check = after(now, self.config.check_interval.min(RETRY_CHECK));
        }
        let image = self.image.look(&*self.backend, now).await?;
        Ok(Observed {
            jobs: state.jobs.values().flatten().cloned().collect(),
            jobs_complete,
            image,
            wishes: wishes(requests),
            fresh_names: self.fresh_names(instance),
            held_back: state.backoff.held_back(now),
            memory: state.memory.clone(),
            instances,
            registrations,
        })
    }

    /// Brings the catalogue up to date. What cannot be read keeps its last known state and is tried again.
    async fn discover(&self, state: &mut State, now: Timestamp, report: &mut PassReport) {
        let listing = match self.github.repositories(&self.config.github.discovery).await {
            Ok(listing) => listing,
            Err(error) => {
                return trouble(report, "repositories cannot be listed", &error);
            }
        };
        let outdated = state.catalog.stale(&listing, now);
        let read = outdated
            .into_iter()
            .map(async |repo| (self.github.workflow_files(&repo.slug).await, repo));
        let mut results = stream::iter(read).buffer_unordered(CONCURRENT);
        while let Some((files, repo)) = results.next().await {
            match files {
                Ok(files) => {
                    report.problems.extend(state.catalog.learn(
                        &repo,
                        &files,
                        &self.config.runner.labels,
                        now,
                    ));
                }
                Err(error) => {
                    trouble(report, &format!("{}: workflows cannot be read", repo.slug), &error)
                }
            }
        }
        let known: BTreeSet<&RepoSlug> = state.catalog.relevant().collect();
        state.jobs.retain(|repo, _| known.contains(repo));
    }

    /// Everywhere a registration of ours may be: where we have runners or had them, and where we would start them. That finds
    /// what a crash between registering and creating left.
    fn scopes_to_sweep(&self, state: &State, used: &BTreeSet<Scope>) -> BTreeSet<Scope> {
        let mut scopes: BTreeSet<Scope> = state.scopes.union(used).cloned().collect();
        scopes.extend(state.catalog.relevant().cloned().map(Scope::Repo));
        if let DiscoveryMode::Organization(org) = &self.config.github.discovery {
            scopes.insert(Scope::Org(org.clone()));
        }
        scopes
    }

    async fn registrations(
        &self,
        scopes: &BTreeSet<Scope>,
        report: &mut PassReport,
    ) -> BTreeMap<Scope, Listing> {
        let asked = scopes.clone().into_iter().map(async |scope: Scope| {
            let listed = self.github.registrations(&scope).await;
            (scope, listed)
        });
        let mut listings = BTreeMap::new();
        let mut results = stream::iter(asked).buffer_unordered(CONCURRENT);
        while let Some((scope, result)) = results.next().await {
            let listing = match result {
                Ok(list) => Listing::Known(list),
                Err(error) => {
                    trouble(report, &format!("{scope}: runners cannot be listed"), &error);
                    Listing::Unknown
                }
            };
            listings.insert(scope, listing);
        }
        listings
    }

    /// Reads the queued jobs of all relevant repositories, or, between checks, of those where something is going on.
    /// Answers whether everything could be read.
    async fn read_jobs(
        &self,
        state: &mut State,
        registrations: &BTreeMap<Scope, Listing>,
        all: bool,
        report: &mut PassReport,
    ) -> bool {
        let has_runners = |repo: &RepoSlug| registrations.keys().any(|scope| scope.covers(repo));
        let repos: Vec<RepoSlug> = state
            .catalog
            .relevant()
            .filter(|repo| all || has_runners(repo) || state.jobs.contains_key(*repo))
            .cloned()
            .collect();
        let asked =
            repos.into_iter().map(async |repo| (self.github.queued_jobs(&repo).await, repo));
        let mut complete = true;
        let mut results = stream::iter(asked).buffer_unordered(CONCURRENT);
        while let Some((result, repo)) = results.next().await {
            match result {
                Ok(jobs) => remember(&mut state.jobs, repo, jobs),
                // The repository is gone; so are its jobs.
                Err(GitHubError::NotFound) => drop(state.jobs.remove(&repo)),
                Err(error) => {
                    trouble(report, &format!("{repo}: jobs cannot be read"), &error);
                    // Jobs seen earlier may be served by now: rather too few runners for a moment than too many. The
                    // entry stays, so that the repository is asked again soon.
                    state.jobs.insert(repo, Vec::new());
                    complete = false;
                }
            }
        }
        complete
    }

    /// More names than one plan can need.
    fn fresh_names(&self, instance: &str) -> Vec<RunnerName> {
        let prefix = name_prefix(instance);
        let name = |_| {
            let random = uuid::Uuid::new_v4().simple().to_string();
            RunnerName::parse(&format!("{prefix}{}", &random[..12])).ok()
        };
        (0..self.config.runner.max).filter_map(name).collect()
    }
}

/// Notes what GitHub did not tell.
fn trouble(report: &mut PassReport, what: &str, error: &GitHubError) {
    report.github_error.get_or_insert_with(|| error.to_string());
    report.problems.push(format!("{what}: {error}"));
}

/// Keeps the jobs of a repository only while there are some: what is kept is asked again soon.
fn remember(jobs: &mut BTreeMap<RepoSlug, Vec<QueuedJob>>, repo: RepoSlug, found: Vec<QueuedJob>) {
    if found.is_empty() {
        jobs.remove(&repo);
    } else {
        jobs.insert(repo, found);
    }
}

fn wishes(requests: &[Request]) -> Vec<(RequestId, Wish)> {
    (0..).zip(requests).filter_map(|(id, request)| Some((id, request.wish()?))).collect()
}

fn after(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.saturating_add(span).unwrap_or(Timestamp::MAX)
}
