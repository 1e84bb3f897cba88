//! What an expression may be worth.

use std::rc::Rc;

use super::{Comparison, Expression};
use crate::limits::{MAX_OUTCOMES, Work};
use crate::value::{Value, fold};

/// What an expression may refer to. Every context but `matrix` belongs to run time.
pub(crate) struct Scope<'w> {
    /// The job's matrix leg: a mapping, nothing, or [`Value::Runtime`].
    pub(crate) matrix: Value,
    /// The allowance that evaluating draws on.
    pub(crate) work: &'w Work,
}

/// The values that an expression may have; at least one once evaluated.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    values: Vec<Value>,
    /// There were too many to list.
    full: bool,
}

impl Outcomes {
    pub(crate) fn one(value: Value) -> Self {
        Self { values: vec![value], full: false }
    }

    /// Adds a value. Beyond the limit all of them become "known at run time only", which stands for any.
    pub(crate) fn add(&mut self, value: Value) {
        if self.full || self.values.iter().any(|known| known.is_same(&value)) {
            return;
        }
        self.full = self.values.len() == MAX_OUTCOMES;
        if self.full {
            self.values = vec![Value::Runtime];
        } else {
            self.values.push(value);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        other.values.into_iter().for_each(|value| self.add(value));
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.values.iter()
    }

    /// The value if there is only one.
    pub(crate) fn only(&self) -> Option<&Value> {
        if let [value] = &*self.values { Some(value) } else { None }
    }
}

impl FromIterator<Value> for Outcomes {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut outcomes = Self::default();
        values.into_iter().for_each(|value| outcomes.add(value));
        outcomes
    }
}

/// Both truths.
fn either() -> Outcomes {
    [Value::Bool(true), Value::Bool(false)].into_iter().collect()
}

fn truth(value: Option<bool>) -> Outcomes {
    value.map_or_else(either, |value| Outcomes::one(Value::Bool(value)))
}

impl Expression {
    /// Every value that this may have in `scope`.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Outcomes {
        if !scope.work.spend(1) {
            return Outcomes::one(Value::Runtime);
        }
        match self {
            Self::Literal(value) => Outcomes::one(value.clone()),
            Self::Context(name) if name == "matrix" => Outcomes::one(scope.matrix.clone()),
            Self::Context(_) => Outcomes::one(Value::Runtime),
            Self::Call(function, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|one| one.evaluate(scope)).collect();
                function.outcomes(&arguments, scope.work)
            }
            Self::Index(object, key) => {
                let (objects, keys) = (object.evaluate(scope), key.evaluate(scope));
                let mut outcomes = Outcomes::default();
                for object in objects.iter() {
                    for key in keys.iter() {
                        outcomes.append(index(object, key, scope.work));
                    }
                }
                outcomes
            }
            Self::Each(object) => {
                object.evaluate(scope).iter().map(|object| each(object, scope.work)).collect()
            }
            Self::Not(operand) => {
                let mut outcomes = Outcomes::default();
                for value in operand.evaluate(scope).iter() {
                    outcomes.append(truth(value.truth().map(|truth| !truth)));
                }
                outcomes
            }
            Self::Compare(operator, left, right) => {
                let (left, right) = (left.evaluate(scope), right.evaluate(scope));
                let mut outcomes = Outcomes::default();
                for a in left.iter() {
                    for b in right.iter() {
                        outcomes.append(truth(operator.holds(a, b, scope.work)));
                    }
                }
                outcomes
            }
            Self::And(operands) => choose(operands, scope, false),
            Self::Or(operands) => choose(operands, scope, true),
        }
    }
}

/// The first operand whose truth is `wanted`, else the last.
fn choose(operands: &[Expression], scope: &Scope<'_>, wanted: bool) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let last = operands.len().saturating_sub(1);
    for (position, operand) in operands.iter().enumerate() {
        let mut go_on = false;
        for value in operand.evaluate(scope).values {
            match value.truth() {
                _ if position == last => outcomes.add(value),
                Some(truth) if truth == wanted => outcomes.add(value),
                Some(_) => go_on = true,
                None => {
                    go_on = true;
                    outcomes.add(if wanted { value } else { Value::Falsy });
                }
            }
        }
        if !go_on {
            break;
        }
    }
    outcomes
}

