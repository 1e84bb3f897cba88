//! The functions that a label may depend on.

use std::rc::Rc;

use super::evaluate::{Outcomes, equal};
use crate::json;
use crate::limits::{MAX_OUTCOMES, MAX_TEXT_BYTES, Work};
use crate::value::{Piece, Value, fold};

/// A function of the expression language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Case,
    Contains,
    EndsWith,
    Format,
    FromJson,
    Join,
    StartsWith,
    ToJson,
    /// Any other: its value is known at run time only.
    Other,
}

impl Function {
    pub(super) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "case" => Self::Case,
            "contains" => Self::Contains,
            "endswith" => Self::EndsWith,
            "format" => Self::Format,
            "fromjson" => Self::FromJson,
            "join" => Self::Join,
            "startswith" => Self::StartsWith,
            "tojson" => Self::ToJson,
            _ => Self::Other,
        }
    }

    /// The values for every combination of what the arguments may be.
    pub(super) fn outcomes(self, arguments: &[Outcomes], work: &Work) -> Outcomes {
        if self == Self::Case {
            return case(arguments);
        }
        let mut combinations = vec![Vec::new()];
        for argument in arguments {
            let mut longer = Vec::new();
            for combination in &combinations {
                for value in argument.iter() {
                    let mut combination: Vec<Value> = combination.clone();
                    combination.push(value.clone());
                    longer.push(combination);
                }
            }
            let values = longer.len() * (1 + arguments.len());
            if longer.len() > 4 * MAX_OUTCOMES || !work.spend(values) {
                return Outcomes::one(Value::Runtime);
            }
            combinations = longer;
        }
        combinations.iter().flat_map(|arguments| self.call(arguments, work)).collect()
    }

    fn call(self, arguments: &[Value], work: &Work) -> Vec<Value> {
        let truth = |value: Option<bool>| match value {
            Some(value) => vec![Value::Bool(value)],
            None => vec![Value::Bool(true), Value::Bool(false)],
        };
        match (self, arguments) {
            (Self::Contains, [within, item]) => truth(contains(within, item, work)),
            (Self::StartsWith, [text, start]) => {
                truth(fits(text, start, work, |text, start| text.starts_with(start)))
            }
            (Self::EndsWith, [text, end]) => {
                truth(fits(text, end, work, |text, end| text.ends_with(end)))
            }
            (Self::Format, [pattern, values @ ..]) => vec![format(pattern, values, work)],
            (Self::FromJson, [text]) => vec![from_json(text, work)],
            (Self::Join, [items]) => vec![join(items, &Value::text(","), work)],
            (Self::Join, [items, separator]) => vec![join(items, separator, work)],
            (Self::ToJson, [value]) => vec![to_json(value, work)],
            _ => vec![Value::Runtime],
        }
    }
}

/// `case(condition, value, condition, value, otherwise)`.
fn case(arguments: &[Outcomes]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut rest = arguments;
    while let [condition, value, more @ ..] = rest {
        let truths: Vec<_> = condition.iter().map(Value::truth).collect();
        if truths.iter().any(|truth| *truth != Some(false)) {
            value.iter().for_each(|value| outcomes.add(value.clone()));
        }
        if truths.iter().all(|truth| *truth == Some(true)) {
            return outcomes;
        }
        rest = more;
    }
    match rest {
        [otherwise] => otherwise.iter().for_each(|value| outcomes.add(value.clone())),
        _ => outcomes.add(Value::Runtime),
    }
    outcomes
}

fn contains(within: &Value, item: &Value, work: &Work) -> Option<bool> {
    if let Value::List(items) | Value::Each(items) = within {
        let mut maybe = false;
        for one in items.iter() {
            if !work.spend(1) {
                return None;
            }
            // Lists and mappings equal only themselves, and no workflow can name one twice.
            match if one.is_primitive() && item.is_primitive() {
                equal(one, item)
            } else {
                Some(false)
            } {
                Some(true) => return Some(true),
                Some(false) => {}
                None => maybe = true,
            }
        }
        return if maybe || !item.is_known() && !items.is_empty() { None } else { Some(false) };
    }
    fits(within, item, work, |text, part| text.contains(part))
}

