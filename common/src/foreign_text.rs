//! Text from outside: what containers print, and what Docker, GitHub, webhooks and workflows say.
//!
//! It passes through here where it enters: it is cut, cleaned of what steers a terminal, and redacted. So a reason, an event, a
//! row, a log line or an answer that repeats it stays small, stays on its line, and shows no credential.
//!
//! Invariants: every function is idempotent; no result holds a character that [`steers`]; no result is longer than its bound.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Longest sentence, in characters.
pub const LINE: usize = 200;
/// Longest message that is made of several sentences, in characters.
pub const MESSAGE: usize = 600;
/// Longest name, in characters.
pub const NAME: usize = 256;
/// Longest log, in bytes.
pub const LOG: usize = 64 << 10;

/// How much of a sentence or name is looked at, in bytes: enough to recognise a credential before it is cut in two.
const LOOKED_AT: usize = 8 << 10;
/// Stands for what was cut off.
const CUT: char = '…';

/// GitHub's token forms (docs: "GitHub's token formats"; a registration token is an A and 28 more capital letters and digits), bearer
/// headers, PEM keys (also cut ones), long base64 (a just-in-time configuration is base64 of some thousand characters), passwords in
/// URLs, and whatever is assigned to a name that says that it is a secret. The named groups are what is looked at in `redact`.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = [
        r"(?-u:\b)gh[pousr]_[A-Za-z0-9_.\-]{10,}",
        r"(?-u:\b)github_pat_[A-Za-z0-9_]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"\A[A-Za-z0-9+/= \t\r\n]+-----END [A-Z ]*PRIVATE KEY-----",
        r"(?-u:\b)ey[A-Za-z0-9+/_\-]{60,}={0,2}(?:\.[A-Za-z0-9_\-]+)*",
        r"(?-u:\b)[A-Za-z0-9+/]{400,}={0,2}",
        r"(?-u:\b)A[A-Z0-9]{28}(?-u:\b)",
        r"(?i-u)\b(?:bearer|remoteauth|token)\s+[A-Za-z0-9_.\-+/=]{16,}",
        r"(?-u)(?P<user>://[A-Za-z0-9._~%\-]*:)[!#-+\-.0-:<-?A-~]{3,}@",
        r#"(?i-u)(?P<name>(?:token|secret|passw(?:or)?d|passphrase|(?:api|access|private|auth)[_\-]?key)(?:s|[_\-]?(?:value|[0-9]+))?["']?[ \t]*[=:][ \t]*["']?)(?P<value>[!#$%*+\-./0-9:<=>?@A-Z\[\\\]^_`a-z{|}~]{8,})"#,
    ];
    Regex::new(&patterns.join("|")).expect("the patterns are constant and tested")
});

/// One line of at most [`LINE`] characters: a reason, an error, a last word.
pub fn line(text: &str) -> String {
    one_line(text, LINE)
}

/// One line of at most [`MESSAGE`] characters: a text of ours that repeats what others said.
pub fn message(text: &str) -> String {
    one_line(text, MESSAGE)
}

/// One line of at most [`NAME`] characters: the name of a job, a runner, a group.
pub fn name(text: &str) -> String {
    one_line(text, NAME)
}

/// The end of a log, at most [`LOG`] bytes of it, in whole lines where it has any. Redacting takes milliseconds: not for the async
/// threads.
pub fn log(bytes: &[u8]) -> String {
    let kept = &bytes[bytes.len().saturating_sub(LOG)..];
    let mut text = String::with_capacity(kept.len());
    for chunk in kept.utf8_chunks() {
        text.push_str(chunk.valid());
        // One for any number of bytes in a row: each would take three.
        if !chunk.invalid().is_empty() && !text.ends_with(char::REPLACEMENT_CHARACTER) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    let text = redact(&cleaned(&text, Breaks::Kept));
    let begin = text.ceil_char_boundary(text.len().saturating_sub(LOG));
    if begin == 0 && kept.len() == bytes.len() {
        return text;
    }
    let end = &text[begin..];
    // Half a line may be half a credential.
    end.split_once('\n').map_or(end, |(_, whole)| whole).to_owned()
}

/// `text` with everything that looks like a credential replaced by `***`.
pub fn redact(text: &str) -> String {
    let replaced = |found: &Captures<'_>| {
        if let Some(user) = found.name("user") {
            return format!("{}***@", user.as_str());
        }
        let (Some(name), Some(value)) = (found.name("name"), found.name("value")) else {
            return "***".to_owned();
        };
        let (name, value) = (name.as_str(), value.as_str());
        let is_secret = is_secret(value, name.contains([' ', '\t']));
        format!("{name}{}", if is_secret { "***".to_owned() } else { redact(value) })
    };
    SECRETS.replace_all(text, replaced).into_owned()
}

