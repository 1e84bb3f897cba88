//! Pages of a list: what is on one, and where the next is (docs: "Using pagination in the REST API").

use http::{HeaderMap, header};
use mayfly_common::lenient::List;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::GitHubError;

/// One page of a list.
pub(super) trait Page: DeserializeOwned + Serialize + Send {
    type Item;

    /// True if a further page can be asked for by its number, where an answer does not say.
    const NUMBERED: bool = true;

    /// How many entries the whole list has, if the page says.
    fn total(&self) -> Option<u64> {
        None
    }

    /// The page's entries.
    fn list(&self) -> &List<Self::Item>;

    /// The entries that could be read.
    fn into_items(self) -> Vec<Self::Item>;
}

impl<T: DeserializeOwned + Serialize + Send> Page for List<T> {
    type Item = T;

    fn list(&self) -> &Self {
        self
    }

    fn into_items(self) -> Vec<T> {
        self.into_entries()
    }
}

/// A list, all pages of it.
#[derive(Debug)]
pub(super) struct Whole<T> {
    /// The entries that could be read.
    pub(super) items: Vec<T>,
    /// How many could not: what is missing among `items` may be there all the same.
    pub(super) unread: usize,
}

/// What an answer says about further pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// No `Link` header at all.
    Unsaid,
    /// A `Link` header without `rel="next"`.
    Last,
    /// The next page.
    Page(Url),
}

/// The same list, another page.
pub(super) fn numbered(page: &Url, number: u32) -> Url {
    let mut url = page.clone();
    let others: Vec<(String, String)> = page
        .query_pairs()
        .filter(|(name, _)| name != "page")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair("page", &number.to_string());
    url
}

/// Reads the `Link` header (RFC 8288). A next page on another host is not followed: it would carry the credential there.
pub(super) fn next_page(headers: &HeaderMap, base: &Url) -> Result<Next, GitHubError> {
    let Some(link) = headers.get(header::LINK).and_then(|value| value.to_str().ok()) else {
        return Ok(Next::Unsaid);
    };
    for part in link.split(',') {
        let Some((target, parameters)) =
            part.trim().strip_prefix('<').and_then(|rest| rest.split_once('>'))
        else {
            continue;
        };
        if !parameters.split(';').any(|parameter| parameter.trim() == "rel=\"next\"") {
            continue;
        }
        let url = base
            .join(target)
            .map_err(|error| GitHubError::Malformed(format!("its next page: {error}")))?;
        if url.origin() != base.origin() {
            return Err(GitHubError::Malformed(format!(
                "its next page is on another host, {}",
                url.host_str().unwrap_or("?")
            )));
        }
        return Ok(Next::Page(url));
    }
    Ok(Next::Last)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(link: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::LINK, HeaderValue::from_str(link).unwrap())])
    }

    #[test]
    fn pages_are_followed_on_the_same_host_only() {
        let base = Url::parse("https://ghe.example/api/v3").unwrap();
        let next = |link: &str| next_page(&headers(link), &base);
        let page = Url::parse("https://ghe.example/api/v3/user/repos?page=2").unwrap();
        let both = r#"<https://ghe.example/x?page=1>; rel="prev", <https://ghe.example/api/v3/user/repos?page=2>; rel="next""#;
        assert_eq!(next(both), Ok(Next::Page(page)));
        assert_eq!(next(r#"<https://ghe.example/x?page=1>; rel="first""#), Ok(Next::Last));
        let refused = |text: &str| Err(GitHubError::Malformed(text.to_owned()));
        let elsewhere = "its next page is on another host, evil.example";
        assert_eq!(next(r#"<https://evil.example/x?page=2>; rel="next""#), refused(elsewhere));
        let other_port = "its next page is on another host, ghe.example";
        assert_eq!(next(r#"<https://ghe.example:8443/x>; rel="next""#), refused(other_port));
        let none = "its next page: invalid port number";
        assert_eq!(next(r#"<https://ghe.example:x/>; rel="next""#), refused(none));
        let relative = Url::parse("https://ghe.example/x?page=2").unwrap();
        let odd = r#"odd, </x?page=2>; title="a"; rel="next""#;
        assert_eq!(next(odd), Ok(Next::Page(relative)));
        assert_eq!(next_page(&HeaderMap::new(), &base), Ok(Next::Unsaid));
    }

    #[test]
    fn a_page_number_is_replaced() {
        let url = Url::parse("http://h/user/repos?per_page=100&page=2").unwrap();
        assert_eq!(numbered(&url, 3).as_str(), "http://h/user/repos?per_page=100&page=3");
        let bare = Url::parse("http://h/user/repos").unwrap();
        assert_eq!(numbered(&bare, 2).as_str(), "http://h/user/repos?page=2");
    }
}
