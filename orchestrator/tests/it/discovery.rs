//! What discovery costs, counted at the simulated GitHub. `benches/discovery.rs` does the same for up to 10,000 repositories.

use std::collections::BTreeMap;

use crate::support::{Platform, SELF_HOSTED, slug};

const HOSTED: &str =
    "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n";
const FILE: &str = ".github/workflows/ci.yml";

/// A hundred repositories, each pushed to at another time: twenty with workflows, six with jobs for self-hosted runners.
async fn hundred() -> Platform {
    // One of the six is there already. Registrations are swept at the first check and then not before tomorrow.
    let platform = Platform::with(&[("RUNNER_PURGE_INTERVAL", "86400")]).await;
    let owner = slug("octo-admin/app").owner().clone();
    for number in 1..100 {
        platform.wait(1);
        match number {
            15 | 30 | 50 | 65 | 80 => platform.repo(&format!("octo-admin/r{number}"), SELF_HOSTED),
            _ if number % 5 == 0 => platform.repo(&format!("octo-admin/r{number}"), HOSTED),
            _ => {
                let (prefix, files) = (format!("plain{number}-"), BTreeMap::new());
                platform
                    .sim
                    .with(|world| world.add_repos(&owner, &prefix, 1, true, &files))
                    .expect("a repository");
            }
        }
    }
    platform
}

/// The requests of the next check, by method, route and status.
async fn next_check(platform: &Platform) -> BTreeMap<String, u64> {
    platform.wait(60);
    platform.sim.clear_counters();
    platform.reconciler.check_now().await;
    let routes = platform.sim.counters().routes.into_iter();
    routes
        .map(|found| (format!("{} {} {}", found.method, found.route, found.status), found.count))
        .collect()
}

#[track_caller]
fn same(found: &BTreeMap<String, u64>, expected: &[(&str, u64)]) {
    let expected = expected.iter().map(|&(request, count)| (request.to_owned(), count)).collect();
    assert_eq!(*found, expected);
}

#[tokio::test]
async fn a_hundred_repositories_cost_a_handful_of_requests() {
    let platform = hundred().await;

    // All are listed, and their workflows are read in two questions. Those without a job for us are not asked for runs.
    let mut cold = next_check(&platform).await;
    cold.retain(|request, _| !request.contains("/actions/runners"));
    let expected = [
        ("GET /user/repos 200", 2),
        ("POST /graphql 200", 2),
        ("GET /repos/{owner}/{repo}/actions/runs 200", 36),
    ];
    same(&cold, &expected);

    // Nothing changed: nothing is read, and what is asked costs nothing of the primary limit.
    let runs = "GET /repos/{owner}/{repo}/actions/runs 304";
    for _ in 0..3 {
        same(&next_check(&platform).await, &[("GET /user/repos 304", 1), (runs, 36)]);
    }

    // A push is noticed in the list: the folder is looked at, and the file read if it is another one.
    let push = |repo: &str, path: &str, text: &str| {
        platform.sim.with(|world| world.put_file(&slug(repo), path, text)).expect("a push");
    };
    push("octo-admin/r5", "readme.md", "hello");
    let looked = [("GET /user/repos 200", 1), ("POST /graphql 200", 1), (runs, 36)];
    same(&next_check(&platform).await, &looked);
    push("octo-admin/r5", FILE, &format!("{HOSTED}# changed\n"));
    let read = [("GET /user/repos 200", 1), ("POST /graphql 200", 2), (runs, 36)];
    same(&next_check(&platform).await, &read);

    // From now on the repository is asked for runs, too, and one that needs us no more is not.
    push("octo-admin/r10", FILE, SELF_HOSTED);
    let new = ("GET /repos/{owner}/{repo}/actions/runs 200", 6);
    same(&next_check(&platform).await, &[read[0], read[1], new, (runs, 36)]);
    push("octo-admin/r10", FILE, HOSTED);
    same(&next_check(&platform).await, &read);

    // A queued job: its run is new, its jobs are read, a runner is registered.
    for repo in ["octo-admin/r15", "octo-admin/r80"] {
        platform.queue(repo, &["self-hosted"]);
    }
    let expected = [
        ("GET /user/repos 304", 1),
        (runs, 34),
        ("GET /repos/{owner}/{repo}/actions/runs 200", 2),
        ("GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs 200", 2),
        ("POST /repos/{owner}/{repo}/actions/runners/generate-jitconfig 201", 2),
    ];
    same(&next_check(&platform).await, &expected);
    assert_eq!(platform.containers().len(), 2);
}

/// A list is read in the order of the last push, and what was renamed may stand far behind in it.
#[tokio::test]
async fn a_repository_that_moved_has_the_whole_list_read_again() {
    let platform = Platform::new().await;
    let owner = slug("octo-admin/app").owner().clone();
    platform.wait(1);
    let more = |world: &mut github_sim::world::World| {
        world.add_repos(&owner, "plain-", 100, true, &BTreeMap::new())
    };
    platform.sim.with(|world| more(&mut *world)).expect("a hundred repositories");
    let pages = async || {
        next_check(&platform).await;
        platform.sim.counters().of("GET", "/user/repos")
    };
    assert_eq!((pages().await, pages().await), (2, 1));
    platform.sim.with(|world| world.rename_repo(&slug("octo-admin/app"), "tool")).expect("a name");
    platform.queue("octo-admin/tool", &["self-hosted"]);
    let after = (pages().await, pages().await);
    assert_eq!(after, (1, 2), "its jobs were asked for under the old name");
}