fn index(object: &Value, key: &Value, work: &Work) -> Outcomes {
    match object {
        Value::Runtime => Outcomes::one(Value::Runtime),
        Value::List(items) => list_item(items, key),
        Value::Map(entries) => map_entry(entries, key, Value::Null, work),
        Value::Open(entries) => map_entry(entries, key, Value::Runtime, work),
        Value::Each(items) => {
            let mut found = Vec::new();
            if !work.spend(items.len()) {
                return Outcomes::one(Value::Runtime);
            }
            for item in items.iter() {
                match index(item, key, work).only() {
                    Some(Value::Null) => {}
                    Some(value) if value.is_known() => found.push(value.clone()),
                    _ => return Outcomes::one(Value::Runtime),
                }
            }
            Outcomes::one(Value::Each(found.into()))
        }
        _ => Outcomes::one(Value::Null),
    }
}

fn map_entry(entries: &[(Rc<str>, Value)], key: &Value, missing: Value, work: &Work) -> Outcomes {
    if !work.spend(entries.len()) {
        return Outcomes::one(Value::Runtime);
    }
    let Some(key) = key.to_text() else {
        return entries.iter().map(|(_, value)| value.clone()).chain([missing]).collect();
    };
    let found = entries.iter().find(|(name, _)| same_text(name, &key));
    Outcomes::one(found.map_or(missing, |(_, value)| value.clone()))
}

fn list_item(items: &[Value], key: &Value) -> Outcomes {
    let Some(number) = key.to_number() else {
        return items.iter().cloned().chain([Value::Null]).collect();
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked not to be negative, and beyond the end is null either way"
    )]
    let position = (number >= 0.0).then_some(number as usize);
    Outcomes::one(position.and_then(|at| items.get(at)).cloned().unwrap_or(Value::Null))
}

fn each(object: &Value, work: &Work) -> Value {
    let items: Vec<Value> = match object {
        Value::List(items) => items.to_vec(),
        Value::Map(entries) => entries.iter().map(|(_, value)| value.clone()).collect(),
        Value::Each(items) => {
            let inner = items.iter().map(|item| each(item, work));
            inner
                .flat_map(
                    |item| if let Value::Each(items) = item { items.to_vec() } else { vec![item] },
                )
                .collect()
        }
        Value::Runtime | Value::Open(_) => return Value::Runtime,
        _ => Vec::new(),
    };
    if work.spend(items.len()) { Value::Each(items.into()) } else { Value::Runtime }
}

/// True if two texts are equal, ignoring case.
pub(crate) fn same_text(a: &str, b: &str) -> bool {
    a == b || a.eq_ignore_ascii_case(b) || !(a.is_ascii() && b.is_ascii()) && fold(a) == fold(b)
}

impl Comparison {
    /// True if it holds; `None` if that depends on run time.
    fn holds(self, a: &Value, b: &Value, work: &Work) -> Option<bool> {
        if let (Value::Text(a), Value::Text(b)) = (a, b)
            && !work.spend(a.len() + b.len())
        {
            return None;
        }
        match self {
            Self::Equal => equal(a, b),
            Self::NotEqual => equal(a, b).map(|equal| !equal),
            Self::Less => less(a, b),
            Self::Greater => less(b, a),
            Self::LessOrEqual => Some(equal(a, b)? || less(a, b)?),
            Self::GreaterOrEqual => Some(equal(a, b)? || less(b, a)?),
        }
    }
}

/// Loose equality: texts without case, otherwise as numbers. `None` if it depends on run time, or on identity.
pub(crate) fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(same_text(a, b)),
        _ if !a.is_known() || !b.is_known() => None,
        _ if !a.is_primitive() && !b.is_primitive() => None,
        _ => Some(is_equal_number(a.to_number()?, b.to_number()?)),
    }
}

#[expect(clippy::float_cmp, reason = "the language compares numbers exactly")]
fn is_equal_number(a: f64, b: f64) -> bool {
    a == b
}

fn less(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(fold(a) < fold(b)),
        _ => Some(a.to_number()? < b.to_number()?),
    }
}
