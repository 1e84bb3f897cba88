//! GitHub's webhooks.
//!
//! Invariant: whoever cannot sign learns nothing: a missing, an unreadable and a wrong signature get one answer, whatever
//! else is wrong with the request (except its size and speed).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mayfly_common::problem::Problem;
use mayfly_common::webhook::signature::{HEADER, LEGACY_HEADER, Signature};
use mayfly_common::webhook::{Outcome, Receipt};
use mayfly_service::problem::HttpProblem;
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::client_address::fold;
use crate::edge::admit;
use crate::gateway::Gateway;
use crate::metrics::DeliveryOutcome;
use crate::rate_limit;
use crate::webhook::body::{GivenUp, Held, MAX_BODY, Sender, Unread, discard};
use crate::webhook::{Examined, examine};

/// A delivery of a hook whose content type was left as it is by default.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a form that is read as it comes")]
struct DeliveryForm {
    /// The event's payload, as JSON.
    payload: String,
}

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// Take a webhook's delivery
///
/// What GitHub calls when a job is queued, begins or ends, when a default branch moves, or when repositories come and go.
/// Events that matter nothing here are answered `ignored`, the same delivery again `duplicate`. Set this address, the content
/// type `application/json` and the secret in `WEBHOOK_SECRET` at GitHub, for the events `workflow_job` and `push`.
#[utoipa::path(
    post,
    path = "/webhooks/github",
    operation_id = "receiveDelivery",
    tag = "Webhooks",
    security(("webhook_signature" = [])),
    params(
        ("X-GitHub-Event" = String, Header, description = "The event.", example = "workflow_job"),
        ("X-GitHub-Delivery" = String, Header, description = "The delivery's id; the same when it is delivered again."),
        ("X-GitHub-Hook-ID" = Option<i64>, Header, description = "The hook's id."),
        ("X-GitHub-Hook-Installation-Target-Type" = Option<String>, Header, description = "What the hook is installed on.")
    ),
    request_body(
        description = "The event's payload, of at most 25 MiB; in a form, as its field `payload`.",
        content(
            (Object = "application/json"),
            (DeliveryForm = "application/x-www-form-urlencoded")
        )
    ),
    responses(
        (status = 202, description = "What became of the delivery.", body = Receipt),
        (status = 400, description = "The signature is right, and this is no delivery: a header is missing, or the body is not the event's JSON."),
        (status = 401, description = "The signature is missing or wrong. The body was not parsed."),
        (status = 404, description = "Webhooks are off: the operator has set no WEBHOOK_SECRET."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body is larger than 25 MiB."),
        (status = 415, description = "The body is neither JSON nor a form."),
        (status = 429, description = "Too many wrong signatures from this address."),
        (status = 500, description = "Something went wrong in the gateway."),
        (status = 502, description = "The orchestrator did not answer properly: have GitHub deliver again."),
        (status = 503, description = "The orchestrator is not available, or there is no room for the body: have GitHub deliver again."),
        (status = 504, description = "The orchestrator took too long: have GitHub deliver again."),
        (status = "default", description = "Any other error.")
    )
)]
async fn receive(State(gateway): State<Gateway>, request: Request) -> Response {
    if gateway.webhooks.secrets.is_empty() {
        return HttpProblem(off()).into_response();
    }
    let event = request.headers().get("x-github-event").cloned();
    let answer = take(&gateway, request).await;
    let signed = answer.as_ref().map_or_else(|refusal| refusal.signed, |_| true);
    let answer = answer.map_err(|refusal| refusal.problem);
    let outcome = match &answer {
        Ok(Receipt { outcome: Outcome::Accepted }) => DeliveryOutcome::Accepted,
        Ok(Receipt { outcome: Outcome::Duplicate }) => DeliveryOutcome::Duplicate,
        Ok(Receipt { outcome: Outcome::Ignored }) => DeliveryOutcome::Ignored,
        Err(problem) if problem.status < 500 => DeliveryOutcome::Refused,
        Err(_) => DeliveryOutcome::Failed,
    };
    gateway.metrics.delivery(event.as_ref().and_then(|event| event.to_str().ok()), outcome);
    let response = match answer {
        Ok(receipt) => (StatusCode::ACCEPTED, Json(receipt)).into_response(),
        Err(problem) => refused(problem),
    };
    // What a stranger sends is not admitted, and gets no line of its own in the log.
    if signed { admit::mark(response) } else { response }
}

/// Why there is no receipt.
struct Refusal {
    problem: Problem,
    /// True if the delivery was signed as it must be.
    signed: bool,
}

impl From<Problem> for Refusal {
    /// Of a delivery that was not found to be signed.
    fn from(problem: Problem) -> Self {
        Self { problem, signed: false }
    }
}

