//! The App: its tokens' signatures and claims, its installations, and what their tokens reach.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use github_sim::Sim;
use github_sim::names::Login;
use github_sim::world::app::INSTALLATION_TOKEN_LIFETIME;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::support::{Ask, Reply, control, get, send, sim};

const PUBLIC: &str = include_str!("../data/test-only-app-key.public.pem");
const PKCS8: &str = include_str!("../data/test-only-app-key.pkcs8.pem");
const PKCS1: &str = include_str!("../data/test-only-app-key.pkcs1.pem");
/// The world's time at the start, in seconds.
const NOW: i64 = 1_795_219_200;

fn signed(header: &Value, claims: &Value) -> String {
    let key = PrivatePkcs8KeyDer::from_pem_slice(PKCS8.as_bytes()).expect("PEM");
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("an RSA key");
    let coded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", coded(header), coded(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn jwt(claims: &Value) -> String {
    signed(&json!({"alg": "RS256", "typ": "JWT"}), claims)
}

async fn ask(sim: &Sim, token: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
    let token = format!("Bearer {token}");
    send(sim, Ask { method, path, token: &token, body, ..Ask::default() }).await
}

#[tokio::test]
async fn a_json_web_token_is_verified() {
    for key in [PUBLIC, PKCS1, PKCS8] {
        let (sim, _) = sim().await;
        let set = control(
            &sim,
            "PATCH",
            "/_sim/app",
            json!({"key": key, "id": 77, "client_id": "Iv2.x"}),
        )
        .await;
        assert_eq!(set.status, 204);
        let good = json!({"iat": NOW - 60, "exp": NOW + 540, "iss": "77"});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            jwt(&claims)
        };
        let undecodable = "A JSON web token could not be decoded";
        let issued = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
        let over = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
        let mut forged = jwt(&good);
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'Q' } else { 'A' });
        let other = jwt(&good).split('.').next_back().unwrap().to_owned();
        let swapped = {
            let parts = with("iss", json!("78"));
            let (message, _) = parts.rsplit_once('.').unwrap();
            format!("{message}.{other}")
        };
        let cases = [
            (jwt(&good), 200, ""),
            (with("iss", json!(77)), 200, ""),
            (with("iss", json!("Iv2.x")), 200, ""),
            (with("iss", json!("78")), 404, "Integration not found"),
            (with("iss", Value::Null), 401, "Missing 'issuer' claim ('iss') in assertion"),
            (with("exp", json!(NOW + 600)), 200, ""),
            (
                with("exp", json!(NOW + 601)),
                401,
                "'Expiration time' claim ('exp') is too far in the future",
            ),
            (with("exp", json!(NOW)), 401, over),
            (with("exp", Value::Null), 401, over),
            (with("iat", json!(NOW + 60)), 200, ""),
            (with("iat", json!(NOW + 61)), 401, issued),
            (with("iat", json!("now")), 401, issued),
            (signed(&json!({"alg": "HS256"}), &good), 401, undecodable),
            (signed(&json!({"alg": "none"}), &good), 401, undecodable),
            (forged, 401, undecodable),
            (swapped, 401, undecodable),
            ("a.b.c".to_owned(), 401, undecodable),
            ("a.b".to_owned(), 401, undecodable),
        ];
        for (token, status, message) in cases {
            let reply = ask(&sim, &token, "GET", "/app", None).await;
            assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
            if status != 200 {
                assert_eq!(reply.json()["message"], message);
            }
        }
        let app = ask(&sim, &jwt(&good), "GET", "/app", None).await.json();
        assert_eq!((&app["id"], &app["client_id"]), (&json!(77), &json!("Iv2.x")));
    }
}

#[tokio::test]
async fn a_client_whose_clock_is_wrong_is_told_so() {
    let (sim, _) = sim().await;
    let body = json!({"key": PUBLIC});
    assert_eq!(control(&sim, "PATCH", "/_sim/app", body).await.status, 204);
    let mine = jwt(&json!({"iat": NOW - 60, "exp": NOW + 540, "iss": "1"}));
    for (offset, status) in [(0, 200), (-600, 401), (600, 401)] {
        control(&sim, "PATCH", "/_sim/settings", json!({"clock_offset_seconds": offset})).await;
        assert_eq!(ask(&sim, &mine, "GET", "/app", None).await.status, status, "{offset}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let (sim, _) = sim().await;
    for key in ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        let reply = control(&sim, "PATCH", "/_sim/app", json!({"key": key})).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (422, &json!("/key")));
    }
}

async fn token(sim: &Sim, id: &Value, body: Option<Value>) -> Reply {
    ask(sim, "a.b.c", "POST", &format!("/app/installations/{id}/access_tokens"), body).await
}

