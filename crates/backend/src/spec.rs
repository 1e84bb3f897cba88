//! What a backend needs to create a machine.

use mayfly_common::identity::RunnerIdentity;
use mayfly_common::material::Profile;

use crate::bootstrap::Bootstrap;

/// What a backend needs to create a machine. An operator's variables may hold credentials of their own: no `Debug`.
pub struct MachineSpec {
    /// The facts that the machine carries about its runner.
    pub identity: RunnerIdentity,
    /// What gets the runner to GitHub.
    pub bootstrap: Bootstrap,
    /// The command that replaces the image's own.
    pub command: Option<Vec<String>>,
    /// The confinement of the machine.
    pub profile: Profile,
    /// The other variables that the machine's main process gets.
    pub environment: Vec<(String, String)>,
}
