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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_so_long_and_begins_after_those_before_it() {
        let rows = [
            ((None, None), (30, 0)),
            ((Some(1), None), (30, 0)),
            ((Some(3), None), (30, 60)),
            ((None, Some(1)), (1, 0)),
            ((Some(4), Some(7)), (7, 21)),
            ((Some(2), Some(100)), (100, 100)),
            ((Some(u32::MAX), Some(100)), (100, 429_496_729_400)),
        ];
        for ((number, size), expected) in rows {
            assert_eq!(page(number, size), Ok(expected), "{number:?} {size:?}");
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_page_is_told() {
        let rows = [
            ((Some(0), None), &[("?page", "must be 1 or more")][..]),
            ((None, Some(0)), &[("?per_page", "must be from 1 to 100")]),
            ((None, Some(101)), &[("?per_page", "must be from 1 to 100")]),
            (
                (Some(0), Some(101)),
                &[("?page", "must be 1 or more"), ("?per_page", "must be from 1 to 100")],
            ),
        ];
        for ((number, size), expected) in rows {
            let found = page(number, size).unwrap_err();
            let found: Vec<(&str, &str)> =
                found.iter().map(|error| (&*error.pointer, &*error.detail)).collect();
            assert_eq!(found, expected, "{number:?} {size:?}");
        }
    }
}
