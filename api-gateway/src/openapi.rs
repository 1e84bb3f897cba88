//! What `/openapi.json` says beyond the routes themselves.

pub(crate) mod responses;

use mayfly_common::problem::{PROBLEM_JSON, Problem};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Info, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
    Response, SecurityRequirement, ServerBuilder, Tag, tag::TagBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

/// The document before any route is in it.
pub(crate) fn base() -> OpenApi {
    OpenApiBuilder::new()
        .info(info())
        .tags(Some(tags()))
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .security(Some([
            SecurityRequirement::new("bearer", Vec::<String>::new()),
            SecurityRequirement::new("api_key", Vec::<String>::new()),
        ]))
        .build()
}

/// In the order in which the viewers show them.
fn tags() -> [Tag; 9] {
    [
        ("Runners", "Start, watch and remove self-hosted runners."),
        ("Pools", "Policies for runners: whose jobs, how many, made from what."),
        ("Jobs", "What became of each job, and why one waits."),
        ("Events", "What happened, as pages or as a stream."),
        ("Status", "What the platform sees and does: why a job waits, which runners ended how."),
        ("Service", "Taking an installation out of service, and back."),
        ("Configuration", "What runners are started with, by name."),
        ("Webhooks", "What GitHub calls, so that a queued job gets its runner at once."),
        ("Health", "For probes, load balancers and Prometheus."),
    ]
    .map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build())
}

fn info() -> Info {
    let mut license = License::new("MIT");
    license.identifier = Some("MIT".to_owned());
    InfoBuilder::new()
        .title("Mayfly")
        .version(mayfly_common::VERSION)
        .description(Some(
            "Every job of GitHub Actions gets a fresh container: a self-hosted runner that registers, takes one job, \
             and is removed.\n\n\
             **Keys.** Send yours as `Authorization: Bearer <key>` or `X-API-Key: <key>`. Where the operator has set none, \
             none is needed.\n\n\
             **Errors** are `application/problem+json` (RFC 9457). `type` tells the kinds apart; `errors` points at each \
             field that is wrong.\n\n\
             **Browsers.** Where no key is needed, pages of other origins are refused, and so are names that are not the gateway's.\n\n\
             **Limits.** Past the rate limit the answer is 429, and `Retry-After` says how many seconds to wait.\n\n\
             **Request ids.** Send `X-Request-Id` to find a request again in the logs; every answer carries one.\n\n\
             The routes under `/api/v1/runners` are also there without `/api/v1`.",
        ))
        .license(Some(license))
        .build()
}

/// Adds what every operation has in common.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        "bearer".to_owned(),
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API key of this gateway."))
                .build(),
        )
        .into(),
    );
    let header = ApiKeyValue::with_description("X-API-Key", "An API key of this gateway.");
    components
        .security_schemes
        .insert("api_key".to_owned(), SecurityScheme::ApiKey(ApiKey::Header(header)).into());
    let signature = ApiKeyValue::with_description(
        "X-Hub-Signature-256",
        "`sha256=` and the HMAC-SHA256 of the raw body with a secret that GitHub and the gateway share, in hexadecimal.",
    );
    components.security_schemes.insert(
        "webhook_signature".to_owned(),
        SecurityScheme::ApiKey(ApiKey::Header(signature)).into(),
    );
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut problem_parts = Vec::new();
    Problem::schemas(&mut problem_parts);
    components.schemas.extend(problem_parts);
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response {
                add_problem(status, response);
                add_headers(status, response);
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let reading = [&mut item.get];
    let changing = [&mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
    reading.into_iter().chain(changing).flatten()
}

/// Gives an error that says nothing of its body the one that every error has.
fn add_problem(status: &str, response: &mut Response) {
    let is_error = status == "default" || status.starts_with(['4', '5']);
    if is_error && response.content.is_empty() {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
        response.content.insert(PROBLEM_JSON.to_owned(), content.build().into());
    }
}

fn add_headers(status: &str, response: &mut Response) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let id =
        HeaderBuilder::new().schema(Some(text)).description(Some("The request's id in the logs."));
    response.headers.insert("x-request-id".to_owned(), id.build().into());
    if matches!(status, "429" | "503") {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let after = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("Seconds after which to try again."));
        response.headers.insert("retry-after".to_owned(), after.build().into());
    }
}
