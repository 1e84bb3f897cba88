//! The functional core: decides everything, does nothing.
//!
//! [`plan`] turns what was [`Observed`] into [`Action`]s. No `async`, no clock, no I/O, no random numbers: time and fresh names
//! come in as values, so every decision is a table row in a test. A test below reads these sources and fails if that changes.
//!
//! | module | decides |
//! |---|---|
//! | [`lifecycle`] | which state a runner is in |
//! | [`policy`] | what holds for all decisions, pool by pool |
//! | [`choice`] | which pools a job is for |
//! | [`matching`] | which queued jobs a runner is there or on its way for |
//! | [`backoff`] | how long a scope waits after failures |
//! | [`cadence`] | when to look again |
//! | [`room`] | how many more runners fit |
//! | [`pull`] | what a pull policy means for an image |
//! | [`ratio`] | the autoscaling policy of that name |
//! | [`plan`] | what to do |

mod action;
pub mod backoff;
pub mod cadence;
pub mod choice;
pub mod lifecycle;
pub mod matching;
mod observed;
mod plan;
pub mod policy;
pub mod pull;
pub mod ratio;
pub mod room;

pub use action::{Action, Launch, Refusal, RequestId};
pub use observed::{Image, ImageSeen, Listing, Memory, Observed, Sight, Sighting, Wish};
pub use plan::{Cause, Plan, Unmet, Verdict, Waiting, plan};
pub use policy::{Caps, Policy, PoolPolicy};
pub use room::Cap;

#[cfg(test)]
mod tests {
    #[test]
    fn the_core_stays_pure() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scaling");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue; // tests
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for word in [
                "async ",
                "tokio",
                "bollard",
                "reqwest",
                "axum",
                "Timestamp::now",
                "Instant::now",
                "std::fs",
                "std::env",
                "uuid",
            ] {
                assert!(!source.contains(word), "{} must not use `{word}`", path.display());
            }
        }
    }
}
