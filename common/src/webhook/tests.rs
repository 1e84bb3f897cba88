use std::fs;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

fn head(event: &str) -> Head {
    let hook = Some((7, HookTarget::Repository));
    Head { id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(), event: event.to_owned(), hook }
}

fn read(event: &str, payload: &Value) -> Result<Option<Content>, ParseError> {
    parse(&head(event), payload.to_string().as_bytes()).map(|it| it.map(|it| it.content))
}

fn vendored(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks");
    fs::read(format!("{folder}/{name}.json")).unwrap()
}

/// What a payload tells, in a few words.
fn told(event: &str, body: &[u8]) -> String {
    match parse(&head(event), body) {
        Ok(None) => "ignored".to_owned(),
        Err(error) => format!("refused: {error}"),
        Ok(Some(Delivery { content, .. })) => match content {
            Content::Job { repository, job } => format!(
                "job {} {:?} {:?} of {} by {:?} {:?}",
                job.id,
                job.status,
                job.labels,
                repository.full_name,
                job.runner_name,
                job.conclusion
            ),
            Content::Push { repository } => format!("push to {}", repository.full_name),
            Content::Repositories => "repositories".to_owned(),
            Content::Ping => "ping".to_owned(),
            Content::HookDeleted => "hook deleted".to_owned(),
        },
    }
}

#[test]
fn every_real_payload_tells_what_it_should() {
    let cases = [
        (
            "workflow_job.queued",
            "job 289782451 Queued [\"ubuntu-latest\"] of Codertocat/Hello-World by None None",
        ),
        (
            "workflow_job.queued.with-deployment",
            "job 12877621891 Waiting [\"self-hosted\", \"k8s\"] of lineville/elastic-machines-testing by None None",
        ),
        (
            "workflow_job.waiting",
            "job 12877621891 Waiting [\"self-hosted\", \"k8s\"] of lineville/elastic-machines-testing by None None",
        ),
        (
            "workflow_job.in_progress",
            "job 289782451 InProgress [\"ubuntu-latest\"] of Codertocat/Hello-World by Some(\"GitHub Actions 5\") None",
        ),
        (
            "workflow_job.in_progress.with-queued-steps",
            "job 14541957942 InProgress [\"ubuntu-latest\"] of wolfy1339/github-events-schemas by Some(\"GitHub Actions 6\") None",
        ),
        (
            "workflow_job.ghes-3.5",
            "job 2832853555 InProgress [\"gpu\", \"db-app\", \"dc-03\"] of octo-org/example-workflow by Some(\"my runner\") None",
        ),
        (
            "workflow_job.completed.failure.with-organization",
            "job 289782451 Completed [\"ubuntu-latest\"] of Codertocat/Hello-World by Some(\"GitHub Actions 5\") Some(\"failure\")",
        ),
        (
            "workflow_job.completed.success.with-organization",
            "job 289782451 Completed [\"ubuntu-latest\"] of Codertocat/Hello-World by Some(\"GitHub Actions 5\") Some(\"success\")",
        ),
        ("push.plain", "ignored"),
        ("push.with-new-branch", "push to Codertocat/Hello-World"),
        ("installation.created", "repositories"),
        ("installation_repositories.added", "repositories"),
        ("meta.deleted", "hook deleted"),
        ("ping.plain", "ping"),
        ("ping.with-organization", "ping"),
        ("check_run.rerequested", "ignored"),
        ("workflow_run.requested", "ignored"),
    ];
    for (name, expected) in cases {
        let event = name.split('.').next().unwrap();
        assert_eq!(told(event, &vendored(name)), expected, "{name}");
    }
}

#[test]
fn a_real_job_arrives_whole_and_survives_the_way_to_the_orchestrator() {
    let name = "workflow_job.completed.success.with-organization";
    let delivery = parse(&head("workflow_job"), &vendored(name)).unwrap().unwrap();
    let expected = json!({
        "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "event": "workflow_job",
        "hook": {"id": 7, "target": "repository", "target_name": "Codertocat/Hello-World"},
        "content": {
            "kind": "job",
            "repository": {
                "id": 186_853_002, "full_name": "Codertocat/Hello-World",
                "private": false, "fork": false, "archived": false, "disabled": false,
            },
            "job": {
                "id": 289_782_451, "name": "linters", "status": "completed",
                "conclusion": "success", "labels": ["ubuntu-latest"],
                "created_at": "2021-08-05T10:33:58Z", "started_at": "2021-08-05T10:34:58Z",
                "completed_at": "2021-08-05T10:38:16Z", "runner_name": "GitHub Actions 5",
            },
        },
    });
    assert_eq!(serde_json::to_value(&delivery).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Delivery>(expected).unwrap(), delivery);
}

