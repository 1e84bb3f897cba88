//! Whether a delivery comes from GitHub: `X-Hub-Signature-256` (docs: "Validating webhook deliveries").
//!
//! Invariants: a secret never leaves [`Secrets`]; verifying takes the same time whatever is wrong with the signature, and
//! tries every secret, so it does not tell which one is in use.

use std::fmt;

use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clean::blemish;

/// The header of the signature.
pub const HEADER: &str = "x-hub-signature-256";
/// The header of the former signature, HMAC-SHA1: never enough by itself.
pub const LEGACY_HEADER: &str = "x-hub-signature";
/// Shortest secret taken, in characters: whoever sees one signed delivery can try secrets as fast as a machine can.
pub const MIN_SECRET_LENGTH: usize = 16;
/// Most secrets taken. Changing one needs two; each costs a hash of every body.
pub const MAX_SECRETS: usize = 8;

/// What comes before the hexadecimal digits.
const PREFIX: &[u8] = b"sha256=";

/// The secrets that a delivery may be signed with. Empty: no delivery is taken.
#[derive(Clone, Default)]
pub struct Secrets(Vec<hmac::Key>);

/// A signature as a request shows it; whether it is right is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Secrets {
    /// Takes comma-separated secrets, or says what is wrong with each bad one (by its place, never by its text).
    pub fn from_list(text: &SecretString) -> Result<Self, Vec<String>> {
        Self::collect(text.expose_secret().split(','))
    }

    /// Takes one secret per line, which may hold commas; empty lines and those that begin with `#` do not count.
    pub fn from_lines(text: &SecretString) -> Result<Self, Vec<String>> {
        Self::collect(text.expose_secret().lines().filter(|line| !line.trim().starts_with('#')))
    }

    fn collect<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let texts: Vec<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
        let mut errors: Vec<String> = texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| fault(text).map(|fault| (index + 1, fault)))
            .map(|(place, fault)| format!("secret {place} {fault}"))
            .collect();
        if texts.is_empty() {
            errors.push("holds no secret".to_owned());
        } else if texts.len() > MAX_SECRETS {
            errors.push(format!("holds more than {MAX_SECRETS} secrets"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self(texts.into_iter().map(key).collect()))
    }

    /// True if `body`, byte for byte as it came, was signed with one of the secrets.
    pub fn verify(&self, body: &[u8], signature: &Signature) -> bool {
        let matches = |key| hmac::verify(key, body, &signature.0).is_ok();
        self.0.iter().fold(false, |found, key| found | matches(key))
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says how many secrets there are.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(keys) = self;
        write!(f, "{} secret{}", keys.len(), if keys.len() == 1 { "" } else { "s" })
    }
}

impl Signature {
    /// Reads the header's value: `sha256=` and 64 hexadecimal digits.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let digits: &[u8; 64] = value.strip_prefix(PREFIX)?.try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

/// The header's value as GitHub would send it: for whoever stands in for GitHub.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let tag = hmac::sign(&key(secret.expose_secret()), body);
    let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.fold("sha256=".to_owned(), |text, pair| text + &pair)
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

/// What is wrong with a secret, if anything.
fn fault(secret: &str) -> Option<String> {
    if let Some(reason) = blemish(secret) {
        return Some(reason.to_owned());
    }
    if secret.chars().count() < MIN_SECRET_LENGTH {
        return Some(format!("is shorter than {MIN_SECRET_LENGTH} characters"));
    }
    None
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests;
