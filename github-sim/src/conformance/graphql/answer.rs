//! An answer's data and errors, held to the question and the schema.

use apollo_compiler::Name;
use apollo_compiler::ast::Value as Literal;
use apollo_compiler::collections::IndexMap;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, ObjectType, Type};
use serde_json::{Map, Value};

use super::leaf;
use crate::http::graphql::question::Question;
use crate::http::graphql::schema::{self, GitHubSchema};

/// What is wrong with `data`.
pub(super) fn data(question: &Question, data: &Value) -> Vec<String> {
    let check = Check { question, schema: schema::github() };
    let Some(root) = check.schema.types.get_object(question.operation.object_type()) else {
        return vec!["the schema has no such operation".to_owned()];
    };
    check.object(root, &[&question.operation.selection_set], data, "data")
}

/// What is wrong with `errors`.
pub(super) fn errors(errors: &Value, data: Option<&Value>) -> Vec<String> {
    let Some(errors) = errors.as_array().filter(|errors| !errors.is_empty()) else {
        return vec!["errors must be a list that is not empty".to_owned()];
    };
    let check = |(index, error): (usize, &Value)| {
        let wrong = error_form(error).or_else(|| path(&error["path"], data));
        wrong.map(|what| format!("errors[{index}]: {what}"))
    };
    errors.iter().enumerate().filter_map(check).collect()
}

fn error_form(error: &Value) -> Option<String> {
    let Some(fields) = error.as_object() else { return Some("is not an object".to_owned()) };
    if error["message"].as_str().is_none_or(str::is_empty) {
        return Some("has no message".to_owned());
    }
    if fields.get("type").is_some_and(|kind| !kind.is_string()) {
        return Some("has a type that is no text".to_owned());
    }
    let place =
        |place: &Value| place["line"].as_u64() > Some(0) && place["column"].as_u64() > Some(0);
    let places = fields
        .get("locations")
        .is_none_or(|all| all.as_array().is_some_and(|all| all.iter().all(place)));
    (!places).then(|| "has locations that are none".to_owned())
}

/// A path leads to a null, or to within one.
fn path(path: &Value, data: Option<&Value>) -> Option<String> {
    let (Some(path), Some(mut value)) = (path.as_array(), data) else { return None };
    for step in path {
        if value.is_null() {
            return None;
        }
        let next = match step {
            Value::String(name) => value.get(name),
            Value::Number(index) => {
                index.as_u64().and_then(|at| value.get(usize::try_from(at).ok()?))
            }
            _ => None,
        };
        let Some(next) = next else { return Some(format!("the path has no {step}")) };
        value = next;
    }
    (!value.is_null()).then(|| "the path does not lead to a null".to_owned())
}

struct Check<'a> {
    question: &'a Question,
    schema: &'static GitHubSchema,
}

/// The fields that share one key of the answer.
type Fields<'a> = IndexMap<&'a str, Vec<&'a Field>>;

