//! Forms in which credentials get into environments: which are taken, and what is said of the others.

use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD, URL_SAFE};

use super::*;
use scratch::Scratch;

#[path = "../../../service/tests/support/scratch.rs"]
pub(crate) mod scratch;

/// Keys that are used nowhere else.
const PKCS1: &str = include_str!("../../../github/tests/data/test-only-app-key.pkcs1.pem");
const GOOD: &str = "ghp_0123456789abcdef0123456789abcdef0123";

fn credential(pairs: &[(&str, &str)]) -> Result<Credential, Vec<String>> {
    let mut check = Checker::new();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut raw: Raw = check.read(pairs.iter().map(owned).collect());
    let found = read(&mut raw, &mut check);
    check.finish(found).map_err(|errors| errors.0)
}

fn error(pairs: &[(&str, &str)]) -> String {
    let errors = credential(pairs).map(drop).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap()
}

#[test]
fn a_token_is_cleaned_or_refused_for_its_true_reason() {
    let in_base64 = BASE64.encode(GOOD);
    let rows = [
        (format!("\"{GOOD}\""), "is in quotation marks"),
        (format!("'{GOOD}'"), "is in quotation marks"),
        (format!("{GOOD}\""), "holds a quotation mark"),
        (format!("{GOOD}\\r\\n"), "ends in a line break that is written out"),
        (format!("{GOOD}\\x"), "holds a backslash"),
        (format!("Bearer {GOOD}"), "holds a blank"),
        (format!("{GOOD}\n{GOOD}"), "holds a line break"),
        (format!("{GOOD}\u{a0}x"), "holds a blank"),
        (format!("{GOOD}\u{200b}"), "holds an invisible character"),
        (format!("{GOOD}ä"), "holds a character outside ASCII"),
        (format!("{GOOD}\u{fffd}"), "holds bytes that are no UTF-8"),
        (format!("{GOOD},{GOOD}"), "holds a colon, a comma or a semicolon"),
        (format!("{TOKEN}={GOOD}"), "holds an equals sign before its end, which no token has: the"),
        (format!("x={GOOD}"), "holds an equals sign before its end, which no token has"),
        (in_base64, "is a token in base64"),
        (STANDARD_NO_PAD.encode(format!("{GOOD}\n")), "is a token in base64"),
    ];
    for (text, why) in &rows {
        let found = error(&[(TOKEN, text)]);
        assert!(found.starts_with(&format!("{TOKEN}: {why}")), "{found}");
        assert!(!found.contains("0123"), "{found}");
        let file = Scratch::new("token", text);
        let found = error(&[(TOKEN_FILE, &file.path())]);
        assert!(found.starts_with(&format!("{TOKEN_FILE}: {why}")), "{found}");
    }
    let taken = |pairs: &[(&str, &str)]| match credential(pairs) {
        Ok(Credential::Token(token)) => token.expose_secret().to_owned(),
        other => panic!("{other:?}"),
    };
    for text in [format!("{GOOD}\r"), format!("\u{feff}{GOOD}\r\n"), format!(" {GOOD} ")] {
        assert_eq!(taken(&[(TOKEN, &text)]), GOOD, "{text:?}");
        let file = Scratch::new("clean", &text);
        assert_eq!(taken(&[(TOKEN_FILE, &file.path())]), GOOD, "{text:?}");
    }
    // Opaque: what is in base64's alphabet is not base64 for that.
    assert_eq!(taken(&[(TOKEN, "v1.abc-DEF~ghi+/==")]), "v1.abc-DEF~ghi+/==");
}

#[test]
fn a_key_that_a_passphrase_protects_is_refused_for_that_reason() {
    let headers = "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
    let forms = [
        PKCS1.replacen('\n', headers, 1),
        PKCS1.replace("RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    ];
    for text in forms {
        let found = error(&[(APP_ID, "1"), (KEY, &text)]);
        assert!(found.contains("is encrypted"), "{found}");
    }
}

#[test]
fn a_key_is_taken_in_every_form_in_which_it_can_be_read() {
    let crlf = PKCS1.replace('\n', "\r\n");
    let forms =
        [
            PKCS1.to_owned(),
            crlf.clone(),
            format!("\u{feff}{crlf}"),
            PKCS1.replace('\n', "\\n"),
            PKCS1.replace('\n', "\\r\\n"),
            PKCS1.replace('\n', " "),
            format!("\"{}\"", PKCS1.replace('\n', "\\n")),
            format!("'{PKCS1}'"),
            BASE64.encode(PKCS1),
            BASE64.encode(&crlf),
            STANDARD_NO_PAD.encode(PKCS1),
            URL_SAFE.encode(PKCS1),
            BASE64.encode(PKCS1).as_bytes().chunks(76).fold(String::new(), |lines, line| {
                lines + std::str::from_utf8(line).unwrap() + "\n"
            }),
            format!("Bag Attributes\n  x: y\n{PKCS1}"),
        ];
    for (index, form) in forms.iter().enumerate() {
        let id = (APP_ID, "1");
        assert!(matches!(credential(&[id, (KEY, form)]), Ok(Credential::App(_))), "form {index}");
        let file = Scratch::new(&format!("key-{index}"), form);
        let pairs = [id, ("GITHUB_APP_PRIVATE_KEY_FILE", &*file.path())];
        assert!(matches!(credential(&pairs), Ok(Credential::App(_))), "file {index}");
    }
}

#[test]
fn what_is_no_key_is_blamed_on_the_variable_that_was_set() {
    let id = (APP_ID, "1");
    let file = "GITHUB_APP_PRIVATE_KEY_FILE";
    let found = error(&[id, (file, "/etc/passwd")]);
    assert!(found.starts_with("GITHUB_APP_PRIVATE_KEY_FILE: holds no private key"), "{found}");
    let found = error(&[id, (KEY, "/run/secrets/key.pem")]);
    assert!(
        found.starts_with("GITHUB_APP_PRIVATE_KEY: holds no private key")
            && found.ends_with("; a file is named by GITHUB_APP_PRIVATE_KEY_FILE"),
        "{found}"
    );
    let found = error(&[id, (KEY, &PKCS1[..PKCS1.len() / 2])]);
    assert!(found.starts_with("GITHUB_APP_PRIVATE_KEY: ") && !found.contains("MII"), "{found}");
    // Only what looks like a path is taken for one.
    for text in ["words", "a/b.pem", &PKCS1[..PKCS1.len() / 2]] {
        let found = error(&[id, (KEY, text)]);
        assert!(!found.contains("a file is named by"), "{found}");
    }
    let token = Scratch::new("beside", GOOD);
    let key = Scratch::new("key", PKCS1);
    let found = error(&[id, (file, &key.path()), (TOKEN_FILE, &token.path())]);
    assert!(found.starts_with("GITHUB_RUNNER_TOKEN_FILE: is set beside GITHUB_APP_ID"), "{found}");
    let found = error(&[(APP_ID, "\"1\""), (file, &key.path())]);
    assert!(found.starts_with("GITHUB_APP_ID: is in quotation marks"), "{found}");
    let found = error(&[id, (file, &key.path()), (INSTALLATION, "'octo'")]);
    assert!(found.starts_with("GITHUB_APP_INSTALLATION: is in quotation marks"), "{found}");
}
