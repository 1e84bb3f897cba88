//! JSON bodies read strictly: an unknown field is an error that names it, as problem+json.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use mayfly_common::problem::{FieldError, Problem};
use mayfly_service::problem::HttpProblem;
use serde::de::DeserializeOwned;

/// The body of a request to the control API or of a runner.
pub(crate) struct Strict<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Strict<T> {
    type Rejection = HttpProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpProblem> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|why| Problem::malformed(why.body_text()))?;
        let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
        let read = serde_json::from_slice(&body).map(Self);
        read.map_err(|why| {
            if why.is_data() {
                let detail = why.to_string();
                Problem::invalid(vec![FieldError { pointer: pointer(&detail), detail }])
            } else {
                Problem::malformed(why.to_string())
            }
            .into()
        })
    }
}

/// The field that a message is about: serde names it between backquotes, first.
fn pointer(message: &str) -> String {
    let about_field = message.contains("field `");
    let name = message.split('`').nth(1).filter(|_| about_field);
    name.map(|name| format!("/{name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named() {
        assert_eq!(pointer("unknown field `x`, expected `a` or `b` at line 1"), "/x");
        assert_eq!(pointer("missing field `name`"), "/name");
        assert_eq!(pointer("invalid type: string \"`\", expected u64"), "");
    }
}
