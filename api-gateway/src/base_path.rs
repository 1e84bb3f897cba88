//! The path under which a reverse proxy shows the gateway: `PUBLIC_BASE_PATH`.
//!
//! A proxy may take the prefix away or leave it there: both reach the same routes. What the gateway says about its own paths (the
//! documentation's pages, `servers` in the description) carries the prefix.

use axum::Router;
use axum::extract::Request;
use http::uri::{PathAndQuery, Uri};
use tower::ServiceExt as _;

/// First segments of our own paths. A prefix that begins with one of them would be ambiguous.
const OURS: [&str; 9] =
    ["api", "docs", "health", "livez", "metrics", "openapi.json", "readyz", "redoc", "webhooks"];

/// The prefix: empty, or `/` and segments without a `/` at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Takes a path like `/mayfly` or `/tools/mayfly/`; `/` is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.trim().trim_end_matches('/');
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        let segments = path.strip_prefix('/');
        let first = segments.and_then(|path| path.split('/').next());
        if let Some(first) = first.filter(|first| OURS.contains(first)) {
            return Err(format!(
                "{text:?} begins like the gateway's own paths under /{first}: take another, such as /mayfly"
            ));
        }
        if path.is_empty() || segments.is_some_and(|path| path.split('/').all(is_segment)) {
            Ok(Self(path.to_owned()))
        } else {
            Err(format!("{text:?} is not a path like /mayfly, of letters, digits and -._~"))
        }
    }

    /// The prefix, to put before a path of ours.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `router`, which also takes paths with the prefix. Routes are matched without it, so that they are counted by one name.
    pub(crate) fn strip_before(&self, router: Router) -> Router {
        if self.0.is_empty() {
            return router;
        }
        let prefix = self.clone();
        let stripped = router.map_request(move |mut request: Request| {
            if let Some(uri) = prefix.stripped(request.uri()) {
                *request.uri_mut() = uri;
            }
            request
        });
        Router::new().fallback_service(stripped)
    }

    /// `uri` without the prefix; nothing if it has none.
    fn stripped(&self, uri: &Uri) -> Option<Uri> {
        let rest = uri.path().strip_prefix(&self.0)?;
        let path = match rest {
            "" => "/",
            rest if rest.starts_with('/') => rest,
            _ => return None,
        };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for (text, prefix) in
            [("", ""), ("/", ""), ("/mayfly", "/mayfly"), (" /a/b-c_d.e~F0/ ", "/a/b-c_d.e~F0")]
        {
            assert_eq!(BasePath::parse(text).unwrap().as_str(), prefix);
        }
        for bad in
            ["mayfly", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/ä", "/a%2fb", "https://x/a"]
        {
            let why = "is not a path like /mayfly, of letters, digits and -._~";
            assert_eq!(BasePath::parse(bad), Err(format!("{bad:?} {why}")));
        }
        let why = "\"/docs/x\" begins like the gateway's own paths under /docs: take another, such as /mayfly";
        assert_eq!(BasePath::parse("/docs/x"), Err(why.to_owned()));
    }

    #[test]
    fn a_prefix_is_not_taken_for_a_path_of_ours() {
        for path in crate::routes::document().paths.paths.keys() {
            let first = path.split('/').nth(1).unwrap();
            let whole = format!("/{first}");
            let why = BasePath::parse(&whole).unwrap_err();
            assert!(why.contains(&format!("own paths under {whole}:")), "{why}");
            assert!(BasePath::parse(&format!("{whole}/x")).is_err());
            assert!(BasePath::parse(&format!("/x{whole}")).is_ok());
            assert!(BasePath::parse(&format!("{whole}x")).is_ok());
        }
        for path in ["/docs", "/redoc/", "/openapi.json"] {
            assert!(BasePath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn only_whole_segments_are_taken_away() {
        let base = BasePath::parse("/mayfly").unwrap();
        let stripped = |uri: &str| base.stripped(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(stripped("/mayfly/docs/?x=1").as_deref(), Some("/docs/?x=1"));
        assert_eq!(stripped("/mayfly?x").as_deref(), Some("/?x"));
        assert_eq!(stripped("http://h/mayfly/a").as_deref(), Some("http://h/a"));
        assert_eq!(stripped("/mayflyer/docs"), None);
        assert_eq!(stripped("/docs/mayfly"), None);
    }
}
