//! `/openapi.json` and its two viewers, all served from this binary.
//!
//! Invariant: a browser that shows them asks no other host for anything; the content security policy makes sure.

mod redoc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, header};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::gateway::Gateway;

/// Scripts and data come from here only; both viewers set styles in the page, and show small images from `data:` URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The routes of the description and its viewers.
pub(crate) fn routes(document: &OpenApi) -> Router<Gateway> {
    let text = document.to_json().expect("a document made of strings and maps is JSON");
    let text = Bytes::from(text);
    let description = move || async move { ([(header::CONTENT_TYPE, "application/json")], text) };
    Router::new()
        .merge(Router::from(swagger()))
        .merge(redoc::routes())
        .layer(from_fn(secure))
        .route("/openapi.json", get(description))
}

fn swagger() -> SwaggerUi {
    let config = Config::from("/openapi.json")
        // Without this the page asks validator.swagger.io about us.
        .validator_url("none")
        // A key typed into the page is gone with the page.
        .persist_authorization(false)
        .try_it_out_enabled(true)
        .display_request_duration(true);
    SwaggerUi::new("/docs").config(config)
}

async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Errors are not kept; a new version's viewer is seen soon enough.
    if status.is_success() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    }
    response
}