/// Compares two texts without case; a list or mapping never fits.
fn fits(text: &Value, part: &Value, work: &Work, holds: fn(&str, &str) -> bool) -> Option<bool> {
    if !text.is_primitive() || !part.is_primitive() {
        return Some(false);
    }
    let (text, part) = (text.to_text()?, part.to_text()?);
    work.spend(text.len() + part.len()).then(|| holds(&fold(&text), &fold(&part)))
}

fn from_json(text: &Value, work: &Work) -> Value {
    let Some(text) = text.to_text().filter(|text| work.spend(text.len())) else {
        return Value::Runtime;
    };
    json::read(&text).unwrap_or(Value::Runtime)
}

fn to_json(value: &Value, work: &Work) -> Value {
    let text = json::write(value).filter(|text| work.spend(text.len()));
    text.map_or(Value::Runtime, Value::text)
}

fn join(items: &Value, separator: &Value, work: &Work) -> Value {
    let items = match items {
        Value::List(items) | Value::Each(items) => items,
        Value::Runtime | Value::Falsy => return Value::Runtime,
        single if single.is_primitive() => return concat([single], work),
        _ => return Value::text(""),
    };
    if !work.spend(items.len()) {
        return Value::Runtime;
    }
    let separated = items.iter().enumerate().flat_map(|(position, item)| {
        let separator = (position > 0).then_some(separator);
        separator.into_iter().chain([item])
    });
    concat(separated, work)
}

fn format(pattern: &Value, values: &[Value], work: &Work) -> Value {
    let Some(pattern) = pattern.to_text() else { return Value::Runtime };
    let mut parts = Vec::new();
    let mut rest = &*pattern;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            parts.push(Value::text(&rest[..at]));
        }
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            parts.push(Value::text(&tail[..1]));
            rest = &tail[2..];
            continue;
        }
        let inside = tail.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let argument = inside.and_then(|(number, _)| values.get(number.parse::<usize>().ok()?));
        let (Some(argument), Some((_, after))) = (argument, inside) else {
            return Value::Runtime;
        };
        parts.push(argument.clone());
        rest = after;
    }
    parts.push(Value::text(rest));
    concat(&parts, work)
}

/// One text from many values, with a hole for each that is known at run time only.
pub(crate) fn concat<'v>(parts: impl IntoIterator<Item = &'v Value>, work: &Work) -> Value {
    let mut pieces: Vec<Option<String>> = Vec::new();
    let mut length = 0;
    for part in parts {
        let known = part.to_text().map(|text| vec![Piece::Known(text)]);
        let added = match part {
            Value::Partial(pieces) => pieces.to_vec(),
            _ => known.unwrap_or_else(|| vec![Piece::Hole]),
        };
        for piece in added {
            let size = if let Piece::Known(text) = &piece { text.len() } else { 1 };
            length += size;
            if length > MAX_TEXT_BYTES || !work.spend(size) {
                return Value::Runtime;
            }
            match (piece, pieces.last_mut()) {
                (Piece::Known(text), Some(Some(last))) => last.push_str(&text),
                (Piece::Known(text), _) => pieces.push(Some(text.to_string())),
                (Piece::Hole, Some(None)) => {}
                (Piece::Hole, _) => pieces.push(None),
            }
        }
    }
    pieces.retain(|piece| piece.as_ref().is_none_or(|text| !text.is_empty()));
    match &*pieces {
        [] => Value::text(""),
        [Some(text)] => Value::text(text.as_str()),
        _ => {
            let piece = |text| match text {
                Some(text) => Piece::Known(Rc::from(text)),
                None => Piece::Hole,
            };
            Value::Partial(pieces.into_iter().map(piece).collect())
        }
    }
}
