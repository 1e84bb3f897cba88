//! What is found, by kind of credential.

use github_sim::Sim;
use github_sim::world::access::{Grant, Level, Selection, permissions};
use github_sim::world::keys::PublicKey;
use github_sim::world::tokens::UserToken;
use mayfly_common::scope::Login;
use serde_json::Value;

use crate::support::{TOKEN, count, doctor, github, text, with_token};

const KEY_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/github/tests/data/test-only-app-key.pkcs1.pem");
const PUBLIC_KEY: &str =
    include_str!("../../../crates/github/tests/data/test-only-app-key.public.pem");

fn classic(sim: &Sim, scopes: &[&str]) {
    let grant = Grant::Classic(scopes.iter().map(|&scope| scope.to_owned()).collect());
    sim.with(|world| world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() }));
}

fn fine_grained(sim: &Sim, pairs: &[(&str, Level)]) {
    let grant = Grant::FineGrained {
        owner: "octo-admin".parse().unwrap(),
        repositories: Selection::All,
        permissions: permissions(pairs),
    };
    sim.with(|world| world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() }));
}

#[tokio::test]
async fn a_good_token_is_said_to_be_good() {
    let sim = github().await;
    classic(&sim, &["repo", "gist"]);
    let output = with_token(&sim, &[], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output);
    for words in [
        "it is octo-admin's",
        "a classic token with the scopes gist, repo",
        "register runners at repositories, read workflow files, read runs and jobs",
        "of 5000 requests left (core)",
        "clock agrees",
    ] {
        assert!(said.contains(words), "{words} in\n{said}");
    }
    assert!(said.lines().all(|line| line.starts_with("ok       ")), "{said}");
    assert!(!said.contains('\x1b'), "no colours where there is no terminal");
}

#[tokio::test]
async fn json_lines_say_the_same() {
    let sim = github().await;
    classic(&sim, &["gist"]);
    let output = with_token(&sim, &["--json"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = lines.iter().filter(|line| line["level"] == "failure").count();
    assert_eq!(failed, 3, "{lines:?}");
    for line in &lines {
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["topic", "level", "what", "hint"]);
        assert_eq!(line["topic"], "github");
        assert_eq!(line["hint"].is_null(), line["level"] == "ok");
    }
}

#[tokio::test]
async fn missing_scopes_are_named_for_what_is_asked() {
    let sim = github().await;
    classic(&sim, &["repo"]);
    let organisation = [("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")];
    let output = with_token(&sim, &[], &organisation).await;
    assert_eq!((output.status.code(), count(&output, "warning")), (Some(0), 1), "{output:?}");
    assert!(text(&output).contains("         → tick admin:org in Settings"), "{output:?}");

    let hooks = [organisation[0], organisation[1], ("WEBHOOK_SECRET", "0123456789abcdef")];
    let output = with_token(&sim, &["--enterprise", "octo-corp"], &hooks).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((count(&output, "warning"), count(&output, "failure")), (2, 1), "{output:?}");
    assert!(text(&output).contains("it lacks the scope manage_runners:enterprise"));
    classic(&sim, &["repo", "admin:org", "admin:org_hook", "manage_runners:enterprise"]);
    let output = with_token(&sim, &["--enterprise", "octo-corp"], &hooks).await;
    assert_eq!((output.status.code(), count(&output, "warning")), (Some(0), 0), "{output:?}");
}

#[tokio::test]
async fn permissions_of_a_fine_grained_token_are_tried() {
    let sim = github().await;
    let all =
        [("administration", Level::Write), ("contents", Level::Read), ("actions", Level::Read)];
    fine_grained(&sim, &all);
    let output = with_token(&sim, &[], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).contains("(tried on octo-admin/app)"), "{output:?}");
    for (missing, setting) in [
        (0, "Administration: Read and write"),
        (1, "Contents: Read-only"),
        (2, "Actions: Read-only"),
    ] {
        let mut some = all.to_vec();
        let (name, _) = some.remove(missing);
        fine_grained(&sim, &some);
        let output = with_token(&sim, &[], &[]).await;
        assert_eq!((output.status.code(), count(&output, "failure")), (Some(1), 1), "{output:?}");
        let said = text(&output);
        assert!(said.contains(setting), "{said}");
        assert!(said.contains(&format!("{name}=")), "what GitHub says is repeated: {said}");
    }
    // Nothing was changed anywhere.
    let changing = sim.counters().routes.into_iter().filter(|found| found.method != "GET").count();
    assert_eq!(changing, 0);
    let output = with_token(&sim, &["--repo", "octo-admin/nothing"], &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("tried on octo-admin/nothing, which GitHub does not show"));
}

