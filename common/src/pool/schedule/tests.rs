use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn it_holds_in_the_minutes_it_names() {
    // 2026-11-21 is a Saturday.
    let rows = [
        ("* * * * *", "2026-11-21T08:00:00Z", true),
        ("* 8-17 * * mon-fri", "2026-11-20T17:59:59Z", true),
        ("* 8-17 * * mon-fri", "2026-11-20T18:00:00Z", false),
        ("* 8-17 * * mon-fri", "2026-11-21T09:00:00Z", false),
        ("*/15 * * * *", "2026-11-21T09:30:10Z", true),
        ("*/15 * * * *", "2026-11-21T09:31:00Z", false),
        ("5/20 * * * *", "2026-11-21T09:45:00Z", true),
        ("0 0 1 * *", "2026-12-01T00:00:00Z", true),
        ("* * * DEC *", "2026-11-30T23:59:00Z", false),
        ("* * * * 7", "2026-11-22T00:00:00Z", true),
        ("* * * * 0,6", "2026-11-21T00:00:00Z", true),
        // Both kinds of days: either is enough.
        ("* * 13 * fri", "2026-11-20T00:00:00Z", true),
        ("* * 13 * fri", "2026-12-13T00:00:00Z", true),
        ("* * 13 * fri", "2026-12-14T00:00:00Z", false),
    ];
    for (when, now, holds) in rows {
        assert_eq!(Schedule::new(when, 1).unwrap().holds(at(now)), holds, "{when} at {now}");
    }
}

#[test]
fn the_clock_on_the_wall_counts_through_changes_of_it() {
    let night = Schedule::new("* 2 * * *", 3).unwrap().in_zone("Europe/Berlin").unwrap();
    // In spring the clock goes from 02:00 to 03:00: the hour is not there.
    let spring = ["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"];
    assert!(spring.iter().all(|now| !night.holds(at(now))));
    // In autumn it goes back from 03:00 to 02:00: the hour is there twice.
    let autumn = ["2026-10-25T00:00:00Z", "2026-10-25T00:59:00Z", "2026-10-25T01:30:00Z"];
    assert!(autumn.iter().all(|now| night.holds(at(now))));
    assert!(!night.holds(at("2026-10-25T02:00:00Z")));
    assert_eq!(night.next_change(at("2026-10-24T23:30:07Z")), Some(at("2026-10-25T00:00:00Z")));
    assert_eq!(night.next_change(at("2026-10-25T00:10:00Z")), Some(at("2026-10-25T02:00:00Z")));
    assert_eq!(
        Schedule::new("* * * * *", 0).unwrap().next_change(at("2026-10-25T00:10:00Z")),
        None
    );
}

#[test]
fn what_is_wrong_is_said() {
    for wrong in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * foo *",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "-1 * * * *",
        "+1 * * * *",
        "1, * * * *",
    ] {
        assert!(Schedule::new(wrong, 1).is_err(), "{wrong}");
    }
    let error = Schedule::new("* 25 * * *", 1).unwrap_err();
    assert_eq!(error.to_string(), "\"25\" is no hour from 0 to 23");
    assert!(Schedule::new("* * * * *", 1).unwrap().in_zone("Mars/Olympus").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = Schedule::new(&text, 1);
    }
}

