//! Tables of what there is and what is said about it.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_table_tells_ages_and_how_runners_ended() {
    let now = at("2026-01-02T03:04:05Z");
    let runner: Runner = serde_json::from_value(json!({
        "id": "i", "name": "r-1", "pool": "ci", "scope": "repo", "scope_name": "o/a", "labels": ["x", "y"], "state": "idle",
        "image": "img", "created_at": "2026-01-02T02:04:05Z", "deadline": "2026-01-02T09:04:05Z",
    }))
    .unwrap();
    let text = " runner  pool  state  scope  labels  age     why\n r-1     ci    idle   o/a    x,y     60 min\n";
    assert_eq!(table(&[runner], now), text);
    let ended_so = |exit_code: Option<i64>, out_of_memory: bool| -> Finished {
        serde_json::from_value(json!({
            "name": "r-0", "scope": "org", "scope_name": "o", "pool": "ci", "image": "img", "state": "finished", "reason": "done",
            "exit_code": exit_code, "out_of_memory": out_of_memory,
            "created_at": "2026-01-02T02:54:05Z", "removed_at": "2026-01-02T03:03:05Z",
        }))
        .unwrap()
    };
    let text = " runner  pool  state     scope  exit  lived  gone since  why
 r-0     ci    finished  o      7     9 min  60 s        done
";
    assert_eq!(ended(&[ended_so(Some(7), false)], now), text);
    assert_eq!(exit(&ended_so(Some(7), true)), "7 out of memory");
    assert_eq!(
        (exit(&ended_so(None, false)), exit(&ended_so(Some(0), false))),
        (String::new(), "0".to_owned())
    );
}

#[test]
fn a_state_is_asked_for_by_its_name() {
    let names = State::value_variants().iter().map(|state| state.of().as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["starting", "idle", "busy", "draining", "finished", "failed", "gone"]);
}
