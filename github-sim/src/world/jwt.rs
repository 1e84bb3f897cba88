//! Whether a JSON Web Token is the App's, as GitHub checks it.
//!
//! Source: GitHub docs, "Generating a JSON Web Token (JWT) for a GitHub App". A clock that is up to a minute ahead of
//! GitHub's is put up with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::app::App;

/// How far `iat` may lie in the future.
pub const CLOCK_DRIFT: SignedDuration = SignedDuration::from_secs(60);
/// How far `exp` may lie in the future.
pub const LONGEST_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Why a JSON Web Token is refused, in GitHub's words; all are 401 but the last, which is 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwt {
    /// Not three parts of base64url, not RS256, or not signed with the App's key.
    #[error("A JSON web token could not be decoded")]
    Undecodable,
    /// No issuer.
    #[error("Missing 'issuer' claim ('iss') in assertion")]
    NoIssuer,
    /// Made in the future, or never.
    #[error(
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    )]
    IssuedAt,
    /// Over, or without an end.
    #[error(
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    )]
    Expired,
    /// More than ten minutes to go.
    #[error("'Expiration time' claim ('exp') is too far in the future")]
    TooLong,
    /// Another App's.
    #[error("Integration not found")]
    OtherApp,
}

/// Checks a token as GitHub does at `now`. While the App has no key, three parts of base64url's letters will do.
pub fn check(token: &str, app: &App, now: Timestamp) -> Result<(), InvalidJwt> {
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, claims, signature] = parts.as_slice() else {
        return Err(InvalidJwt::Undecodable);
    };
    let letters = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if ![header, claims, signature].into_iter().all(letters) {
        return Err(InvalidJwt::Undecodable);
    }
    let Some(key) = &app.key else { return Ok(()) };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidJwt::Undecodable);
    let object = |part: &str| -> Result<Value, InvalidJwt> {
        serde_json::from_slice(&decoded(part)?).map_err(|_| InvalidJwt::Undecodable)
    };
    let (head, body) = (object(header)?, object(claims)?);
    let signed = format!("{header}.{claims}");
    if head["alg"] != "RS256" || !key.verifies(signed.as_bytes(), &decoded(signature)?) {
        return Err(InvalidJwt::Undecodable);
    }
    let iss = match &body["iss"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(InvalidJwt::NoIssuer),
    };
    let (issued, expires, now) = (body["iat"].as_i64(), body["exp"].as_i64(), now.as_second());
    if issued.is_none_or(|issued| issued > now.saturating_add(CLOCK_DRIFT.as_secs())) {
        return Err(InvalidJwt::IssuedAt);
    }
    match expires {
        Some(expires) if expires > now.saturating_add(LONGEST_LIFE.as_secs()) => {
            Err(InvalidJwt::TooLong)
        }
        Some(expires) if expires > now => {
            let mine = iss == app.id.to_string() || iss == app.client_id;
            if mine { Ok(()) } else { Err(InvalidJwt::OtherApp) }
        }
        _ => Err(InvalidJwt::Expired),
    }
}