#[tokio::test]
async fn an_installation_sees_its_repositories_only() {
    let (sim, clock) = sim().await;
    control(&sim, "PATCH", "/_sim/app", json!({"installs_itself": false})).await;
    let body = json!({"owner": "two", "prefix": "r", "count": 3, "private": true});
    control(&sim, "POST", "/_sim/repos/bulk", body).await;
    let new = json!({
        "account": "two", "repositories": ["two/r1", "two/r3"],
        "permissions": {"metadata": "read", "contents": "read", "administration": "write"},
    });
    let made = control(&sim, "POST", "/_sim/installations", new.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(control(&sim, "POST", "/_sim/installations", new).await.status, 409, "once");
    let id = made.json()["id"].clone();
    let reply = token(&sim, &id, None).await.json();
    assert_eq!(reply["repository_selection"], "selected");
    let mine = reply["token"].as_str().unwrap().to_owned();
    assert!(mine.len() > 40);
    let listed = ask(&sim, &mine, "GET", "/installation/repositories?per_page=1", None).await;
    assert_eq!(listed.json()["total_count"], 2);
    assert!(listed.header("link").contains("page=2"));
    let cases = [
        ("GET", "/repos/two/r1", 200),
        ("GET", "/repos/two/r2", 404),
        ("GET", "/repos/octo-org/tools", 200),
        ("GET", "/repos/two/r1/actions/runs", 403),
        ("POST", "/repos/two/r1/actions/runners/registration-token", 201),
        ("POST", "/repos/octo-org/tools/actions/runners/registration-token", 403),
        ("GET", "/orgs/two/actions/runners", 403),
        ("GET", "/user/installations", 403),
        ("GET", "/user/repos", 403),
    ];
    for (method, path, status) in cases {
        let reply = ask(&sim, &mine, method, path, None).await;
        assert_eq!(reply.status, status, "{method} {path}");
        if status == 403 {
            assert_eq!(reply.json()["message"], "Resource not accessible by integration");
        }
    }
    let all = get(&sim, "/user/installations").await.json();
    assert_eq!(all["total_count"], 3);
    clock.advance(INSTALLATION_TOKEN_LIFETIME);
    let over = ask(&sim, &mine, "GET", "/repos/two/r1", None).await;
    assert_eq!((over.status, &over.json()["message"]), (401, &json!("Bad credentials")));
}

#[tokio::test]
async fn a_token_can_be_narrowed_and_not_widened() {
    let (sim, _) = sim().await;
    let body = json!({"owner": "two", "prefix": "r", "count": 2, "private": true});
    control(&sim, "POST", "/_sim/repos/bulk", body).await;
    let login = Login::parse("two").unwrap();
    let id = sim.with(|world| json!(world.installation_of(&login).unwrap().id));
    let narrow = json!({"repositories": ["r1"], "permissions": {"contents": "read"}});
    let made = token(&sim, &id, Some(narrow)).await.json();
    assert_eq!(made["repositories"][0]["full_name"], "two/r1");
    assert_eq!(made["permissions"], json!({"contents": "read"}));
    let mine = made["token"].as_str().unwrap();
    let of = async |path: &str| ask(&sim, mine, "GET", path, None).await.status;
    assert_eq!(of("/repos/two/r1").await, 200);
    assert_eq!(of("/repos/two/r2").await, 404);
    assert_eq!(of("/repos/two/r1/actions/runners").await, 403);
    for (body, status) in [
        (json!({"repositories": ["none"]}), 422),
        (json!({"repository_ids": [1]}), 422),
        (json!({"permissions": {"contents": "write"}}), 422),
        (json!({"permissions": {"contents": "everything"}}), 422),
        (json!({"repositories": "r1"}), 422),
        (json!([]), 400),
    ] {
        assert_eq!(token(&sim, &id, Some(body.clone())).await.status, status, "{body}");
    }
    assert_eq!(token(&sim, &json!(7), None).await.status, 404);
}

#[tokio::test]
async fn suspension_is_told_and_ends() {
    let (sim, _) = sim().await;
    let login = Login::parse("octo-org").unwrap();
    let id = sim.with(|world| json!(world.installation_of(&login).unwrap().id));
    let mine = token(&sim, &id, None).await.json()["token"].as_str().unwrap().to_owned();
    let one = format!("/_sim/installations/{id}");
    let list = "/installation/repositories";
    assert_eq!(control(&sim, "PATCH", &one, json!({"suspended": true})).await.status, 200);
    for refused in [token(&sim, &id, None).await, ask(&sim, &mine, "GET", list, None).await] {
        let message = refused.json()["message"].clone();
        assert_eq!((refused.status, message), (403, json!("This installation has been suspended")));
    }
    let shown = ask(&sim, "a.b.c", "GET", "/orgs/octo-org/installation", None).await.json();
    assert_eq!(shown["suspended_at"], "2026-11-21T00:00:00Z");
    control(&sim, "PATCH", &one, json!({"suspended": false})).await;
    assert_eq!(ask(&sim, &mine, "GET", list, None).await.status, 200);
    let selected = json!({"repository_selection": "selected", "repositories": []});
    control(&sim, "PATCH", &one, selected).await;
    assert_eq!(ask(&sim, &mine, "GET", list, None).await.json()["total_count"], 0);
    let both = json!({"repository_selection": "all", "repositories": []});
    assert_eq!(control(&sim, "PATCH", &one, both).await.status, 422);
    assert_eq!(control(&sim, "DELETE", &one, Value::Null).await.status, 204);
    assert_eq!(ask(&sim, &mine, "GET", list, None).await.status, 401);
    let gone = ask(&sim, "a.b.c", "GET", "/repos/octo-org/tools/installation", None).await;
    assert_eq!(gone.status, 404);
    let user = ask(&sim, "a.b.c", "GET", "/users/octo-admin/installation", None).await;
    assert_eq!((user.status, &user.json()["target_type"]), (200, &json!("User")));
}

#[tokio::test]
async fn each_installation_has_its_own_limit() {
    let (sim, _) = sim().await;
    let ids: Vec<Value> =
        sim.with(|world| world.installations().iter().map(|one| json!(one.id)).collect());
    let mut tokens = Vec::new();
    for id in [&ids[0], &ids[0], &ids[1]] {
        tokens.push(token(&sim, id, None).await.json()["token"].as_str().unwrap().to_owned());
    }
    let list = "/installation/repositories";
    let mut left = Vec::new();
    for token in &tokens {
        let reply = ask(&sim, token, "GET", list, None).await;
        left.push(reply.header("x-ratelimit-remaining").to_owned());
    }
    assert_eq!(left, ["4999", "4998", "4999"]);
}
