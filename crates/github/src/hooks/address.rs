//! Where a hook sends: a URL that GitHub can use.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// Longest URL that is taken, in bytes.
const MAX_LENGTH: usize = 2_048;

/// An absolute `http` or `https` URL without credentials and without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

/// Why a text is no URL for a hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHookUrl {
    /// Not a URL at all, or one of another kind.
    #[error("must be a URL such as https://ci.example.org/webhooks/github")]
    NotAbsolute,
    /// It names a user or a password, which everybody who may see the hook would read.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// It has a `#`, which is never sent.
    #[error("must not hold a #")]
    Fragment,
    /// It is too long.
    #[error("must be at most {MAX_LENGTH} bytes long")]
    Long,
}

impl HookUrl {
    /// The URL as it is sent to GitHub.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if what is sent there can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// True if `text` is the same URL, however it is written.
    pub fn is(&self, text: &str) -> bool {
        Url::parse(text.trim()).is_ok_and(|other| other == self.0)
    }
}

impl FromStr for HookUrl {
    type Err = InvalidHookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidHookUrl> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(InvalidHookUrl::Long);
        }
        let url = Url::parse(text).map_err(|_| InvalidHookUrl::NotAbsolute)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidHookUrl::NotAbsolute);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidHookUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidHookUrl::Fragment);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_github_can_send_to_is_taken() {
        let cases = [
            ("https://ci.example/webhooks/github", Ok(())),
            (" http://192.0.2.1:8080/x?y=1 ", Ok(())),
            ("ci.example/webhooks/github", Err(InvalidHookUrl::NotAbsolute)),
            ("/webhooks/github", Err(InvalidHookUrl::NotAbsolute)),
            ("", Err(InvalidHookUrl::NotAbsolute)),
            ("ftp://ci.example/", Err(InvalidHookUrl::NotAbsolute)),
            ("javascript:alert(1)", Err(InvalidHookUrl::NotAbsolute)),
            ("https://me:pw@ci.example/", Err(InvalidHookUrl::Credentials)),
            ("https://ci.example/#x", Err(InvalidHookUrl::Fragment)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<HookUrl>().map(drop), expected, "{text}");
        }
        let long = format!("https://ci.example/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(long.parse::<HookUrl>(), Err(InvalidHookUrl::Long));
    }

    #[test]
    fn the_same_place_is_the_same_url() {
        let url: HookUrl = "https://CI.example:443/webhooks/github".parse().unwrap();
        assert!(url.is("https://ci.example/webhooks/github"));
        assert!(!url.is("http://ci.example/webhooks/github"));
        assert!(!url.is("https://ci.example/webhooks/github/"));
        assert!(!url.is("not a url"));
    }
}
