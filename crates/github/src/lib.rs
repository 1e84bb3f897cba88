//! GitHub, as the orchestrator needs it: registrations, repositories, workflow files, queued jobs.
//!
//! Facts are from GitHub's REST documentation: "Self-hosted runners", "Workflow runs", "Workflow jobs", "Repositories",
//! "Repository contents", "Rate limits for the REST API", "Best practices for using the REST API".
//!
//! | module | what |
//! |---|---|
//! | [`client`](GitHubClient) | one request: leave to send it, conditional requests, retries, errors |
//! | [`budget`] | every limit of every account, and who may spend what is left (pure) |
//! | `identity` | who we are: a token, or an App and its installations |
//! | `app` | an App's key, its JSON Web Tokens, installation tokens |
//! | [`Transport`] | what carries requests: TLS, proxies, redirects, time-outs |
//! | `registration` | runners: list, register, deregister |
//! | `repositories`, `workflows`, `jobs`, `origin` | what there is, what it says, what waits, where that comes from |
//! | [`hooks`] | webhooks and their deliveries |
//! | [`redelivery`] | which failed deliveries are asked for once more (pure) |
//! | `graphql` | many questions in one request |
//! | `call`, `page`, `held`, `refusal` | a request's address, its pages, its earlier answer, its refusal |
//! | `traffic` | what was sent, counted |
//! | `oddities` | what could not be read in its lists |
//! | [`checkup`] | what the credential is and can do, in words |
//! | `wire` | GitHub's JSON, converted here and known nowhere else |

mod app;
pub mod budget;
mod by_scope;
mod call;
pub mod checkup;
mod client;
mod credential;
mod error;
mod graphql;
mod held;
pub mod hooks;
mod identity;
mod installations;
mod jobs;
mod oddities;
mod origin;
mod page;
pub mod redelivery;
mod refusal;
mod registration;
mod repositories;
mod runs;
#[cfg(test)]
mod stand_in;
mod traffic;
mod transport;
mod waiting_runs;
mod wire;
mod workflows;

pub use app::{AppKey, KeyError};
pub use client::{GitHubClient, GitHubSettings};
pub use credential::{AppCredential, Credential};
pub use error::GitHubError;
pub use identity::Installation;
pub use jobs::Look;
pub use origin::Origin;
pub use registration::{Deregistered, JitConfig, Runners};
pub use repositories::{DiscoveryMode, Listed};
pub use runs::HeldStatus;
pub use traffic::Traffic;
pub use transport::{NoAnswer, RedirectedTo, Transport, TransportError, certificates};
