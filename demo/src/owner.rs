//! Which process a demo belongs to, and whether that lives. Written on what the demo makes, so that another demo can tell.
//!
//! Invariant: only a process that is certainly gone is called so. A process id alone proves nothing: it is used again, and another
//! machine or container counts its own.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process, so that no other has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The machine (`/etc/machine-id`); may be empty.
    machine: String,
    /// The boot of its kernel.
    boot: String,
    /// The namespace in which its id counts.
    namespace: String,
    pid: i32,
    /// When it was started, in ticks since the boot.
    started: u64,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Alive,
    Gone,
    /// It is on another machine, or in another container.
    OutOfSight,
}

/// True if the engine is on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnginePlace {
    ThisMachine,
    Elsewhere,
}

impl Owner {
    /// This process.
    ///
    /// Errors: `/proc` cannot be read.
    pub(super) fn this_process() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let namespace = fs::read_link("/proc/self/ns/pid")?.to_string_lossy().into_owned();
        Ok(Self {
            machine: fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().to_owned(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            namespace: namespace.chars().filter(char::is_ascii_digit).collect(),
            pid,
            started: Stat::read(Path::new("/proc/self/stat"))?.started,
        })
    }

    /// Reads what [`Owner`] writes; `None`: somebody else wrote it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut next = || parts.next().map(str::to_owned);
        let owner = Self {
            machine: next()?,
            boot: next()?,
            namespace: next()?,
            pid: next()?.parse().ok()?,
            started: next()?.parse().ok()?,
        };
        next().is_none().then_some(owner)
    }

    /// True if it lives, as `this` process can tell.
    pub(super) fn fate(&self, this: &Self, engine: EnginePlace) -> Fate {
        if self.boot != this.boot {
            // What an earlier boot of this machine left on its own engine.
            let before = engine == EnginePlace::ThisMachine
                && !self.machine.is_empty()
                && self.machine == this.machine;
            return if before { Fate::Gone } else { Fate::OutOfSight };
        }
        if self.namespace != this.namespace {
            return Fate::OutOfSight;
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return Fate::Gone };
        match test_kill_process(pid) {
            Err(Errno::SRCH) => Fate::Gone,
            // Where processes of others are hidden, its age cannot be told: rather alive.
            _ => match Stat::read(Path::new(&format!("/proc/{}/stat", self.pid))) {
                Ok(found) if found.has_ended || found.started != self.started => Fate::Gone,
                _ => Fate::Alive,
            },
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, boot, namespace, pid, started } = self;
        write!(f, "{machine}/{boot}/{namespace}/{pid}/{started}")
    }
}

/// What `/proc/PID/stat` tells (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// It only waits for its parent to ask for its end (the state `Z` or `X`).
    has_ended: bool,
    /// The field `starttime`.
    started: u64,
}

impl Stat {
    fn read(path: &Path) -> io::Result<Self> {
        let stat = Self::parse(&fs::read_to_string(path)?);
        stat.ok_or_else(|| io::Error::other("no state and start time"))
    }

    /// The second field, the program's name, may hold blanks and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        Some(Self { has_ended, started: fields.nth(18)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: EnginePlace = EnginePlace::ThisMachine;

    #[test]
    fn an_owner_is_read_as_it_was_written() {
        let this = Owner::this_process().unwrap();
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        for wrong in ["", "a/b/c/d/e", "a/b/c/1", "a/b/c/1/2/3"] {
            assert_eq!(Owner::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_process_that_only_waits_to_be_asked_for_has_ended() {
        let rows =
            [("R", false), ("S", false), ("D", false), ("T", false), ("Z", true), ("X", true)];
        for (state, has_ended) in rows {
            let text = format!(
                "7 (a ) Z (b) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"
            );
            assert_eq!(Stat::parse(&text), Some(Stat { has_ended, started: 4711 }), "{state}");
        }
        for wrong in
            ["", "7 (a", "7 (a) Z", "7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"]
        {
            assert_eq!(Stat::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_process_that_is_certainly_gone_is_called_so() {
        let this = Owner::this_process().unwrap();
        assert_eq!(this.fate(&this, HERE), Fate::Alive);
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let stat = format!("/proc/{pid}/stat");
        let started = Stat::read(Path::new(&stat)).unwrap().started;
        let of_child = Owner { pid, started, ..this.clone() };
        assert_eq!(of_child.fate(&this, HERE), Fate::Alive);
        let earlier = Owner { started: of_child.started - 1, ..of_child.clone() };
        assert_eq!(earlier.fate(&this, HERE), Fate::Gone, "its number was used again");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of_child.fate(&this, HERE), Fate::Gone);

        let elsewhere = Owner { namespace: "1".to_owned(), ..of_child.clone() };
        assert_eq!(elsewhere.fate(&this, HERE), Fate::OutOfSight);
        let this = Owner { machine: "m".to_owned(), ..this };
        let boot = |machine: &str| Owner {
            boot: "before".to_owned(),
            machine: machine.to_owned(),
            ..of_child.clone()
        };
        assert_eq!(boot("m").fate(&this, HERE), Fate::Gone);
        assert_eq!(boot("m").fate(&this, EnginePlace::Elsewhere), Fate::OutOfSight);
        assert_eq!(boot("n").fate(&this, HERE), Fate::OutOfSight);
        let nameless = Owner { machine: String::new(), ..this };
        assert_eq!(boot("").fate(&nameless, HERE), Fate::OutOfSight);
    }
}
