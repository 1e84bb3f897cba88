//! Asking GitHub once more for what it could not deliver.
//!
//! What is due is decided by [`mayfly_github::redelivery`]; [`Redeliverer`] asks. Invariant: a hook that we may not read is left alone
//! for a day.

mod act;
mod timer;

pub use act::{Redeliverer, RoundReport};
pub use timer::run;
