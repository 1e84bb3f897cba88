//! Pages of lists, and what is wrong with a query.

use mayfly_common::api::MAX_PER_PAGE;
use mayfly_common::problem::FieldError;

/// How many a page has, unless the query says otherwise; as at GitHub.
const PER_PAGE: u32 = 30;

/// How many, and after how many: from the query's `page`, counted from 1, and `per_page`.
///
/// Errors: all that is wrong with them.
pub(super) fn page(
    page: Option<u32>,
    per_page: Option<u32>,
) -> Result<(u32, u64), Vec<FieldError>> {
    let (page, size) = (page.unwrap_or(1), per_page.unwrap_or(PER_PAGE));
    let mut errors = Vec::new();
    errors.extend((page == 0).then(|| wrong("page", "must be 1 or more")));
    errors.extend(
        (!(1..=MAX_PER_PAGE).contains(&size)).then(|| wrong("per_page", "must be from 1 to 100")),
    );
    if errors.is_empty() { Ok((size, u64::from(page - 1) * u64::from(size))) } else { Err(errors) }
}

/// A parameter of a query is wrong.
pub(super) fn wrong(name: &str, detail: &str) -> FieldError {
    FieldError { pointer: format!("?{name}"), detail: detail.to_owned() }
}
