//! Texts that hold expressions, and YAML that holds such texts.
//!
//! A text that is one expression and nothing else has that expression's value, of whatever type; otherwise the values
//! are written into the text.

use std::rc::Rc;

use super::expression::{Expression, Outcomes, Scope, concat, parse};
use super::limits::MAX_OUTCOMES;
use super::value::Value;

/// A text read once, to be evaluated for every leg of a matrix.
pub(super) enum Template {
    Literal(Value),
    Expression(Expression),
    Mixed(Vec<Self>),
    /// Not an expression after all. GitHub refuses it; here it may be anything.
    Broken,
}

/// True if `text` holds the start of an expression.
pub(super) fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

/// True if a mapping may get entries that are not written in it: by an expression, or a merge key.
///
/// GitHub refuses merge keys, so nothing is merged; but then no answer may rest on what is missing.
pub(super) fn inserts(entries: &[(Rc<str>, Value)]) -> bool {
    entries.iter().any(|(key, _)| &**key == "<<" || has_expression(key))
}

/// The first text within `value`, keys included, that holds an expression.
pub(super) fn first_expression(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => has_expression(text).then_some(&**text),
        Value::List(items) => items.iter().find_map(first_expression),
        Value::Map(entries) => entries.iter().find_map(|(key, value)| {
            if has_expression(key) { Some(&**key) } else { first_expression(value) }
        }),
        _ => None,
    }
}

impl Template {
    /// Reads a scalar of the file.
    pub(super) fn of(scalar: &Value) -> Self {
        match scalar {
            Value::Text(text) if has_expression(text) => Self::segments(text),
            _ => Self::Literal(scalar.clone()),
        }
    }

    fn segments(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once("${{") {
            if !before.is_empty() {
                segments.push(Self::Literal(Value::text(before)));
            }
            let Some(end) = end_of_expression(inside) else { return Self::Broken };
            let Some(expression) = parse(&inside[..end]) else { return Self::Broken };
            segments.push(Self::Expression(expression));
            rest = &inside[end + 2..];
        }
        if !rest.is_empty() {
            segments.push(Self::Literal(Value::text(rest)));
        }
        match (segments.len(), segments.pop()) {
            (1, Some(Self::Expression(Expression::Literal(value)))) => Self::Literal(value),
            (1, Some(only)) => only,
            (_, last) => {
                segments.extend(last);
                Self::Mixed(segments)
            }
        }
    }

    /// True if the value is known without evaluating anything.
    pub(super) const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Every value that this may have in `scope`.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Outcomes {
        if !scope.work.spend(1) {
            return Outcomes::one(Value::Runtime);
        }
        match self {
            Self::Literal(value) => Outcomes::one(value.clone()),
            Self::Expression(expression) => expression.evaluate(scope),
            Self::Broken => Outcomes::one(Value::Runtime),
            Self::Mixed(segments) => {
                let parts: Vec<_> = segments.iter().map(|one| one.evaluate(scope)).collect();
                let mut texts = vec![Value::text("")];
                for part in &parts {
                    texts = texts
                        .iter()
                        .flat_map(|text| part.iter().map(move |value| [text, value]))
                        .map(|pair| concat(pair, scope.work))
                        .collect();
                    if texts.len() > MAX_OUTCOMES {
                        return Outcomes::one(Value::Runtime);
                    }
                }
                texts.into_iter().collect()
            }
        }
    }
}

/// Where the closing braces are. A brace within quotes does not count, and a doubled quote closes and opens again.
fn end_of_expression(inside: &str) -> Option<usize> {
    let mut quoted = false;
    inside.bytes().enumerate().find_map(|(at, byte)| {
        quoted ^= byte == b'\'';
        (!quoted && inside[at..].starts_with("}}")).then_some(at)
    })
}

