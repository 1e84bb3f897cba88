//! The legs of a job's matrix: the product of its lists, less `exclude`, plus `include`.
//!
//! Where a part of the matrix is known at run time only, the legs over-approximate: no leg that GitHub may run is
//! missing, and a leg that may not exist says so.

use std::rc::Rc;

use super::expression::{Scope, equal, same_text};
use super::limits::{MAX_LEGS, Work};
use super::template::resolve;
use super::value::Value;

/// One leg.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    /// What `matrix` is in this leg.
    pub(super) matrix: Value,
    /// True if the leg is run whatever run time brings.
    pub(super) sure: bool,
}

impl Leg {
    /// The leg of a job without a matrix.
    pub(super) const fn single() -> Self {
        Self { matrix: Value::Null, sure: true }
    }

    /// Stands for legs of which nothing is known.
    const fn any(sure: bool) -> Self {
        Self { matrix: Value::Runtime, sure }
    }
}

type Entry = (Rc<str>, Value);
type Entries = Vec<Entry>;

/// The legs of `matrix`, which is written below `strategy`.
pub(super) fn legs(matrix: &Value, work: &Work) -> Vec<Leg> {
    // The matrix is not there yet while it is made, so it can no more be used than what run time brings.
    let resolved = resolve(matrix, &Scope { matrix: Value::Runtime, work });
    let Value::Map(entries) = &resolved else { return vec![Leg::any(true)] };
    let mut matrix = Matrix::default();
    for (key, value) in entries.iter() {
        match (&**key, value) {
            ("include", value) => matrix.include = Filters::of(value),
            ("exclude", value) => matrix.exclude = Filters::of(value),
            (_, Value::List(items)) => matrix.vectors.push((Rc::clone(key), Rc::clone(items))),
            _ => matrix.vectors.push((Rc::clone(key), vec![Value::Runtime].into())),
        }
    }
    matrix.legs(work).unwrap_or_else(|| vec![Leg::any(true)])
}

#[derive(Default)]
struct Matrix {
    vectors: Vec<(Rc<str>, Rc<[Value]>)>,
    include: Filters,
    exclude: Filters,
}

/// The items of `include` or `exclude`.
#[derive(Default)]
struct Filters {
    items: Vec<Rc<[Entry]>>,
    /// There are, or may be, items known at run time only.
    open: bool,
}

impl Filters {
    fn of(value: &Value) -> Self {
        let Value::List(list) = value else {
            return Self { items: Vec::new(), open: !matches!(value, Value::Null) };
        };
        let mut filters = Self::default();
        for item in list.iter() {
            match item {
                Value::Map(entries) => filters.items.push(Rc::clone(entries)),
                _ => filters.open = true,
            }
        }
        filters
    }
}

/// True if an item of `include` belongs to some leg of the product.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    No,
    Maybe,
    Yes,
}

impl Matrix {
    /// All legs; `None` if there are too many.
    fn legs(&self, work: &Work) -> Option<Vec<Leg>> {
        let mut legs = Vec::new();
        let mut found = vec![Found::No; self.include.items.len()];
        for number in 0..self.product()? {
            let entries = self.combination(number);
            work.spend(1 + entries.len()).then_some(())?;
            let excluded = self.is_excluded(&entries, work)?;
            if excluded != Some(true) {
                let sure = excluded == Some(false);
                legs.push(Leg { matrix: self.extend(entries, sure, &mut found, work)?, sure });
            }
        }
        for (item, found) in self.include.items.iter().zip(found) {
            if found < Found::Yes {
                legs.push(Leg { matrix: Value::Map(Rc::clone(item)), sure: found == Found::No });
            }
        }
        if self.include.open {
            legs.push(Leg::any(self.vectors.is_empty()));
        }
        Some(legs)
    }

    fn product(&self) -> Option<usize> {
        if self.vectors.is_empty() {
            return Some(0);
        }
        let mut product = 1_usize;
        for (_, items) in &self.vectors {
            product = product.checked_mul(items.len()).filter(|product| *product <= MAX_LEGS)?;
        }
        Some(product)
    }

    /// The values of one leg: the last list turns fastest.
    fn combination(&self, number: usize) -> Entries {
        let mut rest = number;
        let mut entries: Entries = Vec::with_capacity(self.vectors.len());
        for (key, items) in self.vectors.iter().rev() {
            entries.push((Rc::clone(key), items[rest % items.len()].clone()));
            rest /= items.len();
        }
        entries.reverse();
        entries
    }

    /// True if `exclude` drops a leg; the inner `None` if that depends on run time.
    #[expect(clippy::option_option, reason = "out of work, and unknown, are different things")]
    fn is_excluded(&self, entries: &Entries, work: &Work) -> Option<Option<bool>> {
        let mut result = if self.exclude.open { None } else { Some(false) };
        for item in &self.exclude.items {
            work.spend(1).then_some(())?;
            match fits(item, entries, work) {
                Some(true) => return Some(Some(true)),
                Some(false) => {}
                None => result = None,
            }
        }
        Some(result)
    }

    /// A leg of the product with what `include` adds to it. `include` never changes a value of the product.
    fn extend(&self, leg: Entries, sure: bool, found: &mut [Found], work: &Work) -> Option<Value> {
        let mut extended = leg.clone();
        for (item, found) in self.include.items.iter().zip(found) {
            work.spend((1 + item.len()) * (1 + extended.len())).then_some(())?;
            let is_filter = |key: &str| leg.iter().any(|(name, _)| same_text(name, key));
            let (filter, extra): (Entries, Entries) =
                item.iter().cloned().partition(|(key, _)| is_filter(key));
            let fit = fits(&filter, &leg, work);
            *found = (*found).max(match fit {
                Some(true) if sure => Found::Yes,
                Some(false) => Found::No,
                _ => Found::Maybe,
            });
            for (key, value) in extra {
                let value = match fit {
                    Some(true) => value,
                    Some(false) => continue,
                    None => Value::Runtime,
                };
                extended.retain(|(name, _)| !same_text(name, &key));
                extended.push((key, value));
            }
        }
        // An item that only run time knows may add any key, or replace what another item added.
        Some(if self.include.open { Value::Open(leg.into()) } else { Value::Map(extended.into()) })
    }
}

/// True if every part of `filter` equals the same part of `value`; `None` if that depends on run time.
fn fits(filter: &[Entry], value: &[Entry], work: &Work) -> Option<bool> {
    work.spend(filter.len() * value.len()).then_some(())?;
    every(filter.iter().map(|(key, part)| {
        let found = value.iter().find(|(name, _)| same_text(name, key));
        fits_part(part, found.map_or(&Value::Null, |(_, value)| value), work)
    }))
}

fn fits_part(filter: &Value, value: &Value, work: &Work) -> Option<bool> {
    work.spend(1).then_some(())?;
    match (filter, value) {
        (Value::Map(_) | Value::List(_), Value::Runtime) => None,
        (Value::Map(filter), Value::Map(value)) => fits(filter, value, work),
        // What a single value has inside is null.
        (Value::Map(filter), _) => {
            every(filter.iter().map(|(_, part)| fits_part(part, &Value::Null, work)))
        }
        (Value::List(filter), value) => {
            let items: &[Value] = if let Value::List(items) = value { items } else { &[] };
            every(filter.iter().enumerate().map(|(position, part)| {
                fits_part(part, items.get(position).unwrap_or(&Value::Null), work)
            }))
        }
        (Value::Text(a), Value::Text(b)) if !work.spend(a.len().min(b.len())) => None,
        _ => equal(value, filter),
    }
}

/// All of them: no as soon as one is no, unknown if one is unknown.
fn every(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}
