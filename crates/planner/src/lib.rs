//! The functional core: decides everything, does nothing.
//!
//! [`plan`] turns what was [`Observed`] into [`Action`]s. No `async`, no clock, no I/O, no random numbers: time and fresh names
//! come in as values, so every decision is a table row in a test. The crate's own dependencies and `tests/purity.rs` hold that.
//!
//! | module | decides |
//! |---|---|
//! | [`lifecycle`] | which state a runner is in |
//! | [`left_runners`] | what is told of runners whose machines vanished while no orchestrator ran |
//! | [`naming`] | which names are ours |
//! | `memory` | what one pass remembers for the next |
//! | `sighting` | what earlier passes saw of one runner |
//! | `github_view` | what GitHub says of our runners |
//! | `request` | what the API asks for, and why it is refused |
//! | [`agenda`] | which repositories are asked for jobs, and which jobs then count |
//! | [`policy`] | what holds for all decisions, pool by pool |
//! | [`pool_choice`] | which pools a job is for |
//! | [`matching`] | which queued jobs a runner is there or on its way for |
//! | [`not_assigned`] | which queued jobs GitHub does not assign to a runner that is there |
//! | [`backoff`] | how long a scope waits after failures |
//! | [`cadence`] | when to look again |
//! | [`capacity`] | how many more runners fit |
//! | [`image_pull`] | what a pull policy means for an image |
//! | [`ratio`] | the autoscaling policy of that name |
//! | [`plan`] | what to do |
//! | [`catalog`] | which repositories have jobs for us, and what must be read next |
//! | [`filter`] | which repositories are served |
//! | [`ledger`] | every job known, whichever way it was learnt |
//! | [`explain`] | why a job waits, in words |
//! | [`snapshot`] | what a pass leaves behind for people to look at |
//! | [`uninstall`] | what is left of an installation that drains |
//! | [`gone_places`] | what GitHub's 404 for the runners of a place means |

mod action;
pub mod agenda;
pub mod backoff;
pub mod cadence;
pub mod capacity;
pub mod catalog;
pub mod explain;
pub mod filter;
mod github_view;
pub mod gone_places;
pub mod image_pull;
pub mod ledger;
pub mod left_runners;
pub mod lifecycle;
pub mod matching;
mod memory;
pub mod naming;
pub mod not_assigned;
mod observed;
mod plan;
pub mod policy;
pub mod pool_choice;
pub mod ratio;
mod request;
mod sighting;
pub mod snapshot;
pub mod uninstall;

pub use action::{Action, IfBusy, Launch};
pub use capacity::{CapacityLimit, Counted};
pub use github_view::{Listing, Sight};
pub use memory::{Clash, Memory, Stray};
pub use observed::{Group, Image, ImageKey, ImageSeen, Observed};
pub use plan::{Batch, Cause, Plan, Unassigned, Unmet, Verdict, Waiting, batches, plan};
pub use policy::{BackendCaps, Caps, Policy, PoolPolicy};
pub use pool_choice::wants_group;
pub use request::{ApiRequest, Refusal, RequestId};
pub use sighting::Sighting;
