//! A second look before a removal: somebody may have started the machine since it was seen not to run.

use mayfly_backend::{Backend as _, BackendError};
use mayfly_common::machine::{Machine, MachineRef, Phase};
use mayfly_planner::IfBusy;

use super::{Actor, Outcome};

impl Actor {
    /// Says why the removal of a machine is not carried out; `None` if it is. A machine stays that did not run when it was seen and runs
    /// now, unless somebody insists on its removal, and one whose state the backend does not tell.
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
        if !stood || if_busy == IfBusy::Remove {
            return Ok(false);
        }
        let backend = &self.backends.of(&machine.backend)?.actions;
        Ok(backend.get(machine).await?.as_ref().is_some_and(runs))
    }
}