/// `value` with every expression in it evaluated, which leaves [`Value::Runtime`] where only run time can tell.
///
/// An item of a list that is itself a list by its expression is spliced in, as GitHub does.
pub(super) fn resolve(value: &Value, scope: &Scope<'_>) -> Value {
    match value {
        Value::Text(text) if has_expression(text) => {
            let outcomes = Template::of(value).evaluate(scope);
            outcomes.only().cloned().unwrap_or(Value::Runtime)
        }
        Value::List(items) => {
            let mut resolved = Vec::new();
            for item in items.iter() {
                match (item, resolve(item, scope)) {
                    (Value::Text(_), Value::List(inner) | Value::Each(inner)) => {
                        resolved.extend_from_slice(&inner);
                    }
                    (_, value) => resolved.push(value),
                }
            }
            Value::List(resolved.into())
        }
        // A key with an expression may insert any entries.
        Value::Map(entries) if entries.iter().any(|(key, _)| has_expression(key)) => Value::Runtime,
        Value::Map(entries) => {
            let resolved = entries.iter().map(|(key, value)| (key.clone(), resolve(value, scope)));
            Value::Map(resolved.collect())
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::limits::{MAX_WORK, Work};
    use crate::value::Piece;

    fn show(value: &Value) -> String {
        match value {
            Value::Partial(pieces) => {
                let piece = |piece: &Piece| match piece {
                    Piece::Known(text) => text.to_string(),
                    Piece::Hole => "…".into(),
                };
                pieces.iter().map(piece).collect()
            }
            Value::Runtime => "?".into(),
            Value::Falsy => "falsy".into(),
            Value::List(_) | Value::Map(_) | Value::Each(_) => {
                json::write(value).map_or("?".into(), |text| text.split_whitespace().collect())
            }
            single => single.to_text().unwrap().to_string(),
        }
    }

    fn outcomes(text: &str) -> String {
        let work = Work::new(MAX_WORK);
        let matrix = json::read(
            r#"{"os": "Linux", "n": 3, "list": ["a", "B"], "map": {"x": {"y": "z"}}, "no": false, "none": null}"#,
        );
        let scope = Scope { matrix: matrix.unwrap(), work: &work };
        let all = Template::of(&Value::text(text)).evaluate(&scope);
        all.iter().map(show).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn expressions_have_the_values_that_the_language_gives_them() {
        let cases = [
            ("plain", "plain"),
            ("${{ matrix.os }}", "Linux"),
            ("${{MATRIX['OS']}}-${{ matrix.n }}", "Linux-3"),
            ("a ${{ 'it''s }}' }} b", "a it's }} b"),
            ("${{ matrix.list }}", r#"["a","B"]"#),
            ("x${{ matrix.list }}${{ matrix.map }}${{ matrix.none }}", "xArrayObject"),
            ("${{ matrix.list[1] }}${{ matrix.list[true] }}${{ matrix.list['0'] }}", "BBa"),
            ("${{ matrix.list[-1] || matrix.list[2] || 'beyond' }}", "beyond"),
            ("${{ matrix.map.x.y }}", "z"),
            ("${{ matrix.map.*.y }}", r#"["z"]"#),
            ("${{ join(fromJSON('[{\"a\":1},{\"a\":2},{}]').*.a, '+') }}", "1+2"),
            ("${{ matrix.missing.deeper }}", ""),
            ("${{ matrix.os == 'LINUX' }}", "true"),
            ("${{ matrix.os != 'linux' && 'a' || 'b' }}", "b"),
            ("${{ matrix.none == 0 && matrix.no == '' && '0x10' == 16 }}", "true"),
            ("${{ 'x' == 0 || 'a' < 'B' && 2 >= 2 }}", "true"),
            ("${{ !matrix.no && !(1 > 2) }}", "true"),
            ("${{ 1 < 2 == true }}", "true"),
            ("${{ contains(matrix.list, 'b') }} ${{ contains('Hello', 'ELL') }}", "true true"),
            ("${{ contains(matrix.map, 'x') }}", "false"),
            ("${{ startsWith(matrix.os, 'lin') }} ${{ endsWith(matrix.os, 'UX') }}", "true true"),
            ("${{ format('{0}-{{1}}-{1}', matrix.os, matrix.n) }}", "Linux-{1}-3"),
            (
                "${{ join(matrix.list) }} ${{ join(matrix.list, ' + ') }} ${{ join('a') }}",
                "a,B a + B a",
            ),
            ("${{ fromJSON('[''a'', {b: [1,],}]')[1].b[0] }}", "1"),
            ("${{ fromJSON(toJSON(matrix.map)).x.y }}", "z"),
            ("${{ case(matrix.n == 1, 'one', matrix.n == 3, 'three', 'many') }}", "three"),
            ("${{ 1e3 }} ${{ -.5 }} ${{ 0xff }} ${{ null }}", "1000 -0.5 255 "),
        ];
        for (text, expected) in cases {
            assert_eq!(outcomes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_run_time_decides_leaves_every_possible_value() {
        let cases = [
            ("${{ inputs.x }}", "?"),
            ("${{ github.ref == 'x' && 'a' || 'b' }}", "a | b"),
            ("${{ inputs.x && 'a' || 'b' }}", "a | b"),
            ("${{ inputs.x || 'b' }}", "? | b"),
            ("${{ inputs.x && 'a' }}", "falsy | a"),
            ("${{ matrix.os == 'linux' && 'a' || inputs.x }}", "a"),
            ("${{ (inputs.x && '') || 'b' }}", "b"),
            ("id-${{ github.run_id }}/x", "id-…/x"),
            ("${{ format('{0}{1}', inputs.a, inputs.b) || 'c' }}", "… | c"),
            ("${{ format('a{0}', inputs.a) || 'c' }}", "a…"),
            ("${{ fromJSON(format('[\"{0}\"]', inputs.a)) }}", "?"),
            ("${{ fromJSON(inputs.x && '[\"a\"]' || '\"b\"') }}", r#"["a"] | b"#),
            ("${{ matrix.list[inputs.n] }}", "a | B | "),
            ("${{ matrix.map[inputs.n].y }}", "z | "),
            ("${{ contains(inputs.x, 'a') }}", "true | false"),
            ("${{ case(inputs.x, 'a', 'b') }}", "a | b"),
            ("${{ hashFiles('x') }}", "?"),
            ("${{ fromJSON('not json') }}", "?"),
            ("${{ format('{5}', 1) }}", "?"),
            ("${{ not closed", "?"),
            ("${{ }}", "?"),
            ("${{ inputs.a == 1 }}-${{ inputs.b }}", "true-… | false-…"),
        ];
        for (text, expected) in cases {
            assert_eq!(outcomes(text), expected, "{text}");
        }
    }

    #[test]
    fn growing_texts_and_outcomes_stop_at_the_limits() {
        let doubled =
            (0..40).fold("'ab'".to_owned(), |text, _| format!("format('{{0}}{{0}}', {text})"));
        assert_eq!(outcomes(&format!("${{{{ {doubled} }}}}")), "…");
        let many: Vec<_> = (0..40).map(|n| format!("inputs.x{n} && 'v{n}'")).collect();
        assert_eq!(outcomes(&format!("${{{{ {} }}}}", many.join(" || "))), "?");
        assert_eq!(outcomes(&"${{ inputs.x == 1 }}".repeat(30)), "?");
    }
}