impl<'a> Check<'a> {
    fn object(
        &self,
        object: &ObjectType,
        sets: &[&'a SelectionSet],
        value: &Value,
        path: &str,
    ) -> Vec<String> {
        let Some(given) = value.as_object() else { return vec![format!("{path}: is no object")] };
        let fields = self.fields(object, sets);
        let unasked = given.keys().filter(|key| !fields.contains_key(key.as_str()));
        let mut wrong: Vec<String> =
            unasked.map(|key| format!("{path}.{key}: was not asked for")).collect();
        for (key, fields) in &fields {
            let path = format!("{path}.{key}");
            match given.get(*key) {
                None => wrong.push(format!("{path}: is not there")),
                Some(Value::String(name)) if fields[0].name == "__typename" => {
                    if *name != object.name.as_str() {
                        wrong.push(format!("{path}: {name} is not {}", object.name));
                    }
                }
                Some(value) => wrong.extend(self.value(fields[0].ty(), fields, value, &path)),
            }
        }
        wrong
    }

    fn value(&self, ty: &Type, fields: &[&'a Field], value: &Value, path: &str) -> Vec<String> {
        if value.is_null() {
            let allowed = !ty.is_non_null();
            return if allowed { Vec::new() } else { vec![format!("{path}: may not be null")] };
        }
        let name = match ty {
            Type::Named(name) | Type::NonNullNamed(name) => name,
            Type::List(item) | Type::NonNullList(item) => {
                let Some(items) = value.as_array() else {
                    return vec![format!("{path}: is no list")];
                };
                let check =
                    |(index, one)| self.value(item, fields, one, &format!("{path}[{index}]"));
                return items.iter().enumerate().flat_map(check).collect();
            }
        };
        let sets: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
        match self.schema.types.types.get(name) {
            Some(ExtendedType::Object(object)) => self.object(object, &sets, value, path),
            Some(ExtendedType::Interface(_) | ExtendedType::Union(_)) => {
                self.one_of(&self.possible(name), &sets, value, path)
            }
            Some(ExtendedType::Enum(values)) => {
                let known = value.as_str().is_some_and(|text| values.values.contains_key(text));
                let wrong = || format!("{path}: {value} is no {name}");
                (!known).then(wrong).into_iter().collect()
            }
            _ => {
                leaf::wrong(name, value).map(|what| format!("{path}: {what}")).into_iter().collect()
            }
        }
    }

    /// The answer need not name the type of an object; then it must fit one of those it may be.
    fn one_of(
        &self,
        types: &[&ObjectType],
        sets: &[&'a SelectionSet],
        value: &Value,
        path: &str,
    ) -> Vec<String> {
        let Some(given) = value.as_object() else { return vec![format!("{path}: is no object")] };
        let named = |object: &&&ObjectType| {
            let keys = self.fields(object, sets);
            let mut names = keys.iter().filter(|(_, fields)| fields[0].name == "__typename");
            names.all(|(key, _)| named_as(given, key, object))
        };
        let fitting = types.iter().filter(named);
        let tried = fitting.map(|object| self.object(object, sets, value, path));
        let best = tried.min_by_key(Vec::len);
        best.unwrap_or_else(|| vec![format!("{path}: is of no type that it may be of")])
    }

    fn possible(&self, name: &Name) -> Vec<&'static ObjectType> {
        let types = &self.schema.types;
        let object = |name: &Name| types.get_object(name).map(|object| &**object);
        if let Some(ExtendedType::Union(union)) = types.types.get(name) {
            return union.members.iter().filter_map(|name| object(name)).collect();
        }
        let found = self.schema.implementers.get(name).map(|found| &found.objects);
        found.into_iter().flatten().filter_map(object).collect()
    }

    fn fields(&self, object: &ObjectType, sets: &[&'a SelectionSet]) -> Fields<'a> {
        let mut found = Fields::default();
        for set in sets {
            self.collect(object, set, &mut found);
        }
        found
    }

    fn collect(&self, object: &ObjectType, set: &'a SelectionSet, found: &mut Fields<'a>) {
        for selection in set.selections.iter().filter(|one| self.wanted(one)) {
            let (condition, set) = match selection {
                Selection::Field(field) => {
                    found.entry(field.response_key().as_str()).or_default().push(field);
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    (inline.type_condition.as_ref(), &inline.selection_set)
                }
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) =
                        self.question.document.fragments.get(&spread.fragment_name)
                    else {
                        continue;
                    };
                    (Some(fragment.type_condition()), &fragment.selection_set)
                }
            };
            if condition.is_none_or(|condition| self.applies(object, condition)) {
                self.collect(object, set, found);
            }
        }
    }

    fn applies(&self, object: &ObjectType, condition: &Name) -> bool {
        *condition == object.name || self.schema.types.is_subtype(condition, &object.name)
    }

    /// True if `@skip` and `@include` leave a selection in.
    fn wanted(&self, selection: &Selection) -> bool {
        let given = |directive: &str| -> Option<bool> {
            let directive = selection.directives().get(directive)?;
            match directive.specified_argument_by_name("if")?.as_ref() {
                Literal::Boolean(value) => Some(*value),
                Literal::Variable(name) => self.question.variables.get(name.as_str())?.as_bool(),
                _ => None,
            }
        };
        given("include").unwrap_or(true) && !given("skip").unwrap_or(false)
    }
}

fn named_as(given: &Map<String, Value>, key: &str, object: &ObjectType) -> bool {
    given.get(key).and_then(Value::as_str) == Some(object.name.as_str())
}
