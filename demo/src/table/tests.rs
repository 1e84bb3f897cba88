//! Tables of what there is and what is said about it.

use super::*;

#[test]
fn a_picture_fits_its_terminal_and_shows_what_is_under_way() {
    let row = |id, done| Row {
        id,
        done,
        repo: String::new(),
        job: String::new(),
        labels: String::new(),
        state: "queued",
        runner: String::new(),
        container: String::new(),
        wait: String::new(),
        duration: String::new(),
    };
    let rows: Vec<Row> = (0..10).map(|id| row(id, id % 2 == 0)).collect();
    let ids = |height| visible(&rows, height).iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(24), (0..10).collect::<Vec<_>>());
    assert_eq!(ids(11), [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(ids(6), [1, 3, 5]);
}

fn told_row() -> Row {
    Row {
        id: 1,
        repo: "o/r".to_owned(),
        job: "build".to_owned(),
        labels: "self-hosted,x".to_owned(),
        state: "queued",
        done: false,
        runner: String::new(),
        container: String::new(),
        wait: "3 s".to_owned(),
        duration: "4 s".to_owned(),
    }
}

#[test]
fn without_a_terminal_each_change_is_told_once() {
    let mut table = Table { live: false, ..Table::new() };
    let row = told_row();
    assert_eq!(table.changes(std::slice::from_ref(&row)), "o/r · build [self-hosted,x]: queued\n");
    assert_eq!(table.changes(std::slice::from_ref(&row)), "");
    let taken = Row { state: "in_progress", runner: "r-1".to_owned(), ..row };
    table.containers.insert(1, "c0ffee".to_owned());
    assert_eq!(
        table.changes(&[taken]),
        "o/r · build [self-hosted,x]: in_progress on r-1 in container c0ffee\n"
    );
}

#[test]
fn a_picture_takes_the_place_of_the_last_one() {
    let mut table = Table::new();
    table.containers.insert(1, "c0ffee".to_owned());
    let row = Row { runner: "r-1".to_owned(), ..told_row() };
    let picture = table.table(std::slice::from_ref(&row));
    let lines: Vec<&str> = picture.lines().map(str::trim_end).collect();
    let expected = [
        " repository  job    labels         state   runner  container  queued→running  duration",
        " o/r         build  self-hosted,x  queued  r-1     c0ffee     3 s             4 s",
    ];
    assert_eq!(lines, expected);
    assert_eq!(table.table(std::slice::from_ref(&row)), format!("\u{1b}[2A\u{1b}[0J{picture}"));
    table.finish();
    assert_eq!(table.table(&[row]), picture, "what is finished stays");
}

#[test]
fn a_time_is_in_whole_seconds_or_minutes_and_never_below_nought() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (early, late) = (at("2026-01-01T00:00:00.9Z"), at("2026-01-01T00:00:03.1Z"));
    assert_eq!([between((early, late)), between((late, early))], ["3 s", "0 s"]);
    let after =
        |seconds| between((Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap()));
    assert_eq!([119, 120, 3_659].map(after), ["119 s", "2 min", "60 min"]);
}
