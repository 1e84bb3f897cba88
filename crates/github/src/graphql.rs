//! Questions to GitHub's GraphQL API: many repositories in one request, paid in points from a bucket of its own.
//!
//! Facts are from "Forming calls with GraphQL", "Rate limits and query limits for the GraphQL API". An answer can hold data and
//! errors at once: an error names the alias it is about, and the others are right.

use mayfly_common::foreign_text::line;
use mayfly_common::lenient::{self, List};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::budget::{Held, Priority, Resource, Told};
use super::call::Who;
use super::client::{GitHubClient, decode};
use super::error::GitHubError;

/// What was answered.
pub(super) struct Answered {
    /// By alias.
    pub(super) data: Option<Map<String, Value>>,
    pub(super) errors: Vec<Complaint>,
}

impl Answered {
    /// Reads an answer. An error that cannot be read is one that names nothing.
    pub(super) fn read(body: &[u8]) -> Result<Self, GitHubError> {
        let body: Body = decode(body)?;
        let unnamed = |what: &String| Complaint { message: what.clone(), ..Complaint::default() };
        let odd: Vec<Complaint> = body.errors.odd().iter().map(unnamed).collect();
        let errors = body.errors.into_entries().into_iter().chain(odd).collect();
        Ok(Self { data: body.data, errors })
    }
}

/// An entry of `errors`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Complaint {
    #[serde(rename = "type", default, deserialize_with = "lenient::or_default")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) message: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) path: Vec<Value>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    errors: List<Complaint>,
}

impl Complaint {
    /// The error that it means.
    pub(super) fn error(&self) -> GitHubError {
        match self.kind.as_str() {
            "NOT_FOUND" => GitHubError::NotFound,
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => GitHubError::Forbidden(line(&self.message)),
            _ => GitHubError::Invalid(line(&self.message)),
        }
    }
}

impl GitHubClient {
    /// Asks `document` with `variables`.
    ///
    /// Errors: as of any request, and where nothing at all was answered.
    pub(super) async fn ask(
        &self,
        who: Who,
        priority: Priority,
        document: &str,
        variables: Map<String, Value>,
    ) -> Result<Answered, GitHubError> {
        let account = self.account(&who).await?;
        let call = self.graphql_call(who, priority);
        let body = json!({ "query": document, "variables": variables });
        let reply = self.send(Method::POST, &call, None, Some(&body)).await?;
        let answered = Answered::read(&reply.body)?;
        if answered.errors.iter().any(|error| error.kind == "RATE_LIMITED") {
            let now = self.now();
            let known = self.budget().limits(now);
            let reset =
                known.iter().find(|known| (known.0, known.1) == (account, Resource::Graphql));
            let told = reset.map_or(Told::Secondary(None), |known| Told::Primary(known.2.reset));
            let Held { until, why, .. } = self.budget().told(account, Resource::Graphql, told, now);
            return Err(GitHubError::RateLimited { until, why });
        }
        if answered.data.is_some() {
            return Ok(answered);
        }
        Err(answered.errors.first().map_or_else(
            || GitHubError::Malformed("it has neither data nor errors".to_owned()),
            Complaint::error,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_an_answer_means_what_its_type_says() {
        let of = |kind: &str| {
            let body =
                json!({"errors": [{"type": kind, "message": "a\nb", "path": ["r0"]}, "odd"]});
            let mut answered = Answered::read(body.to_string().as_bytes()).unwrap();
            assert!(answered.data.is_none());
            let odd = answered.errors.pop().unwrap().error();
            let invalid = r#"string "odd" where an object should be"#;
            assert_eq!(odd, GitHubError::Invalid(invalid.to_owned()));
            answered.errors.remove(0).error()
        };
        let text = || "a b".to_owned();
        assert_eq!(of("NOT_FOUND"), GitHubError::NotFound);
        assert_eq!(of("FORBIDDEN"), GitHubError::Forbidden(text()));
        assert_eq!(of("INSUFFICIENT_SCOPES"), GitHubError::Forbidden(text()));
        assert_eq!(of("SERVICE_UNAVAILABLE"), GitHubError::Invalid(text()));
    }
}
