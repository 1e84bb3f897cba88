//! Everything at once, and what needs no engine.

use std::collections::BTreeMap;

use github_sim::Sim;
use github_sim::world::World;
use github_sim::world::access::Grant;
use github_sim::world::model::NewRepo;
use github_sim::world::tokens::UserToken;

use crate::support::{TOKEN, github, lines, mayfly, text};

/// No engine is there.
const NO_ENGINE: (&str, &str) = ("DOCKER_HOST", "unix:///nowhere/docker.sock");
const TOPICS: [&str; 7] = ["docker", "image", "disk", "github", "webhooks", "clock", "isolation"];
const URL: &str = "http://127.0.0.1:1/webhooks/github";

fn owner(sim: &Sim) {
    let grant = Grant::Classic(["repo", "admin:repo_hook"].map(str::to_owned).into());
    sim.with(|world| world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() }));
}

#[tokio::test]
async fn without_a_topic_all_are_told_in_order() {
    let sim = github().await;
    owner(&sim);
    let url = sim.url();
    let variables = [
        NO_ENGINE,
        ("GITHUB_API_URL", url.as_str()),
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("RUNNER_IMAGE", "img:1"),
    ];
    let output = mayfly(&["doctor", "--json"], &variables).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = lines(&output);
    let mut topics: Vec<&str> = found.iter().map(|(topic, _, _)| topic.as_str()).collect();
    topics.dedup();
    assert_eq!(topics, TOPICS);
    let failed: Vec<_> = found.iter().filter(|(_, level, _)| level == "failure").collect();
    assert_eq!(failed.len(), 1, "what depends on the engine does not fail once more: {failed:?}");
    assert!(failed[0].0 == "docker" && failed[0].2.contains("no Docker socket at /nowhere"));
    let clocks = found.iter().filter(|(_, _, what)| what.contains("clock agrees")).count();
    assert_eq!(clocks, 1, "GitHub's clock is told of once: {found:?}");
    let said = text(&mayfly(&["doctor"], &variables).await);
    let headings: Vec<&str> = said.lines().filter(|line| TOPICS.contains(line)).collect();
    assert_eq!(headings, TOPICS);
}

#[tokio::test]
async fn what_is_not_configured_is_left_out_and_said_so() {
    let output = mayfly(&["doctor", "--json"], &[NO_ENGINE]).await;
    let found = lines(&output);
    for topic in ["image", "disk", "github", "webhooks", "isolation"] {
        let one: Vec<_> = found.iter().filter(|(other, _, _)| other == topic).collect();
        assert!(one.len() == 1 && one[0].2.starts_with("not checked: "), "{topic}: {one:?}");
    }
    for topic in ["image", "github", "webhooks", "isolation"] {
        let output = mayfly(&["doctor", topic], &[NO_ENGINE]).await;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{topic}");
        assert!(output.stderr.ends_with(b"\n"), "{topic} names what it needs");
    }
    for topic in ["docker", "disk", "clock"] {
        let output = mayfly(&["doctor", topic], &[NO_ENGINE]).await;
        assert_eq!(output.status.code(), Some(1), "{topic}: {output:?}");
        assert!(text(&output).contains("no Docker socket"), "{topic}");
    }
}

#[tokio::test]
async fn all_wrong_variables_are_named_before_anything_is_asked() {
    let wrong = [
        ("DOCKER_HOST", "here"),
        ("RUNNER_MEMORY", "1"),
        ("GITHUB_API_URL", "nowhere"),
        ("MAYFLY_WEBHOOK_URL", "there"),
    ];
    let output = mayfly(&["doctor"], &wrong).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(wrong.iter().all(|(name, _)| said.contains(&format!("{name}: "))), "{said}");
    assert_eq!(said.lines().count(), wrong.len(), "{said}");
}

#[tokio::test]
async fn a_shell_without_the_orchestrator_s_variables_is_told_of() {
    let hint = "warning: doctor reads the orchestrator's variables, and none of them is set here: for those of a file, \
                `set -a; . deploy/.env` first";
    let docker = ("DOCKER_HOST", "tcp://127.0.0.1:9");
    let rows = [
        (&["doctor", "github"][..], &[docker][..], Some(2), true),
        (&["doctor", "disk"], &[docker], Some(1), true),
        (&["doctor", "disk"], &[docker, ("RUNNER_IMAGE", "img:1")], Some(1), false),
        (&["doctor", "disk"], &[docker, ("runner_check_interval", "9")], Some(1), false),
    ];
    for (arguments, variables, code, hinted) in rows {
        let output = mayfly(arguments, variables).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), code, "{said}");
        assert_eq!(said.lines().any(|line| line == hint), hinted, "{arguments:?} {said}");
    }
}

