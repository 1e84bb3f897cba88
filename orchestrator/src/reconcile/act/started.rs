//! Whether a machine still stands that is to be removed because it did: somebody may have started it since it was seen.

use mayfly_backend::{Backend as _, BackendError};
use mayfly_common::machine::{Machine, MachineRef, Phase};
use mayfly_planner::IfBusy;

use super::{Actor, Outcome};

impl Actor {
    /// What comes of the removal of a machine, where it is not carried out: the machine runs by now, though it did not when it was seen,
    /// and nobody insists on its end; or that cannot be told.
    pub(super) async fn put_off(
        &self,
        seen: Option<&Machine>,
        machine: &MachineRef,
        if_busy: IfBusy,
    ) -> Option<Outcome> {
        match self.was_started(seen, machine, if_busy).await {
            Ok(false) => None,
            Ok(true) => Some(Outcome::Runs),
            Err(error) => Some(Outcome::Failed(error.into())),
        }
    }

    async fn was_started(
        &self,
        seen: Option<&Machine>,
        machine: &MachineRef,
        if_busy: IfBusy,
    ) -> Result<bool, BackendError> {
        let runs = |one: &Machine| matches!(one.phase, Phase::Running { .. });
        let stood = seen.is_some_and(|one| one.reference() == *machine && !runs(one));
        Ok(stood && if_busy == IfBusy::Keep && self.backend.runs(machine).await?)
    }
}
