//! Reads JSON objects field by field and keeps every error, so that all are told at once.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::problem::FieldError;

/// The fields of one object, some of which were asked for.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// JSON Pointer of the object.
    at: String,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, which is at the JSON Pointer `at`.
    ///
    /// Errors: it is no object.
    pub(crate) fn of(value: &'a Value, at: &str) -> Result<Self, Vec<FieldError>> {
        match value {
            Value::Object(map) => {
                Ok(Self { map, at: at.to_owned(), known: Vec::new(), errors: Vec::new() })
            }
            _ => Err(vec![error(at, "must be an object")]),
        }
    }

    /// The pointer of a field.
    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    /// Notes that a field is wrong.
    pub(crate) fn fail<T>(&mut self, name: &str, detail: impl Display) -> Option<T> {
        self.errors.push(error(&self.pointer(name), detail));
        None
    }

    /// Notes errors found elsewhere.
    pub(crate) fn fail_with<T>(&mut self, errors: Vec<FieldError>) -> Option<T> {
        self.errors.extend(errors);
        None
    }

    /// A field's value; `null` counts as absent.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => self.fail(name, "must be a string"),
        }
    }

    /// A text that stands for something.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.text(name)?) {
            Ok(value) => Some(value),
            Err(why) => self.fail(name, why),
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.fail(name, format!("must be one of {}", known.join(", ")))
    }

    /// A whole number.
    pub(crate) fn integer<T: TryFrom<i64> + Display + Copy + Into<i64>>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let (least, most) = (*range.start(), *range.end());
        let number = whole(self.value(name)?);
        let number = number.filter(|number| (least.into()..=most.into()).contains(number));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Some(number),
            None => self.fail(name, format!("must be a whole number from {least} to {most}")),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => self.fail(name, "must be true or false"),
        }
    }

    /// A list of at most `most` items, each with its pointer.
    pub(crate) fn list(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Option<Vec<(&'a Value, String)>> {
        match self.value(name)? {
            Value::Array(items) if range.contains(&items.len()) => {
                let at = self.pointer(name);
                let items = items.iter().enumerate();
                Some(items.map(|(index, item)| (item, format!("{at}/{index}"))).collect())
            }
            Value::Array(_) => {
                let (least, most) = range.into_inner();
                self.fail(name, format!("must hold {least} to {most} items"))
            }
            _ => self.fail(name, "must be a list"),
        }
    }

    /// A list of texts that stand for something. One that is wrong is an error of its own.
    pub(crate) fn each<T, E: Display>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let mut found = Vec::new();
        for (item, at) in self.list(name, range)? {
            match item.as_str().map(&parse) {
                Some(Ok(value)) => found.push(value),
                Some(Err(why)) => self.errors.push(error(&at, why)),
                None => self.errors.push(error(&at, "must be a string")),
            }
        }
        Some(found)
    }

    /// All errors, those about fields that nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), Vec<FieldError>> {
        let unknown = self.map.keys().filter(|name| !self.known.contains(&name.as_str()));
        let known = self.known.join(", ");
        let unknown: Vec<FieldError> = unknown
            .map(|name| {
                error(&self.pointer(name), format!("is not a known field; known are {known}"))
            })
            .collect();
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// An error at a pointer.
pub(crate) fn error(pointer: &str, detail: impl Display) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_string() }
}

/// A whole number; JSON Schema counts `2.0` as one.
fn whole(value: &Value) -> Option<i64> {
    let float = || {
        let number = value.as_f64().filter(|n| n.fract() == 0.0)?;
        format!("{number:.0}").parse().ok()
    };
    value.as_i64().or_else(float)
}
