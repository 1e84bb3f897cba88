//! The words of an expression.

use super::Comparison;
use crate::value::{Value, text_number};

/// One word.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Comma,
    Dot,
    Star,
    Not,
    And,
    Or,
    Compare(Comparison),
    Literal(Value),
    Name(String),
}

impl Token {
    /// Whether a value may end here, so that a dot after it looks inside rather than starts a number.
    const fn ends_value(&self) -> bool {
        matches!(self, Self::Close | Self::CloseIndex | Self::Star | Self::Name(_))
    }
}

/// Splits `text` into words; `None` if it holds something that no expression has.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after_value = tokens.last().is_some_and(Token::ends_value);
        let after_dot = matches!(tokens.last(), Some(Token::Dot));
        let (token, length) = match first {
            '\'' => quoted(rest)?,
            '.' if after_value => (Token::Dot, 1),
            '0'..='9' | '.' | '-' | '+' => number(rest)?,
            'a'..='z' | 'A'..='Z' | '_' => name(rest, after_dot),
            _ => operator(rest)?,
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn operator(rest: &str) -> Option<(Token, usize)> {
    let long = match rest.get(..2) {
        Some("&&") => Some(Token::And),
        Some("||") => Some(Token::Or),
        Some("==") => Some(Token::Compare(Comparison::Equal)),
        Some("!=") => Some(Token::Compare(Comparison::NotEqual)),
        Some("<=") => Some(Token::Compare(Comparison::LessOrEqual)),
        Some(">=") => Some(Token::Compare(Comparison::GreaterOrEqual)),
        _ => None,
    };
    if let Some(token) = long {
        return Some((token, 2));
    }
    let token = match rest.chars().next()? {
        '(' => Token::Open,
        ')' => Token::Close,
        '[' => Token::OpenIndex,
        ']' => Token::CloseIndex,
        ',' => Token::Comma,
        '*' => Token::Star,
        '!' => Token::Not,
        '<' => Token::Compare(Comparison::Less),
        '>' => Token::Compare(Comparison::Greater),
        _ => return None,
    };
    Some((token, 1))
}

/// A text in single quotes; a quote inside is written twice.
fn quoted(rest: &str) -> Option<(Token, usize)> {
    let mut from = 1;
    loop {
        let end = from + rest[from..].find('\'')?;
        if rest[end + 1..].starts_with('\'') {
            from = end + 2;
        } else {
            return Some((Token::Literal(Value::text(rest[1..end].replace("''", "'"))), end + 1));
        }
    }
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let ends = |c: char| c.is_whitespace() || "()[],!=<>&|*'".contains(c);
    let length = rest.find(ends).unwrap_or(rest.len());
    let number = text_number(&rest[..length]);
    (!number.is_nan()).then_some((Token::Literal(Value::Number(number)), length))
}

fn name(rest: &str, after_dot: bool) -> (Token, usize) {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let length = rest.find(ends).unwrap_or(rest.len());
    let literal = match &rest[..length] {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        "NaN" => Some(Value::Number(f64::NAN)),
        "Infinity" => Some(Value::Number(f64::INFINITY)),
        _ => None,
    };
    match literal {
        Some(value) if !after_dot => (Token::Literal(value), length),
        _ => (Token::Name(rest[..length].into()), length),
    }
}
