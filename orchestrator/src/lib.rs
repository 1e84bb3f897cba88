//! The internal service.
pub mod backend;
pub mod clock;
pub mod github;
pub mod model;
pub mod scaling;
