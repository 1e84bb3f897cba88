//! Blots credentials out of what runners print, before anybody is shown it.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// GitHub's token forms (docs: "GitHub's token formats"), bearer headers, PEM keys, and long base64: a just-in-time
/// configuration is base64 of some thousand characters.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = [
        r"\bgh[pousr]_[A-Za-z0-9_.\-]{10,}",
        r"\bgithub_pat_[A-Za-z0-9_]{10,}",
        r"(?i)\b(?:bearer|remoteauth|token)\s+[A-Za-z0-9_.\-+/=]{16,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*-----END [A-Z ]*PRIVATE KEY-----",
        r"\bey[A-Za-z0-9+/_\-]{60,}={0,2}(?:\.[A-Za-z0-9_\-]+)*",
        r"\b[A-Za-z0-9+/]{400,}={0,2}",
    ];
    Regex::new(&patterns.join("|")).expect("the patterns are constant and tested")
});

/// `text` with everything that looks like a credential replaced by `***`.
pub fn redact(text: &str) -> String {
    SECRETS.replace_all(text, |_: &Captures<'_>| "***").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_blotted_out_and_words_stay() {
        let jit = format!("ey{}", "Ab1+/".repeat(40));
        let rows = [
            ("Running job: build", "Running job: build"),
            ("token ghp_0123456789abcdef0123456789abcdef0123 used", "*** used"),
            ("github_pat_11ABCDEFG0123456789_abcdefgh", "***"),
            ("Authorization: Bearer abcdefghijklmnop.qrst", "Authorization: ***"),
            (&format!("JIT={jit} end"), "JIT=*** end"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "***"),
            (
                "sha 0123456789abcdef0123456789abcdef01234567",
                "sha 0123456789abcdef0123456789abcdef01234567",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(redact(text), expected);
        }
    }
}