/// A job as small as can be.
fn small(action: &Value, status: &Value) -> Value {
    json!({
        "action": action,
        "workflow_job": {"id": 1, "run_id": 2, "status": status, "labels": ["a"]},
        "repository": {"id": 3, "full_name": "octo/hello"},
    })
}

#[test]
fn a_job_stands_where_action_and_status_say() {
    use JobStatus::{Completed, InProgress, Queued, Waiting};
    let cases = [
        ("queued", json!("queued"), Some(Queued)),
        ("queued", json!("waiting"), Some(Waiting)),
        ("queued", json!("pending"), Some(Waiting)),
        ("waiting", json!("waiting"), Some(Waiting)),
        ("waiting", json!("queued"), Some(Queued)),
        ("queued", json!("in_progress"), Some(InProgress)),
        ("in_progress", json!("queued"), Some(InProgress)),
        ("in_progress", json!("completed"), Some(Completed)),
        ("completed", json!("queued"), Some(Completed)),
        ("queued", json!("from the future"), Some(Queued)),
        ("completed", json!(null), Some(Completed)),
        ("requeued", json!("queued"), None),
        ("pending", json!("pending"), None),
    ];
    for (action, status, expected) in cases {
        let told = read("workflow_job", &small(&json!(action), &status)).unwrap();
        let stands = told.map(|content| match content {
            Content::Job { job, .. } => job.status,
            other => panic!("{other:?}"),
        });
        assert_eq!(stands, expected, "{action}, {status}");
    }
    let by_status = read("workflow_job", &small(&json!(null), &json!("queued"))).unwrap();
    assert!(by_status.is_some(), "the status is enough");
    let neither = read("workflow_job", &small(&json!(null), &json!("odd"))).unwrap_err();
    assert_eq!(neither, ParseError::Lacks("action"));
}

#[test]
fn only_a_job_that_is_over_has_an_end() {
    let end = "2021-08-05T10:38:16Z";
    for (action, expected) in [
        ("queued", (None, None)),
        ("in_progress", (None, None)),
        ("completed", (Some(end.parse().unwrap()), Some("failure".to_owned()))),
    ] {
        let mut payload = small(&json!(action), &json!(action));
        payload["workflow_job"]["conclusion"] = json!("failure");
        payload["workflow_job"]["completed_at"] = json!(end);
        let Some(Content::Job { job, .. }) = read("workflow_job", &payload).unwrap() else {
            panic!("{action}")
        };
        assert_eq!((job.completed_at, job.conclusion), expected, "{action}");
    }
}

#[test]
fn missing_null_odd_and_unknown_fields_do_no_harm() {
    let bare = read("workflow_job", &small(&json!("queued"), &json!("queued"))).unwrap().unwrap();
    let Content::Job { repository, job } = &bare else { panic!("{bare:?}") };
    assert_eq!((&*job.name, &job.created_at, &job.runner_name), ("", &None, &None));
    assert_eq!(repository.private, None, "unsaid");
    assert!(!repository.fork && !repository.archived);
    for (pointer, value) in [
        ("/workflow_job/name", json!(null)),
        ("/workflow_job/conclusion", json!({"a": 1})),
        ("/workflow_job/created_at", json!("yesterday")),
        ("/workflow_job/started_at", json!(1_700_000_000)),
        ("/workflow_job/runner_name", json!("")),
        ("/workflow_job/steps", json!("none")),
        ("/repository/private", json!("no")),
        ("/repository/archived", json!(null)),
        ("/organization", json!([])),
        ("/enterprise", json!({"id": 1})),
        ("/anything", json!([[[]]])),
    ] {
        let mut payload = small(&json!("queued"), &json!("queued"));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        payload.pointer_mut(parent).unwrap()[name] = value;
        let told = read("workflow_job", &payload).unwrap().unwrap();
        assert_eq!(told, bare, "{pointer}");
    }
    for (labels, unread) in [
        (json!(null), true),
        (json!("a"), true),
        (json!([]), false),
        // The rest of such a list is not what the job asks for.
        (json!([null, "self-hosted"]), true),
        (json!(["self-hosted", 5]), true),
    ] {
        let mut payload = small(&json!("queued"), &json!("queued"));
        payload["workflow_job"]["labels"] = labels;
        let Some(Content::Job { job, .. }) = read("workflow_job", &payload).unwrap() else {
            panic!("{payload}")
        };
        assert_eq!((job.labels, job.labels_unread), (Vec::new(), unread));
    }
}