/// Whether what is assigned to a name that says that it is a secret looks like one: not a path, a variable, a URL, a number or a word.
/// `apart`: whether a blank is beside the sign between them, as in prose.
fn is_secret(value: &str, apart: bool) -> bool {
    let has = |kind: fn(&u8) -> bool| value.bytes().any(|byte| kind(&byte));
    let known = value.starts_with(['/', ':', '$', '<', '.', '=']) || value.contains("://");
    !known
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && (!apart || value.len() >= 16)
}

/// Whether a character steers a terminal, or turns around or hides what is beside it.
pub fn steers(found: char) -> bool {
    found.is_control()
        || matches!(found, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// At most `most` characters; the last of them shows that something was cut off.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain([CUT]).collect(),
    }
}

fn one_line(text: &str, most: usize) -> String {
    let begin = &text[..text.floor_char_boundary(LOOKED_AT)];
    let plain = redact(&cleaned(begin, Breaks::Blank));
    let plain = plain.trim();
    if begin.len() == text.len() {
        return cut(plain, most);
    }
    // Something is cut off, even where little is left of what was looked at.
    cut(&format!("{plain}{CUT}"), most)
}

/// What becomes of breaks of lines, tabs and other control characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    /// Breaks of lines and tabs stay, others go.
    Kept,
    /// Any number of them in a row is a blank.
    Blank,
}

/// Without terminal sequences and what else steers.
fn cleaned(text: &str, breaks: Breaks) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(found) = rest.next() {
        if found == '\u{1b}' && skip_sequence(&mut rest) {
            continue;
        }
        if !steers(found) || (breaks == Breaks::Kept && matches!(found, '\n' | '\t')) {
            clean.push(found);
        } else if breaks == Breaks::Blank
            && (found.is_control() || found.is_whitespace())
            && !clean.ends_with(' ')
        {
            clean.push(' ');
        }
    }
    clean
}

