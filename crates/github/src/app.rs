//! An App's key, the JSON Web Tokens it signs, and the tokens of its installations.
//!
//! Facts are from "Generating a JSON Web Token (JWT) for a GitHub App" and "Generating an installation access token for a GitHub
//! App". Invariants: a token is opaque; one request makes it for all who wait for it; it is renewed before it ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject as _};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Mutex;

use super::error::GitHubError;

/// How long before now a JSON Web Token is dated: clocks differ.
const BACKDATED: SignedDuration = SignedDuration::from_secs(60);
/// How long it is good for. GitHub takes ten minutes at most.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(9);
/// How long before its end an installation's token is renewed. It lives an hour.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No private key in it.
    #[error("holds no private key; GitHub's file begins with -----BEGIN RSA PRIVATE KEY-----")]
    NoKey,
    /// A key of another kind.
    #[error("holds a private key that is not RSA")]
    NotRsa,
    /// A key that only a passphrase opens.
    #[error("holds a private key that is encrypted; GitHub's own file is not")]
    Encrypted,
    /// A broken key, or one that is too short.
    #[error("holds an RSA key that cannot be used: {0}")]
    Broken(String),
}

/// What the first line of an encrypted key holds (PKCS #8), or one of its headers (PKCS #1).
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The private key of a GitHub App. Shows nothing of itself.
#[derive(Clone)]
pub struct AppKey(Arc<RsaKeyPair>);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey")
    }
}

impl AppKey {
    /// Reads a key in PEM: PKCS#1, as GitHub gives it, or PKCS#8.
    ///
    /// Errors: what is wrong with it; never a part of it.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        if text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
            return Err(KeyError::Encrypted);
        }
        let key = PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
            pem::Error::NoItemsFound => KeyError::NoKey,
            _ => KeyError::Broken("its PEM is damaged or cut off".to_owned()),
        })?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(KeyError::NotRsa),
        };
        let pair = pair.map_err(|error| match error.to_string().as_str() {
            "WrongAlgorithm" => KeyError::NotRsa,
            // What ring says, as in `KeyRejected`.
            "TooSmall" => KeyError::Broken("it has less than 2048 bits".to_owned()),
            "TooLarge" => KeyError::Broken("it has more than 4096 bits".to_owned()),
            other => KeyError::Broken(format!("it is damaged ({other})")),
        })?;
        Ok(Self(Arc::new(pair)))
    }

    /// A JSON Web Token by which `issuer` (the App's id or client id) is known for nine minutes from `now`.
    ///
    /// Errors: the machine has no randomness.
    pub fn jwt(&self, issuer: &str, now: Timestamp) -> Result<SecretString, GitHubError> {
        let dated = now.saturating_sub(BACKDATED).unwrap_or(now).as_second();
        let expires = dated.saturating_add(GOOD_FOR.as_secs());
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": "RS256", "typ": "JWT" }));
        let claims = part(&json!({ "iat": dated, "exp": expires, "iss": issuer }));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| GitHubError::Unauthorized)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    /// The public key in DER (PKCS#1), for whoever has to verify.
    #[cfg(test)]
    fn public(&self) -> Vec<u8> {
        use ring::signature::KeyPair as _;
        self.0.public_key().as_ref().to_vec()
    }
}

/// Tokens of installations, by the installation's id.
#[derive(Default)]
pub(super) struct InstallationTokens(Mutex<HashMap<i64, Arc<Mutex<Option<Held>>>>>);

struct Held {
    token: SecretString,
    expires_at: Timestamp,
}

impl InstallationTokens {
    /// The token of installation `id`, made by `mint` if there is none that is good for five more minutes. Whoever else needs it
    /// meanwhile waits for the same one.
    pub(super) async fn get<F>(
        &self,
        id: i64,
        now: Timestamp,
        mint: impl FnOnce() -> F,
    ) -> Result<SecretString, GitHubError>
    where
        F: Future<Output = Result<(SecretString, Timestamp), GitHubError>>,
    {
        let slot = Arc::clone(self.0.lock().await.entry(id).or_default());
        let mut slot = slot.lock().await;
        let fresh_until = now.saturating_add(MARGIN).unwrap_or(Timestamp::MAX);
        if let Some(held) = slot.as_ref().filter(|held| held.expires_at > fresh_until) {
            return Ok(held.token.clone());
        }
        let (token, expires_at) = mint().await?;
        *slot = Some(Held { token: token.clone(), expires_at });
        Ok(token)
    }