#[test]
fn an_event_is_read_though_what_it_does_not_need_is_odd() {
    for odd in [json!(null), json!(7), json!("x"), json!([]), json!([null]), json!({"id": []})] {
        for event in ["ping", "repository", "public", "installation", "installation_repositories"] {
            let payload = json!({
                "action": odd, "repository": odd, "workflow_job": odd, "organization": odd,
                "enterprise": odd, "ref": odd, "deleted": odd, "labels": odd,
            });
            assert!(read(event, &payload).unwrap().is_some(), "{event} {odd}");
        }
        let mut payload = small(&json!("queued"), &json!("queued"));
        payload["workflow_job"]["run_id"] = odd.clone();
        payload["workflow_job"]["runner_group_id"] = odd.clone();
        assert!(read("workflow_job", &payload).unwrap().is_some(), "{odd}");
    }
}

#[test]
fn what_an_event_cannot_do_without_is_named() {
    for (pointer, said) in [
        ("/workflow_job", "workflow_job"),
        ("/workflow_job/id", "workflow_job.id"),
        ("/repository", "repository"),
        ("/repository/id", "repository.id"),
        ("/repository/full_name", "repository.full_name"),
    ] {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut payload = small(&json!("queued"), &json!("queued"));
        payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(name);
        let error = read("workflow_job", &payload).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the body lacks {said},")), "{error}");
        if parent.is_empty() {
            continue;
        }
        payload.pointer_mut(parent).unwrap()[name] = json!({"not": "this"});
        let error = read("workflow_job", &payload).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the body lacks {said},")), "{error}");
    }
    let mut payload = small(&json!("queued"), &json!("queued"));
    payload["repository"]["full_name"] = json!("octo/../hello");
    let error = read("workflow_job", &payload).unwrap_err();
    assert_eq!(error.to_string(), "repository.full_name: must have the form owner/repo");
    let push = json!({"repository": payload["repository"]});
    assert_eq!(read("push", &push).unwrap_err(), ParseError::Lacks("ref"));
}

#[test]
fn what_is_no_json_object_is_refused_whatever_the_event() {
    for event in ["workflow_job", "push", "ping", "installation", "check_run", "a_new_one"] {
        for (body, says) in [
            ("", "the body is not JSON (line 1, column 0)"),
            ("{\"a\":1", "the body is not JSON (line 1, column 6)"),
            ("{}x", "the body is not JSON (line 1, column 3)"),
            ("payload=%7B%7D", "the body is not JSON (line 1, column 1)"),
            ("<html>", "the body is not JSON (line 1, column 1)"),
        ] {
            let error = parse(&head(event), body.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), says, "{event} {body:?}");
        }
        for body in ["[]", "null", "\"text\"", "7"] {
            let error = parse(&head(event), body.as_bytes()).unwrap_err();
            assert_eq!(error, ParseError::Shape(event.to_owned()), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&head(event), deep.as_bytes()).is_err());
        assert_eq!(parse(&head(event), b"{\"a\":\"\xff\"}"), Err(ParseError::NotUtf8));
    }
}

