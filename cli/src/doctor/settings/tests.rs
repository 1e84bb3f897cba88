//! Tables of what there is and what is said about it.

use super::*;

fn read(
    topic: Option<Topic>,
    probe_image: bool,
    pairs: &[(&str, &str)],
) -> Result<Settings, Vec<String>> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let read = Settings::read(topic, probe_image, pairs.iter().map(owned).collect());
    let names = |line: String| line.split(':').next().unwrap().to_owned();
    read.map_err(|errors| errors.0.into_iter().map(names).collect())
}

#[test]
fn what_is_missing_stops_only_the_topic_that_needs_it() {
    let cases: [(Option<Topic>, bool, &[&str]); 10] = [
        (None, false, &[]),
        (Some(Topic::Docker), false, &[]),
        (Some(Topic::Disk), false, &[]),
        (Some(Topic::Clock), false, &[]),
        (Some(Topic::Image), false, &["RUNNER_IMAGE"]),
        (Some(Topic::Isolation), false, &["RUNNER_IMAGE"]),
        (Some(Topic::Isolation), true, &[]),
        (Some(Topic::GitHub), false, &["GITHUB_RUNNER_TOKEN"]),
        (Some(Topic::Webhooks), false, &["GITHUB_RUNNER_TOKEN"]),
        (None, true, &[]),
    ];
    for (topic, probe_image, expected) in cases {
        let blank = [("RUNNER_IMAGE", " "), ("github_runner_token", "")];
        let found = read(topic, probe_image, &blank).map(drop).err().unwrap_or_default();
        assert_eq!(found, expected, "{topic:?}");
    }
}

#[test]
fn what_is_wrong_is_named_at_once_and_only_where_it_matters() {
    let wrong = [
        ("DOCKER_HOST", "here"),
        ("RUNNER_IMAGE", "a b"),
        ("RUNNER_MEMORY", "1"),
        ("GITHUB_RUNNER_TOKEN", "a b"),
        ("MAYFLY_WEBHOOK_URL", "nowhere"),
        ("LOG_LEVEL", "LOUD"),
    ];
    let names = |topic| {
        let mut names = read(topic, false, &wrong).unwrap_err();
        names.sort_unstable();
        names
    };
    let mut all = wrong.map(|(name, _)| name);
    all.sort_unstable();
    assert_eq!(names(None), all);
    assert_eq!(names(Some(Topic::Docker)), ["DOCKER_HOST", "RUNNER_MEMORY"]);
    assert_eq!(names(Some(Topic::Disk)), ["DOCKER_HOST"]);
    assert_eq!(names(Some(Topic::Image)), ["DOCKER_HOST", "RUNNER_IMAGE"]);
    assert_eq!(names(Some(Topic::GitHub)), ["GITHUB_RUNNER_TOKEN"]);
    let webhooks = ["GITHUB_RUNNER_TOKEN", "MAYFLY_WEBHOOK_URL"];
    assert_eq!(names(Some(Topic::Webhooks)), webhooks);
    let isolation = ["DOCKER_HOST", "RUNNER_IMAGE", "RUNNER_MEMORY"];
    assert_eq!(names(Some(Topic::Isolation)), isolation);
}

#[test]
fn webhooks_are_used_where_there_is_a_secret() {
    let secret = |name, value| read(None, false, &[(name, value)]).unwrap().secret;
    assert!(secret("WEBHOOK_SECRET", "s"));
    assert!(secret("webhook_secret_file", "/f"));
    assert!(!secret("WEBHOOK_SECRET", " "));
    assert!(!secret("OTHER", "s"));
}

#[test]
fn any_part_of_a_credential_is_one() {
    for name in [
        "GITHUB_RUNNER_TOKEN",
        "GITHUB_RUNNER_TOKEN_FILE",
        "GITHUB_APP_ID",
        "GITHUB_APP_PRIVATE_KEY",
        "GITHUB_APP_PRIVATE_KEY_FILE",
        "GITHUB_APP_INSTALLATION",
    ] {
        // What is wrong with it is told: it is not taken for none.
        assert!(
            read(None, false, &[(name, "x")]).is_ok_and(|read| read.credential)
                || read(None, false, &[(name, "x")]).is_err(),
            "{name}"
        );
    }
    let none = read(
        None,
        false,
        &[("RUNNER_IMAGE", " img:1 "), ("MAYFLY_WEBHOOK_URL", "https://h.example/x")],
    )
    .unwrap();
    assert_eq!((none.credential, none.image.as_deref()), (false, Some("img:1")));
    assert_eq!(none.webhook_url, "https://h.example/x".parse().ok());
    assert!(!none.secret && read(None, false, &[]).unwrap().image.is_none());
}

#[test]
fn a_topic_depends_on_these_variables_and_no_other() {
    let reads = |topic: Topic| -> Vec<&str> {
        let read = env::known::known().filter(|name| topic.reads(name));
        // All of these are held below: a list of each would only repeat them.
        let mut names: Vec<&str> = read
            .filter(|name| {
                !["GITHUB_", "DISCOVERY_", "DOCKER_"].iter().any(|start| name.starts_with(start))
            })
            .collect();
        names.sort_unstable();
        names
    };
    let rows: [(Topic, &[&str]); 7] = [
        (
            Topic::Docker,
            &[
                "MAX_RUNNERS",
                "MAX_RUNNERS_CPUS",
                "MAX_RUNNERS_MEMORY",
                "RUNNER_CPUS",
                "RUNNER_DOCKER",
                "RUNNER_MAX_LIFETIME",
                "RUNNER_MEMORY",
                "RUNNER_REGISTRATION_TIMEOUT",
            ],
        ),
        (Topic::Image, &["RUNNER_IMAGE", "RUNNER_PULL_POLICY"]),
        (Topic::Disk, &[]),
        (Topic::GitHub, &["ALLOW_PUBLIC_REPOS"]),
        (Topic::Webhooks, &["ALLOW_PUBLIC_REPOS", "MAYFLY_WEBHOOK_URL"]),
        (Topic::Clock, &["ALLOW_PUBLIC_REPOS"]),
        (
            Topic::Isolation,
            &[
                "ORCHESTRATOR_HOST",
                "ORCHESTRATOR_PORT",
                "RUNNER_CPUS",
                "RUNNER_IMAGE",
                "RUNNER_ISOLATION",
                "RUNNER_MEMORY",
                "RUNNER_PIDS_LIMIT",
                "RUNNER_SECCOMP_PROFILE",
            ],
        ),
    ];
    let github = [Topic::GitHub, Topic::Webhooks, Topic::Clock];
    let network = [Topic::Docker, Topic::Isolation];
    for (topic, names) in rows {
        assert_eq!(reads(topic), names, "{topic:?}");
        assert_eq!(topic.reads("GITHUB_API_URL"), github.contains(&topic), "{topic:?}");
        assert_eq!(topic.reads("discovery_mode"), github.contains(&topic), "{topic:?}");
        assert_eq!(
            topic.reads("docker_host"),
            !matches!(topic, Topic::GitHub | Topic::Webhooks),
            "{topic:?}"
        );
        for name in ["DOCKER_NETWORK", "DOCKER_NETWORK_MTU"] {
            assert_eq!(topic.reads(name), network.contains(&topic), "{topic:?} {name}");
        }
        assert!(!topic.reads("LOG_LEVEL"), "{topic:?}");
    }
}
