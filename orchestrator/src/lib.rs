//! The internal service.
pub mod model;
pub mod scaling;
