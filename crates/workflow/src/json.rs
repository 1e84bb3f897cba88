//! JSON as `fromJSON` reads it and `toJSON` writes it.
//!
//! GitHub's reader is lenient, and live workflows rely on that: single quotes, keys without quotes, comments and
//! trailing commas are accepted.

use std::rc::Rc;

use super::limits::{MAX_DEPTH, MAX_TEXT_BYTES};
use super::value::{Value, number_text, text_number};

/// Reads one JSON value; `None` if `text` is none.
pub(super) fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(MAX_DEPTH)?;
    reader.skip_blank();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip_blank();
        if self.take('[') {
            self.list(depth)
        } else if self.take('{') {
            self.map(depth)
        } else if self.rest.starts_with(['"', '\'']) {
            self.quoted().map(Value::text)
        } else {
            self.word()
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            if self.take(']') {
                return Some(Value::List(items.into()));
            }
            items.push(self.value(depth)?);
            self.separator(']')?;
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let mut entries: Vec<(Rc<str>, Value)> = Vec::new();
        loop {
            self.skip_blank();
            if self.take('}') {
                return Some(Value::Map(entries.into()));
            }
            let key: Rc<str> = if self.rest.starts_with(['"', '\'']) {
                self.quoted()?.into()
            } else {
                self.bare()?.into()
            };
            self.skip_blank();
            if !self.take(':') {
                return None;
            }
            entries.push((key, self.value(depth)?));
            self.separator('}')?;
        }
    }

    /// A comma, or the closing bracket, which is left for the caller.
    fn separator(&mut self, close: char) -> Option<()> {
        self.skip_blank();
        (self.take(',') || self.rest.starts_with(close)).then_some(())
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(text);
                }
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok()?;
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    other => text.push(other),
                },
                _ => text.push(c),
            }
        }
        None
    }

    /// A run of characters that no bracket, comma, colon or blank ends.
    fn bare(&mut self) -> Option<&str> {
        let ends = |c: char| c.is_whitespace() || "[]{},:\"'/".contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn word(&mut self) -> Option<Value> {
        Some(match self.bare()? {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" | "undefined" => Value::Null,
            "NaN" => Value::Number(f64::NAN),
            word => Value::Number(Some(text_number(word)).filter(|n| !n.is_nan())?),
        })
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("//") {
                self.rest.find('\n')
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|at| at + 2)
            } else {
                return;
            };
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }
}

/// Writes `value` with two spaces of indentation; `None` if part of it depends on run time or it grows too long.
pub(super) fn write(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_into(&mut out, value, 0)?;
    Some(out)
}

fn write_into(out: &mut String, value: &Value, level: usize) -> Option<()> {
    if out.len() > MAX_TEXT_BYTES {
        return None;
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(*number)),
        Value::Text(text) => write_text(out, text)?,
        Value::List(items) | Value::Each(items) => {
            let (open, close) = ("[", "]");
            write_all(out, (open, close), level, items, |out, item| {
                write_into(out, item, level + 1)
            })?;
        }
        Value::Map(entries) => write_all(out, ("{", "}"), level, entries, |out, (key, value)| {
            write_text(out, key)?;
            out.push_str(": ");
            write_into(out, value, level + 1)
        })?,
        Value::Open(_) | Value::Partial(_) | Value::Runtime | Value::Falsy => return None,
    }
    Some(())
}

fn write_text(out: &mut String, text: &str) -> Option<()> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

fn write_all<T>(
    out: &mut String,
    (open, close): (&str, &str),
    level: usize,
    items: &[T],
    mut write_one: impl FnMut(&mut String, &T) -> Option<()>,
) -> Option<()> {
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(level + 1));
        write_one(out, item)?;
    }
    if !items.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(level));
    }
    out.push_str(close);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Option<String> {
        Some(write(&read(text)?)?.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn json_is_read_leniently() {
        let cases = [
            (r#"["a", "b"]"#, r#"[ "a", "b" ]"#),
            ("['a', 'it\\'s']", r#"[ "a", "it's" ]"#),
            ("[1, 2.50, -3, true, null,]", "[ 1, 2.5, -3, true, null ]"),
            ("{os: 'x', \"n\": {}, l: []}", r#"{ "os": "x", "n": {}, "l": [] }"#),
            ("/* one */ [ // two\n 1 ]", "[ 1 ]"),
            (r#""A\n""#, r#""A\n""#),
        ];
        for (text, expected) in cases {
            assert_eq!(round(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in
            ["", "[", "]", "[1 2]", "{a}", "'a", "hello", "[1] 2", "{\"a\" 1}", "/*", "\"\\u12\""]
        {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(read(&"[".repeat(10_000)).is_none());
    }

    #[test]
    fn a_value_of_run_time_is_not_written() {
        assert!(write(&Value::List(vec![Value::Null, Value::Runtime].into())).is_none());
    }
}
