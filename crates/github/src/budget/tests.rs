use proptest::prelude::*;

use super::*;
use Account::{App, Installation, User};
use Priority::{Demand, Discovery, Job, Upkeep};
use Resource::{Core, Graphql};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what a response tells, or nothing")]
fn left(remaining: u64, limit: u64, reset: i64) -> Option<Limit> {
    Some(Limit { limit, remaining, reset: at(reset) })
}

fn with(limit: Option<Limit>) -> Budget {
    let mut budget = Budget::default();
    budget.admit(User, Core, Job, 1, at(0)).unwrap();
    budget.answered(User, Core, limit, true, at(1));
    budget
}

#[test]
fn jobs_come_first_and_discovery_yields() {
    // What is left of 5,000; who may go on.
    let rows = [
        (5_000, [true, true, true, true]),
        (1_250, [true, true, true, false]),
        (501, [true, true, true, false]),
        (500, [true, true, false, false]),
        (50, [true, true, false, false]),
        (20, [true, false, false, false]),
        (1, [true, false, false, false]),
        (0, [false, false, false, false]),
    ];
    for (remaining, expected) in rows {
        let found = [Job, Demand, Discovery, Upkeep].map(|priority| {
            with(left(remaining, 5_000, 1_800)).admit(User, Core, priority, 1, at(1)).is_ok()
        });
        assert_eq!(found, expected, "{remaining} left");
    }
}

#[test]
fn a_held_request_says_why_and_until_when() {
    let held = with(left(50, 5_000, 1_800)).admit(User, Core, Discovery, 1, at(1)).unwrap_err();
    assert_eq!(held.until, at(1_800));
    assert_eq!(held.why, "50 of 5000 core requests of this hour are left, kept for waiting jobs");
    let mut fresh = with(left(0, 5_000, 1_800));
    assert!(fresh.admit(User, Core, Upkeep, 1, at(1_800)).is_ok(), "the hour is over");
    assert!(fresh.admit(Installation(1), Core, Upkeep, 1, at(1)).is_ok(), "another account");
    assert!(fresh.admit(User, Graphql, Upkeep, 1, at(1)).is_ok(), "another bucket");
    fresh.answered(User, Graphql, left(0, 5_000, 1_800), true, at(1));
    let held = fresh.admit(User, Graphql, Job, 1, at(2)).unwrap_err();
    assert_eq!(held.why, "0 of 5000 graphql requests of this hour are left");
}

#[test]
fn requests_under_way_count() {
    let mut budget = with(left(22, 5_000, 1_800));
    assert!(budget.admit(User, Core, Demand, 1, at(1)).is_ok());
    assert!(budget.admit(User, Core, Demand, 1, at(1)).is_ok());
    assert!(budget.admit(User, Core, Demand, 1, at(1)).is_err(), "20 are left for jobs");
    budget.answered(User, Core, left(22, 5_000, 1_800), false, at(1));
    assert!(budget.admit(User, Core, Demand, 1, at(1)).is_ok(), "that one cost nothing");
}

#[test]
fn answers_that_overtake_each_other_do_not_raise_what_is_left() {
    let mut budget = with(left(10, 100, 1_800));
    let remaining = |budget: &Budget| budget.limits(at(1))[0].2.remaining;
    budget.answered(User, Core, left(12, 100, 1_801), true, at(1));
    assert_eq!(remaining(&budget), 10);
    budget.answered(User, Core, left(9, 100, 1_799), true, at(1));
    assert_eq!(remaining(&budget), 9);
    budget.answered(User, Core, left(99, 100, 5_400), true, at(1));
    assert_eq!(remaining(&budget), 99, "a new hour");
    budget.answered(User, Core, left(3, 100, 1_800), true, at(1_800));
    assert_eq!(remaining(&budget), 99, "an answer of the old hour");
    budget.answered(User, Core, left(50, 100, 3_600), true, at(1));
    assert_eq!(remaining(&budget), 50, "an hour that ends earlier, with less left");
    assert!(budget.limits(at(5_400)).is_empty());
}

