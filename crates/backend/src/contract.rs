//! What every backend must hold, as tests that each one runs: the one in memory in this crate, the others on what they drive.
//!
//! A check panics where a backend breaks its promise.

use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Machine, MachineRef};
use secrecy::SecretString;

use crate::bootstrap::Bootstrap;
use crate::spec::MachineSpec;
use crate::{Backend, BackendError, identity};

/// A credential that must not be readable anywhere afterwards.
const SECRET: &str = "the-contract-s-secret";

/// Checks the life of a machine. `spec` makes the same specification each time, of a machine that runs until it is removed; `later`
/// is the same backend after a restart of the process. No other machine may be there.
///
/// # Panics
///
/// Where the backend breaks its promise.
pub async fn a_machine_lives_once(
    backend: &dyn Backend,
    later: &dyn Backend,
    spec: impl Fn() -> MachineSpec,
) {
    let spec = || {
        let secret: SecretString = SECRET.into();
        MachineSpec { bootstrap: Bootstrap::new([("SECRET".to_owned(), secret)]), ..spec() }
    };
    // Created twice, it is there once; and again after a kill.
    succeeds("create", backend.create(&spec()).await);
    let made = only(backend).await;
    succeeds("create again", backend.create(&spec()).await);
    succeeds("create again after a restart", later.create(&spec()).await);
    let adopted = only(later).await;
    assert_eq!(made.reference(), adopted.reference(), "the same machine");
    let RunnerIdentity { image_id, .. } = adopted.identity.clone();
    assert_eq!(adopted.identity, RunnerIdentity { image_id, ..spec().identity }, "in full");
    assert!(!format!("{adopted:?}").contains(SECRET), "its credential is readable in the list");
    let carried = identity::encode(&adopted.identity);
    assert!(carried.values().all(|value| !value.contains(SECRET)), "it carries its credential");

    // Its name is its own.
    let created_at = made.created_at + jiff::SignedDuration::from_secs(1);
    let other = RunnerIdentity { created_at, ..spec().identity };
    let taken = backend.create(&MachineSpec { identity: other, ..spec() }).await;
    assert!(matches!(taken, Err(BackendError::NameTaken(_))), "{taken:?}");

    // Nothing is done to another machine of the same name.
    let another = MachineRef { id: format!("{}0", made.id), ..made.reference() };
    assert!(backend.start(&another).await.is_err(), "it is gone");
    succeeds("remove another", backend.delete(&another).await);
    assert_eq!(only(backend).await.reference(), made.reference(), "it stays as it is");

    // It is found alone, too, and another one is not.
    let found = backend.get(&made.reference()).await.unwrap_or_else(|error| panic!("get: {error}"));
    assert_eq!(found.map(|one| one.reference()), Some(made.reference()), "itself");
    let found = backend.get(&another).await.unwrap_or_else(|error| panic!("get another: {error}"));
    assert_eq!(found, None, "it is not there");

    // Deleted twice, it is gone once.
    succeeds("remove", backend.delete(&made.reference()).await);
    succeeds("remove again", later.delete(&made.reference()).await);
    assert_eq!(listed(backend).await, [], "nothing is left");
    let found = later.get(&made.reference()).await.unwrap_or_else(|error| panic!("get: {error}"));
    assert_eq!(found, None, "it is gone");
}

/// Checks that a list that failed is no empty list. `unreachable`: a backend that does not answer.
///
/// # Panics
///
/// Where the backend breaks its promise.
pub async fn a_list_that_failed_is_not_empty(unreachable: &dyn Backend) {
    let listed = unreachable.list().await;
    assert!(matches!(listed, Err(BackendError::Unreachable { .. })), "{listed:?}");
}

async fn listed(backend: &dyn Backend) -> Vec<Machine> {
    backend.list().await.unwrap_or_else(|error| panic!("list: {error}"))
}

async fn only(backend: &dyn Backend) -> Machine {
    let mut listed = listed(backend).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed.remove(0)
}

fn succeeds(what: &str, outcome: Result<(), BackendError>) {
    outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
}