#[test]
fn each_field_has_its_name_its_bounds_and_its_words() {
    let fields = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of the month", 1, 31),
        ("month", 1, 12),
        ("day of the week", 0, 7),
    ];
    for (index, (name, least, most)) in fields.into_iter().enumerate() {
        let of = |text: &str| {
            let mut when = ["*"; 5];
            when[index] = text;
            Schedule::new(&when.join(" "), 1).map(|_| ()).map_err(|error| error.to_string())
        };
        for good in
            [format!("{least}"), format!("{most}"), format!("{least}-{most}"), format!("*/{most}")]
        {
            assert_eq!(of(&good), Ok(()), "{name} {good}");
        }
        for bad in [
            format!("{}", most + 1),
            format!("{least}-{}", most + 1),
            "x".to_owned(),
            "1/".to_owned(),
        ] {
            assert_eq!(of(&bad), Err(format!("{bad:?} is no {name} from {least} to {most}")));
        }
    }
    assert!(Schedule::new("* * * 0 *", 1).is_err() && Schedule::new("* * 0 * *", 1).is_err());
    let months =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    for (index, month) in months.into_iter().enumerate() {
        let schedule = Schedule::new(&format!("* * * {month} *"), 1).unwrap();
        for other in 1..=12 {
            let day = at(&format!("2026-{other:02}-01T00:00:00Z"));
            assert_eq!(schedule.holds(day), other == index + 1, "{month} {other}");
        }
    }
    // 2026-11-22 is a Sunday.
    let days = ["sun", "mon", "tue", "wed", "thu", "fri", "Sat"];
    for (index, weekday) in days.into_iter().enumerate() {
        let schedule = Schedule::new(&format!("* * * * {weekday}"), 1).unwrap();
        for other in 0..7 {
            let day = at(&format!("2026-11-{}T00:00:00Z", 22 + other));
            assert_eq!(schedule.holds(day), other == index, "{weekday} {other}");
        }
    }
}

#[test]
fn days_are_either_only_where_both_are_restricted() {
    // 2026-11-13 is a Friday, 2026-11-20, too; 2026-12-13 is a Sunday.
    let rows = [
        ("* * 13 * */1", "2026-11-20T00:00:00Z", false),
        ("* * */2 * fri", "2026-11-13T00:00:00Z", true),
        ("* * */2 * fri", "2026-11-15T00:00:00Z", false),
        ("* * 13 * *", "2026-12-13T00:00:00Z", true),
        ("* * * * fri", "2026-12-13T00:00:00Z", false),
        ("5/20 * * * *", "2026-11-21T09:04:00Z", false),
        ("5/20 * * * *", "2026-11-21T09:05:00Z", true),
        ("5/20 * * * *", "2026-11-21T09:06:00Z", false),
        ("0/59 * * * *", "2026-11-21T09:59:00Z", true),
        ("1-9/4 * * * *", "2026-11-21T09:09:00Z", true),
        ("1-9/4 * * * *", "2026-11-21T09:13:00Z", false),
    ];
    for (when, now, holds) in rows {
        assert_eq!(Schedule::new(when, 1).unwrap().holds(at(now)), holds, "{when} at {now}");
    }
}

#[test]
fn a_change_is_looked_for_within_a_day() {
    let noon = Schedule::new("0 12 * * *", 4).unwrap();
    assert_eq!(noon.next_change(at("2026-11-21T12:00:59Z")), Some(at("2026-11-21T12:01:00Z")));
    assert_eq!(noon.next_change(at("2026-11-21T12:01:00Z")), Some(at("2026-11-22T12:00:00Z")));
    let once = Schedule::new("0 12 23 nov *", 4).unwrap();
    assert_eq!(once.next_change(at("2026-11-22T12:00:30Z")), Some(at("2026-11-23T12:00:00Z")));
    assert_eq!(once.next_change(at("2026-11-22T11:59:59Z")), None);
}

#[test]
fn a_schedule_is_written_as_it_was_read() {
    let schedule = Schedule::new("0 12 * * *", 4).unwrap();
    let written = |schedule: &Schedule| serde_json::to_value(schedule).unwrap();
    assert_eq!(
        written(&schedule),
        serde_json::json!({"when": "0 12 * * *", "timezone": "UTC", "min_idle": 4})
    );
    assert_eq!(schedule.min_idle(), 4);
    let there = schedule.in_zone("Asia/Tokyo").unwrap();
    assert_eq!(
        written(&there),
        serde_json::json!({"when": "0 12 * * *", "timezone": "Asia/Tokyo", "min_idle": 4})
    );
    assert_eq!(format!("{there:?}"), "schedule:0 12 * * * Asia/Tokyo: 4");
    assert!(there.holds(at("2026-11-21T03:00:00Z")) && !there.holds(at("2026-11-21T12:00:00Z")));
    assert_eq!(
        Schedule::new("* * *", 1).unwrap_err().to_string(),
        "must have five fields: minute, hour, day of the month, month, day of the week"
    );
}
