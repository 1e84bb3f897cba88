//! `ReDoc`: a page, its start script, and the viewer itself.
//!
//! The viewer's script comes out of the package `aide`, which carries it for a page of its own; that page holds it inline,
//! so it is cut out of there and served as a file. A page without inline scripts is what allows a strict policy.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::response::Html;
use axum::routing::get;
use http::header;

use crate::base_path::BasePath;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// `{base}` stands for the prefix, here and below.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mayfly API</title>
<style>body { margin: 0 }</style>
</head>
<body>
<div id="redoc"></div>
<noscript>This page needs JavaScript; the description itself is at <a href="{base}/openapi.json">{base}/openapi.json</a>.</noscript>
<script src="{base}/redoc/viewer.js"></script>
<script src="{base}/redoc/start.js"></script>
</body>
</html>
"#;

/// The search index would run in a worker made from a `blob:` URL, which the policy forbids.
const START: &str = r#"Redoc.init("{base}/openapi.json", {
  disableSearch: true,
  hideDownloadButton: false,
  nativeScrollbars: true,
  theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } }
}, document.getElementById("redoc"));
"#;

/// The one thing the viewer fetches from elsewhere: its maker's logo. The link beside it stays.
const LOGO: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";
/// An image that cannot be shown, upon which the viewer shows none.
const NO_IMAGE: &str = "data:,";

/// A megabyte, so it is unpacked only once somebody looks.
static VIEWER: LazyLock<Bytes> = LazyLock::new(|| {
    let page = aide::redoc::Redoc::new("").html();
    let script = script_of(&page).unwrap_or_default();
    Bytes::from(script.replace(LOGO, NO_IMAGE))
});

pub(super) fn routes<S: Clone + Send + Sync + 'static>(base: &BasePath) -> Router<S> {
    let under_base = |text: &str| Bytes::from(text.replace("{base}", base.as_str()));
    let (page, start) = (under_base(PAGE), under_base(START));
    Router::new()
        .route("/redoc", get(move || async { Html(page) }))
        .route(
            "/redoc/start.js",
            get(move || async { ([(header::CONTENT_TYPE, JAVASCRIPT)], start) }),
        )
        .route(
            "/redoc/viewer.js",
            get(|| async { ([(header::CONTENT_TYPE, JAVASCRIPT)], VIEWER.clone()) }),
        )
}

/// The first script of `page`, up to the call that starts it.
fn script_of(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<script>")?;
    let end = rest.rfind("Redoc.init(")?;
    rest.get(..end).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards against a new version of the package with another page.
    #[test]
    fn the_viewer_is_cut_out_whole() {
        let script = std::str::from_utf8(&VIEWER).unwrap();
        assert!(script.len() > 500_000, "{}", script.len());
        assert!(script.contains("Redoc") && !script.contains("</script>"));
        assert!(!script.contains("cdn.redoc.ly"), "the viewer asks another host for something");
        assert!(!script.contains("<html"), "markup was cut out with the script");
    }
}
