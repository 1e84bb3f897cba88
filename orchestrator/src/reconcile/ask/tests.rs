//! How a runner is known to the ledger.

use mayfly_common::registration::RunnerId;

use super::super::testing::{at, machine_with, scope};
use super::*;

#[test]
fn a_runner_is_known_by_its_name_its_pool_its_place_and_its_beginning() {
    let machine = machine_with("r-1", |identity| identity.github_id = Some(RunnerId(1)));
    let expected = Worker {
        runner: "r-1".to_owned(),
        pool: "ci".to_owned(),
        scope: scope("org:octo-org"),
        created_at: at(-100),
    };
    assert_eq!(worker(&machine), expected);
}
