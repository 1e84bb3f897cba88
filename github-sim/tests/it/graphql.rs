//! GraphQL over HTTP. Every answer 200 is held to GitHub's schema, every valid question too.

mod files;
mod limits;
mod lists;
mod refusals;

use github_sim::Sim;
use github_sim::conformance::{check_graphql_request, check_graphql_response};
use serde_json::{Value, json};

use crate::support::{Ask, Reply, send};

/// Sends a question as `t`, which may see everything.
async fn reply(sim: &Sim, query: &str, variables: &Value) -> Reply {
    reply_to(sim, "t", query, variables).await
}

async fn reply_to(sim: &Sim, token: &str, query: &str, variables: &Value) -> Reply {
    let token = format!("Bearer {token}");
    let body = json!({"query": query, "variables": variables});
    let ask = Ask {
        method: "POST",
        path: "/graphql",
        token: &token,
        body: Some(body.clone()),
        ..Ask::default()
    };
    let reply = send(sim, ask).await;
    if reply.status == 200 {
        let wrong = check_graphql_response(body.to_string().as_bytes(), &reply.body);
        assert_eq!(wrong, Vec::<String>::new(), "{query}: {:#}", reply.json());
    }
    reply
}

/// The answer to a question that fits the schema.
async fn answer(sim: &Sim, query: &str, variables: Value) -> Value {
    answer_to(sim, "t", query, variables).await
}

async fn answer_to(sim: &Sim, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables}).to_string();
    assert_eq!(check_graphql_request(body.as_bytes()), Vec::<String>::new(), "{query}");
    let reply = reply_to(sim, token, query, &variables).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// The data of an answer without errors.
async fn data(sim: &Sim, query: &str, variables: Value) -> Value {
    let answer = answer(sim, query, variables).await;
    assert_eq!(answer["errors"], Value::Null, "{answer:#}");
    answer["data"].clone()
}

/// The errors of an answer as pairs of type and path.
fn errors(answer: &Value) -> Vec<(String, String)> {
    let none = Vec::new();
    let errors = answer["errors"].as_array().unwrap_or(&none).iter();
    errors
        .map(|error| {
            let path = error["path"].as_array().into_iter().flatten();
            let path: Vec<_> = path.map(|step| step.to_string().replace('"', "")).collect();
            (error["type"].as_str().unwrap_or_default().to_owned(), path.join("."))
        })
        .collect()
}

fn pair(kind: &str, path: &str) -> (String, String) {
    (kind.to_owned(), path.to_owned())
}