async fn take(gateway: &Gateway, request: Request) -> Result<Receipt, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.remove::<Caller>() else {
        tracing::error!("a request came past the outermost layer");
        return Err(Problem::internal().into());
    };
    let address = fold(caller.address);
    let declared = declared(&parts.headers);
    if declared.is_some_and(|length| length > MAX_BODY) {
        return Err(Unread::TooLarge.problem().into());
    }
    let signature = match shown(&parts.headers) {
        Ok(signature) => signature,
        Err(why) => {
            discard(body).await;
            return Err(unsigned(gateway, &caller, why, 1).into());
        }
    };
    let webhooks = &gateway.webhooks;
    let from = Sender { address, suspects: &webhooks.suspects };
    let held = match webhooks.room.read(body, declared, from).await {
        Ok(held) => held,
        Err(unread) => return Err(given_up(gateway, &caller, unread).into()),
    };
    let weight = held.weight();
    let examined = examined(gateway, signature, parts.headers, held).await?;
    let signed = |problem| Refusal { problem, signed: true };
    match examined {
        Examined::Unsigned => Err(unsigned(gateway, &caller, "it is wrong", weight).into()),
        Examined::Refused(problem) => {
            let detail = problem.detail.as_deref();
            tracing::warn!(request_id = caller.id(), detail, "a webhook cannot be read");
            Err(signed(problem))
        }
        Examined::Ignored => Ok(Receipt { outcome: Outcome::Ignored }),
        Examined::Told(delivery) => {
            gateway.orchestrator.deliver(&delivery, &caller).await.map_err(signed)
        }
    }
}

/// The answer to a body that was not read to its end. Who sends slowly holds room that others need, and counts as a suspect.
fn given_up(gateway: &Gateway, caller: &Caller, GivenUp { why, weight }: GivenUp) -> Problem {
    if weight > 0 {
        let address = fold(caller.address);
        let verdict = gateway.webhooks.suspects.count(address, weight, Instant::now());
        if verdict.log {
            tracing::warn!(
                request_id = caller.id(),
                client = %caller.address,
                "a webhook's body came too slowly, broke off or was too large (not said again of this client within an hour)"
            );
        }
    }
    why.problem()
}

/// What there is to say of a body, which is gone with its room when this returns: before the orchestrator is asked.
async fn examined(
    gateway: &Gateway,
    signature: Signature,
    headers: HeaderMap,
    held: Held,
) -> Result<Examined, Problem> {
    if !held.is_large() {
        return Ok(examine(&gateway.webhooks.secrets, &signature, &headers, &held.bytes));
    }
    // Hashing and parsing megabytes takes longer than other requests should wait.
    let gateway = gateway.clone();
    let work = move || {
        let held = held;
        examine(&gateway.webhooks.secrets, &signature, &headers, &held.bytes)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a webhook could not be examined");
        Problem::internal()
    })
}

/// The length that the request's head announces.
fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The signature that a request shows, or why there is none to check.
fn shown(headers: &HeaderMap) -> Result<Signature, &'static str> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Signature::parse(value.as_bytes()).ok_or("it cannot be read"),
        (Some(_), Some(_)) => Err("there is more than one"),
        (None, _) if headers.contains_key(LEGACY_HEADER) => Err("only the SHA-1 one is there"),
        (None, _) => Err("there is none: the webhook at GitHub has no secret"),
    }
}

/// The answer to a signature that is missing or wrong. The log says which, the answer does not.
fn unsigned(gateway: &Gateway, caller: &Caller, why: &str, weight: u32) -> Problem {
    let address = fold(caller.address);
    let verdict = gateway.webhooks.suspects.count(address, weight, Instant::now());
    if verdict.log {
        tracing::warn!(
            request_id = caller.id(),
            client = %caller.address,
            "a webhook's signature is refused: {why} (not said again of this client within an hour)"
        );
    }
    if let Some(seconds) = verdict.wait {
        gateway.metrics.rate_limited.inc();
        return rate_limit::too_many(seconds);
    }
    Problem::new(StatusCode::UNAUTHORIZED, "bad-signature", "A valid signature is required")
        .with_detail(
            "X-Hub-Signature-256 must be the HMAC-SHA256 of the body with one of the secrets in WEBHOOK_SECRET.",
        )
}

fn off() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "webhooks-off", "Webhooks are off").with_detail(
        "Nothing that is not signed is taken. Set WEBHOOK_SECRET or WEBHOOK_SECRET_FILE, here and at GitHub.",
    )
}

fn refused(problem: Problem) -> Response {
    let mut response = HttpProblem(problem).into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        // A key would not help.
        let wanted = HeaderValue::from_static("X-Hub-Signature-256");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, wanted);
    }
    response
}
