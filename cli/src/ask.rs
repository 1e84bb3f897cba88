//! How a command of the gateway runs: open it, ask, print.

use crate::failure::Failure;
use crate::gateway::{Connection, Gateway};
use crate::print::{ExitStatus, Output, Printer};

/// Opens the gateway, has `act` ask it, and prints the outcome.
pub(crate) async fn gateway(
    connection: &Connection,
    act: impl AsyncFnOnce(&Gateway) -> Result<Output, Failure>,
) -> ExitStatus {
    let outcome = match Gateway::open(connection) {
        Ok(gateway) => act(&gateway).await,
        Err(failure) => Err(failure),
    };
    Printer::new(connection.format).finish(outcome)
}