#[test]
fn what_github_told_is_obeyed() {
    let mut budget = Budget::default();
    let held = budget.told(User, Core, Told::Primary(at(600)), at(0));
    assert_eq!(
        held.to_string(),
        format!("until {:.0}: no core requests of this hour are left", at(600))
    );
    assert!(budget.admit(User, Core, Job, 1, at(599)).is_err());
    assert!(budget.admit(User, Graphql, Job, 1, at(0)).is_ok());
    assert!(budget.admit(User, Core, Job, 1, at(600)).is_ok());

    let held = budget.told(App, Core, Told::Secondary(Some(at(30))), at(0));
    let quiet = "GitHub asked for quiet (secondary rate limit)";
    assert_eq!((held.until, held.why.as_str()), (at(30), quiet));
    assert!(
        budget.admit(App, Graphql, Job, 1, at(29)).is_err(),
        "a secondary limit is the account's"
    );
    let waits = [60, 120, 240, 480, 900, 900];
    let mut budget = Budget::default();
    for wait in waits {
        assert_eq!(budget.told(User, Core, Told::Secondary(None), at(0)).until, at(wait));
    }
    budget.succeeded(User, at(899));
    assert!(budget.admit(User, Core, Job, 1, at(899)).is_err(), "an answer that was under way");
    budget.succeeded(User, at(900));
    assert_eq!(budget.told(User, Core, Told::Secondary(None), at(900)).until, at(960));
}

#[test]
fn a_burst_leaves_room_for_what_is_more_important() {
    let mut budget = Budget::default();
    let mut count = |priority, points| {
        (0..10_000)
            .take_while(|_| budget.admit(User, Core, priority, points, at(0)).is_ok())
            .count()
    };
    assert_eq!([count(Discovery, 1), count(Demand, 1), count(Job, 5)], [540, 180, 27]);
    assert!(budget.admit(User, Core, Discovery, 1, at(60)).is_ok(), "a new minute");
}

#[test]
fn checks_are_stretched_so_that_they_fit() {
    let interval = SignedDuration::from_secs(30);
    let stretched = |spent: usize, remaining| {
        let mut budget = Budget::default();
        budget.check_began();
        for _ in 0..spent {
            budget.answered(User, Core, left(remaining, 5_000, 1_800), true, at(1));
        }
        budget.stretch(interval, at(0)).as_secs()
    };
    let rows = [
        (0, 50, 30),
        (1, 5_000, 30),
        (100, 4_000, 46),
        (3, 50, 180),
        (30, 50, 1_800),
        (31, 50, 1_800),
        (1, 0, 1_800),
    ];
    for (spent, remaining, expected) in rows {
        assert_eq!(stretched(spent, remaining), expected, "{spent} spent, {remaining} left");
    }
}

#[test]
fn looks_at_runners_become_rare_when_little_is_left() {
    let pace =
        |remaining| with(left(remaining, 5_000, 1_800)).pace(at(0)).map(|pace| pace.as_secs());
    assert_eq!([pace(5_000), pace(500)], [None, None]);
    assert_eq!([pace(50), pace(21), pace(5)], [Some(60), Some(1_800), Some(1_800)]);
}

proptest! {
    /// Whatever is asked in whatever order: requests that are no registrations never use what is kept for those.
    #[test]
    fn the_reserve_is_never_touched(
        asked in prop::collection::vec((0..4u8, 1..6u32), 0..300),
        start in 0..200u64,
    ) {
        let mut budget = with(left(start, 200, 3_600));
        let mut remaining = start;
        for (kind, points) in asked {
            let priority = [Job, Demand, Discovery, Upkeep][usize::from(kind)];
            if budget.admit(User, Core, priority, points, at(1)).is_ok() {
                prop_assert!(remaining > 0);
                prop_assert!(priority == Job || remaining > JOB_RESERVE);
                remaining -= 1;
                budget.answered(User, Core, left(remaining, 200, 3_600), true, at(1));
            }
        }
    }
}

