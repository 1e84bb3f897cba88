//! From the bytes of a delivery to what it tells: pure.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, header};
use mayfly_common::problem::Problem;
use mayfly_common::webhook::signature::{Secrets, Signature};
use mayfly_common::webhook::{Delivery, Head, parse, single};

/// What there is to say of a body.
#[derive(Debug)]
pub(crate) enum Examined {
    /// Its signature is wrong; nothing else was looked at.
    Unsigned,
    /// It is signed, and it is not a delivery as GitHub sends them.
    Refused(Problem),
    /// It tells nothing that matters here.
    Ignored,
    /// It tells this.
    Told(Delivery),
}

/// Checks the signature of `body`, byte for byte as it came, and only then reads it.
pub(crate) fn examine(
    secrets: &Secrets,
    signature: &Signature,
    headers: &HeaderMap,
    body: &[u8],
) -> Examined {
    if !secrets.verify(body, signature) {
        return Examined::Unsigned;
    }
    match read(headers, body) {
        Ok(Some(delivery)) => Examined::Told(delivery),
        Ok(None) => Examined::Ignored,
        Err(problem) => Examined::Refused(problem),
    }
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Option<Delivery>, Problem> {
    let head = Head::of(headers).map_err(|bad| malformed(&bad.to_string()))?;
    let payload = payload(headers, body)?;
    parse(&head, &payload).map_err(|error| malformed(&error.to_string()))
}

/// The JSON of a body, in either of the two forms a hook can be set to.
fn payload<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Problem> {
    let kind = single(headers, header::CONTENT_TYPE.as_str());
    let kind = kind.and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(Cow::Borrowed(body));
    }
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body must be JSON or a form",
        )
        .with_detail("Set the webhook's content type to application/json."));
    }
    let mut fields = form_urlencoded::parse(body);
    let payload = fields.find(|(name, _)| name == "payload").map(|(_, value)| value);
    let payload = payload.ok_or_else(|| malformed("the form has no field named payload"))?;
    Ok(Cow::Owned(payload.into_owned().into_bytes()))
}

fn malformed(reason: &str) -> Problem {
    Problem::malformed(format!("This is no delivery of GitHub's: {reason}."))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_content_type_that_is_there_twice_counts_as_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(&*payload(&headers, b"{}").unwrap(), b"{}");
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.append(header::CONTENT_TYPE, form);
        assert_eq!(payload(&headers, b"{}").unwrap_err().status, 415);
    }
}
