//! What a backend needs to create a machine.

use mayfly_common::identity::RunnerIdentity;
use mayfly_common::material::Profile;

/// What a backend needs to create a machine. The environment may hold credentials: no `Debug`.
pub struct MachineSpec {
    /// The facts that the machine carries about its runner.
    pub identity: RunnerIdentity,
    /// The command that replaces the image's own.
    pub command: Option<Vec<String>>,
    /// The confinement of the machine.
    pub profile: Profile,
    /// The variables that the machine's main process gets.
    pub environment: Vec<(String, String)>,
}
