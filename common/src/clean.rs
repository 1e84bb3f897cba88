//! What editors, shells and readers of environment files leave in values: removed where it can mean nothing else, else named.

use crate::foreign_text::steers;

/// Shows that bytes were no UTF-8.
const NOT_UTF_8: char = '\u{fffd}';
/// U+FEFF, which some editors put at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The variables without byte-order marks at the beginning of names and values, and without carriage returns and line breaks at
/// the end of values: files with Windows line ends leave them.
pub fn all(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let clean = |(name, value): (String, String)| {
        let name = name.trim_start_matches(BYTE_ORDER_MARK).to_owned();
        (name, text(&value).to_owned())
    };
    variables.into_iter().map(clean).collect()
}

/// The same for one value, or for what a file holds.
pub fn text(value: &str) -> &str {
    value.trim_start_matches(BYTE_ORDER_MARK).trim_end_matches(['\r', '\n'])
}

/// What keeps a text from being the value of any variable that is one line without quotation marks; never the text itself.
pub fn blemish(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if let Some(reason) = garbled(text) {
        return Some(reason);
    }
    if text.contains(['\r', '\n']) {
        return Some(
            "holds a line break: write it in one line, and save the file that it comes from with Unix line ends",
        );
    }
    if text.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if text.contains(steers) {
        return Some("holds an invisible character, such as a zero-width space: type it anew");
    }
    if is_quoted(text) {
        return Some(
            "is in quotation marks, and what reads your environment file takes them as a part of the value: remove them",
        );
    }
    written_out_end(text)
}

/// What is wrong with a text that ends in a line break or a tab as a backslash and a letter.
pub fn written_out_end(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if ["\\n", "\\r"].iter().any(|end| text.ends_with(end)) {
        return Some("ends in a line break that is written out (\\n or \\r): remove it");
    }
    text.ends_with("\\t").then_some("ends in a tab that is written out (\\t): remove it")
}

/// What keeps a text from being the value of any variable at all.
pub fn garbled(text: &str) -> Option<&'static str> {
    let why = "holds bytes that are no UTF-8: save the file that it comes from as UTF-8";
    text.contains(NOT_UTF_8).then_some(why)
}

/// True if a text begins and ends with the same quotation mark.
pub fn is_quoted(text: &str) -> bool {
    let inside = |mark| text.strip_prefix(mark).is_some_and(|rest: &str| rest.ends_with(mark));
    inside('"') || inside('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_and_marks_of_byte_order_go() {
        let dirty = [("\u{feff}A", "x\r"), ("B", "\u{feff}x y \r\n"), ("C", "a\r\nb\r\n\r\n")];
        let dirty = dirty.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let clean: Vec<(String, String)> = all(dirty);
        let expected = [("A", "x"), ("B", "x y "), ("C", "a\r\nb")];
        assert_eq!(clean, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_can_be_no_value_is_named() {
        let rows = [
            ("\"x\"", "is in quotation marks"),
            (" 'x' ", "is in quotation marks"),
            ("\"\"", "is in quotation marks"),
            ("x\\r\\n", "ends in a line break that is written out"),
            ("x\\n", "ends in a line break that is written out"),
            ("x\\t", "ends in a tab that is written out"),
            ("x\\n\\t ", "ends in a tab that is written out"),
            ("x\ry", "holds a line break"),
            ("x\ny", "holds a line break"),
            ("x\ty", "holds a control character"),
            ("x\u{200b}", "holds an invisible character"),
            ("\u{202e}x", "holds an invisible character"),
            ("x\u{fffd}", "holds bytes that are no UTF-8"),
        ];
        for (text, start) in rows {
            let found = blemish(text);
            assert!(found.is_some_and(|why| why.starts_with(start)), "{text:?}: {found:?}");
        }
        for good in [
            "x",
            "it's",
            "say \"x\" y",
            "\"",
            "'x",
            "a \\n b",
            "a\\tb",
            "xt",
            "x\\",
            "ä=ö,ü",
            "/bin/sh -c 'x' y",
        ] {
            assert_eq!(blemish(good), None, "{good}");
        }
    }

    #[test]
    fn the_whole_reason_says_what_to_do() {
        let rows = [
            (
                "x\ny",
                "holds a line break: write it in one line, and save the file that it comes from with Unix line ends",
            ),
            ("x\u{1}", "holds a control character"),
            (
                "x\u{feff}y",
                "holds an invisible character, such as a zero-width space: type it anew",
            ),
            (
                "'x'",
                "is in quotation marks, and what reads your environment file takes them as a part of the value: remove them",
            ),
            ("x\\r", "ends in a line break that is written out (\\n or \\r): remove it"),
            ("x\\t", "ends in a tab that is written out (\\t): remove it"),
        ];
        for (text, why) in rows {
            assert_eq!(blemish(text), Some(why));
            assert_eq!(garbled(text), None);
        }
        let why = "holds bytes that are no UTF-8: save the file that it comes from as UTF-8";
        assert_eq!((garbled("\u{fffd}"), blemish("'\u{fffd}'")), (Some(why), Some(why)));
        assert!(is_quoted("''") && is_quoted("\"a\"") && !is_quoted("'a\"") && !is_quoted("'"));
        assert_eq!(text("\u{feff}\u{feff} a \r\n\n\r"), " a ");
    }
}
