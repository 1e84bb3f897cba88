//! What commands print, and their exit codes.
//!
//! | module | what |
//! |---|---|
//! | `colours` | the one place that knows whether there are colours |
//! | `exit_status` | how a command ended |
//! | `streams` | standard output and standard error, where nothing is lost unnoticed |
//! | `printer` | the one place that knows `--json` |
//! | `outcome` | the outcome of a command, for people and for programs |
//! | `table` | tables that fit the terminal, and how times are written |
//! | `progress` | what a person who waits looks at, on standard error |

mod colours;
mod exit_status;
#[cfg(feature = "platform")]
mod outcome;
mod printer;
#[cfg(feature = "platform")]
mod progress;
mod streams;
#[cfg(feature = "platform")]
mod table;

pub(crate) use self::colours::Colours;
pub(crate) use self::exit_status::ExitStatus;
#[cfg(feature = "platform")]
pub(crate) use self::outcome::Output;
pub(crate) use self::printer::{Format, Printer};
#[cfg(feature = "platform")]
pub(crate) use self::progress::Progress;
pub(crate) use self::streams::{complain, out, written};
#[cfg(feature = "platform")]
pub(crate) use self::table::{ago, moment, pairs, plain, span, table};
