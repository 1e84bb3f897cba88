//! What is shown and asked on a terminal: the program in the terminal that `script` makes (util-linux).

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;

use super::Gateway;
use super::overview::platform;
use crate::in_time::InTime as _;
use crate::limit::Limit;

/// Runs the program with these words in a terminal. As soon as this text was shown so often, types the keys; the exit code, and all
/// that was shown.
async fn on_terminal(
    gateway: &Gateway,
    words: &str,
    (text, times): (&'static str, usize),
    keys: &'static str,
) -> (i32, String) {
    let mut command = Command::new("script");
    let program = env!("CARGO_BIN_EXE_mayfly");
    // Its own exit code is the program's, which takes the place of the shell.
    command.args([
        "--quiet",
        "--return",
        "--command",
        &format!("exec '{program}' {words}"),
        "/dev/null",
    ]);
    command.env("MAYFLY_URL", &gateway.url).env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let run = move || {
        let mut child = command.spawn().expect("script, of util-linux");
        let _limit = Limit::of(child.id());
        let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
        let mut output = child.stdout.take().unwrap();
        let seen = |shown: &[u8]| String::from_utf8_lossy(shown).matches(text).count();
        while seen(&shown) < times {
            let length = output.read(&mut piece).unwrap();
            assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&shown));
            shown.extend_from_slice(&piece[..length]);
        }
        child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        output.read_to_end(&mut shown).unwrap();
        let code = child.output_in_time().status.code().unwrap();
        (code, String::from_utf8(shown).unwrap())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn a_picture_is_drawn_again_and_again_on_a_screen_of_its_own_until_ctrl_c() {
    let gateway = Gateway::start(|what, before| match what {
        // A look that fails is shown, and the next one is made all the same.
        "GET /status" if before == 1 => super::problem(503),
        _ => platform(what),
    })
    .await;
    let drawn = ("\x1b[J", 3);
    let (code, shown) = on_terminal(&gateway, "top --interval 1", drawn, "\x03").await;
    assert_eq!(code, 0, "{shown:?}");
    assert!(shown.starts_with("\x1b[?1049h\x1b[?25l\x1b[H"), "{shown:?}");
    assert!(shown.ends_with("\x1b[?25h\x1b[?1049l"), "{shown:?}");
    let pictures: Vec<&str> = shown.split("\x1b[H").skip(1).collect();
    assert!(pictures[0].contains("house\x1b[K\r") && pictures[0] != pictures[1], "{shown:?}");
    assert!(pictures[1].contains("It is refused."), "{shown:?}");
    assert_eq!(pictures[0], pictures[2].split_inclusive("\x1b[J").next().unwrap());
}

#[tokio::test]
async fn an_uninstall_asks_and_begins_only_if_the_answer_is_yes() {
    let drain = json!({"draining": true, "since": null, "stored": true, "left": 0, "busy": 0});
    for (words, keys, begins) in [
        ("uninstall", "y\n", true),
        ("uninstall", "YES\n", true),
        ("uninstall --force", "n\n", false),
        ("uninstall", "\n", false),
        ("uninstall", "yet\n", false),
        ("uninstall", "\x04", false),
    ] {
        let drain = drain.clone();
        let gateway = Gateway::start(move |what, _| match what {
            "POST /uninstall" => (200, json!({"removed": [], "left": []})),
            _ => (200, drain.clone()),
        })
        .await;
        let (code, shown) = on_terminal(&gateway, words, ("[y/N] ", 1), keys).await;
        let busy = if words.contains("force") {
            "are ended, and their jobs fail"
        } else {
            "finish their jobs first"
        };
        let question = format!(
            "Remove all runners, registrations and networks of this installation? Runners at work {busy}. [y/N] "
        );
        assert!(shown.starts_with(&question), "{shown:?}");
        assert_eq!(code, i32::from(!begins), "{keys:?}: {shown:?}");
        assert_eq!(gateway.asked("PUT /drain"), usize::from(begins), "{keys:?}");
        assert_eq!(shown.contains("error: nothing was changed"), !begins, "{shown:?}");
    }
}
