//! Which repositories have jobs for us: a catalogue of repositories, kept fresh with few requests.
//!
//! | module | what |
//! |---|---|
//! | `catalog` | what is known of each repository, and what must be read next |
//! | [`filter`] | which repositories are served |
//! | [`workflow`] | what a workflow file asks for |
//!
//! Pure: texts and lists in, answers out.

mod catalog;
pub mod filter;
pub mod workflow;

pub use catalog::{Catalog, RepoFact};
