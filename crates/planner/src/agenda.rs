//! What a pass asks GitHub for, and which of the jobs that are known then count.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::job::QueuedJob;
use mayfly_common::scope::{RepoSlug, Scope};

use crate::catalog::Catalog;
use crate::github_view::Listing;
use crate::ledger::Ledger;
use crate::memory::Memory;

pub use schedule::{Due, Places, Schedule, Urge};

/// Which of the repositories that may have jobs for us are asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All: it is a check.
    All,
    /// Those where something is going on that no webhook tells of, between two checks.
    InMotion,
}

/// What is known before GitHub is asked.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The repositories.
    pub catalog: &'a Catalog,
    /// The jobs.
    pub ledger: &'a Ledger,
    /// What passes remember.
    pub memory: &'a Memory,
    /// The scopes where runners of ours are, or may be.
    pub registrations: &'a BTreeMap<Scope, Listing>,
}

impl Known<'_> {
    /// The repositories that are asked for their queued jobs. Between checks these are the ones where runners are or jobs wait that no
    /// webhook tells of, and those with a job that webhooks told of and that should have begun: a delivery may be lost.
    pub fn repositories_to_poll(&self, extent: Extent, now: Timestamp) -> Vec<RepoSlug> {
        let Self { catalog, ledger, memory, registrations } = *self;
        let healthy = ledger.hearing().is_healthy(now);
        let waiting = ledger.waiting_in();
        let mut repos = catalog.relevant(now);
        let relevant: BTreeSet<&RepoSlug> = repos.iter().collect();
        let more = waiting.keys().filter(|repo| !relevant.contains(repo) && catalog.serves(repo));
        let more: Vec<RepoSlug> = more.cloned().collect();
        repos.extend(more);
        if extent == Extent::All {
            return repos;
        }
        let doubtful: BTreeSet<&RepoSlug> = memory
            .assignments()
            .filter(|known| known.confirm_at().is_some_and(|at| at <= now))
            .map(|known| &known.repo)
            .collect();
        let lost = ledger.news_lost(now);
        repos.retain(|repo| {
            let told = waiting.get(repo).copied();
            let runs = || registrations.keys().any(|scope| scope.covers(repo));
            let doubted = told.is_some() && (doubtful.contains(repo) || lost.contains(repo));
            catalog.may_ask_for_jobs(repo, now)
                && (told == Some(false) || doubted || (!healthy && (told.is_some() || runs())))
        });
        repos
    }
}

/// The queued jobs that runners are started for. `polled`: the repositories whose jobs were read just now.
///
/// A job that was only seen in an earlier list may have a runner by now, so it does not count: a runner that comes later is better than one
/// that nobody needs.
pub fn jobs_that_count(
    catalog: &Catalog,
    ledger: &Ledger,
    polled: &BTreeSet<RepoSlug>,
) -> Vec<QueuedJob> {
    ledger.queued(|row| {
        (row.told_at.is_some() || polled.contains(&row.repo))
            && catalog.serves(&row.repo)
            && !ledger.is_unsure(row.id)
    })
}

/// True if no job can wait where GitHub answers 404 for the jobs: not all repositories are asked in each pass.
pub fn are_all_shown(catalog: &Catalog, ledger: &Ledger) -> bool {
    !ledger.waiting_in().keys().any(|repo| catalog.hides_jobs(repo))
}

#[cfg(test)]
mod tests {
    use mayfly_common::job::QueuedJobs;
    use mayfly_common::label::LabelSet;
    use mayfly_common::repository::{Coverage, Repository};
    use mayfly_common::webhook::{EventJob, JobStatus};

    use super::*;
    use crate::filter::Filter;
    use crate::ledger::tests::event;
    use crate::ledger::{Fact, Ran, Worker};
    use crate::lifecycle::tests::at;

    fn slug(name: &str) -> RepoSlug {
        RepoSlug::parse(name).unwrap()
    }

    /// A catalogue that serves the first of these repositories, and has one more that is archived.
    fn catalog(served: &[&str]) -> Catalog {
        let repository = |(id, name): (i64, &&str)| Repository {
            id,
            slug: slug(name),
            pushed_at: None,
            private: Some(true),
            fork: false,
            archived: *name == "o/old",
            disabled: false,
        };
        let listing: Vec<Repository> =
            (1..).zip(served.iter().chain(&["o/old"])).map(repository).collect();
        let mut catalog = Catalog::default();
        catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
        catalog
    }