    /// The token of installation `id` is not accepted any more.
    pub(super) async fn forget(&self, id: i64) {
        self.0.lock().await.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use secrecy::ExposeSecret as _;
    use serde_json::Value;

    use super::*;

    const PKCS1: &[u8] = include_bytes!("../tests/data/test-only-app-key.pkcs1.pem");
    const PKCS8: &[u8] = include_bytes!("../tests/data/test-only-app-key.pkcs8.pem");
    const EC: &[u8] = include_bytes!("../tests/data/test-only-ec-key.pem");
    const EC_SEC1: &[u8] = include_bytes!("../tests/data/test-only-ec-key.sec1.pem");
    const SMALL: &[u8] = include_bytes!("../tests/data/test-only-rsa-1024.pem");
    const LARGE: &[u8] = include_bytes!("../tests/data/test-only-rsa-5120.pem");

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_names_the_app_and_its_signature_holds() {
        for pem in [PKCS1, PKCS8] {
            let key = AppKey::from_pem(pem).unwrap();
            let token = key.jwt("Iv23client", at(1_000_000)).unwrap();
            let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public());
            assert!(public.verify(signed.as_bytes(), &signature).is_ok());
            let part = |number| -> Value {
                let text = signed.split('.').nth(number).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
            };
            let (header, claims) = (part(0), part(1));
            assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
            assert_eq!(claims, json!({"iat": 999_940, "exp": 1_000_480, "iss": "Iv23client"}));
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_showing_it() {
        let cut = &PKCS1[..PKCS1.len() / 2];
        let public = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let empty = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let new =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let (encrypted, none) = (
            "holds a private key that is encrypted; GitHub's own file is not",
            "holds no private key; GitHub's file begins with -----BEGIN RSA PRIVATE KEY-----",
        );
        let broken = "holds an RSA key that cannot be used";
        for (text, expected) in [
            (b"".as_slice(), none.to_owned()),
            (b"hello", none.to_owned()),
            (public, none.to_owned()),
            (EC, "holds a private key that is not RSA".to_owned()),
            (EC_SEC1, "holds a private key that is not RSA".to_owned()),
            (old, encrypted.to_owned()),
            (new, encrypted.to_owned()),
            (cut, format!("{broken}: its PEM is damaged or cut off")),
            (empty, format!("{broken}: it is damaged (InvalidEncoding)")),
            (SMALL, format!("{broken}: it has less than 2048 bits")),
            (LARGE, format!("{broken}: it has more than 4096 bits")),
        ] {
            let error = AppKey::from_pem(text).unwrap_err().to_string();
            assert_eq!(error, expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(format!("{:?}", AppKey::from_pem(PKCS1).unwrap()), "AppKey");
    }

    #[tokio::test]
    async fn one_token_is_made_for_all_and_renewed_before_it_ends() {
        let (tokens, made) = (InstallationTokens::default(), AtomicU32::new(0));
        let mint = || async {
            tokio::task::yield_now().await;
            let number = made.fetch_add(1, Ordering::Relaxed);
            Ok((SecretString::from(format!("t{number}")), at(3_600)))
        };
        let (a, b) = tokio::join!(tokens.get(1, at(0), mint), tokens.get(1, at(0), mint));
        assert_eq!((a.unwrap().expose_secret(), b.unwrap().expose_secret()), ("t0", "t0"));
        let get = async |id, second| {
            tokens.get(id, at(second), mint).await.unwrap().expose_secret().to_owned()
        };
        assert_eq!(get(1, 3_299).await, "t0");
        assert_eq!(get(2, 0).await, "t1", "another installation");
        assert_eq!(get(1, 3_300).await, "t2");
        tokens.forget(2).await;
        assert_eq!(get(2, 0).await, "t3");
        let failed = tokens.get(3, at(0), || async { Err(GitHubError::TimedOut) }).await;
        assert!(failed.is_err());
        assert_eq!(get(3, 0).await, "t4", "an error is not kept");
    }
}