/// Skips what belongs to an escape character: ECMA-48 control sequences (`[31m`) and operating system commands (`]0;title`). Whether
/// there is such a thing.
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) -> bool {
    match rest.peek() {
        Some('[') => {
            rest.next();
            while rest.next_if(|next| ('\u{20}'..='\u{3f}').contains(next)).is_some() {}
            rest.next_if(|next| ('\u{40}'..='\u{7e}').contains(next));
            true
        }
        Some(']') => {
            rest.next();
            while rest.next_if(|next| !next.is_control()).is_some() {}
            rest.next_if(|next| *next == '\u{7}');
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_redacted_and_words_stay() {
        let jit = format!("ey{}", "Ab1+/".repeat(40));
        let rows = [
            ("Running job: build", "Running job: build"),
            ("token ghp_0123456789abcdef0123456789abcdef0123 used", "*** used"),
            ("github_pat_11ABCDEFG0123456789_abcdefgh", "***"),
            ("Authorization: Bearer abcdefghijklmnop.qrst", "Authorization: ***"),
            (&format!("JIT={jit} end"), "JIT=*** end"),
            ("RUNNER_TOKEN=AABF3JGZDX3P5PMEXLND6TS6FCWO6", "RUNNER_TOKEN=***"),
            ("+ X=AABF3JGZDX3P5PMEXLND6TS6FCWO6 ./config.sh", "+ X=*** ./config.sh"),
            ("AABF3JGZDX3P5PMEXLND6TS6FCWO6", "***"),
            ("TOKEN_2: 'hunter2-hunter2-hunter2' x", "TOKEN_2: '***' x"),
            (r#"{"client_secret":"hunter2!","a":1}"#, r#"{"client_secret":"***","a":1}"#),
            ("DB_PASSWORD=hunter2x; y", "DB_PASSWORD=***; y"),
            ("token=abcdef12,user=bob,code=12", "token=***,user=bob,code=12"),
            (
                "test auth::token::expires_in_1_hour ... ok",
                "test auth::token::expires_in_1_hour ... ok",
            ),
            ("total_tokens=1234567890", "total_tokens=1234567890"),
            ("private_key=/run/secrets/id_rsa2", "private_key=/run/secrets/id_rsa2"),
            (
                "RUNNER_TOKEN=$RUNNER_TOKEN2 api-key=disabled",
                "RUNNER_TOKEN=$RUNNER_TOKEN2 api-key=disabled",
            ),
            ("token: https://docs.github.com/en/v1", "token: https://docs.github.com/en/v1"),
            (
                "password: authentication-failed-for-user",
                "password: authentication-failed-for-user",
            ),
            ("secret: CI_DEPLOY_URL is not set", "secret: CI_DEPLOY_URL is not set"),
            ("redis://cache:6379,admin@example.com", "redis://cache:6379,admin@example.com"),
            (
                "token=https://x:ghp_0123456789abcdef0123@ghe.example/o",
                "token=https://x:***@ghe.example/o",
            ),
            ("X_API_KEY = 0123456789abcdef", "X_API_KEY = ***"),
            (
                "git clone https://me:hunter2@ghe.example/o/r",
                "git clone https://me:***@ghe.example/o/r",
            ),
            (
                "token: not given, secrets: none, password: wrong",
                "token: not given, secrets: none, password: wrong",
            ),
            ("TOKEN_FILE=/run/secrets/token", "TOKEN_FILE=/run/secrets/token"),
            ("GITHUB_RUNNER_TOKEN: is required", "GITHUB_RUNNER_TOKEN: is required"),
            ("the runner's token=*** was refused", "the runner's token=*** was refused"),
            ("see https://docs.example:8080/a@b", "see https://docs.example:8080/a@b"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "***"),
            ("so -----BEGIN PRIVATE KEY-----\nabc\nde", "so ***"),
            ("bc\nde\n-----END PRIVATE KEY----- so", "*** so"),
            (
                "sha 0123456789abcdef0123456789abcdef01234567",
                "sha 0123456789abcdef0123456789abcdef01234567",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn a_line_is_one_short_plain_line() {
        let rows = [
            ("no space left", "no space left"),
            (" \u{1b}[1;31mno\u{1b}[0m\r\nspace\tleft\n", "no space left"),
            ("a\u{1b}]0;title\u{7}b\u{202e}c\u{200b}d\u{0}", "abcd"),
            ("a\u{1b}", "a"),
            ("ghp_0123456789abcdef0123456789abcdef0123", "***"),
        ];
        for (text, expected) in rows {
            assert_eq!(line(text), expected, "{text:?}");
        }
        // A credential that the cut would divide is seen first.
        let late = format!("{} ghp_0123456789abcdef0123456789abcdef0123", "x".repeat(190));
        assert_eq!(line(&late), format!("{} ***", "x".repeat(190)));
        let long = line(&"é".repeat(3_000_000));
        assert_eq!((long.chars().count(), long.ends_with("é…")), (LINE, true));
        assert_eq!(line(&"A".repeat(3_000_000)), "***…", "it is long base64");
        assert_eq!(name(&"é".repeat(300)).chars().count(), NAME);
    }

    #[test]
    fn of_a_log_the_end_is_kept_in_whole_lines() {
        assert_eq!(log(b"one\r\n\ttwo\x1b[31m red\n"), "one\n\ttwo red\n");
        let many: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let kept = log(&many);
        assert!(kept.len() <= LOG && kept.len() > LOG - 20, "{}", kept.len());
        assert!(kept.starts_with("line ") && kept.ends_with("line 19999\n"));
        // Without a line break, and not UTF-8.
        assert_eq!(log(&vec![0xff; 8 << 20]), "\u{fffd}");
        let spread: Vec<u8> = [b'a', 0xff].repeat(4 << 20);
        assert!(log(&spread).len() <= LOG);
        let end = format!("{}\nlast words\n", "x y ".repeat(1 << 20));
        assert_eq!(log(end.as_bytes()), "last words\n");
    }

    proptest! {
        #[test]
        fn what_passed_once_passes_unchanged(text in "\\PC{0,300}|[ -~\u{1b}\u{202e}\n]{0,300}") {
            for pass in [line as fn(&str) -> String, name, message, |text| log(text.as_bytes())] {
                let once = pass(&text);
                prop_assert_eq!(&pass(&once), &once);
                prop_assert!(!once.chars().any(|found| steers(found) && found != '\n' && found != '\t'));
            }
        }
    }
}
