//! When GitHub is asked for what, and where registrations of ours are looked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::Scope;

use crate::cadence::CheckWait;
use crate::ledger::Hearing;

/// Places without a runner of ours that one sweep looks at. Each costs a request, if mostly an unchanged one.
const SWEPT_AT_A_TIME: usize = 20;
/// How long to wait after a pass that could not see any machine.
const RETRY_BLIND: SignedDuration = SignedDuration::from_secs(5);

/// When GitHub is next asked, and what is remembered of earlier looks. All of it may vanish: then everything is looked at once more.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Scopes in which there may be registrations of ours.
    pub scopes: BTreeSet<Scope>,
    /// Scopes where a name that we want is taken, and until when they are looked at for it.
    pub contested: BTreeMap<Scope, Timestamp>,
    /// When the other places were last looked at for registrations.
    pub swept: BTreeMap<Scope, Timestamp>,
    /// When repositories and jobs were last asked for.
    pub checked_at: Timestamp,
    /// How long after that they are asked for again.
    pub check_wait: CheckWait,
    /// When registrations are next looked for where no runner is.
    pub next_sweep: Timestamp,
    /// When GitHub was last asked about runners.
    pub last_look: Timestamp,
    /// True if a webhook told of something that the catalogue does not know yet.
    pub news: bool,
    /// Checks at which jobs were asked for.
    pub checks: u64,
}

/// Nothing was looked at yet: everything is due.
impl Default for Schedule {
    fn default() -> Self {
        Self {
            scopes: BTreeSet::new(),
            contested: BTreeMap::new(),
            swept: BTreeMap::new(),
            checked_at: Timestamp::MIN,
            check_wait: CheckWait::fixed(SignedDuration::ZERO),
            next_sweep: Timestamp::MIN,
            last_look: Timestamp::MIN,
            news: false,
            checks: 0,
        }
    }
}

/// Who wants a look now, whatever the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urge {
    /// Nobody.
    None,
    /// A clean-up was asked for, or pools changed.
    Some,
    /// Nothing of ours may be left anywhere.
    Everywhere,
}

/// What a pass looks at, apart from what is in motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// All repositories and jobs.
    pub check: bool,
    /// Repositories that a webhook told of.
    pub news: bool,
    /// Registrations where no runner is, too: in so many places where nothing of ours is known.
    pub sweep: Option<usize>,
}

/// Where registrations of ours can be.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Where runners of ours are.
    pub used: BTreeSet<Scope>,
    /// Where registrations without a machine were seen that are to go.
    pub watched: BTreeSet<Scope>,
    /// Where a name is asked for: somebody may have it.
    pub named: BTreeSet<Scope>,
    /// What the configuration and the pools name.
    pub configured: BTreeSet<Scope>,
    /// Where runners would be started for jobs.
    pub others: Vec<Scope>,
}

impl Schedule {
    /// What is due in a pass at `now`. `interval`: between two sweeps; `checks`: true if jobs are asked for at all.
    pub fn due(
        &mut self,
        urge: Urge,
        (checks, interval): (bool, SignedDuration),
        hearing: Hearing,
        now: Timestamp,
    ) -> Due {
        let urged = urge > Urge::None;
        // What is left behind is found by a sweep: nobody waits for jobs.
        let wanted = urge == Urge::Some;
        let check = checks && (wanted || now >= self.next_check(hearing, now));
        let news = std::mem::take(&mut self.news) && checks;
        // A sweep that lies further ahead than one interval was planned before the clock was set back.
        let sweep =
            urged || now >= self.next_sweep || self.next_sweep.duration_since(now) > interval;
        let places = if urge == Urge::Everywhere { usize::MAX } else { SWEPT_AT_A_TIME };
        Due { check, news, sweep: sweep.then_some(places) }
    }