#[test]
fn only_a_push_that_moves_the_default_branch_tells_something() {
    let cases = [
        (json!("refs/heads/main"), json!(false), json!("main"), true),
        (json!("refs/heads/main"), json!(null), json!("main"), true),
        (json!("refs/heads/main"), json!(true), json!("main"), false),
        (json!("refs/heads/topic"), json!(false), json!("main"), false),
        (json!("refs/heads/topic/main"), json!(false), json!("main"), false),
        (json!("refs/tags/main"), json!(false), json!("main"), false),
        (json!("main"), json!(false), json!("main"), false),
        (json!("refs/heads/feature/x"), json!(false), json!("feature/x"), true),
        (json!("refs/heads/any"), json!(false), json!(null), true),
        (json!("refs/tags/any"), json!(false), json!(null), false),
    ];
    for (reference, deleted, default, expected) in cases {
        let payload = json!({
            "ref": reference, "deleted": deleted,
            "repository": {"id": 3, "full_name": "octo/hello", "default_branch": default},
        });
        let told = read("push", &payload).unwrap();
        assert_eq!(told.is_some(), expected, "{payload}");
    }
}

#[test]
fn other_events_tell_by_their_name() {
    for event in ["repository", "public", "installation", "installation_repositories"] {
        for action in [json!("created"), json!("from the future"), json!(null)] {
            let told = read(event, &json!({"action": action})).unwrap();
            assert_eq!(told, Some(Content::Repositories), "{event} {action}");
        }
    }
    assert_eq!(read("meta", &json!({"action": "created"})).unwrap(), None);
    for event in ["check_run", "workflow_run", "star", "a_new_one"] {
        assert_eq!(read(event, &json!({"repository": "odd"})).unwrap(), None, "{event}");
    }
}

