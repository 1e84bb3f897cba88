//! What is due, and what never is.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn now() -> Timestamp {
    at(NOW)
}

/// An attempt: its id, its event's GUID, how many seconds ago, the answer's status.
fn attempt(id: i64, guid: &str, ago: i64, status_code: u16) -> HookDelivery {
    HookDelivery {
        id,
        guid: guid.to_owned(),
        delivered_at: at(NOW - ago),
        redelivery: false,
        duration: 0.1,
        status: String::new(),
        status_code,
        event: "workflow_job".to_owned(),
        action: None,
    }
}

#[test]
fn what_failed_and_was_never_delivered_is_due() {
    let cases: &[(&str, Vec<HookDelivery>, &[i64])] = &[
        ("nothing", vec![], &[]),
        ("delivered", vec![attempt(1, "a", 600, 202)], &[]),
        ("no connection", vec![attempt(1, "a", 600, 502)], &[1]),
        ("no answer at all", vec![attempt(1, "a", 600, 0)], &[1]),
        ("refused", vec![attempt(1, "a", 600, 401)], &[1]),
        ("redirected, which GitHub does not follow", vec![attempt(1, "a", 600, 301)], &[1]),
        ("too young", vec![attempt(1, "a", 59, 500)], &[]),
        ("just old enough", vec![attempt(1, "a", 60, 500)], &[1]),
        ("in the future, by our clock", vec![attempt(1, "a", -30, 500)], &[]),
        ("delivered later", vec![attempt(2, "a", 300, 200), attempt(1, "a", 600, 500)], &[]),
        ("delivered earlier", vec![attempt(2, "a", 300, 500), attempt(1, "a", 600, 200)], &[]),
        ("tried twice", vec![attempt(2, "a", 300, 500), attempt(1, "a", 600, 500)], &[2]),
        ("tried again just now", vec![attempt(2, "a", 30, 500), attempt(1, "a", 600, 500)], &[]),
        (
            "tried often enough",
            vec![attempt(3, "a", 100, 500), attempt(2, "a", 300, 500), attempt(1, "a", 600, 500)],
            &[],
        ),
        (
            "two events, the older first",
            vec![attempt(2, "b", 300, 500), attempt(1, "a", 600, 500)],
            &[1, 2],
        ),
        (
            "an event that we do not read",
            vec![HookDelivery { event: "issues".to_owned(), ..attempt(1, "a", 600, 500) }],
            &[],
        ),
        (
            "a ping, which is for people",
            vec![HookDelivery { event: "ping".to_owned(), ..attempt(1, "a", 600, 500) }],
            &[],
        ),
    ];
    for (what, deliveries, expected) in cases {
        assert_eq!(due(deliveries, now()), *expected, "{what}");
    }
}

#[test]
fn every_event_that_is_asked_for_is_redelivered() {
    for event in crate::hooks::EVENTS {
        assert!(EVENTS.contains(&event), "{event}");
    }
}

#[test]
fn a_round_is_bounded_and_begins_with_the_oldest() {
    let all: Vec<HookDelivery> =
        (0..200).map(|n| attempt(n, &format!("g{n}"), 10_000 - n, 500)).collect();
    assert_eq!(due(&all, now()), (0..50).collect::<Vec<_>>());
}

#[test]
fn what_is_decided_is_not_read_again() {
    let young = at(NOW - 60);
    assert_eq!(open_since(&[], now()), young);
    assert_eq!(open_since(&[attempt(1, "a", 600, 200)], now()), young);
    assert_eq!(open_since(&[attempt(1, "a", 600, 500)], now()), at(NOW - 600));
    let twice = [attempt(2, "a", 100, 500), attempt(1, "a", 600, 500)];
    assert_eq!(open_since(&twice, now()), at(NOW - 600), "all attempts are counted next time, too");
    let often = [attempt(3, "a", 90, 500), twice[0].clone(), twice[1].clone()];
    assert_eq!((open_since(&often, now()), given_up(&often)), (young, 1));
    let beside = [vec![attempt(9, "b", 95, 500)], often.to_vec()].concat();
    assert_eq!(
        open_since(&beside, now()),
        at(NOW - 600),
        "half of what is decided looks undecided"
    );
    assert_eq!(open_since(&[attempt(1, "a", 5, 500)], now()), young);
}

prop_compose! {
    fn some_attempt()(
        id in 0_i64..1_000,
        guid in 0_u8..12,
        ago in -100_i64..4_000,
        status in prop::sample::select(vec![0_u16, 200, 202, 301, 401, 500, 502]),
        event in prop::sample::select(vec!["workflow_job", "push", "issues"]),
    ) -> HookDelivery {
        HookDelivery { event: event.to_owned(), ..attempt(id, &guid.to_string(), ago, status) }
    }
}

proptest! {
    #[test]
    fn what_was_delivered_is_never_due(mut all in prop::collection::vec(some_attempt(), 0..60)) {
        for (id, one) in all.iter_mut().enumerate() {
            one.id = i64::try_from(id).unwrap();
        }
        let due = due(&all, now());
        prop_assert!(due.len() <= MAX_PER_ROUND);
        let mut guids: Vec<&str> = Vec::new();
        for id in &due {
            let one = all.iter().find(|one| one.id == *id).unwrap();
            let same = all.iter().filter(|other| other.guid == one.guid && EVENTS.contains(&other.event.as_str()));
            let same: Vec<&HookDelivery> = same.collect();
            prop_assert!(!one.succeeded() && same.iter().all(|other| !other.succeeded()));
            prop_assert!(same.len() < MAX_ATTEMPTS);
            prop_assert!(same.iter().all(|other| now().duration_since(other.delivered_at) >= MIN_AGE));
            prop_assert!(!guids.contains(&one.guid.as_str()), "one event is asked for once");
            guids.push(&one.guid);
        }
        // Reading only what is open leads to the same decision.
        let since = open_since(&all, now());
        let read: Vec<HookDelivery> = all.iter().filter(|one| one.delivered_at >= since).cloned().collect();
        prop_assert_eq!(super::due(&read, now()), due);
    }
}