    /// The scopes whose registrations are looked at; `sweep`: how many of those where nothing of ours is known, the longest unswept
    /// first. In time that finds what a crash between registering and creating left anywhere.
    pub fn scopes_to_list(
        &mut self,
        places: Places,
        sweep: Option<usize>,
        now: Timestamp,
    ) -> BTreeSet<Scope> {
        let Places { used, watched, named, configured, others } = places;
        self.contested.retain(|_, until| *until > now);
        let mut scopes: BTreeSet<Scope> = used.clone();
        scopes.extend(self.contested.keys().cloned());
        if let Some(most) = sweep {
            scopes.extend(self.scopes.iter().cloned());
            scopes.extend(configured);
            let mut others: Vec<Scope> =
                others.into_iter().filter(|scope| !scopes.contains(scope)).collect();
            others.sort_by_key(|scope| self.swept.get(scope).copied());
            self.swept.retain(|scope, _| others.contains(scope));
            others.truncate(most);
            self.swept.extend(others.iter().map(|scope| (scope.clone(), now)));
            scopes.extend(others);
        } else {
            scopes.extend(watched);
        }
        scopes.extend(named);
        self.scopes.extend(used);
        scopes
    }

    /// True if GitHub may be asked about what is in motion: always, unless little is left of the hour's requests; then `pace` is the
    /// time between two such looks.
    pub fn may_look(&self, pace: Option<SignedDuration>, now: Timestamp) -> bool {
        pace.is_none_or(|pace| now >= after(self.last_look, pace))
    }

    /// GitHub is asked about runners at `now`.
    pub fn looks(&mut self, now: Timestamp) {
        self.last_look = now;
    }

    /// Registrations were looked for everywhere that is due; `interval`: to the next time.
    pub fn has_swept(&mut self, interval: SignedDuration, now: Timestamp) {
        self.next_sweep = after(now, interval);
    }

    /// Repositories and jobs were asked for.
    pub fn has_checked(&mut self, wait: CheckWait, now: Timestamp) {
        (self.checked_at, self.check_wait) = (now, wait);
    }

    /// Repositories and jobs are asked for as soon as can be.
    pub fn check_soon(&mut self) {
        self.check_wait = CheckWait::fixed(SignedDuration::ZERO);
    }

    /// When GitHub is next asked for repositories and jobs.
    pub fn next_check(&self, hearing: Hearing, now: Timestamp) -> Timestamp {
        self.check_wait.next(self.checked_at, hearing, now)
    }

    /// The next check at which jobs are asked for, by its number.
    pub fn count_check(&mut self) -> u64 {
        self.checks += 1;
        self.checks
    }

    /// A pass could not see any machine. Not at once again: the backend is away, or its socket is not ours to open.
    pub fn was_blind(&mut self, now: Timestamp) {
        self.has_checked(CheckWait::fixed(RETRY_BLIND), now);
        self.next_sweep = after(now, RETRY_BLIND);
    }

    /// A name that we want is taken in `scope`: it is looked at for long enough to see an unused registration stay offline for `timeout`.
    pub fn contest(&mut self, scope: &Scope, timeout: SignedDuration, now: Timestamp) {
        self.contested.insert(scope.clone(), after(now, timeout.saturating_mul(2)));
    }

    /// A scope is gone.
    pub fn forget(&mut self, scope: &Scope) {
        self.scopes.remove(scope);
        self.contested.remove(scope);
    }
}

