//! What is asked of GitHub: by whom, how urgently, on which route.

use mayfly_common::scope::Login;
use reqwest::Url;

use super::budget::Priority;

/// In whose name a request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// The user behind the token.
    User,
    /// The App itself.
    App,
    /// The installation of the App that has this id.
    Installation(i64),
    /// Whoever may act in this account: the user behind the token, or the installation of the App there.
    Owner(Login),
}

/// One request, but for its body.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) who: Who,
    pub(super) priority: Priority,
    /// The path as GitHub's documentation writes it.
    pub(super) route: &'static str,
    pub(super) url: Url,
}

impl Call {
    /// The same request, another URL; for further pages.
    pub(super) fn at(&self, url: Url) -> Self {
        Self { url, ..self.clone() }
    }
}

/// The URL of `route` below `base`: each `{placeholder}` takes the next of `values`. A value is one segment and cannot climb
/// out of its place.
pub(super) fn url(base: &Url, route: &str, values: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    let mut values = values.iter();
    if let Ok(mut path) = url.path_segments_mut() {
        let segments = route.split('/').filter(|segment| !segment.is_empty());
        path.pop_if_empty().extend(segments.map(|segment| {
            if segment.starts_with('{') {
                values.next().copied().unwrap_or_default()
            } else {
                segment
            }
        }));
        path.extend(values);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// The path, as it is counted; where it is, depends on the API's URL.
pub(super) const GRAPHQL: &str = "/graphql";

/// Where GraphQL is: `/api/graphql` beside a GHES' `/api/v3`, else `/graphql` below the API (docs: "Forming calls with GraphQL",
/// "The GraphQL endpoint").
pub(super) fn graphql_url(api: &Url) -> Url {
    let mut url = api.clone();
    let path = api.path().trim_end_matches('/');
    let path = match path.strip_suffix("/api/v3") {
        Some(before) => format!("{before}/api/graphql"),
        None => format!("{path}/graphql"),
    };
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_the_api() {
        let rows = [
            ("https://api.github.com", "https://api.github.com/graphql"),
            ("https://ghe.example/api/v3", "https://ghe.example/api/graphql"),
            ("https://ghe.example/api/v3/", "https://ghe.example/api/graphql"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/graphql"),
        ];
        for (api, expected) in rows {
            assert_eq!(graphql_url(&Url::parse(api).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn segments_cannot_climb() {
        let base = Url::parse("http://h/api/v3/").unwrap();
        let route = "/repos/{owner}/{repo}/contents/{path}";
        let made = url(&base, route, &["o", "r", "a b?c#d/../e"], &[("page", "1&x=2")]);
        let expected = "http://h/api/v3/repos/o/r/contents/a%20b%3Fc%23d%2F..%2Fe?page=1%26x%3D2";
        assert_eq!(made.as_str(), expected);
    }

    #[test]
    fn further_values_are_further_segments() {
        let base = Url::parse("http://h").unwrap();
        let made = url(
            &base,
            "/repos/{owner}/{repo}/contents/{path}",
            &["o", "r", ".github", "workflows"],
            &[],
        );
        assert_eq!(made.as_str(), "http://h/repos/o/r/contents/.github/workflows");
    }
}
