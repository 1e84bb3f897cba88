//! A value of a workflow: what YAML, JSON and expressions have in common, plus what only run time can tell.
//!
//! Conversions follow the expression language of GitHub Actions. Values share their contents, so a clone is cheap.

use std::rc::Rc;

/// A value, wholly or partly known.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(Rc<str>),
    List(Rc<[Self]>),
    /// Keys are compared without case, and their order is the one of the file.
    Map(Rc<[(Rc<str>, Self)]>),
    /// A mapping that may have further entries, known at run time only.
    Open(Rc<[(Rc<str>, Self)]>),
    /// What `.*` makes of a list or mapping: a property of it is that property of every item.
    Each(Rc<[Self]>),
    /// A text with holes that are filled at run time.
    Partial(Rc<[Piece]>),
    /// Known at run time only.
    Runtime,
    /// Known at run time only, but one of the values that count as false.
    Falsy,
}

/// A stretch of a partly known text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Known(Rc<str>),
    Hole,
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The entry of a mapping with exactly this key, as the workflow schema looks keys up.
    pub(super) fn entry(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    /// True if the value counts as true; `None` if that depends on run time.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Null | Self::Falsy => Some(false),
            Self::Bool(value) => Some(*value),
            Self::Number(value) => Some(*value != 0.0 && !value.is_nan()),
            Self::Text(text) => Some(!text.is_empty()),
            Self::List(_) | Self::Map(_) | Self::Open(_) | Self::Each(_) => Some(true),
            Self::Partial(pieces) => {
                pieces.iter().any(|piece| *piece != Piece::Hole).then_some(true)
            }
            Self::Runtime => None,
        }
    }

    /// The value as a text; `None` if that depends on run time.
    pub(super) fn to_text(&self) -> Option<Rc<str>> {
        Some(match self {
            Self::Null => "".into(),
            Self::Bool(value) => if *value { "true" } else { "false" }.into(),
            Self::Number(value) => number_text(*value).into(),
            Self::Text(text) => Rc::clone(text),
            Self::List(_) | Self::Each(_) => "Array".into(),
            Self::Map(_) | Self::Open(_) => "Object".into(),
            Self::Partial(_) | Self::Runtime | Self::Falsy => return None,
        })
    }

    /// The value as a number, which may be not-a-number; `None` if that depends on run time.
    pub(super) fn to_number(&self) -> Option<f64> {
        Some(match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(value) => *value,
            Self::Text(text) => text_number(text),
            Self::List(_) | Self::Map(_) | Self::Open(_) | Self::Each(_) => f64::NAN,
            Self::Partial(_) | Self::Runtime | Self::Falsy => return None,
        })
    }

    /// True if this is one single thing, not a list or mapping.
    pub(super) const fn is_primitive(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_) | Self::Open(_) | Self::Each(_))
    }

    /// True if the value, not counting what it contains, is known.
    pub(super) const fn is_known(&self) -> bool {
        !matches!(self, Self::Partial(_) | Self::Runtime | Self::Falsy)
    }

    /// True if both are surely the same. Says no where the comparison would cost much.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        const CHEAP: usize = 256;
        match (self, other) {
            (Self::Null, Self::Null)
            | (Self::Runtime, Self::Runtime)
            | (Self::Falsy, Self::Falsy) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => Rc::ptr_eq(a, b) || a.len() <= CHEAP && a == b,
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Map(a), Self::Map(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Upper case, as the comparison without case wants it.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).collect()
}

/// Reads a number as a comparison does: the empty text is zero, anything else that is no number is not-a-number.
pub(super) fn text_number(text: &str) -> f64 {
    let text = text.trim();
    let radix = |digits: &str, radix| {
        let whole = u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
        whole.map_or(f64::NAN, f64::from)
    };
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => match text.get(..2) {
            Some("0x") => radix(&text[2..], 16),
            Some("0o") => radix(&text[2..], 8),
            _ if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                text.parse().unwrap_or(f64::NAN)
            }
            _ => f64::NAN,
        },
    }
}

/// Writes a number with at most fifteen digits, and an exponent only where it is very large or small.
pub(super) fn number_text(number: f64) -> String {
    const DIGITS: i32 = 15;
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let rounded = format!("{number:.14e}");
    let (digits, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| -> String {
        if !text.contains('.') {
            return text.into();
        }
        text.trim_end_matches('0').trim_end_matches('.').into()
    };
    if number == 0.0 {
        "0".into()
    } else if (-5..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        trim(&format!("{number:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}E{sign}{:02}", trim(digits), exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::approx_constant, reason = "a version number, not a constant of mathematics")]
    fn numbers_are_written_as_labels_show_them() {
        let cases = [
            (10.15, "10.15"),
            (11.0, "11"),
            (3.14, "3.14"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1E+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1.5e-7, "1.5E-07"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn texts_are_read_as_numbers_in_few_shapes_only() {
        let cases =
            [("", 0.0), (" 12 ", 12.0), ("0xff", 255.0), ("0o17", 15.0), ("-1.5e2", -150.0)];
        for (text, number) in cases {
            assert!((text_number(text) - number).abs() < f64::EPSILON, "{text}");
        }
        for text in ["nan", "inf", "1x", "0x", "0x+1", "true", "1 2", "é"] {
            assert!(text_number(text).is_nan(), "{text}");
        }
    }
}