#[tokio::test]
async fn the_last_deliveries_are_told_where_they_can_be_seen() {
    let sim = github().await;
    owner(&sim);
    let url = sim.url();
    let token = [("GITHUB_API_URL", url.as_str()), ("GITHUB_RUNNER_TOKEN", TOKEN)];
    let unused = mayfly(&["doctor", "webhooks"], &token).await;
    assert_eq!(unused.status.code(), Some(0), "{unused:?}");
    assert!(text(&unused).contains("note: webhooks are not used"), "{unused:?}");

    let used = [token[0], token[1], ("WEBHOOK_SECRET", "0123456789abcdef")];
    let none = mayfly(&["doctor", "webhooks"], &used).await;
    assert_eq!(none.status.code(), Some(0), "{none:?}");
    assert!(
        text(&none).contains("note: repository octo-admin/app: the credential sees no webhook")
    );

    // Nobody listens there: GitHub's try fails.
    let install = ["webhook", "install", "--repo", "octo-admin/app", "--url", URL];
    let installed = mayfly(&install, &used).await;
    assert_eq!(installed.status.code(), Some(1), "{installed:?}");
    for arguments in
        [&["doctor", "webhooks"][..], &["doctor", "webhooks", "--repo", "octo-admin/app"]]
    {
        let failing = mayfly(arguments, &used).await;
        assert_eq!(failing.status.code(), Some(0), "asking finds jobs, too: {failing:?}");
        let said = text(&failing);
        assert!(said.contains("warning  repository octo-admin/app: webhook "), "{said}");
        let all_failed =
            (1..=2).any(|count| said.contains(&format!("; {count} of {count} in a day failed")));
        assert!(all_failed, "{said}");
        assert!(said.contains("mayfly webhook status --repo octo-admin/app"), "{said}");
    }
    let elsewhere = [token[0], token[1], ("MAYFLY_WEBHOOK_URL", "https://other.example/x")];
    let none = mayfly(&["doctor", "webhooks"], &elsewhere).await;
    assert!(text(&none).contains("no webhook that sends to https://other.example/x"), "{none:?}");
}

#[tokio::test]
async fn an_engine_that_never_ends_its_answer_is_given_up() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let frozen = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let begun = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
            connection.write_all(begun).await.unwrap();
            held.push(connection);
        }
    });
    let output = mayfly(&["doctor", "docker"], &[("DOCKER_HOST", &host)]).await;
    frozen.abort();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("the Docker Engine does not answer at"), "{output:?}");
}

#[tokio::test]
async fn where_no_repository_is_named_the_ten_that_were_pushed_to_last_are_looked_at() {
    let sim = github().await;
    owner(&sim);
    sim.with(|world| {
        let push = |world: &mut World, name: &str, times: usize| {
            for _ in 0..times {
                // Each moves the time of the last push by a second at least.
                world.put_file(name, "a", "b").unwrap();
            }
        };
        push(world, "octo-admin/app", 20);
        for number in 0..11 {
            let name = format!("octo-admin/r{number}");
            let slug = name.parse().unwrap();
            world.add_repo(NewRepo { slug, private: true, files: BTreeMap::new() }).unwrap();
            push(world, &name, number + 1);
        }
    });
    let url = sim.url();
    let used = [
        ("GITHUB_API_URL", url.as_str()),
        ("GITHUB_RUNNER_TOKEN", TOKEN),
        ("WEBHOOK_SECRET", "0123456789abcdef"),
    ];
    let none = "ok       note: at the 10 repositories pushed to last the credential sees no webhook that sends to a gateway \
                (…/webhooks/github); mayfly webhook install makes one\n";
    for (hooked, seen) in [("octo-admin/r1", false), ("octo-admin/r2", true)] {
        let install = ["webhook", "install", "--repo", hooked, "--url", URL];
        let installed = mayfly(&install, &used).await;
        assert_eq!(installed.status.code(), Some(1), "nobody listens there: {installed:?}");
        let said = text(&mayfly(&["doctor", "webhooks"], &used).await);
        assert_eq!(said == none, !seen, "{hooked}: {said}");
        assert_eq!(said.contains(&format!("repository {hooked}: webhook ")), seen, "{said}");
    }
}
