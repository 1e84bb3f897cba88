//! A Docker Engine for tests, of which only the answers are there. It writes down what it is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::response::Response;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use mayfly_backend::bootstrap::Bootstrap;
use mayfly_backend::spec::MachineSpec;
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::machine::MachineRef;
use mayfly_common::material::Profile;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::{Isolation, PoolName};
use mayfly_common::registration::RunnerId;
use serde_json::{Value, json};

use crate::labels::Owner;
use crate::{DockerBackend, DockerSettings};

/// What is answered.
#[derive(Clone)]
pub(crate) struct Told {
    status: u16,
    /// None for no answer at all.
    body: Option<Vec<u8>>,
    /// What comes where the body ends.
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The answer is over.
    Whole,
    /// It is broken off.
    Cut,
    /// Nothing, and it is not over.
    Silence,
}

/// A success.
pub(crate) fn ok(body: &Value) -> Told {
    Told { status: 200, body: Some(body.to_string().into_bytes()), end: End::Whole }
}

/// A success that consists of these bytes.
pub(crate) fn raw(body: impl Into<Vec<u8>>) -> Told {
    Told { body: Some(body.into()), ..ok(&Value::Null) }
}

/// A refusal in these words.
pub(crate) fn no(status: u16, message: &str) -> Told {
    Told { status, ..ok(&json!({ "message": message })) }
}

/// No answer.
pub(crate) fn silence() -> Told {
    Told { body: None, ..ok(&Value::Null) }
}

/// An answer that is broken off.
pub(crate) fn cut(status: u16) -> Told {
    Told { status, end: End::Cut, ..raw("") }
}

/// A success that begins so and does not go on.
pub(crate) fn begun(body: &str) -> Told {
    Told { end: End::Silence, ..raw(body) }
}

/// What a container printed, in pieces as the engine sends them.
pub(crate) fn log(pieces: &[&[u8]]) -> Told {
    let framed = pieces.iter().flat_map(|piece| {
        let length = u32::try_from(piece.len()).unwrap().to_be_bytes();
        [&[1, 0, 0, 0], &length[..], piece].concat()
    });
    raw(framed.collect::<Vec<u8>>())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) query: BTreeMap<String, String>,
    /// Null if there was none.
    pub(crate) body: Value,
}

/// The stand-in.
pub(crate) struct StandIn {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// An engine that speaks API 1.41 and has its default network, with an MTU of 1450, and ours, made with that.
    ///
    /// Answers each line with its answers in turn, the last one for ever; everything else with 404.
    pub(crate) async fn new<L: Into<String>>(
        script: impl IntoIterator<Item = (L, Vec<Told>)>,
    ) -> Self {
        let options = json!({
            "com.docker.network.driver.mtu": "1450",
            "com.docker.network.bridge.enable_icc": "false",
        });
        let network = |name: &str| {
            ok(&json!({"Name": name, "Options": options, "Labels": {"dev.mayfly.network": "1"}}))
        };
        let common = [
            ("GET /version", ok(&json!({"ApiVersion": "1.41"}))),
            ("GET /networks/bridge", network("bridge")),
            ("GET /networks/runners", network("runners")),
        ];
        let mut all: HashMap<String, Vec<Told>> =
            common.into_iter().map(|(line, told)| (line.to_owned(), vec![told])).collect();
        all.extend(script.into_iter().map(|(line, answers)| (line.into(), answers)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(Mutex::new(all)), asked.clone());
        let answer = move |request: Request| {
            let (script, log) = (script.clone(), log.clone());
            async move { answered(request, &script, &log).await }
        };
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, asked }
    }

    /// The backend of the installation `i` on it.
    pub(crate) fn backend(&self) -> DockerBackend {
        DockerBackend::new(DockerSettings {
            host: Some(self.host.clone()),
            name: BackendName::default(),
            installation: Some("i".to_owned()),
            network: "runners".to_owned(),
            mtu: None,
        })
    }

