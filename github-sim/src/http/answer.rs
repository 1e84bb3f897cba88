//! Answers in GitHub's form.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::world::Refusal;

/// What a REST handler gives back.
pub(crate) type Answer = Result<Response, ApiError>;

/// An error as GitHub words it: `message`, `documentation_url`, `status`.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The one error of a "Validation Failed", as resource and message.
    invalid: Option<(&'static str, String)>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), invalid: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 422 "Validation Failed" with one error about a resource, for example `Hook`.
    pub(crate) fn validation(resource: &'static str, message: impl Into<String>) -> Self {
        let invalid = Some((resource, message.into()));
        Self { invalid, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed") }
    }

    /// 422 with GitHub's words for a request that does not fit its schema.
    pub(crate) fn invalid(detail: impl std::fmt::Display) -> Self {
        let message = format!("Invalid request.\n\n{detail}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_str(),
        });
        if let Some((resource, message)) = self.invalid {
            let error = json!({"resource": resource, "code": "custom", "message": message});
            body["errors"] = json!([error]);
        }
        (self.status, Json(body)).into_response()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            // GitHub does not say what is missing, since that would tell that the rest is there.
            Refusal::NotFound(_) => return Self::not_found(),
            Refusal::Validation(message) => return Self::validation("Hook", message),
            Refusal::NameTaken { .. } => StatusCode::CONFLICT,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Busy(_) | Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, refusal.to_string())
    }
}

/// 200 with a JSON body.
#[expect(clippy::unnecessary_wraps, reason = "it is the last expression of a handler")]
pub(crate) fn ok(body: Value) -> Answer {
    Ok(Json(body).into_response())
}

/// 201 with a JSON body.
#[expect(clippy::unnecessary_wraps, reason = "it is the last expression of a handler")]
pub(crate) fn created(body: Value) -> Answer {
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
