//! Why no name of a pool with numbered names is free.

use std::fmt;

use jiff::Timestamp;
use mayfly_common::foreign_text;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::Scope;

/// Most holders that the words name one by one.
const NAMED: usize = 3;

/// Who has the names of a pool in a scope: all of its names are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesTaken {
    /// The pool.
    pub pool: PoolName,
    /// Where its runner would be registered.
    pub scope: Scope,
    /// Who has each name, by its number.
    pub holders: Vec<Holder>,
    /// True if registrations without a machine are deleted at all (`GITHUB_CLEANUP_ENABLED`).
    pub cleans: bool,
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A machine of ours has it, or is about to.
    Machine,
    /// A registration without a machine of ours, by its own spelling of the name.
    Registration(String, Presence),
}

/// How GitHub lists a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It runs a job.
    Busy,
    /// It is online.
    Online,
    /// It is offline.
    Offline {
        /// Since when, as far as is known.
        since: Option<Timestamp>,
        /// When its name may be used, if it stays offline.
        until: Option<Timestamp>,
    },
}

impl NamesTaken {
    /// The registrations that have names, each with how it is listed.
    pub fn registrations(&self) -> impl Iterator<Item = (&str, Presence)> {
        self.holders.iter().filter_map(|holder| match holder {
            Holder::Machine => None,
            Holder::Registration(name, presence) => Some((name.as_str(), *presence)),
        })
    }

    /// What helps.
    pub fn remedy(&self) -> String {
        let (pool, scope) = (&self.pool, &self.scope);
        let more = format!("raise the pool's max (mayfly pool show {pool})");
        let Some((first, _)) = self.registrations().next() else { return more };
        let moment = |(name, presence)| match presence {
            Presence::Offline { until: Some(until), .. } => Some((until, name)),
            _ => None,
        };
        match self.registrations().filter_map(moment).min() {
            Some((until, name)) => format!(
                "the name {name} is used from {until:.0} on if its registration stays offline; sooner: delete it at GitHub among the runners of {scope}, or {more}"
            ),
            None if !self.cleans => format!(
                "GITHUB_CLEANUP_ENABLED=false keeps such registrations: delete {first} at GitHub among the runners of {scope}, or {more}"
            ),
            None => format!(
                "stop what runs as {first}, or give the pool a name_prefix of its own, or {more}"
            ),
        }
    }
}

impl fmt::Display for NamesTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every name of pool {} is taken", self.pool)?;
        let all = self.registrations().count();
        for (index, (name, presence)) in self.registrations().take(NAMED).enumerate() {
            let name = foreign_text::name(name);
            let before = if index == 0 { ": at GitHub in" } else { ";" };
            if index == 0 {
                write!(f, "{before} {}, {name} {presence}", self.scope)?;
            } else {
                write!(f, "{before} {name} {presence}")?;
            }
        }
        if all > NAMED {
            write!(f, "; and {} more", all - NAMED)?;
        }
        match self.holders.len() - all {
            0 => Ok(()),
            own if all == 0 => write!(f, " by its own runners ({own})"),
            own => write!(f, "; its own runners have {own}"),
        }
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("runs a job"),
            Self::Online => f.write_str("is online"),
            Self::Offline { since: None, .. } => f.write_str("is offline"),
            Self::Offline { since: Some(since), .. } => write!(f, "is offline since {since:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::at;

    fn taken(holders: Vec<Holder>) -> NamesTaken {
        let (pool, scope) = (PoolName::parse("desk").unwrap(), "repo:o/r".parse().unwrap());
        NamesTaken { pool, scope, holders, cleans: true }
    }

    #[test]
    fn who_has_the_names_and_what_helps_is_said() {
        let of = |name: &str, presence| Holder::Registration(name.to_owned(), presence);
        let offline = |since, until| Presence::Offline { since: Some(at(since)), until };
        let (three, nine) = (at(3), at(9));
        let rows = [
            (
                vec![Holder::Machine; 2],
                "every name of pool desk is taken by its own runners (2)".to_owned(),
                "raise the pool's max (mayfly pool show desk)".to_owned(),
            ),
            (
                vec![of("Desk-1", Presence::Online), Holder::Machine],
                "every name of pool desk is taken: at GitHub in repo:o/r, Desk-1 is online; its own runners have 1".to_owned(),
                "stop what runs as Desk-1, or give the pool a name_prefix of its own, or raise the pool's max (mayfly pool show desk)".to_owned(),
            ),
            (
                vec![of("desk-1", Presence::Busy), of("desk-2", offline(3, Some(nine)))],
                format!("every name of pool desk is taken: at GitHub in repo:o/r, desk-1 runs a job; desk-2 is offline since {three}"),
                format!("the name desk-2 is used from {nine} on if its registration stays offline; sooner: delete it at GitHub among the runners of repo:o/r, or raise the pool's max (mayfly pool show desk)"),
            ),
            (
                (1..=5).map(|number| of(&format!("desk-{number}"), Presence::Busy)).collect(),
                "every name of pool desk is taken: at GitHub in repo:o/r, desk-1 runs a job; desk-2 runs a job; desk-3 runs a job; and 2 more".to_owned(),
                "stop what runs as desk-1, or give the pool a name_prefix of its own, or raise the pool's max (mayfly pool show desk)".to_owned(),
            ),
        ];
        for (presence, words) in [
            (Presence::Busy, "runs a job"),
            (Presence::Online, "is online"),
            (Presence::Offline { since: None, until: None }, "is offline"),
        ] {
            assert_eq!(presence.to_string(), words);
        }
        let three = (1..=3).map(|number| of(&format!("desk-{number}"), Presence::Online));
        let words = taken(three.collect()).to_string();
        assert!(words.ends_with("desk-3 is online"), "{words}");
        for (holders, words, remedy) in rows {
            let taken = taken(holders);
            assert_eq!((taken.to_string(), taken.remedy()), (words, remedy));
        }
        let (first, second) = (offline(1, Some(nine)), offline(2, Some(at(5))));
        let remedy = taken(vec![of("desk-1", first), of("desk-2", second)]).remedy();
        let soonest = format!("the name desk-2 is used from {} on", at(5));
        assert!(remedy.starts_with(&soonest), "{remedy}");
        let kept = NamesTaken { cleans: false, ..taken(vec![of("desk-1", offline(3, None))]) };
        assert!(
            kept.remedy().starts_with("GITHUB_CLEANUP_ENABLED=false keeps"),
            "{}",
            kept.remedy()
        );
    }
}
