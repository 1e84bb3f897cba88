//! A [`Problem`] as an HTTP answer.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use mayfly_common::problem::{PROBLEM_JSON, Problem};

/// What a handler answers with when it refuses or fails: the problem as `application/problem+json` with its status, and with
/// `Retry-After` (seconds) and `WWW-Authenticate` (RFC 9110, sections 10.2.3 and 11.6.1) where they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProblem(pub Problem);

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (problem.status_code(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::problem::FieldError;

    use super::*;

    #[tokio::test]
    async fn an_answer_says_when_to_come_back_and_how_to_log_in() {
        let errors = vec![FieldError { pointer: "/a".to_owned(), detail: "is odd".to_owned() }];
        let whole = Problem {
            kind: "k".to_owned(),
            title: "t".to_owned(),
            status: 429,
            detail: Some("d".to_owned()),
            errors,
            retry_after: Some(7),
        };
        let header = |answer: &Response, name| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let answer = HttpProblem(whole).into_response();
        assert_eq!(answer.status(), 429);
        assert_eq!(
            header(&answer, header::CONTENT_TYPE).as_deref(),
            Some("application/problem+json")
        );
        assert_eq!(header(&answer, header::RETRY_AFTER).as_deref(), Some("7"));
        assert_eq!(header(&answer, header::WWW_AUTHENTICATE), None);
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "k", "title": "t", "status": 429, "detail": "d", "retry_after": 7,
            "errors": [{"pointer": "/a", "detail": "is odd"}],
        });
        assert_eq!(body, expected);
        let answer = HttpProblem(Problem::unauthorized()).into_response();
        assert_eq!(header(&answer, header::WWW_AUTHENTICATE).as_deref(), Some("Bearer"));
        assert_eq!(header(&answer, header::RETRY_AFTER), None);
    }
}