fn after(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn scopes(texts: &[&str]) -> BTreeSet<Scope> {
        texts.iter().map(|text| scope(text)).collect()
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_follows_the_clock_and_whoever_urges() {
        let minute = seconds(60);
        let none = Due { check: false, news: false, sweep: None };
        let all = Due { check: true, news: true, sweep: Some(20) };
        // The next check and the next sweep, in seconds; who urges; whether jobs are asked for, and whether there is news.
        let rows = [
            ((100, 30), Urge::None, true, false, none),
            ((100, 30), Urge::None, true, true, Due { news: true, ..none }),
            ((100, 30), Urge::None, false, true, none),
            ((0, 30), Urge::None, true, false, Due { check: true, ..none }),
            ((0, 30), Urge::None, false, false, none),
            ((100, 0), Urge::None, true, false, Due { sweep: Some(20), ..none }),
            // It was planned before the clock was set back.
            ((100, 61), Urge::None, true, false, Due { sweep: Some(20), ..none }),
            ((100, 60), Urge::None, true, false, none),
            ((100, 30), Urge::Some, true, true, all),
            ((100, 30), Urge::Some, false, true, Due { check: false, news: false, ..all }),
            (
                (100, 30),
                Urge::Everywhere,
                true,
                true,
                Due { check: false, sweep: Some(usize::MAX), ..all },
            ),
            (
                (0, 30),
                Urge::Everywhere,
                true,
                false,
                Due { news: false, sweep: Some(usize::MAX), ..all },
            ),
        ];
        for ((check, sweep), urge, checks, news, expected) in rows {
            let mut schedule = Schedule { news, next_sweep: at(sweep), ..Schedule::default() };
            schedule.has_checked(CheckWait::fixed(seconds(check)), at(0));
            let found = schedule.due(urge, (checks, minute), Hearing::default(), at(0));
            assert_eq!(found, expected, "{check} {sweep} {urge:?} {checks} {news}");
            assert!(!schedule.news, "it is told once");
        }
        let first = Schedule::default().due(Urge::None, (true, minute), Hearing::default(), at(0));
        assert_eq!(first, Due { news: false, ..all });
    }

    #[test]
    fn a_sweep_looks_where_runners_are_were_or_are_to_be_the_longest_unswept_first() {
        let places = || Places {
            used: scopes(&["repo:o/is"]),
            watched: scopes(&["repo:o/watched"]),
            named: scopes(&["repo:o/named"]),
            configured: scopes(&["org:o"]),
            others: ["repo:o/a", "repo:o/b", "repo:o/is", "repo:o/c"].map(scope).into(),
        };
        let mut schedule = Schedule::default();
        schedule.scopes.insert(scope("repo:o/was"));
        schedule.contest(&scope("repo:o/contested"), seconds(5), at(0));
        let fixed = ["repo:o/is", "repo:o/named", "repo:o/contested"];
        let found = schedule.scopes_to_list(places(), None, at(1));
        assert_eq!(found, scopes(&[&fixed[..], &["repo:o/watched"]].concat()));
        assert_eq!(schedule.scopes, scopes(&["repo:o/was", "repo:o/is"]));
        let swept = [&fixed[..], &["repo:o/was", "org:o"]].concat();
        for (second, others) in
            [(2, "repo:o/a repo:o/b"), (3, "repo:o/c repo:o/a"), (4, "repo:o/b repo:o/a")]
        {
            let found = schedule.scopes_to_list(places(), Some(2), at(second));
            let others: Vec<&str> = others.split(' ').collect();
            assert_eq!(found, scopes(&[&swept[..], &others[..]].concat()), "{second}");
        }
        // Its time is over after ten seconds.
        let found = schedule.scopes_to_list(places(), Some(0), at(10));
        assert!(!found.contains(&scope("repo:o/contested")) && found.contains(&scope("org:o")));
        schedule.forget(&scope("repo:o/was"));
        let found = schedule.scopes_to_list(places(), Some(0), at(11));
        assert!(!found.contains(&scope("repo:o/was")));
    }

    #[test]
    fn with_little_left_of_the_hour_s_requests_looks_are_apart() {
        let mut schedule = Schedule::default();
        schedule.looks(at(0));
        assert!(schedule.may_look(None, at(0)));
        assert!(!schedule.may_look(Some(seconds(100)), at(99)));
        assert!(schedule.may_look(Some(seconds(100)), at(100)));
    }

    #[test]
    fn after_a_blind_pass_everything_is_due_again_in_five_seconds() {
        let mut schedule = Schedule::default();
        schedule.was_blind(at(0));
        let due = |schedule: &Schedule, second| {
            let mut schedule = schedule.clone();
            schedule.due(Urge::None, (true, seconds(60)), Hearing::default(), at(second))
        };
        assert_eq!(due(&schedule, 4), Due { check: false, news: false, sweep: None });
        assert_eq!(due(&schedule, 5), Due { check: true, news: false, sweep: Some(20) });
        schedule.has_swept(seconds(60), at(5));
        schedule.has_checked(CheckWait::fixed(seconds(30)), at(5));
        assert_eq!(due(&schedule, 34), Due { check: false, news: false, sweep: None });
        assert_eq!(due(&schedule, 35), Due { check: true, news: false, sweep: None });
        assert_eq!(due(&schedule, 65), Due { check: true, news: false, sweep: Some(20) });
        schedule.has_checked(CheckWait::fixed(seconds(30)), at(40));
        schedule.check_soon();
        assert!(due(&schedule, 40).check);
        assert_eq!([schedule.count_check(), schedule.count_check()], [1, 2]);
    }
}
