//! GitHub over HTTP from a plain [`World`](world::World): what the platform needs of it, for tests and for people
//! without an account.
//!
//! | module | what |
//! |---|---|
//! | [`world`] | accounts, repositories, runs, jobs, runners as data, and the verbs that change them |
//! | [`Sim`] | a world behind HTTP listeners |
//! | [`Checked`] | the same for tests: panics at its end if the world's history breaks a rule of GitHub's |
//! | [`clock`] | time that a test can move |
//! | [`demo`] | three repositories with workflows, for demonstrations |
//! | [`runner_image`] | a root file system with the simulated runner, for `docker import` |
//! | `conformance` | checks against GitHub's own OpenAPI description (feature `conformance`) |
//!
//! Invariant: this crate is never a dependency of a production service, only of tests, of the demonstration and of its own
//! program.

mod checked;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod demo;
mod http;
pub mod names;
pub mod runner_image;
mod sim;
pub mod world;

pub use checked::Checked;
pub use clock::Clock;
pub use http::faults::{Effect, Fault, FaultKind};
pub use http::observed::{Counters, Recorded, RouteCount};
pub use http::shared::WorldGuard;
pub use sim::{Sim, SimConfig};
