//! Repositories that are not served any more, and what a 404 says of one.

use jiff::Timestamp;
use mayfly_common::scope::{RepoSlug, Scope};

use super::Catalog;

/// A repository that is not served any more, or not under this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The name that it had.
    pub repo: RepoSlug,
    /// What became of it.
    pub how: Loss,
}

/// What became of a repository, or of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Listings have one of its name: it is not served, but it is there.
    Unserved,
    /// There is none of that name any more.
    Gone,
}

/// What a 404 for the jobs of a repository says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobsNotFound {
    /// Listings have it: the credential may lack a right, and its jobs may be there. `ask`: true if the listing that tells whether it
    /// is there is to be read in the next pass.
    Hidden {
        /// True for the first 404 in a row.
        ask: bool,
    },
    /// It is gone, and so are its jobs.
    Gone(Lost),
}

impl Catalog {
    /// A repository that was lost just now.
    pub(super) fn lost(&self, repo: RepoSlug) -> Lost {
        let listed = self.lists(&Scope::Repo(repo.clone()));
        Lost { repo, how: if listed { Loss::Unserved } else { Loss::Gone } }
    }

    /// GitHub answers 404 for the workflow folder of a repository. `listed`: whether the listing of this check has it; none if that
    /// ended before. Answers with the repository if it is gone.
    pub fn folder_not_found(
        &mut self,
        repo: &RepoSlug,
        listed: Option<bool>,
        now: Timestamp,
    ) -> Option<Lost> {
        match listed {
            Some(true) => self.hidden(repo, now),
            // A whole listing tells whether it is gone. It stays due.
            None => self.distrust(),
            Some(false) => {
                self.gone(repo);
                return Some(Lost { repo: repo.clone(), how: Loss::Gone });
            }
        }
        None
    }

    /// GitHub answers 404 for the jobs of a repository.
    pub fn jobs_not_found(&mut self, repo: &RepoSlug, now: Timestamp) -> JobsNotFound {
        if let Some(times) = self.jobs_hidden(repo, now) {
            return JobsNotFound::Hidden { ask: times == 1 };
        }
        self.distrust();
        JobsNotFound::Gone(Lost { repo: repo.clone(), how: Loss::Gone })
    }

    /// A webhook describes a repository as one that is not served. Answers whether it was: then the listing that tells is to be read
    /// at once.
    pub fn heard_unserved(&mut self, repo: &RepoSlug) -> bool {
        let served = self.serves(repo);
        if served {
            self.distrust();
        }
        served
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::repository::{Coverage, Depth, Repository};

    use super::*;
    use crate::filter::Filter;
    use crate::lifecycle::tests::at;

    fn slug(text: &str) -> RepoSlug {
        RepoSlug::parse(text).unwrap()
    }

    fn repository(id: i64, name: &str, archived: bool) -> Repository {
        Repository {
            id,
            slug: slug(name),
            pushed_at: None,
            private: Some(true),
            fork: false,
            archived,
            disabled: false,
        }
    }

    /// A catalogue that has listed `o/a`, and one that is not served.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let listing = [repository(1, "o/a", false), repository(2, "o/old", true)];
        catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
        catalog
    }

    #[test]
    fn a_repository_that_is_lost_is_gone_unless_one_of_its_name_is_listed() {
        let (unserved, gone) = (Some(Loss::Unserved), Some(Loss::Gone));
        let other = || repository(2, "o/old", true);
        // What is listed next, whether that is all, and what becomes of `o/a`.
        let rows = [
            (vec![repository(1, "o/a", false), other()], Coverage::Whole, None),
            (vec![repository(1, "o/a", true)], Coverage::Part, unserved),
            (vec![repository(1, "o/new", false)], Coverage::Part, gone),
            (vec![repository(1, "o/new", true)], Coverage::Part, gone),
            // Another one has its name now.
            (
                vec![repository(1, "o/new", false), repository(3, "o/a", false)],
                Coverage::Part,
                unserved,
            ),
            (vec![other()], Coverage::Part, None),
            (vec![other()], Coverage::Whole, gone),
        ];
        for (listing, coverage, expected) in rows {
            let mut catalog = catalog();
            let filter = Filter::default();
            let mut lost = catalog.listed(&listing, coverage, &filter, at(1));
            lost.extend(catalog.listed(&listing, coverage, &filter, at(2)));
            let expected = expected.map(|how| Lost { repo: slug("o/a"), how });
            assert_eq!(lost, Vec::from_iter(expected), "{listing:?} {coverage:?}");
        }
    }

    #[test]
    fn a_folder_that_is_not_found_means_what_the_listing_says() {
        let gone = || Some(Lost { repo: slug("o/a"), how: Loss::Gone });
        let rows = [
            (Some(true), None, Depth::Recent, true, 1),
            (None, None, Depth::Whole, true, 0),
            (Some(false), gone(), Depth::Recent, false, 0),
        ];
        for (listed, expected, depth, serves, problems) in rows {
            let mut catalog = catalog();
            assert_eq!(catalog.folder_not_found(&slug("o/a"), listed, at(1)), expected);
            assert_eq!(catalog.depth(at(2)), depth, "{listed:?}");
            assert_eq!(catalog.serves(&slug("o/a")), serves, "{listed:?}");
            assert_eq!(catalog.problems().len(), problems, "{listed:?}");
        }
    }

    #[test]
    fn jobs_that_are_not_found_are_hidden_if_the_repository_is_known() {
        let mut catalog = catalog();
        let hidden = |ask| JobsNotFound::Hidden { ask };
        for ask in [true, false, false] {
            assert_eq!(catalog.jobs_not_found(&slug("o/a"), at(1)), hidden(ask));
        }
        catalog.polled(&slug("o/a"), at(2));
        assert_eq!(catalog.jobs_not_found(&slug("o/a"), at(3)), hidden(true));
        let mut catalog = self::catalog();
        let gone = Lost { repo: slug("o/x"), how: Loss::Gone };
        assert_eq!(catalog.jobs_not_found(&slug("o/x"), at(1)), JobsNotFound::Gone(gone));
        assert_eq!(catalog.depth(at(1)), Depth::Whole);
    }

    #[test]
    fn what_is_described_as_not_served_is_looked_at_if_it_is_served() {
        for (repo, expected) in [("o/a", true), ("o/old", false), ("o/x", false)] {
            let mut catalog = catalog();
            assert_eq!(catalog.heard_unserved(&slug(repo)), expected, "{repo}");
            let depth = if expected { Depth::Whole } else { Depth::Recent };
            assert_eq!(catalog.depth(at(1)), depth, "{repo}");
        }
    }
}
