//! The App's public key, read from PEM.
//!
//! Only as much of DER (ITU-T X.690) as it takes to find the `RSAPublicKey` (PKCS#1) inside a `SubjectPublicKeyInfo`
//! (RFC 5280).

use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No PEM block of a kind that is known.
    #[error("must be PEM of a PUBLIC KEY, a PRIVATE KEY or an RSA PRIVATE KEY")]
    Pem,
    /// Not an RSA key of 2048 bits at least.
    #[error("must be an RSA key of 2048 to 8192 bits")]
    Rsa,
}

/// An RSA public key (`RSAPublicKey` in DER).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({} bytes)", self.0.len())
    }
}

impl PublicKey {
    /// Reads a key from PEM. Of a private key, such as GitHub gives to an App's owner, it keeps only the public part.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let bytes = text.as_bytes();
        let pair = match PrivateKeyDer::from_pem_slice(bytes) {
            Ok(PrivateKeyDer::Pkcs1(key)) => Some(KeyPair::from_der(key.secret_pkcs1_der())),
            Ok(PrivateKeyDer::Pkcs8(key)) => Some(KeyPair::from_pkcs8(key.secret_pkcs8_der())),
            Ok(_) => return Err(InvalidKey::Rsa),
            Err(_) => None,
        };
        let key = if let Some(pair) = pair {
            pair.map_err(|_| InvalidKey::Rsa)?.public_key().as_ref().to_vec()
        } else {
            let info =
                SubjectPublicKeyInfoDer::from_pem_slice(bytes).map_err(|_| InvalidKey::Pem)?;
            inner(&info).ok_or(InvalidKey::Rsa)?.to_vec()
        };
        let (_, rest) = element(&key, SEQUENCE).ok_or(InvalidKey::Rsa)?;
        if rest.is_empty() { Ok(Self(key)) } else { Err(InvalidKey::Rsa) }
    }

    /// True if `signature` is this key's over `message` (RS256, RFC 7518 section 3.3).
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.0);
        key.verify(message, signature).is_ok()
    }
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// The content of the element of this kind at the start, and what follows it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    if *found != kind {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes(rest.first_chunk().copied()?)), rest.get(2..)?),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The key inside a `SubjectPublicKeyInfo`: a sequence of the algorithm, and a bit string of whole bytes.
fn inner(der: &[u8]) -> Option<&[u8]> {
    let (info, _) = element(der, SEQUENCE)?;
    let (_algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    bits.strip_prefix(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused() {
        let block = |label: &str, content: &str| {
            format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
        };
        for (text, why) in [
            (String::new(), InvalidKey::Pem),
            ("MIIB".to_owned(), InvalidKey::Pem),
            (block("CERTIFICATE", "MIIB"), InvalidKey::Pem),
            (block("PUBLIC KEY", "%%"), InvalidKey::Pem),
            (block("PUBLIC KEY", "MIIB"), InvalidKey::Rsa),
            (block("PRIVATE KEY", "MIIB"), InvalidKey::Rsa),
            (block("RSA PRIVATE KEY", "MIIB"), InvalidKey::Rsa),
            (block("EC PRIVATE KEY", "MIIB"), InvalidKey::Rsa),
        ] {
            assert_eq!(PublicKey::from_pem(&text), Err(why), "{text:?}");
        }
    }
}
