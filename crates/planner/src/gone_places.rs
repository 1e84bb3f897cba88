//! Places whose runners GitHub answers with 404 when it is asked for them.
//!
//! A repository that was deleted answers so, and one that the credential may not see any more. A 404 that lasts, of a place that no list
//! of repositories has, counts like a list without runners: the registrations there are gone.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::machine::Machine;
use mayfly_common::pool::PoolScope;
use mayfly_common::scope::{RepoSlug, Scope};

use crate::catalog::Catalog;
use crate::github_view::Listing;

/// How long GitHub must answer 404, and nothing else, before the registrations of a place count as gone.
///
/// A credential that may not see a repository any more is answered the same, while the jobs there go on: time enough to notice it.
pub const GONE_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// The number of such answers that it takes at least: passes may be minutes apart.
pub const GONE_ANSWERS: u32 = 3;

/// The answers 404 for a place, without another one in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFound {
    /// When the first one came.
    pub since: Timestamp,
    /// The number of them.
    pub answers: u32,
}

/// What a 404 says of the runners of `scope`: nothing, as long as lists of repositories have the place, since the credential may lack
/// a right. Enterprises are in no such list.
pub fn listing(scope: &Scope, catalog: &Catalog) -> Listing {
    match scope {
        Scope::Enterprise(_) => Listing::Unknown,
        Scope::Repo(_) | Scope::Org(_) if catalog.lists(scope) => Listing::Unknown,
        Scope::Repo(_) | Scope::Org(_) => Listing::NotFound,
    }
}

/// True if somebody counts on the runners of a repository for which GitHub answers 404: a machine is registered there, a pool names it,
/// or it is served. Any other is gone, and there is nothing more to look for.
pub fn is_needed<'a>(
    repo: &RepoSlug,
    machines: &[Machine],
    mut named: impl Iterator<Item = &'a PoolScope>,
    catalog: &Catalog,
) -> bool {
    let scope = Scope::Repo(repo.clone());
    machines.iter().any(|machine| machine.scope == scope)
        || named.any(|place| matches!(place, PoolScope::One(place) if *place == scope))
        || catalog.serves(repo)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mayfly_common::repository::{Coverage, Repository};

    use super::*;
    use crate::filter::Filter;
    use crate::github_view::Sight;
    use crate::lifecycle::tests::{at, machine, policy};
    use crate::observed::Observed;
    use mayfly_common::machine::Phase;

    const RUNNING: Phase = Phase::Running { working: Some(true) };

    type Tied<'a> = (&'a str, &'a [Machine], &'a [PoolScope], Catalog, bool);
    type Answers = (&'static str, Vec<(i64, Listing)>, bool);

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn catalog(repos: &[&str], archived: bool) -> Catalog {
        let mut catalog = Catalog::default();
        let repository = |(id, name): (usize, &&str)| Repository {
            id: i64::try_from(id).unwrap(),
            slug: RepoSlug::parse(name).unwrap(),
            private: Some(true),
            fork: false,
            archived,
            disabled: false,
            pushed_at: None,
        };
        let listed: Vec<Repository> = repos.iter().enumerate().map(repository).collect();
        catalog.listed(&listed, Coverage::Whole, &Filter::default(), at(0));
        catalog
    }

    #[test]
    fn a_404_says_nothing_of_what_lists_of_repositories_have() {
        let known = catalog(&["o/r"], true);
        let rows = [
            ("repo:o/r", Listing::Unknown),
            ("repo:o/other", Listing::NotFound),
            ("org:o", Listing::Unknown),
            ("org:other", Listing::NotFound),
            ("enterprise:o", Listing::Unknown),
        ];
        for (place, expected) in rows {
            assert_eq!(listing(&scope(place), &known), expected, "{place}");
        }
        // The next whole list has it no more.
        let mut later = known;
        later.listed(&[], Coverage::Whole, &Filter::default(), at(10));
        assert_eq!(listing(&scope("repo:o/r"), &later), Listing::NotFound);
    }

    #[test]
    fn a_repository_is_needed_by_a_machine_a_pool_or_for_its_jobs() {
        let (repo, one) = (RepoSlug::parse("o/r").unwrap(), |text| PoolScope::One(scope(text)));
        let machine = machine("a1", RUNNING);
        let mut elsewhere = machine.clone();
        elsewhere.identity.scope = scope("repo:o/other");
        let (none, served) = (|| catalog(&[], false), || catalog(&["o/r"], false));
        let rows: [Tied<'_>; 7] = [
            ("nobody", &[], &[], none(), false),
            ("machine", std::slice::from_ref(&machine), &[], none(), true),
            ("other machine", &[elsewhere], &[], none(), false),
            ("named", &[], &[PoolScope::Discovered, one("repo:o/r")], none(), true),
            ("organisation named", &[], &[PoolScope::Discovered, one("org:o")], none(), false),
            ("served", &[], &[], served(), true),
            ("refused", &[], &[], catalog(&["o/r"], true), false),
        ];
        for (what, machines, named, catalog, expected) in rows {
            assert_eq!(is_needed(&repo, machines, named.iter(), &catalog), expected, "{what}");
        }
    }

    #[test]
    fn a_registration_is_gone_once_github_has_answered_404_and_nothing_else_for_six_hours() {
        use Listing::{NotFound, Unasked, Unknown};
        let whole = || Listing::Known(Vec::new());
        let listed =
            || Listing::Known(vec![crate::lifecycle::tests::registered(1, "a1", true, true)]);
        let rows: [Answers; 9] = [
            ("a list without it", vec![(0, whole())], true),
            ("long enough", vec![(0, NotFound), (300, NotFound), (21_600, NotFound)], true),
            ("not long enough", vec![(0, NotFound), (300, NotFound), (21_599, NotFound)], false),
            ("one", vec![(0, NotFound)], false),
            ("two, far apart", vec![(0, NotFound), (99_999, NotFound)], false),
            (
                "not asked in between",
                vec![(0, NotFound), (300, NotFound), (400, Unasked), (21_600, NotFound)],
                true,
            ),
            (
                "an error in between",
                vec![(0, NotFound), (300, NotFound), (400, Unknown), (21_600, NotFound)],
                false,
            ),
            (
                "listed in between",
                vec![(0, NotFound), (300, NotFound), (400, listed()), (21_600, NotFound)],
                false,
            ),
            (
                "the clock was set back",
                vec![(30_000, NotFound), (30_050, NotFound), (0, NotFound), (21_599, NotFound)],
                false,
            ),
        ];
        let machine = machine("a1", RUNNING);
        for (what, answers, gone) in rows {
            let mut seen = Observed::default();
            for (second, listing) in answers {
                seen = Observed {
                    machines: vec![machine.clone()],
                    registrations: BTreeMap::from([(machine.scope.clone(), listing)]),
                    memory: seen.memory,
                    ..Observed::default()
                }
                .remember(&policy(), at(second));
            }
            let expected = if gone { Sight::Absent } else { Sight::Unknown };
            assert_eq!(seen.sight_of(&machine), expected, "{what}");
            let since = seen.memory.of(&machine).jobless_since;
            assert_eq!(since.is_some(), gone, "{what}");
        }
    }
}