    /// What was asked since the last call of this, except for the version and the networks that are always there.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let mut asked = self.all_asked();
        let common = ["GET /version", "GET /networks/bridge", "GET /networks/runners"];
        asked.retain(|one| !common.contains(&&*one.line));
        asked
    }

    /// All that was asked since this was last looked at.
    pub(crate) fn all_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The same as [`Self::asked`], without queries and bodies.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answered(
    request: Request,
    script: &Mutex<HashMap<String, Vec<Told>>>,
    log: &Mutex<Vec<Asked>>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let Query(query) = Query::try_from_uri(&head.uri).unwrap();
    let path = head.uri.path();
    let path = path.strip_prefix("/v1.41").unwrap_or(path);
    let line = format!("{} {path}", head.method);
    log.lock().unwrap().push(Asked { line: line.clone(), query, body });
    let told = match script.lock().unwrap().get_mut(&line) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => no(404, "no such thing"),
    };
    let Some(body) = told.body else { return std::future::pending().await };
    let broken = || Err::<Vec<u8>, _>(std::io::Error::other("broken off"));
    let body = match told.end {
        End::Whole => Body::from(body),
        End::Cut => Body::from_stream(stream::iter([Ok(body), broken()])),
        End::Silence => {
            let begin = stream::iter([Ok::<_, std::io::Error>(body)]);
            Body::from_stream(begin.chain(stream::pending()))
        }
    };
    Response::builder().status(told.status).body(body).unwrap()
}

/// A machine to create, each of its fields with a value of its own.
pub(crate) fn spec() -> MachineSpec {
    MachineSpec {
        identity: RunnerIdentity {
            installation: "i".to_owned(),
            backend: BackendName::default(),
            pool: PoolName::parse("ci").unwrap(),
            scope: "org:octo".parse().unwrap(),
            name: RunnerName::parse("mayfly-i-1").unwrap(),
            labels: LabelSet::requested(["self-hosted", "gpu"]),
            github_id: Some(RunnerId(7)),
            image: "img:1".to_owned(),
            image_id: None,
            fingerprint: Some("f00".to_owned()),
            created_at: Timestamp::from_second(1_800_000_000).unwrap(),
            deadline: Timestamp::from_second(1_800_005_400).unwrap(),
        },
        bootstrap: Bootstrap::new([("JIT".to_owned(), "the-secret".into())]),
        command: Some(vec!["/run.sh".to_owned(), "x y".to_owned()]),
        profile: Profile {
            memory: 4_000_000_001,
            nano_cpus: 2_500_000_000,
            pids: 77,
            isolation: Isolation::Strict,
            seccomp: None,
            engine: None,
        },
        environment: vec![("A".to_owned(), "$$HOME {x}".to_owned())],
    }
}

/// The machine that is made for [`spec`].
pub(crate) fn machine(id: &str) -> MachineRef {
    MachineRef { backend: BackendName::default(), name: spec().identity.name, id: id.to_owned() }
}

/// Whose containers the stand-in's are.
pub(crate) fn owner() -> Owner {
    Owner { installation: "i".to_owned(), backend: BackendName::default() }
}

/// The labels of the container that is made for [`spec`], with the id of its image.
pub(crate) fn labels() -> Value {
    json!({
        "dev.mayfly.instance": "i", "dev.mayfly.pool": "ci", "dev.mayfly.scope": "org:octo",
        "dev.mayfly.runner": "mayfly-i-1", "dev.mayfly.github-runner-id": "7",
        "dev.mayfly.created-at": "2027-01-15T08:00:00Z", "dev.mayfly.deadline": "2027-01-15T09:30:00Z",
        "dev.mayfly.image": "img:1", "dev.mayfly.labels": "gpu,self-hosted", "dev.mayfly.schema": "1",
        "dev.mayfly.fingerprint": "f00", "dev.mayfly.image-id": "sha256:0",
    })
}

/// The same, of a runner with a Docker engine of its own; `of` for those of that engine.
pub(crate) fn labels_with_engine(of: bool) -> Value {
    let mut labels = labels();
    labels["dev.mayfly.docker"] = "dind".into();
    if of {
        labels["dev.mayfly.docker-of"] = "mayfly-i-1".into();
    }
    labels
}

/// A container as a list has it.
pub(crate) fn listed(id: &str, name: &str, (state, status): (&str, &str), labels: &Value) -> Value {
    json!({"Id": id, "Names": [format!("/{name}")], "State": state, "Status": status, "Labels": labels})
}