#[tokio::test]
async fn a_wrong_token_is_a_failure_once_github_has_said_so_twice() {
    let sim = github().await;
    sim.with(|world| world.tokens.add("another", None));
    let output = with_token(&sim, &[], &[]).await;
    assert_eq!((output.status.code(), count(&output, "failure")), (Some(1), 1), "{output:?}");
    assert!(text(&output).contains("does not accept the credential (401)"), "{output:?}");
    assert_eq!(sim.counters().of("GET", "/user"), 2);
}

#[tokio::test]
async fn an_app_is_known_with_its_installations() {
    let sim = github().await;
    sim.with(|world| world.app.key = Some(PublicKey::from_pem(PUBLIC_KEY).unwrap()));
    let url = sim.url();
    let variables = [
        ("GITHUB_API_URL", url.as_str()),
        ("GITHUB_APP_ID", "Iv1.0000000000000001"),
        ("GITHUB_APP_PRIVATE_KEY_FILE", KEY_FILE),
    ];
    let output = doctor(&[], &variables).await;
    assert_eq!((output.status.code(), count(&output, "warning")), (Some(0), 0), "{output:?}");
    let said = text(&output);
    for words in
        ["the App mayfly-sim", "installed on octo-admin, with all", "installed on octo-org"]
    {
        assert!(said.contains(words), "{words} in\n{said}");
    }
    let id = |login| {
        let login = Login::parse(login).unwrap();
        sim.with(|world| world.installation_of(&login).unwrap().id)
    };
    let (user, org) = (id("octo-admin"), id("octo-org"));
    sim.with(|world| world.suspend_installation(org)).unwrap();
    let output = doctor(&[], &variables).await;
    assert_eq!((output.status.code(), count(&output, "warning")), (Some(0), 1), "{output:?}");
    sim.with(|world| world.suspend_installation(user)).unwrap();
    let output = doctor(&[], &variables).await;
    assert_eq!((output.status.code(), count(&output, "failure")), (Some(1), 2), "{output:?}");
    // What no App can do, and an account where it is not.
    let output = doctor(&["--enterprise", "octo-corp"], &variables).await;
    assert!(text(&output).contains("a GitHub App cannot register runners at an enterprise"));
    let only = [&variables[..], &[("GITHUB_APP_INSTALLATION", "nobody")]].concat();
    let output = doctor(&[], &only).await;
    assert!(text(&output).contains("failure  the App is not installed on nobody"), "{output:?}");
    // Another App's id: GitHub does not know the key.
    let other = [variables[0], ("GITHUB_APP_ID", "Iv1.other"), variables[2]];
    let output = doctor(&[], &other).await;
    assert_eq!((output.status.code(), count(&output, "failure")), (Some(1), 1), "{output:?}");
}

#[tokio::test]
async fn a_github_that_is_away_is_a_failure_with_a_hint() {
    let url = "http://127.0.0.1:1";
    let variables = [("GITHUB_API_URL", url), ("GITHUB_RUNNER_TOKEN", TOKEN)];
    let output = doctor(&[], &variables).await;
    assert_eq!((output.status.code(), count(&output, "failure")), (Some(1), 1), "{output:?}");
    let said = text(&output);
    assert!(said.contains("cannot be reached") && said.contains("NO_PROXY"), "{said}");
    assert!(!said.contains("clock"), "nothing is said of a clock that was not heard of: {said}");
}

#[tokio::test]
async fn every_wrong_variable_is_told_at_once() {
    let variables =
        [("GITHUB_API_URL", "nowhere"), ("DISCOVERY_MODE", "some"), ("RUNNER_IMAGE", "")];
    let output = doctor(&[], &variables).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let named: Vec<&str> = said.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(named, ["GITHUB_API_URL", "GITHUB_RUNNER_TOKEN", "DISCOVERY_MODE"]);
    for wrong in [["--repo", "nothing"], ["--enterprise", "a/b"], ["--repo", "../x"]] {
        assert_eq!(doctor(&wrong, &[]).await.status.code(), Some(2), "{wrong:?}");
    }
}
