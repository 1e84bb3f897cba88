//! Which repositories have jobs for us: a catalogue of repositories, kept fresh with few requests.

mod catalog;
pub mod workflow;

pub use catalog::{Catalog, Known, may_need_us};
