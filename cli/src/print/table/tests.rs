//! Tables of what there is and what is said about it.

use super::*;

#[test]
fn spans_are_short() {
    let of = |seconds| span(SignedDuration::from_secs(seconds));
    assert_eq!(
        [of(-5), of(119), of(120), of(7_199), of(7_200), of(172_800)],
        ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]
    );
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    assert_eq!(table(["a"], [["\u{1b}[31mred".to_owned()]]), " a\n [31mred\n");
    assert_eq!(plain("a\u{202e}b\nc\u{200b}"), "ab\nc");
    assert_eq!(pairs([("name", "x".to_owned()), ("none", String::new())]), "name  x\n");
}

#[test]
fn spans_change_their_unit_where_it_tells_enough() {
    let of = |seconds| span(SignedDuration::from_secs(seconds));
    assert_eq!(
        [of(0), of(179), of(7_199), of(10_799), of(172_799), of(259_199)],
        ["0 s", "2 min", "119 min", "2 h", "47 h", "2 d"]
    );
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(ago(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:09.9Z")), "9 s");
    assert_eq!(moment(at("2026-01-02T03:04:05.6Z")), "2026-01-02T03:04:05Z");
}

#[test]
fn a_state_has_the_colour_that_people_expect() {
    let rows = [
        (&["idle", "active", "success", "finished"][..], Some(Color::Green)),
        (&["busy", "in progress"], Some(Color::Cyan)),
        (&["starting", "draining", "paused", "waits"], Some(Color::Yellow)),
        (&["failed", "failure", "timed_out"], Some(Color::Red)),
        (&["gone", "disabled", "cancelled", "skipped"], Some(Color::DarkGrey)),
        (&["queued", "neutral", ""], None),
    ];
    for (states, colour) in rows {
        for state in states {
            let plain = Cell::new(state);
            let expected = colour.map_or(plain.clone(), |colour| plain.clone().fg(colour));
            assert_eq!(tinted(plain), expected, "{state}");
        }
    }
}