#[test]
fn the_head_is_read_from_the_headers() {
    let all = [
        ("x-github-event", "workflow_job"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-github-hook-id", "292430182"),
        ("x-github-hook-installation-target-type", "organization"),
    ];
    let whole = Head::of(&headers(&all)).unwrap();
    assert_eq!(whole.hook, Some((292_430_182, HookTarget::Organization)));
    assert_eq!(Head::of(&headers(&all[..2])).unwrap(), Head { hook: None, ..whole.clone() });
    for odd in ["from the future", "Repository", ""] {
        let target = ("x-github-hook-installation-target-type", odd);
        assert_eq!(Head::of(&headers(&[all[0], all[1], all[2], target])).unwrap().hook, None);
    }
    assert_eq!(Head::of(&headers(&all[1..])), Err(BadHead::Event));
    assert_eq!(Head::of(&headers(&all[..1])), Err(BadHead::Delivery));
    for bad in ["", " ", "a b", "../x", "{}"] {
        let event = Head::of(&headers(&[("x-github-event", bad), all[1]]));
        assert_eq!(event, Err(BadHead::Event), "{bad:?}");
        let id = Head::of(&headers(&[all[0], ("x-github-delivery", bad)]));
        assert_eq!(id, Err(BadHead::Delivery), "{bad:?}");
    }
}

#[test]
fn the_hook_is_named_by_what_it_is_installed_on() {
    let body = json!({
        "repository": {"id": 3, "full_name": "octo/hello"},
        "organization": {"login": "octo"},
        "enterprise": {"slug": "octo-corp"},
    });
    let body = body.to_string();
    let name = |target| {
        let head = Head { hook: Some((1, target)), ..head("ping") };
        parse(&head, body.as_bytes()).unwrap().unwrap().hook.unwrap().target_name
    };
    assert_eq!(name(HookTarget::Repository).as_deref(), Some("octo/hello"));
    assert_eq!(name(HookTarget::Organization).as_deref(), Some("octo"));
    assert_eq!(name(HookTarget::Business).as_deref(), Some("octo-corp"));
    assert_eq!(name(HookTarget::Integration), None);
}

proptest::proptest! {
    /// One other byte gives another reading or a reason, never a panic, and never another event's content.
    #[test]
    fn a_payload_with_another_byte_is_taken_calmly(place in 0..7800_usize, byte: u8) {
        let mut body = vendored("workflow_job.queued");
        body[place] = byte;
        let told = told("workflow_job", &body);
        let kinds = ["job ", "ignored", "refused: "];
        proptest::prop_assert!(kinds.iter().any(|kind| told.starts_with(kind)), "{}", told);
    }

    /// A payload cut anywhere is refused, not half read.
    #[test]
    fn a_cut_payload_is_refused(part in 0.0..1.0_f64) {
        let whole = vendored("workflow_job.queued");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small length")]
        let length = (whole.trim_ascii_end().len() as f64 * part) as usize;
        proptest::prop_assert!(parse(&head("workflow_job"), &whole[..length]).is_err());
    }
}

#[test]
fn what_comes_over_a_wire_is_cut_and_cleaned_whoever_sent_it() {
    use crate::foreign_text::steers;

    let odd = format!("\u{1b}[31ma\u{202e}b\u{200b}\n{}", "x".repeat(100_000));
    let many: Vec<String> = (0..200).map(|number| format!("{number} {odd}")).collect();
    let body = serde_json::json!({
        "id": odd,
        "event": odd,
        "hook": {"id": 7, "target": "repository", "target_name": odd},
        "content": {
            "kind": "job",
            "repository": {"id": 1, "full_name": odd, "private": true, "fork": false, "archived": false, "disabled": false},
            "job": {"id": 1, "run_id": 1, "name": odd, "status": "queued", "conclusion": odd, "labels": many, "runner_name": odd},
        },
    });
    let read: Delivery = serde_json::from_value(body).unwrap();
    let written = serde_json::to_string(&read).unwrap();
    assert!(!written.contains(steers), "{written}");
    assert!(written.len() < 20_000, "{}", written.len());
    let again: Delivery = serde_json::from_str(&written).unwrap();
    assert_eq!(again, read);
}

#[test]
fn a_status_is_spelt_alike_everywhere() {
    for (status, text) in JobStatus::ALL {
        assert_eq!(status.as_str(), text);
        assert_eq!(serde_json::to_value(status).unwrap(), text);
    }
}

#[test]
fn each_field_of_a_payload_has_its_own_place() {
    let payload = json!({
        "action": "completed",
        "workflow_job": {
            "id": 11, "name": "b\u{1b}[31m\nuild", "status": "completed", "conclusion": "canc\u{200b}elled",
            "labels": ["GPU", "b"], "created_at": "2026-01-01T00:00:01Z", "started_at": "2026-01-01T00:00:02Z",
            "completed_at": "2026-01-01T00:00:03Z", "runner_name": "r\u{202e}1",
        },
        "repository": {"id": 13, "full_name": "Octo/Hello"},
    });
    let expected = json!({
        "kind": "job",
        "repository": {
            "id": 13, "full_name": "Octo/Hello",
            "private": null, "fork": false, "archived": false, "disabled": false,
        },
        "job": {
            "id": 11, "name": "b uild", "status": "completed", "conclusion": "cancelled",
            "labels": ["GPU", "b"], "created_at": "2026-01-01T00:00:01Z", "started_at": "2026-01-01T00:00:02Z",
            "completed_at": "2026-01-01T00:00:03Z", "runner_name": "r1",
        },
    });
    for flag in ["", "private", "fork", "archived", "disabled"] {
        let (mut payload, mut expected) = (payload.clone(), expected.clone());
        if !flag.is_empty() {
            payload["repository"][flag] = json!(true);
            expected["repository"][flag] = json!(true);
        }
        let read = read("workflow_job", &payload).unwrap().unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), expected, "{flag}");
    }
}

#[test]
fn a_job_has_a_runner_once_it_is_taken() {
    for (status, expected) in [
        ("waiting", None),
        ("queued", None),
        ("in_progress", Some("r1")),
        ("completed", Some("r1")),
    ] {
        let mut payload = small(&json!(status), &json!(status));
        payload["workflow_job"]["runner_name"] = json!("r1");
        let Some(Content::Job { job, .. }) = read("workflow_job", &payload).unwrap() else {
            panic!("{status}")
        };
        assert_eq!(job.runner_name.as_deref(), expected, "{status}");
    }
    for (status, expected) in
        [("requested", "waiting"), ("pending", "waiting"), ("queued", "queued")]
    {
        let Some(Content::Job { job, .. }) =
            read("workflow_job", &small(&json!(null), &json!(status))).unwrap()
        else {
            panic!("{status}")
        };
        assert_eq!(job.status.as_str(), expected);
    }
}

