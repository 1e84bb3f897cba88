//! tmp
pub mod clock;
pub mod world;
