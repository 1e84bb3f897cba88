//! API keys: which there are, kept as hashes, and which one a request shows.
//!
//! Invariants: a key in the clear lives only as long as it takes to hash it; comparing takes the same time whichever key is shown.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use mayfly_common::clean::blemish;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Shortest key taken, in characters.
pub const MIN_KEY_LENGTH: usize = 16;

/// Which of the configured keys a request showed: its place in the list, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub usize);

/// The SHA-256 hashes of the API keys. Empty: none is asked for.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// Takes comma-separated keys, or says what is wrong with each bad one (by its place, never by its text).
    pub fn from_list(text: &SecretString) -> Result<Self, Vec<String>> {
        Self::collect(text.expose_secret().split(','))
    }

    /// Takes one key per line; empty lines and those that begin with `#` do not count.
    pub fn from_lines(text: &SecretString) -> Result<Self, Vec<String>> {
        Self::collect(text.expose_secret().lines().filter(|line| !line.trim().starts_with('#')))
    }

    fn collect<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let mut hashes = Vec::new();
        let mut errors = Vec::new();
        let keys = texts.map(str::trim).filter(|key| !key.is_empty());
        for (index, key) in keys.enumerate() {
            if let Some(reason) = blemish(key) {
                errors.push(format!("key {} {reason}", index + 1));
            } else if key.chars().count() < MIN_KEY_LENGTH {
                errors
                    .push(format!("key {} is shorter than {MIN_KEY_LENGTH} characters", index + 1));
            } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                errors.push(format!(
                    "key {} holds something other than printable ASCII without spaces",
                    index + 1
                ));
            } else {
                hashes.push(hash(key.as_bytes()));
            }
        }
        match (errors.is_empty(), hashes.is_empty()) {
            (true, false) => Ok(Self(hashes)),
            (true, true) => Err(vec!["holds no key".to_owned()]),
            (false, _) => Err(errors),
        }
    }

    /// Which key `presented` is, if it is one. Takes as long for a miss as for a hit.
    pub fn find(&self, presented: &[u8]) -> Option<KeyId> {
        let presented = hash(presented);
        let mut found = None;
        for (index, known) in self.0.iter().enumerate() {
            if bool::from(known.ct_eq(&presented)) {
                found = Some(KeyId(index + 1));
            }
        }
        found
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none, so that none is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says how many keys there are. The hashes stay out as well: a weak key could be guessed from its hash.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(hashes) = self;
        write!(f, "{} key{}", hashes.len(), if hashes.len() == 1 { "" } else { "s" })
    }
}

/// The key a request shows: `Authorization: Bearer <key>` or `X-API-Key: <key>`. Never the query. A `Bearer` credential that
/// is there must be the key: a request does not succeed with one that is wrong. Another scheme, such as the `Basic` of a
/// proxy before the gateway, is not for us.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    let key = bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes));
    key.map(<[u8]>::trim_ascii)
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_is_found() {
        let keys = ApiKeys::from_list(&" first-key-16-long , second-key-16-long".to_owned().into())
            .unwrap();
        assert_eq!(keys.find(b"first-key-16-long"), Some(KeyId(1)));
        assert_eq!(keys.find(b"second-key-16-long"), Some(KeyId(2)));
        for wrong in ["", "first-key-16-lon", "first-key-16-long ", "FIRST-KEY-16-LONG"] {
            assert_eq!(keys.find(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn weak_or_unusable_keys_are_refused_by_place() {
        let errors =
            ApiKeys::from_list(&"short,good-enough-16-long,sp ace-in-the-middle".to_owned().into())
                .unwrap_err();
        let expected = [
            "key 1 is shorter than 16 characters",
            "key 3 holds something other than printable ASCII without spaces",
        ];
        assert_eq!(errors, expected);
        let list = |text: &str| ApiKeys::from_list(&text.to_owned().into());
        assert_eq!(list(" , ,").unwrap_err(), ["holds no key"]);
        assert_eq!(list("fifteen-letters").unwrap_err(), expected[..1]);
        assert_eq!(list("sixteen-letters-").unwrap().len(), 1);
        assert_eq!(list("ä-key-that-is-long-enough").unwrap_err()[0][..12], *"key 1 holds ");
        let lines = "  # mine\n\nfirst-key-16-long\n";
        let lines = ApiKeys::from_lines(&lines.to_owned().into()).unwrap();
        assert_eq!(format!("{lines:?}"), "1 key");
        let both = list("first-key-16-long,second-key-16-long").unwrap();
        assert_eq!(format!("{both:?} {:?}", ApiKeys::default()), "2 keys 0 keys");
    }

    #[test]
    fn the_key_is_read_from_either_header() {
        let cases: [(&[_], Option<&str>); 9] = [
            (&[], None),
            (&[("authorization", "Bearer abc")], Some("abc")),
            (&[("authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "abc")], None),
            (&[("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Basic x"), ("x-api-key", "abc")], Some("abc")),
            (&[("authorization", "Bear"), ("x-api-key", " abc ")], Some("abc")),
            (&[("authorization", "Bearer x"), ("x-api-key", "abc")], Some("x")),
        ];
        for (pairs, key) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert::<&'static str>(name, HeaderValue::from_static(value));
            }
            assert_eq!(presented(&headers), key.map(str::as_bytes), "{pairs:?}");
        }
    }
}
