//! Who we are at GitHub: a token or an App, from the forms in which they get into environments.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use mayfly_common::clean;
use mayfly_common::scope::Login;
use mayfly_service::env::{Checker, Secret, set};
use secrecy::{ExposeSecret as _, SecretString};

use mayfly_github::{AppCredential, AppKey, Credential};

use super::{Raw, parse};

const TOKEN: &str = "GITHUB_RUNNER_TOKEN";
const TOKEN_FILE: &str = "GITHUB_RUNNER_TOKEN_FILE";
const APP_ID: &str = "GITHUB_APP_ID";
const KEY: &str = "GITHUB_APP_PRIVATE_KEY";
const INSTALLATION: &str = "GITHUB_APP_INSTALLATION";
/// What `.env.example` holds in the token's place.
const TOKEN_PLACEHOLDER: &str = "replace-me";
/// How GitHub's tokens begin (GitHub docs: "Token formats").
const TOKEN_STARTS: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];
/// How a PEM block begins, and what ends its first and its last line (RFC 7468).
const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";
const PEM_DASHES: &str = "-----";

/// Reads the credential; none after noting what is wrong with it.
pub(super) fn read(raw: &mut Raw, check: &mut Checker) -> Option<Credential> {
    let token = (raw.github_runner_token.take(), raw.github_runner_token_file.take());
    let key = (raw.github_app_private_key.take(), raw.github_app_private_key_file.take());
    let app_id = raw.github_app_id.take();
    let only = raw.github_app_installation.take();
    let is_set = |text: &Option<String>| set(text.clone()).is_some();
    let key_given = is_set(&key.0) || is_set(&key.1);
    if !is_set(&app_id) && !key_given {
        if is_set(&only) {
            check.fail(INSTALLATION, format!("means nothing without {APP_ID}"));
        }
        return read_token(token, check).map(Credential::Token);
    }
    for (name, _) in
        [(TOKEN, &token.0), (TOKEN_FILE, &token.1)].into_iter().filter(|it| is_set(it.1))
    {
        if !is_set(&app_id) {
            let key = if is_set(&key.0) { KEY.to_owned() } else { format!("{KEY}_FILE") };
            check.fail(&key, format!("means nothing without {APP_ID}: remove it to use {name}, or set {APP_ID} and remove {name}"));
            return None;
        }
        check.fail(name, format!("is set beside {APP_ID}: set either a token or an App"));
    }
    read_app(app_id, key, key_given, only, check).map(Credential::App)
}

fn read_token(
    (direct, file): (Option<String>, Option<String>),
    check: &mut Checker,
) -> Option<SecretString> {
    if set(direct.clone()).is_none() && set(file.clone()).is_none() {
        check.fail(
            TOKEN,
            format!("is required (or {TOKEN_FILE}, or {APP_ID}): a token that may manage runners"),
        );
        return None;
    }
    let Secret { text, variable, .. } = check.secret(TOKEN, direct, file)?;
    let text = SecretString::from(text.expose_secret().trim());
    match token_fault(text.expose_secret()) {
        None => Some(text),
        Some(reason) => {
            check.fail(&variable, reason);
            None
        }
    }
}

/// What keeps a text from being a token. Tokens are opaque, and their form has changed more than once: only what no token can
/// hold (RFC 6750, `b64token`) is refused.
fn token_fault(text: &str) -> Option<String> {
    let placeholder = ["ghp_xxxx", "ghp_your"].iter().any(|start| text.starts_with(start));
    if text == TOKEN_PLACEHOLDER || placeholder {
        return Some("is still the placeholder of .env.example: put your token in its place, then start again".to_owned());
    }
    if let Some(reason) = clean::blemish(text) {
        return Some(reason.to_owned());
    }
    let part_of_one = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if let Some(wrong) = text.chars().find(|c| !part_of_one(*c)) {
        let what = match wrong {
            '"' | '\'' => "a quotation mark",
            '\\' => "a backslash",
            c if c.is_whitespace() => "a blank",
            ':' | ',' | ';' => "a colon, a comma or a semicolon",
            c if c.is_ascii() => "a sign",
            _ => "a character outside ASCII",
        };
        return Some(format!("holds {what}, which no token has"));
    }
    if text.trim_end_matches('=').contains('=') {
        let twice = text.starts_with(TOKEN) || text.starts_with(TOKEN_FILE);
        let hint = if twice { ": the variable's name is there twice" } else { "" };
        return Some(format!("holds an equals sign before its end, which no token has{hint}"));
    }
    let decoded = decode(text).unwrap_or_default();
    if TOKEN_STARTS.iter().any(|start| decoded.starts_with(start)) {
        return Some("is a token in base64: put the decoded token there".to_owned());
    }
    None
}

fn read_app(
    id: Option<String>,
    (key, file): (Option<String>, Option<String>),
    key_given: bool,
    only: Option<String>,
    check: &mut Checker,
) -> Option<AppCredential> {
    let issuer = check.required(APP_ID, id, parse::app_id);
    if !key_given {
        check.fail(
            &format!("{KEY}_FILE"),
            format!("is required with {APP_ID}: the file that GitHub gave when the key was made"),
        );
    }
    let key = check.secret(KEY, key, file).and_then(|Secret { text, variable, from_file }| {
        let key = AppKey::from_pem(pem(text.expose_secret()).expose_secret().as_bytes());
        let failed = |error| {
            let is_path = !from_file && !text.expose_secret().contains(PEM_BEGIN.trim());
            let hint = if is_path && text.expose_secret().trim().starts_with('/') {
                format!("; a file is named by {KEY}_FILE")
            } else {
                String::new()
            };
            check.fail(&variable, format!("{error}{hint}"));
        };
        key.map_err(failed).ok()
    });
    let only = check.optional(INSTALLATION, only, None, |text| {
        let login = Login::parse(text).map(|_| Some(text.to_owned()));
        login.map_err(|_| "must be the login of an account, or the number of an installation")
    });
    Some(AppCredential { issuer: issuer?, key: key?, only })
}

/// A private key as lines of PEM: from one line with `\n` or blanks for line breaks, from base64 of the whole file, and out of
/// quotation marks.
fn pem(text: &str) -> SecretString {
    let text = clean::text(text).trim();
    let text = if clean::is_quoted(text) { &text[1..text.len() - 1] } else { text };
    let decoded = if text.contains(PEM_BEGIN) { None } else { decode(text) };
    let text = decoded.as_deref().unwrap_or(text);
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let block = text.split_once(PEM_BEGIN).and_then(|(_, rest)| {
        let (label, rest) = rest.split_once(PEM_DASHES)?;
        let (body, _) = rest.split_once(PEM_END)?;
        let body: Vec<&str> = body.split_whitespace().collect();
        let body = body.join("\n");
        Some(format!("{PEM_BEGIN}{label}{PEM_DASHES}\n{body}\n{PEM_END}{label}{PEM_DASHES}\n"))
    });
    block.unwrap_or(text).into()
}

/// The text that base64, in lines or not, with padding or not, stands for.
fn decode(text: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let packed: String = text.split_whitespace().collect();
    let bytes = [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(&packed).ok())?;
    String::from_utf8(bytes).ok().map(|text| clean::text(&text).to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
