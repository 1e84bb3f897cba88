//! The words both services speak.
//!
//! | module | what |
//! |---|---|
//! | [`name`] | [`RunnerName`](name::RunnerName): one name for runner, registration and container |
//! | [`scope`] | [`Scope`](scope::Scope): where a runner registers; [`RepoSlug`](scope::RepoSlug), [`Login`](scope::Login) |
//! | [`label`] | [`Label`](label::Label), [`LabelSet`](label::LabelSet) and the matching rule |
//! | [`runner`] | [`RunnerState`](runner::RunnerState): the lifecycle |
//! | [`identity`] | [`RunnerIdentity`](identity::RunnerIdentity): what a machine carries about its runner; [`BackendName`](identity::BackendName) |
//! | [`machine`], [`registration`], [`job`], [`repository`] | what backends and GitHub list; [`material`]: what runners are made from
//! | [`pool`] | [`PoolSpec`](pool::PoolSpec): a policy for identical runners; [`quantity`]: sizes as people write them |
//! | [`image`] | [`ImageName`](image::ImageName): image names by Docker's grammar |
//! | [`api`] | requests and answers of the HTTP interface, with their validation |
//! | [`lenient`] | reading what GitHub sends so that one odd value spoils nothing beside it |
//! | [`webhook`] | GitHub's webhooks: the signature, and what a payload says that matters here |
//! | [`clock`] | where "now" comes from
//! | [`problem`] | RFC 9457 errors |
//! | [`foreign_text`] | text from outside, cut, cleaned and redacted where it enters; [`clean`]: what editors leave in settings |
//! | [`loopback`] | names and addresses of this machine itself; [`host`]: the names a service answers to |
//!
//! Invariant: this crate knows neither Docker nor, beyond webhooks, GitHub's wire format. A value of one of its types is valid:
//! constructors are fallible, and nothing behind them checks again.

pub mod api;
pub mod backend;
pub mod clean;
pub mod clock;
pub mod foreign_text;
pub mod host;
pub mod identity;
pub mod image;
pub mod job;
pub mod label;
pub mod lenient;
pub mod loopback;
pub mod machine;
pub mod material;
pub mod name;
pub mod pool;
pub mod problem;
pub mod quantity;
pub mod registration;
pub mod repository;
pub mod runner;
pub mod scope;
pub mod webhook;

/// The version of this build, as in `/health` and in the image labels: `MAYFLY_VERSION` at build time, else the package's.
pub const VERSION: &str = match option_env!("MAYFLY_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
