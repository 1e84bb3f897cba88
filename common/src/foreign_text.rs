//! Text from outside: what containers print, and what Docker, GitHub, webhooks and workflows say.
//!
//! It passes through here where it enters: it is cut, cleaned of what steers a terminal, and redacted. So a reason, an event, a
//! row, a log line or an answer that repeats it stays small, stays on its line, and shows no credential.
//!
//! Invariants: every function is idempotent; no result holds a character that [`steers`]; no result is longer than its bound.

mod log;

use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;
use std::sync::LazyLock;

use regex::{Captures, Regex};

pub use self::log::{LOG, LOG_LINE, LogEnd, log};

/// Longest sentence, in characters.
pub const LINE: usize = 200;
/// Longest message that is made of several sentences, in characters.
pub const MESSAGE: usize = 600;
/// Longest name, in characters.
pub const NAME: usize = 256;

/// How much of a sentence or name is looked at, in bytes: enough to recognise a credential before it is cut in two.
const LOOKED_AT: usize = 8 << 10;
/// How much of a value tells whether it is a secret, in bytes.
const LOOKED_AT_OF_VALUE: usize = 256;
/// Stands for what was cut off.
const CUT: char = '…';

/// GitHub's token forms (docs: "GitHub's token formats"; a registration token is an A and 28 more capital letters and digits), headers
/// with credentials, PEM keys (also cut ones), long base64 (a just-in-time configuration is base64 of some thousand characters),
/// passwords and tokens in URLs (RFC 3986, "User Information"), and names that say that a secret is assigned to them. The named groups
/// are what [`secret`] looks at.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = [
        r"(?-u:\b)gh[pousr]_[A-Za-z0-9_.\-]{10,}",
        r"(?-u:\b)github_pat_[A-Za-z0-9_]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"\A[A-Za-z0-9+/= \t\r\n]+-----END [A-Z ]*PRIVATE KEY-----",
        r"(?-u:\b)ey[A-Za-z0-9+/_\-]{60,}={0,2}(?:\.[A-Za-z0-9_\-]+)*",
        r"(?-u:\b)[A-Za-z0-9+/]{400,}={0,2}",
        r"(?-u:\b)(?P<registration>A[A-Z0-9]{28})(?-u:\b)",
        r#"(?i-u)\b(?P<header>authorization["']?[ \t]*[=:][ \t]*["']?)?(?P<scheme>bearer|remoteauth|token|basic)\s+(?P<credential>[A-Za-z0-9_.\-+/=]{8,})"#,
        r"(?-u)(?P<user>://[A-Za-z0-9._~%!$&'()*+,;=\-]*:)[!#-+\-.0-:<-?A-~]{3,}@",
        r"(?-u)(?P<slashes>://)(?P<alone>[A-Za-z0-9._~%!$&'()*+,;=\-]{16,})@",
        r#"(?i-u)(?P<name>(?:token|secret|passw(?:or)?d|passphrase|(?:api|access|private|auth)[_\-]?key)(?:s|[_\-]?(?:value|[0-9]+))?["']?[ \t]*[=:][ \t]*["']?)"#,
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

/// `text` with everything that looks like a credential replaced by `***`.
///
/// Takes time in proportion to the text's length, whatever the text is: what only begins like a credential is passed over, and the
/// search goes on right behind its first character.
pub fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = SECRETS.captures_at(text, from) {
        let Some(whole) = found.get(0) else { break };
        let Some((kept, end, instead)) = secret(text, &found, whole.range()) else {
            from = whole.start() + 1;
            continue;
        };
        redacted.push_str(&text[copied..kept]);
        redacted.push_str(instead);
        (copied, from) = (end, end);
    }
    redacted.push_str(&text[copied..]);
    redacted
}

