//! What the daemons share at run time.
//!
//! | module | what |
//! |---|---|
//! | [`mod@env`] | reading configuration so that every mistake is reported at once |
//! | [`telemetry`], [`traces`] | logs; spans (feature `traces`) |
//! | `problem` | problems as HTTP answers (feature `http`) |
//! | [`health`] | the check a container runs on itself; [`exposition`]: the text formats of metrics |
//! | [`descriptors`] | how many files and sockets a process may have open |
//! | [`shutdown`] | the signals that end a service; `stopping`: what it answers from then on (feature `http`) |

pub mod descriptors;
pub mod env;
pub mod exposition;
pub mod health;
#[cfg(feature = "http")]
pub mod problem;
pub mod shutdown;
#[cfg(feature = "http")]
pub mod stopping;
pub mod telemetry;
pub mod traces;