#[test]
fn a_second_401_in_a_row_is_the_verdict_and_one_alone_is_not() {
    let admitted = |budget: &mut Budget, second| budget.admit(User, Core, Job, 1, at(second));
    let mut budget = Budget::default();
    assert_eq!(budget.told(User, Core, Told::Credential, at(0)).until, at(0));
    assert!(admitted(&mut budget, 0).is_ok(), "one may be passing");
    budget.succeeded(User, at(0));
    budget.told(User, Core, Told::Credential, at(10));
    assert!(admitted(&mut budget, 10).is_ok(), "something succeeded between the two");
    assert_eq!(budget.told(User, Core, Told::Credential, at(10)).until, at(70));
    assert_eq!(admitted(&mut budget, 69).unwrap_err().cause, Cause::Credential);
    assert!(admitted(&mut budget, 70).is_ok());
    assert_eq!(
        budget.told(User, Core, Told::Credential, at(70)).until,
        at(130),
        "one request a minute"
    );
    // A new token of an installation may be tried, once.
    budget.renewed(User);
    assert!(admitted(&mut budget, 71).is_ok());
    assert_eq!(budget.told(User, Core, Told::Credential, at(71)).until, at(131));
    // What GitHub asked for holds, whatever it says of the credential.
    budget.told(App, Core, Told::Secondary(Some(at(30))), at(0));
    assert_eq!(budget.told(App, Core, Told::Credential, at(1)).until, at(30));
    budget.renewed(App);
    assert_eq!(budget.admit(App, Core, Job, 1, at(29)).unwrap_err().cause, Cause::Limit);
}

#[test]
fn each_kind_leaves_so_much_for_the_others_and_no_more() {
    let rows = [
        (5_000, [0, 20, 500, 1_250]),
        (1_000, [0, 20, 100, 250]),
        (100, [0, 20, 20, 25]),
        (60, [0, 15, 15, 15]),
    ];
    for (limit, kept) in rows {
        for (priority, kept) in [Job, Demand, Discovery, Upkeep].into_iter().zip(kept) {
            let may = |remaining| {
                with(left(remaining, limit, 1_800)).admit(User, Core, priority, 1, at(1)).is_ok()
            };
            assert_eq!((may(kept), may(kept + 1)), (false, true), "{priority:?} of {limit}");
        }
    }
}

#[test]
fn a_minute_has_so_many_points_for_each_kind() {
    let rows = [(Core, [855, 720, 540, 360]), (Graphql, [1_900, 1_600, 1_200, 800])];
    for (resource, points) in rows {
        for (priority, points) in [Job, Demand, Discovery, Upkeep].into_iter().zip(points) {
            let mut budget = Budget::default();
            let mut ask =
                |points, second| budget.admit(User, resource, priority, points, at(second));
            assert_eq!(ask(points, 5), Ok(()));
            let why = "this minute's requests are used up".to_owned();
            let held = Held { until: at(65), cause: Cause::Kept, why };
            assert_eq!(ask(1, 64), Err(held), "{priority:?}");
            assert_eq!(ask(1, 65), Ok(()));
            assert_eq!(ask(points, 4), Ok(()), "the clock was set back: another minute");
        }
    }
}

#[test]
fn a_wait_is_told_in_whole_seconds() {
    let mut budget = Budget::default();
    let now = Timestamp::new(1_800_000_000, 358_485_477).unwrap();
    assert_eq!(budget.admit(User, Core, Upkeep, 360, now), Ok(()));
    let held = budget.waiting(Upkeep, now).unwrap();
    let words = "until 2027-01-15T08:01:00Z: token: this minute's requests are used up";
    assert_eq!(held.to_string(), words);
}

