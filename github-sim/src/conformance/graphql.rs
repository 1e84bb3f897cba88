//! Whether GraphQL questions and answers fit GitHub's own schema.

mod answer;
mod leaf;

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::Field;
use apollo_compiler::response::JsonMap;
use serde_json::Value;

use crate::http::graphql::question::{Asked, Question};
use crate::http::graphql::schema;

/// What is wrong with the body of a request to `/graphql`, or with what it asks; empty if nothing is.
///
/// Checked are the body's form, the document against the schema, the variables against their types, that no variable is
/// sent which the document does not declare, and that lists in pages are asked for by `first` or `last` of 1 to 100.
pub fn check_graphql_request(body: &[u8]) -> Vec<String> {
    match question(body) {
        Err(wrong) => wrong,
        Ok((question, sent)) => {
            let declared = &question.operation.variables;
            let known = |name: &str| declared.iter().any(|one| one.name == name);
            let unknown = sent.into_iter().filter(|name| !known(name));
            let unknown = unknown.map(|name| format!("variable ${name} is not declared"));
            let fields = question.operation.all_fields(&question.document);
            let pages = fields.filter_map(|field| page(field, &question.variables));
            unknown.chain(pages).collect()
        }
    }
}

/// What is wrong with the body of an answer 200 to the request with this body; empty if nothing is.
///
/// Checked are its shape (every field that was asked for and no other), types, enum values, that nothing is null which may
/// not be, and that each error has a message and, if it has a path, that it leads to a null.
pub fn check_graphql_response(body: &[u8], answer: &[u8]) -> Vec<String> {
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(answer) else {
        return vec!["the answer is not a JSON object".to_owned()];
    };
    let unknown =
        answer.keys().filter(|key| !["data", "errors", "extensions"].contains(&key.as_str()));
    let mut wrong: Vec<String> =
        unknown.map(|key| format!("{key} is no part of an answer")).collect();
    let errors = answer.get("errors");
    wrong.extend(errors.into_iter().flat_map(|errors| answer::errors(errors, answer.get("data"))));
    match (answer.get("data"), question(body)) {
        (None | Some(Value::Null), _) if errors.is_none() => {
            wrong.push("there is neither data nor an error".to_owned());
        }
        (None, _) | (Some(Value::Null), Ok(_)) => {}
        (Some(_), Err(_)) => wrong.push("there is data for what is no question".to_owned()),
        (Some(data), Ok((question, _))) => wrong.extend(answer::data(&question, data)),
    }
    wrong
}

/// The question and the names of the variables sent with it.
fn question(body: &[u8]) -> Result<(Question, Vec<String>), Vec<String>> {
    let asked = Asked::read(body).map_err(|why| vec![why.to_owned()])?;
    let sent = asked.variables.keys().cloned().collect();
    let messages = |errors: Vec<Value>| {
        let shown = |error: &Value| format!("{} (at {})", error["message"], error["locations"]);
        errors.iter().map(shown).collect::<Vec<_>>()
    };
    asked.question(schema::github()).map(|question| (question, sent)).map_err(messages)
}

/// What is wrong with how a list in pages is asked for.
fn page(field: &Field, variables: &JsonMap) -> Option<String> {
    let boundary = |name: &str| match field.specified_argument_by_name(name)?.as_ref() {
        Literal::Variable(variable) => variables.get(variable.as_str())?.as_i64(),
        Literal::Int(number) => number.try_to_i32().ok().map(i64::from),
        _ => None,
    };
    let paged =
        ["first", "last"].iter().all(|name| field.definition.argument_by_name(name).is_some());
    if !paged || !field.definition.ty.inner_named_type().ends_with("Connection") {
        return None;
    }
    let ((Some(size), None) | (None, Some(size))) = (boundary("first"), boundary("last")) else {
        return Some(format!("{}: either `first` or `last` is needed", field.name));
    };
    (!(1..=100).contains(&size)).then(|| format!("{}: {size} is not from 1 to 100", field.name))
}

#[cfg(test)]
mod tests;
