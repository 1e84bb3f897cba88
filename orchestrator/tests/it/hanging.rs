//! A GitHub that takes the request for one runner and never answers: the other runners of that pass are started all the same.

use github_sim::{Fault, FaultKind};
use http::Method;
use serde_json::{Value, json};

use crate::jobs::call;
use crate::support::{PATIENT, Platform, SELF_HOSTED};

/// Three runners are due, of which one cannot be registered as long as `route` hangs.
async fn two_of_three_start(variables: &[(&str, &str)], pools: &[Value], route: &str) {
    let platform = Platform::with(variables).await;
    for org in ["octo-org", "octo-other"] {
        platform.sim.with(|world| {
            if org == "octo-other" {
                world.add_org(org).unwrap();
            }
            world.add_runner_group(org, "big").unwrap();
        });
    }
    for pool in pools {
        call(&platform, Method::POST, "/pools", pool.clone()).await;
    }
    if pools.is_empty() {
        platform.queue("octo-admin/app", &["self-hosted"]);
        for repo in ["octo-admin/second", "octo-admin/third"] {
            platform.repo(repo, SELF_HOSTED);
            platform.queue(repo, &["self-hosted"]);
        }
    }
    let route = route.to_owned();
    platform.fault(Fault { kind: FaultKind::Hang, route, times: 1, ..Fault::default() });
    let started = async {
        while platform.containers().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        report = platform.pass() => panic!("the pass ended: {report:?}"),
        started = tokio::time::timeout(PATIENT / 2, started) => started.unwrap(),
    }
}

#[tokio::test]
async fn a_registration_that_hangs_delays_no_other() {
    two_of_three_start(&[], &[], "*generate-jitconfig").await;
}

#[tokio::test]
async fn a_token_that_hangs_delays_no_runner_of_another_place() {
    let tokens = [("runnerenv_TOKEN", "{registration_token}")];
    let route = "/repos/octo-admin/app/actions/runners/registration-token";
    two_of_three_start(&tokens, &[], route).await;
}

#[tokio::test]
async fn runner_groups_that_are_not_told_delay_no_runner_of_another_organisation() {
    let pool = |name: &str, org: &str, min_idle: u32| {
        json!({
            "name": name, "labels": ["self-hosted"], "runner_group": "big", "min_idle": min_idle,
            "scopes": [format!("org:{org}")],
        })
    };
    let pools = [pool("a", "octo-org", 1), pool("b", "octo-other", 2)];
    two_of_three_start(&[], &pools, "/orgs/octo-org/actions/runner-groups").await;
}
