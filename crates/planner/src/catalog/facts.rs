//! How repositories stand, as the catalogue knows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mayfly_common::scope::{RepoSlug, Scope};

use super::{Catalog, Known, RepoFact};
use crate::filter::Refusal;

impl Catalog {
    /// True if the last listing that tells has the repository, or one of the organisation.
    pub fn lists(&self, scope: &Scope) -> bool {
        let listed = |id: &i64| self.known.get(id).is_some_and(|known| known.missed == 0);
        match scope {
            Scope::Repo(repo) => self.ids.get(repo).is_some_and(listed),
            _ => self.ids.iter().any(|(repo, id)| scope.covers(repo) && listed(id)),
        }
    }

    /// How many repositories are served.
    pub fn served(&self) -> usize {
        self.known.values().filter(|known| known.refused.is_none()).count()
    }

    /// How each repository stands.
    pub fn facts(&self, now: Timestamp) -> BTreeMap<RepoSlug, RepoFact> {
        let relevant: BTreeSet<RepoSlug> = self.relevant(now).into_iter().collect();
        let fact = |known: &Known| match &known.refused {
            Some(why) => RepoFact::Refused(why.to_string()),
            None if known.read.is_none() => RepoFact::Unread,
            None if known.jobs_hidden.is_some() => RepoFact::JobsHidden,
            None if relevant.contains(&known.slug) => RepoFact::Asked,
            None => RepoFact::NoJobs,
        };
        self.known.values().map(|known| (known.slug.clone(), fact(known))).collect()
    }

    /// The repositories that are not served, each with the reason.
    pub fn unserved(&self) -> BTreeMap<RepoSlug, Refusal> {
        let refused = |known: &Known| Some((known.slug.clone(), known.refused?));
        self.known.values().filter_map(refused).collect()
    }

    /// How many repositories are not served, by the reason.
    pub fn refused(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for reason in self.known.values().filter_map(|known| known.refused) {
            *reasons.entry(reason.to_string()).or_default() += 1;
        }
        reasons
    }
}
