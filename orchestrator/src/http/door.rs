//! Who is turned away before any route: browsers, and bodies that are not JSON.
//!
//! The internal API asks for no key, because only the gateway reaches it: by the network (Compose) or by being on the machine. A
//! browser on that machine lends its place to every page that it shows. So a request is refused if it says that a page sent it
//! (`Origin`, which the gateway never passes on, or `Sec-Fetch-Site`), if it names a host that a page can have for its name (DNS
//! rebinding), and if its body is not marked as JSON: pages can send other types without asking first ("CORS protocol" in the
//! Fetch standard).

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mayfly_common::host::{PublicHosts, misdirected, named};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;

use super::Api;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Media types of bodies that are taken: JSON, and JSON Merge Patch (RFC 7396).
const TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];
/// Ends of names that nobody can register, so that no page can have one (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`).
const PRIVATE: [&str; 4] = [".local", ".internal", ".home.arpa", ".test"];

/// Lets through what a program sent.
pub(super) async fn no_browsers(State(api): State<Api>, request: Request, next: Next) -> Response {
    match check(&request, &api.config.public_hosts) {
        Ok(()) => next.run(request).await,
        Err(problem) => HttpProblem(problem).into_response(),
    }
}

fn check(request: &Request, hosts: &PublicHosts) -> Result<(), Problem> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return Err(browser());
    }
    let named = named(request.version(), request.uri(), headers)?;
    if let Some(host) = named.iter().find(|host| may_be_a_page(host, hosts)) {
        let name: String = host.host().chars().take(100).collect();
        return Err(misdirected(format!(
            "The orchestrator answers to IP addresses, to localhost, to names without a dot, and to private names such as those \
             in .internal; {name} is none of these. Have ORCHESTRATOR_URL name one, or add it to PUBLIC_HOSTS."
        )));
    }
    if !request.body().is_end_stream() && !is_json(headers) {
        let title = "The body must be JSON";
        let detail = format!("Send Content-Type: {}.", TYPES.join(" or "));
        let slug = "unsupported-media-type";
        return Err(
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, slug, title).with_detail(detail)
        );
    }
    Ok(())
}

/// True if a page can have this for its host: it is no address that the gateway would answer to, and no name that only a private
/// network knows.
fn may_be_a_page(host: &Authority, hosts: &PublicHosts) -> bool {
    let lower = host.host().to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let is_short = !name.contains(['.', ':']);
    let is_private = is_short || PRIVATE.iter().any(|end| name.ends_with(end));
    !is_private && !hosts.answer_to(name)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    let kind = kind.and_then(Result::ok).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

fn browser() -> Problem {
    let title = "This interface is not for browsers";
    Problem::new(StatusCode::FORBIDDEN, "no-browsers", title)
        .with_detail("Use the api-gateway: its /docs is for people.")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// What a request is answered: 200 if it is let through.
    fn status(body: &'static str, headers: &[(&'static str, &'static str)]) -> u16 {
        let mut request = http::Request::post("/api/v1/runners");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let hosts = PublicHosts::parse("mayfly.example").unwrap();
        check(&request.body(Body::from(body)).unwrap(), &hosts)
            .map_or_else(|it| it.status, |()| 200)
    }

    const HOST: (&str, &str) = ("host", "orchestrator:8000");
    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn pages_are_refused_whatever_they_send() {
        for page in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:8000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(status("{}", &[HOST, JSON, page]), 403, "{page:?}");
            assert_eq!(status("", &[HOST, page]), 403, "{page:?}");
        }
    }

    #[test]
    fn a_name_that_a_page_can_have_is_refused() {
        for host in [
            "evil.example:8000",
            "evil.example",
            "localhost.evil.example",
            "internal.evil.example",
            "10.0.0.1.evil.example",
            "x.localdomain",
            "0.0.0.0:8000",
            "[::]:8000",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]:8000",
        ] {
            assert_eq!(status("", &[("host", host)]), 421, "{host}");
        }
        for odd in ["2130706433", "localhost,evil", "127.1:8000", "::1", "u@localhost"] {
            assert_eq!(status("", &[("host", odd)]), 400, "{odd}");
        }
        for host in [
            "127.0.0.1:8000",
            "[::1]:8000",
            "localhost",
            "orchestrator:8000",
            "mayfly-orchestrator",
            "orchestrator.mayfly.svc.cluster.local:8000",
            "orchestrator.internal",
            "orchestrator.home.arpa",
            "orchestrator.test",
            "localhost.",
            "Orchestrator.Internal.",
            "mayfly.example:8000",
        ] {
            assert_eq!(status("", &[("host", host)]), 200, "{host}");
        }
        assert_eq!(status("", &[]), 400);
        assert_eq!(status("", &[HOST, HOST]), 400);
    }

    #[test]
    fn a_body_is_json_or_refused() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            assert_eq!(status("{}", &[HOST, ("content-type", kind)]), 415, "{kind}");
        }
        assert_eq!(status("{}", &[HOST]), 415);
        for kind in
            ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
        {
            assert_eq!(status("{}", &[HOST, ("content-type", kind)]), 200, "{kind}");
        }
        assert_eq!(status("", &[HOST]), 200, "without a body there is no type");
    }
}
