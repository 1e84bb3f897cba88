//! What the headers of a delivery tell (docs: "Webhook events and payloads", "Delivery headers").

use http::{HeaderMap, HeaderValue};

use super::HookTarget;

/// Longest delivery id and event name taken, in bytes; GitHub's are 36 and about 40.
const MAX_LENGTH: usize = 100;

/// The headers of a delivery that the platform reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `X-GitHub-Delivery`, a GUID.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// `X-GitHub-Hook-ID` and `X-GitHub-Hook-Installation-Target-Type`. Older servers send neither, and nothing depends on
    /// them but the display, so what cannot be read is left out.
    pub hook: Option<(i64, HookTarget)>,
}

/// Why a request is no delivery of GitHub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// There is no `X-GitHub-Event`, there are several, or it is no event's name.
    #[error("the header X-GitHub-Event is missing, is there twice or is not the name of an event")]
    Event,
    /// There is no `X-GitHub-Delivery`, there are several, or it is no id.
    #[error("the header X-GitHub-Delivery is missing, is there twice or is not an id")]
    Delivery,
}

impl Head {
    /// Reads the headers of a request.
    pub fn of(headers: &HeaderMap) -> Result<Self, BadHead> {
        let text = |name: &str| single(headers, name).and_then(|value| value.to_str().ok());
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let event = text("x-github-event").filter(|event| is_made_of(event, name));
        let id = text("x-github-delivery")
            .filter(|id| is_made_of(id, |byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        let hook_id = text("x-github-hook-id").and_then(|id| id.parse().ok());
        let target = text("x-github-hook-installation-target-type").and_then(HookTarget::parse);
        Ok(Self {
            event: event.ok_or(BadHead::Event)?.to_owned(),
            id: id.ok_or(BadHead::Delivery)?.to_owned(),
            hook: hook_id.zip(target),
        })
    }
}

/// The value of a header that is there once. Of several, nobody knows which one counts for whoever reads them next.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_made_of(text: &str, allowed: fn(u8) -> bool) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
}
