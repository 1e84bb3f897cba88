//! Handing a webhook's delivery on.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use mayfly_common::problem::Problem;
use mayfly_common::webhook::{Delivery, Receipt};
use tokio::time::timeout;

use super::failure::Failure;
use super::{Call, Orchestrator, answer};
use crate::caller::Caller;

/// How long all attempts may take: an answer later than GitHub's 10 seconds (docs: "Best practices for using webhooks") is
/// heard by nobody.
pub(super) const DEADLINE: Duration = Duration::from_secs(8);
/// Most bytes read of a receipt.
const MAX_RECEIPT: usize = 16 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Orchestrator {
    /// Hands `delivery` on and says what became of it, or why nothing did.
    pub(crate) async fn deliver(
        &self,
        delivery: &Delivery,
        caller: &Caller,
    ) -> Result<Receipt, Problem> {
        let body = serde_json::to_vec(delivery).map_err(|error| {
            tracing::error!(request_id = caller.id(), %error, "a delivery cannot be written");
            Problem::internal()
        })?;
        let call = Call {
            method: Method::POST,
            target: PathAndQuery::from_static("/api/v1/deliveries"),
            body: body.into(),
            // The orchestrator knows a delivery by its id.
            repeatable: true,
        };
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, JSON), (header::ACCEPT, JSON)]);
        let limit = longest(self.timeout);
        let answered = timeout(limit, self.receipt(&call, &headers, caller)).await;
        let answered = answered.unwrap_or(Err(Failure::TooSlow(limit)));
        answered.map_err(|failure| self.failed(&failure, &call, caller))
    }

    async fn receipt(
        &self,
        call: &Call,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<Receipt, Failure> {
        let response = self.attempts(call, headers, caller).await?;
        let response = answer::pass_on(response, &self.stop).await?;
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let foreign = || Failure::Foreign(status, kind);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Failure::Unavailable(None));
        }
        // A 4xx says that the two services do not understand each other, which GitHub cannot mend.
        if !status.is_success() {
            return Err(foreign());
        }
        let body = Limited::new(response.into_body(), MAX_RECEIPT).collect().await;
        let receipt = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        receipt.ok_or_else(foreign)
    }
}

/// How long all attempts may take where any other request may take `timeout`.
fn longest(timeout: Duration) -> Duration {
    timeout.min(DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_hears_what_became_of_its_delivery() {
        // GitHub waits for ten seconds.
        for (timeout, limit) in [(30, 8), (9, 8), (8, 8), (7, 7)] {
            assert_eq!(longest(Duration::from_secs(timeout)), Duration::from_secs(limit));
        }
    }
}