/// Where the secret that was found begins and ends, and what stands for it, unless it only looks like one at first.
fn secret(
    text: &str,
    found: &Captures<'_>,
    whole: Range<usize>,
) -> Option<(usize, usize, &'static str)> {
    if let Some(user) = found.name("user") {
        return Some((user.end(), whole.end, "***@"));
    }
    if let Some(name) = found.name("name") {
        let value = &text[name.end()..];
        let quote = name.as_str().bytes().last().filter(|last| b"\"'".contains(last));
        if !is_secret(value, quote, name.as_str().contains([' ', '\t'])) {
            return None;
        }
        return Some((name.end(), name.end() + value_length(value, quote, value.len()), "***"));
    }
    if let (Some(slashes), Some(alone)) = (found.name("slashes"), found.name("alone")) {
        return is_mixed(alone.as_str()).then_some((slashes.end(), whole.end, "***@"));
    }
    if let Some(token) = found.name("registration") {
        // Capitals alone are a word, or a part of a key without its digits.
        return is_mixed(token.as_str()).then_some((whole.start, whole.end, "***"));
    }
    if let (Some(scheme), Some(credential)) = (found.name("scheme"), found.name("credential")) {
        let header = found.name("header");
        let basic = scheme.as_str().eq_ignore_ascii_case("basic");
        let is_one = is_credential(credential.as_str(), header.is_some(), basic);
        let kept = header.map_or(whole.start, |header| header.end());
        return is_one.then_some((kept, whole.end, "***"));
    }
    Some((whole.start, whole.end, "***"))
}

/// True if there are letters and digits.
fn is_mixed(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// True if what follows an authentication scheme is a credential, rather than a word of a sentence: "token authentication". In a
/// `header` anything long enough is one.
fn is_credential(text: &str, header: bool, basic: bool) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    // Words have few capitals behind small letters, if any.
    let pairs = text.as_bytes().windows(2);
    let rises = pairs.filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let random = is_mixed(text) || rises.count() >= 3;
    let both_cases =
        has(u8::is_ascii_lowercase) && text.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    match (header, basic) {
        (true, true) => random || text.ends_with('=') || both_cases,
        (true, false) => text.len() >= 16,
        (false, true) => text.len() >= 16 && random && both_cases,
        (false, false) => text.len() >= 16 && random,
    }
}

/// True if what is assigned to a name that says that it is a secret, the start of `rest`, looks like one: not a path, a variable, a URL,
/// a number or a word. `quote`: the quotation mark before it; `apart`: whether a blank is beside the sign between them, as in prose.
fn is_secret(rest: &str, quote: Option<u8>, apart: bool) -> bool {
    let value = &rest[..value_length(rest, quote, LOOKED_AT_OF_VALUE)];
    let known = value.starts_with(['/', ':', '$', '<', '.', '=']) || value.contains("://");
    !known && is_mixed(value) && value.len() >= if apart { 16 } else { 8 }
}

/// How many bytes at the start of `text` can be part of a value, at most `most`: ASCII alone, no blank, and no quotation mark,
/// parenthesis, comma, semicolon or ampersand, unless it is all in quotation marks.
fn value_length(text: &str, quote: Option<u8>, most: usize) -> usize {
    let quoted = quote.and_then(|quote| quoted_length(text, quote, most));
    let part = |byte: &u8| byte.is_ascii_graphic() && !b"\"'(),;&".contains(byte);
    quoted.unwrap_or_else(|| text.bytes().take(most).take_while(part).count())
}

/// How many bytes there are before the closing quotation mark, at most `most`, if there is nothing but ASCII without blanks. A
/// backslash takes its meaning from a mark.
fn quoted_length(text: &str, quote: u8, most: usize) -> Option<usize> {
    let mut escaped = false;
    for (length, byte) in text.bytes().enumerate() {
        if length >= most {
            return Some(most);
        }
        if byte == quote && !escaped {
            return Some(length);
        }
        if !byte.is_ascii_graphic() {
            return None;
        }
        escaped = byte == b'\\' && !escaped;
    }
    None
}

/// True if a character steers a terminal, or turns around or hides what is beside it.
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
mod tests;
