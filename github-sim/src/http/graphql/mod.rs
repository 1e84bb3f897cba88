//! The GraphQL API: a question is held to GitHub's own schema, weighed, paid for and answered from the world.
//!
//! | module | what |
//! |---|---|
//! | `schema` | GitHub's schema |
//! | `question` | from a body to a question that fits the schema |
//! | `weight` | nodes and points |
//! | `objects` | the fields that are simulated |
//! | `problem` | errors in GitHub's form |
//!
//! Sources: GitHub docs, "Forming calls with GraphQL", "Rate limits and query limits for the GraphQL API". Parsing,
//! validation and execution are the engine's (`apollo-compiler`). Invariant: a question that was understood is answered 200,
//! whatever is in it; its errors are in the answer, beside what could be answered. Mutations change nothing.

mod objects;
mod problem;
pub(crate) mod question;
pub(crate) mod schema;
mod weight;

use std::cell::RefCell;
use std::sync::Arc;

use apollo_compiler::resolvers::Execution;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::call::{Call, Caller};
use super::shared::Shared;
use super::{access, github};
use crate::world::World;
use crate::world::tokens::{Identity, Resource};
use objects::Context;
use problem::{Kind, Problem};
use question::{Asked, Question};
use schema::GitHubSchema;

/// The one route; that of the GHES form is turned into it.
pub(crate) const ROUTE: &str = "/graphql";

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route(ROUTE, post(handle))
}

async fn handle(call: Call, headers: HeaderMap, body: Bytes) -> Response {
    // Reading the schema takes a moment; the world does not stand still for it.
    let schema = schema::github();
    let mut world = call.shared.look();
    let mut response = match admitted(&world, &headers) {
        Err(refused) => *refused,
        Ok(caller) => {
            let mut response = asked(schema, &mut world, &call, &caller, &body);
            let allowance =
                world.tokens.allowance_of(&caller.token, Resource::Graphql, world.now());
            github::add_limits(response.headers_mut(), &allowance, Resource::Graphql);
            response
        }
    };
    github::add_marks(response.headers_mut());
    response
}

fn admitted(world: &World, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
    if !headers.contains_key(header::USER_AGENT) {
        return Err(Box::new(refused(StatusCode::FORBIDDEN, github::NO_USER_AGENT)));
    }
    let token = access::bearer(headers).ok_or_else(|| {
        refused(StatusCode::UNAUTHORIZED, "This endpoint requires you to be authenticated.")
    })?;
    access::caller(world, Some(token)).map_err(|why| Box::new(refused(why.status, &why.message)))
}

/// A refusal before the question was looked at, in the form of the REST API's.
fn refused(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/graphql",
        "status": status.as_str(),
    });
    (status, Json(body)).into_response()
}

fn asked(
    schema: &GitHubSchema,
    world: &mut World,
    call: &Call,
    caller: &Caller,
    body: &[u8],
) -> Response {
    let now = world.now();
    if world.tokens.allowance_of(&caller.token, Resource::Graphql, now).remaining() == 0 {
        let who = match caller.identity {
            Identity::Installation(id) => format!("installation ID {id}"),
            Identity::User => {
                let account = world.account(world.tokens.login(&caller.token));
                format!("user ID {}", account.map_or(0, |account| account.id))
            }
        };
        let message = format!("API rate limit exceeded for {who}.");
        return errors(&[Problem::new(Kind::RateLimited, message).of_request()]);
    }
    let asked = match Asked::read(body) {
        Ok(asked) => asked,
        Err(message) => return refused(StatusCode::BAD_REQUEST, message),
    };
    let question = match asked.question(schema) {
        Ok(question) => question,
        Err(found) => return errors(&found),
    };
    world.tokens.spend_of(&caller.token, Resource::Graphql, question.weight.points(), now);
    Json(answer(schema, world, call, caller, &question)).into_response()
}

fn errors(errors: &[Value]) -> Response {
    Json(json!({"errors": errors})).into_response()
}

/// The answer to a question that was paid for.
fn answer(
    schema: &GitHubSchema,
    world: &World,
    call: &Call,
    caller: &Caller,
    question: &Question,
) -> Value {
    let context = Context {
        world,
        caller,
        urls: &call.urls,
        cost: question.weight.points(),
        nodes: question.weight.nodes,
        allowance: world.tokens.allowance_of(&caller.token, Resource::Graphql, world.now()),
        of_items: RefCell::default(),
        oids: RefCell::default(),
    };
    let root = objects::root(&context, question.operation.is_mutation());
    let executed = Execution::new(&schema.types, &question.document)
        .implementers_map(&schema.implementers)
        .operation(&question.operation)
        .coerced_variable_values(&question.variables)
        .enable_schema_introspection(true)
        .execute_sync(&root);
    drop(root);
    let executed = match executed {
        Ok(executed) => executed,
        Err(why) => {
            let error = why.to_graphql_error(&question.document.sources);
            return json!({"errors": [problem::of_document(&error)]});
        }
    };
    let mut errors: Vec<Value> = executed.errors.iter().map(problem::executed).collect();
    errors.extend(context.of_items.take());
    let mut answer = json!({"data": executed.data});
    if !errors.is_empty() {
        answer["errors"] = Value::Array(errors);
    }
    answer
}