#[test]
fn resets_up_to_five_seconds_apart_are_the_same_hour() {
    let rows = [
        (1_805, 12, (10, 1_805)),
        (1_806, 12, (12, 1_806)),
        (1_795, 12, (10, 1_795)),
        (1_794, 12, (10, 1_800)),
        (1_794, 10, (10, 1_800)),
        (1_794, 9, (9, 1_794)),
        (1, 3, (10, 1_800)),
    ];
    for (reset, remaining, (expected, until)) in rows {
        let mut budget = with(left(10, 100, 1_800));
        budget.answered(User, Core, left(remaining, 100, reset), true, at(1));
        let limit = Limit { limit: 100, remaining: expected, reset: at(until) };
        assert_eq!(budget.limits(at(1)), [(User, Core, limit)], "{remaining} until {reset}");
    }
}

#[test]
fn why_something_waits_is_told_with_whose_limit_it_is() {
    let mut budget = with(left(50, 5_000, 1_800));
    budget.answered(App, Graphql, left(7, 60, 900), true, at(1));
    budget.answered(Installation(3), Core, left(4_000, 5_000, 3_000), true, at(1));
    let why = "token: 50 of 5000 core requests of this hour are left, kept for waiting jobs";
    let held =
        |until, why: &str| Held { until: at(until), cause: Cause::Kept, why: why.to_owned() };
    assert_eq!(budget.waiting(Discovery, at(1)), Some(held(1_800, why)), "the longest");
    let app = "app: 7 of 60 graphql requests of this hour are left, kept for waiting jobs";
    assert_eq!(budget.waiting(Demand, at(1)), Some(held(900, app)));
    assert_eq!(budget.waiting(Job, at(1)), None);
    assert_eq!(
        [User, App, Installation(3)].map(|one| one.to_string()),
        ["token", "app", "installation 3"]
    );
    assert_eq!([Core, Graphql].map(Resource::as_str), ["core", "graphql"]);
}

#[test]
fn what_github_told_says_whose_decision_it_is() {
    let asked = |told, known| {
        let mut budget = with(known);
        budget.told(User, Core, told, at(0));
        budget.told(User, Core, told, at(0));
        budget.succeeded(App, at(5_000));
        budget.admit(User, Core, Job, 1, at(1)).unwrap_err()
    };
    let rows = [
        (
            Told::Primary(at(600)),
            left(9, 100, 1_800),
            Cause::Limit,
            600,
            "0 of 100 core requests of this hour are left",
        ),
        (Told::Primary(at(600)), None, Cause::Limit, 600, "no core requests of this hour are left"),
        (
            Told::Secondary(Some(at(30))),
            None,
            Cause::Limit,
            30,
            "GitHub asked for quiet (secondary rate limit)",
        ),
        (
            Told::Credential,
            None,
            Cause::Credential,
            60,
            "GitHub does not accept the credential (401)",
        ),
    ];
    for (told, known, cause, until, why) in rows {
        assert_eq!(asked(told, known), Held { until: at(until), cause, why: why.to_owned() });
    }
}

#[test]
fn looks_at_runners_are_paced_below_a_tenth_of_the_hour_and_below_sixty() {
    let rows = [
        (500, 5_000, None),
        (499, 5_000, Some(3)),
        (61, 100, None),
        (60, 100, Some(45)),
        (20, 100, Some(1_800)),
    ];
    for (remaining, limit, expected) in rows {
        let mut budget = with(left(remaining, limit, 1_800));
        // Points of GraphQL do not count.
        budget.answered(User, Graphql, left(1, 5_000, 1_800), true, at(0));
        let pace = |second| budget.pace(at(second)).map(|pace| pace.as_secs());
        assert_eq!((pace(0), pace(1_800)), (expected, None), "{remaining} of {limit}");
    }
    let mut budget = with(left(60, 100, 1_800));
    budget.answered(App, Core, left(50, 100, 1_800), true, at(0));
    assert_eq!(budget.pace(at(0)).unwrap().as_secs(), 60, "the longest");
}
