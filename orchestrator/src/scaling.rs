//! The functional core: decides everything, does nothing.
//!
//! [`plan`] turns what was [`Observed`] into [`Action`]s. No `async`, no clock, no I/O, no random numbers: time and fresh names
//! come in as values, so every decision is a table row in a test. A test below reads these sources and fails if that changes.
//!
//! | module | decides |
//! |---|---|
//! | [`lifecycle`] | which state a runner is in |
//! | [`naming`] | which names are ours |
//! | `memory` | what one pass remembers for the next |
//! | [`policy`] | what holds for all decisions, pool by pool |
//! | [`choice`] | which pools a job is for |
//! | [`matching`] | which queued jobs a runner is there or on its way for |
//! | [`assignment`] | which queued jobs GitHub does not assign to a runner that is there |
//! | [`backoff`] | how long a scope waits after failures |
//! | [`cadence`] | when to look again |
//! | [`room`] | how many more runners fit |
//! | [`pull`] | what a pull policy means for an image |
//! | [`ratio`] | the autoscaling policy of that name |
//! | [`plan`] | what to do |

mod action;
pub mod assignment;
pub mod backoff;
pub mod cadence;
pub mod choice;
pub mod lifecycle;
pub mod matching;
mod memory;
pub mod naming;
mod observed;
mod plan;
pub mod policy;
pub mod pull;
pub mod ratio;
pub mod room;

pub use action::{Action, Launch, Refusal, RequestId, SameName};
pub use choice::has_groups;
pub use memory::{Clash, Memory, Sighting, Stray};
pub use observed::{Group, Image, ImageSeen, Listing, Observed, Sight, Wish};
pub use plan::{Cause, Plan, Unassigned, Unmet, Verdict, Waiting, plan};
pub use policy::{Caps, Policy, PoolPolicy};
pub use room::Cap;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// All that decides, by files and folders of `src`.
    const CORE: [&str; 9] = [
        "scaling.rs",
        "scaling",
        "ledger.rs",
        "ledger",
        "discovery.rs",
        "discovery",
        "explain.rs",
        "explain",
        "model.rs",
    ];

    /// What a decision may not use: other tasks, the clock, the network, the disk, the environment, chance, the log.
    const IMPURE: [&str; 18] = [
        "async ",
        ".await",
        "tokio",
        "futures",
        "bollard",
        "reqwest",
        "axum",
        "rusqlite",
        "Timestamp::now",
        "Instant::now",
        "SystemTime",
        "std::fs",
        "std::env",
        "std::net",
        "std::thread",
        "uuid",
        "rand::",
        "tracing",
    ];

    fn sources(at: &Path, found: &mut Vec<PathBuf>) {
        if at.is_dir() {
            for entry in std::fs::read_dir(at).unwrap() {
                sources(&entry.unwrap().path(), found);
            }
        } else if at.extension().is_some_and(|extension| extension == "rs") {
            found.push(at.to_owned());
        }
    }

    #[test]
    fn the_core_stays_pure() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        for part in CORE {
            assert!(src.join(part).exists(), "{part}");
            sources(&src.join(part), &mut files);
        }
        for nested in ["scaling/plan/jobs.rs", "discovery/workflow/expression/parse.rs"] {
            assert!(files.contains(&src.join(nested)), "{nested} is not read");
        }
        for path in files {
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for word in IMPURE {
                assert!(!code.contains(word), "{} must not use `{word}`", path.display());
            }
        }
    }
}
