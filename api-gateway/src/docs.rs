//! `/openapi.json` and its two viewers, all served from this binary.
//!
//! Invariant: a browser that shows them asks no other host for anything; the content security policy makes sure.

mod redoc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, header};
use utoipa::openapi::{OpenApi, ServerBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::base_path::BasePath;

/// Scripts and data come from here only; both viewers set styles in the page, and show small images from `data:` URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The routes of the description and its viewers, which name each other under `base`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    document: &OpenApi,
    base: &BasePath,
) -> Router<S> {
    let mut document = document.clone();
    if !base.as_str().is_empty() {
        document.servers = Some(vec![ServerBuilder::new().url(base.as_str()).build()]);
    }
    let text = document.to_json().expect("a document made of strings and maps is JSON");
    let text = Bytes::from(text);
    let description = move || async move { ([(header::CONTENT_TYPE, "application/json")], text) };
    Router::new()
        .merge(Router::from(swagger(base)))
        .merge(redoc::routes(base))
        .layer(from_fn_with_state(base.clone(), secure))
        .route("/openapi.json", get(description))
}

fn swagger(base: &BasePath) -> SwaggerUi {
    let config = Config::from(format!("{}/openapi.json", base.as_str()))
        // Without this the page asks validator.swagger.io about us.
        .validator_url("none")
        // A key typed into the page is gone with the page.
        .persist_authorization(false)
        .try_it_out_enabled(true)
        .display_request_duration(true);
    SwaggerUi::new("/docs").config(config)
}

async fn secure(State(base): State<BasePath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    // The viewer's package leads from `/docs` to `/docs/`, and knows no prefix.
    let target = headers.get(header::LOCATION).and_then(|target| target.to_str().ok());
    let target = target.map(|target| HeaderValue::try_from(format!("{}{target}", base.as_str())));
    if let Some(Ok(target)) = target {
        headers.insert(header::LOCATION, target);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Errors are not kept; a new version's viewer is seen soon enough.
    if status.is_success() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    }
    response
}