    fn told(id: i64) -> EventJob {
        event(id, JobStatus::Queued)
    }

    fn found(id: i64, repo: &str) -> QueuedJobs {
        let found = QueuedJob {
            id,
            repo: slug(repo),
            name: "build".to_owned(),
            labels: LabelSet::requested(["self-hosted"]),
            labels_unread: false,
            queued_at: at(0),
        };
        QueuedJobs { list: vec![found], whole: true, taken: vec![] }
    }

    #[test]
    fn between_checks_repositories_are_asked_where_webhooks_do_not_tell() {
        use Extent::{All, InMotion};
        let mut catalog = catalog(&["o/told", "o/found", "o/quiet"]);
        // All of them may have jobs for us.
        for id in 1..=3 {
            assert!(catalog.heard_job(id, at(0)));
        }
        let (mut ledger, memory) = (Ledger::default(), Memory::default());
        ledger.told(&slug("o/told"), &told(1), at(0));
        ledger.told(&slug("o/old"), &told(9), at(0));
        ledger.polled(&slug("o/found"), &found(2, "o/found"), at(0), at(0));
        let asked = |catalog: &Catalog, ledger: &Ledger, heard, places: &[&str], extent| {
            let places = places.iter().map(|place| (place.parse().unwrap(), Listing::Unasked));
            let registrations = &places.collect();
            let mut ledger = ledger.clone();
            if heard {
                ledger.apply(Fact::Delivered, at(59));
            }
            let known = Known { catalog, ledger: &ledger, memory: &memory, registrations };
            let repos = known.repositories_to_poll(extent, at(60));
            let mut repos: Vec<String> = repos.iter().map(ToString::to_string).collect();
            repos.sort();
            repos.join(" ")
        };
        let quiet = &["repo:o/quiet"][..];
        let rows = [
            (false, &[][..], InMotion, "o/found o/told"),
            (false, quiet, InMotion, "o/found o/quiet o/told"),
            (false, &[], All, "o/found o/quiet o/told"),
            (true, quiet, InMotion, "o/found"),
            (true, quiet, All, "o/found o/quiet o/told"),
        ];
        for (heard, places, extent, expected) in rows {
            let found = asked(&catalog, &ledger, heard, places, extent);
            assert_eq!(found, expected, "{heard} {places:?} {extent:?}");
        }
        // A runner ended after a job that nobody knows: what waits may be that one.
        let worker = Worker {
            runner: "r-1".to_owned(),
            pool: "ci".to_owned(),
            scope: "org:o".parse().unwrap(),
            created_at: at(0),
        };
        ledger.ran(&Ran { worker, job: None, result: None, started_at: None }, at(10));
        assert_eq!(asked(&catalog, &ledger, true, &[], InMotion), "o/found o/told");
        // Where the answer is 404, not every time.
        catalog.jobs_not_found(&slug("o/found"), at(59));
        assert_eq!(asked(&catalog, &ledger, true, &[], InMotion), "o/told");
        assert_eq!(asked(&catalog, &ledger, true, &[], All), "o/found o/quiet o/told");
    }

    #[test]
    fn a_job_counts_that_was_told_of_or_read_just_now_where_it_is_served() {
        let mut catalog = catalog(&["o/told", "o/found", "o/before", "o/unsure"]);
        let mut ledger = Ledger::default();
        ledger.told(&slug("o/told"), &told(1), at(0));
        ledger.told(&slug("o/old"), &told(2), at(0));
        for (id, repo) in [(3, "o/found"), (4, "o/before"), (5, "o/unsure")] {
            ledger.polled(&slug(repo), &found(id, repo), at(0), at(0));
        }
        // It is missing in a list that could not be read in full.
        ledger.polled(&slug("o/unsure"), &QueuedJobs::default(), at(50), at(0));
        let polled = ["o/found", "o/unsure", "o/old"].map(slug).into();
        let jobs = jobs_that_count(&catalog, &ledger, &polled);
        assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [1, 3]);
        assert!(are_all_shown(&catalog, &ledger));
        catalog.jobs_not_found(&slug("o/before"), at(1));
        assert!(!are_all_shown(&catalog, &ledger));
    }
}
