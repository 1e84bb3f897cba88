//! Global node ids: the kind of an object and what it is within that kind, in the form that GitHub used for years.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The id of the `rest` of a `kind`, as REST gives it (`node_id`).
pub(super) fn of(kind: &str, rest: &str) -> String {
    STANDARD.encode(format!("0{}:{kind}{rest}", kind.len()))
}

/// Kind and rest of an id; `None` if it is none of ours.
pub(super) fn parse(id: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(id).ok()?).ok()?;
    let (length, named) = text.strip_prefix('0')?.split_once(':')?;
    let (kind, rest) = named.split_at_checked(length.parse().ok()?)?;
    Some((kind.to_owned(), rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_rests_and_come_back() {
        let id = of("Repository", "1296269");
        assert_eq!(id, crate::http::render::node_id("Repository", 1_296_269));
        assert_eq!(parse(&id), Some(("Repository".into(), "1296269".into())));
        for bad in
            ["", "x", "R_kgDOABC", &STANDARD.encode("099:Repo1"), &STANDARD.encode("0x:Repo1")]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