#[test]
fn a_target_is_spelt_as_in_the_header() {
    let rows = [
        (HookTarget::Repository, "repository"),
        (HookTarget::Organization, "organization"),
        (HookTarget::Integration, "integration"),
        (HookTarget::Business, "business"),
    ];
    for (target, text) in rows {
        assert_eq!(
            (HookTarget::parse(text), serde_json::to_value(target).unwrap()),
            (Some(target), json!(text))
        );
    }
    assert_eq!(HookTarget::parse("Business"), None);
    let outcomes = [Outcome::Accepted, Outcome::Duplicate, Outcome::Ignored];
    let receipts = outcomes.map(|outcome| serde_json::to_value(Receipt { outcome }).unwrap());
    assert_eq!(receipts, ["accepted", "duplicate", "ignored"].map(|text| json!({"outcome": text})));
}

#[test]
fn other_contents_are_told_apart_on_the_wire() {
    let repository = EventRepository {
        id: 1,
        full_name: "o/r".to_owned(),
        private: Some(true),
        fork: false,
        archived: true,
        disabled: false,
    };
    let rows = [
        (
            Content::Push { repository },
            json!({"kind": "push", "repository": {
                "id": 1, "full_name": "o/r", "private": true, "fork": false, "archived": true, "disabled": false,
            }}),
        ),
        (Content::Repositories, json!({"kind": "repositories"})),
        (Content::Ping, json!({"kind": "ping"})),
        (Content::HookDeleted, json!({"kind": "hook_deleted"})),
    ];
    for (content, written) in rows {
        assert_eq!(serde_json::to_value(&content).unwrap(), written);
        assert_eq!(serde_json::from_value::<Content>(written).unwrap(), content);
    }
}

#[test]
fn a_header_that_is_there_twice_counts_as_none() {
    let all = [
        ("x-github-event", "workflow_job"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-github-hook-id", "292430182"),
        ("x-github-hook-installation-target-type", "organization"),
    ];
    let twice = |index: usize| {
        let pairs = all.into_iter().chain([all[index]]);
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Head::of(&headers)
    };
    assert_eq!(twice(0), Err(BadHead::Event));
    assert_eq!(twice(1), Err(BadHead::Delivery));
    assert_eq!((twice(2).unwrap().hook, twice(3).unwrap().hook), (None, None));
}

#[test]
fn names_in_the_head_have_a_hundred_characters_at_most() {
    let head = |event: &str, id: &str| {
        let pairs = [("x-github-event", event), ("x-github-delivery", id)];
        let pair =
            |(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        Head::of(&pairs.into_iter().map(pair).collect())
    };
    let (good, long) = ("a".repeat(100), "a".repeat(101));
    let read = head(&good, &good).unwrap();
    assert_eq!((read.event, read.id), (good.clone(), good.clone()));
    assert_eq!(head(&long, &good), Err(BadHead::Event));
    assert_eq!(head(&good, &long), Err(BadHead::Delivery));
    assert!(head("a_1", "A-1").is_ok());
    assert_eq!((head("A", "1"), head("a-b", "1")), (Err(BadHead::Event), Err(BadHead::Event)));
    assert_eq!(head("a", "a_1"), Err(BadHead::Delivery));
}

#[test]
fn why_a_delivery_is_refused_is_said_in_words() {
    let rows = [
        (
            BadHead::Event.to_string(),
            "the header X-GitHub-Event is missing, is there twice or is not the name of an event",
        ),
        (
            BadHead::Delivery.to_string(),
            "the header X-GitHub-Delivery is missing, is there twice or is not an id",
        ),
        (ParseError::NotUtf8.to_string(), "the body is not UTF-8"),
        (
            ParseError::Shape("push".to_owned()).to_string(),
            "the body is not the object of a push event",
        ),
        (
            ParseError::Lacks("ref").to_string(),
            "the body lacks ref, or it is of another type than it should be",
        ),
    ];
    for (said, expected) in rows {
        assert_eq!(said, expected);
    }
}

#[test]
fn what_a_hook_is_installed_on_is_cleaned_too() {
    let head = Head { hook: Some((1, HookTarget::Organization)), ..head("ping") };
    let body = json!({"organization": {"login": "oc\u{202e}to"}}).to_string();
    let delivery = parse(&head, body.as_bytes()).unwrap().unwrap();
    assert_eq!(delivery.hook.unwrap().target_name.as_deref(), Some("octo"));
}
