use serde_json::json;

use super::*;

fn runner(number: u32, state: RunnerState, scope: ScopeKind, scope_name: &str) -> Runner {
    Runner {
        id: format!("id-{number}"),
        name: format!("name-{number}"),
        pool: "ci".to_owned(),
        backend: "docker".to_owned(),
        scope,
        scope_name: scope_name.to_owned(),
        labels: vec!["gpu".to_owned()],
        state,
        reason: Some("because".to_owned()),
        container_id: Some("c0ffee".to_owned()),
        image: "a/b:c".to_owned(),
        github_runner_id: Some(7),
        created_at: "2026-01-01T00:00:01Z".parse().unwrap(),
        deadline: "2026-01-01T00:00:02Z".parse().unwrap(),
    }
}

#[test]
fn a_runner_is_shown_whole() {
    let whole = runner(1, RunnerState::Busy, ScopeKind::Enterprise, "octo");
    let expected = json!({
        "id": "id-1", "name": "name-1", "pool": "ci", "backend": "docker", "scope": "enterprise", "scope_name": "octo",
        "labels": ["gpu"], "state": "busy", "reason": "because", "container_id": "c0ffee", "image": "a/b:c",
        "github_runner_id": 7, "created_at": "2026-01-01T00:00:01Z", "deadline": "2026-01-01T00:00:02Z",
    });
    assert_eq!(serde_json::to_value(&whole).unwrap(), expected);
}

#[test]
fn filters_hold_together_and_a_page_has_thirty() {
    let runners: Vec<Runner> = (0..130)
        .map(|number| match number {
            0 => runner(0, RunnerState::Idle, ScopeKind::Org, "octo"),
            1 => runner(1, RunnerState::Busy, ScopeKind::Org, "octo"),
            2 => runner(2, RunnerState::Idle, ScopeKind::Enterprise, "octo"),
            _ => runner(number, RunnerState::Idle, ScopeKind::Repo, "o/r"),
        })
        .collect();
    let page = |query: serde_json::Value| {
        let query: ListQuery = serde_json::from_value(query).unwrap();
        let found = RunnerList::page(runners.clone(), &query);
        let number =
            |runner: &Runner| runner.name.trim_start_matches("name-").parse::<u32>().unwrap();
        let numbers: Vec<u32> = found.runners.iter().map(number).collect();
        (found.total_count, numbers)
    };
    let rows = [
        (json!({}), 130, 0..30),
        (json!({"page": 2}), 130, 30..60),
        (json!({"page": 0}), 130, 0..30),
        (json!({"page": 5}), 130, 120..130),
        (json!({"page": 6}), 130, 0..0),
        (json!({"page": u32::MAX}), 130, 0..0),
        (json!({"per_page": 100}), 130, 0..100),
        (json!({"per_page": 101}), 130, 0..100),
        (json!({"per_page": 100, "page": 2}), 130, 100..130),
        (json!({"per_page": 0, "page": 2}), 130, 1..2),
        (json!({"state": "busy"}), 1, 1..2),
        (json!({"scope": "enterprise"}), 1, 2..3),
        (json!({"scope_name": "OCTO"}), 3, 0..3),
        (json!({"scope_name": "octo", "scope": "org", "state": "idle"}), 1, 0..1),
        (json!({"scope_name": "oct"}), 0, 0..0),
    ];
    for (query, total, numbers) in rows {
        assert_eq!(page(query.clone()), (total, numbers.collect()), "{query}");
    }
}

#[test]
fn without_a_word_nothing_is_forced() {
    assert!(!serde_json::from_value::<DeleteQuery>(json!({})).unwrap().force);
    assert!(serde_json::from_value::<DeleteQuery>(json!({"force": true})).unwrap().force);
    assert!(!serde_json::from_value::<CleanupQuery>(json!({})).unwrap().dry_run);
    assert!(serde_json::from_value::<CleanupQuery>(json!({"dry_run": true})).unwrap().dry_run);
    for wrong in [json!({"forced": true}), json!({"page": 1})] {
        assert!(serde_json::from_value::<DeleteQuery>(wrong.clone()).is_err());
        assert!(serde_json::from_value::<CleanupQuery>(wrong).is_err());
    }
}
