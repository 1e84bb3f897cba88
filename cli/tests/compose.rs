//! Claims of SECURITY.md about deploy/compose.yaml and its variants.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use serde_json::{Map, Value};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// The services of a Compose file by name, each as it stands there.
fn services(file: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    compose["services"].as_object().unwrap().clone()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn both_services_have_no_capability_and_a_read_only_file_system() {
    let services = services("compose.yaml");
    assert_eq!(services.keys().collect::<Vec<_>>(), ["api-gateway", "orchestrator"]);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            serde_json::json!(["no-new-privileges:true"]),
            "{name}"
        );
        for more in ["cap_add", "privileged", "devices", "network_mode", "pid", "ipc"] {
            assert!(service.get(more).is_none(), "{name} has {more}");
        }
    }
}

#[test]
fn the_gateway_alone_has_a_port_and_it_is_on_loopback() {
    let port = serde_json::json!(["${API_GATEWAY_BIND:-127.0.0.1}:${API_GATEWAY_PORT:-8080}:8080"]);
    assert_eq!(services("compose.yaml")["api-gateway"]["ports"], port);
    for file in ["compose.yaml", "compose.demo.yaml", "compose.socket-proxy.yaml"] {
        for (name, service) in services(file) {
            assert!(service.get("ports").is_none() || name == "api-gateway", "{file}: {name}");
        }
    }
    assert!(services("compose.demo.yaml")["api-gateway"].get("ports").is_none());
}

#[test]
fn the_gateway_has_no_access_to_docker_or_github() {
    for file in ["compose.yaml", "compose.demo.yaml", "compose.socket-proxy.yaml"] {
        let services = services(file);
        let Some(gateway) = services.get("api-gateway") else { continue };
        for access in ["volumes", "env_file", "secrets", "configs", "user"] {
            assert!(gateway.get(access).is_none(), "{file}: the gateway has {access}");
        }
        assert!(!gateway.to_string().contains("docker.sock"), "{file}");
        for name in keys(&gateway["environment"]) {
            let of_others = ["GITHUB_", "DOCKER_", "TOKEN", "DIND_"];
            assert!(!of_others.iter().any(|part| name.contains(part)), "{file}: {name}");
        }
    }
    let services = services("compose.yaml");
    assert!(keys(&services["api-gateway"]["environment"]).len() > 15);
    let networks = |name: &str| services[name]["networks"].clone();
    assert_eq!(networks("api-gateway"), serde_json::json!(["edge", "control"]));
    assert_eq!(networks("orchestrator"), serde_json::json!(["control", "egress"]));
}

#[test]
fn the_socket_proxy_lets_containers_be_made_and_little_else() {
    let services = services("compose.socket-proxy.yaml");
    let options: Vec<&str> = services["socket-proxy"]["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| option.as_str().unwrap())
        .collect();
    let allowed: Vec<(&str, &str)> = options
        .iter()
        .filter_map(|option| option.strip_prefix("-allow")?.split_once('='))
        .filter(|(method, _)| method.bytes().all(|byte| byte.is_ascii_uppercase()))
        .filter(|(method, _)| !matches!(*method, "GET" | "HEAD"))
        .collect();
    let version = r"(/v1\.[0-9]+)?/";
    let name = "containers/[a-zA-Z0-9_.-]+";
    let post = format!("{version}(containers/create|{name}/start|images/create|networks/create)");
    assert_eq!(allowed, [("POST", &*post), ("DELETE", &*format!("{version}{name}"))]);
    assert!(options.contains(&"-allowbindmountfrom=/nonexistent"));
    let read = options.iter().find(|option| option.starts_with("-allowGET=")).unwrap();
    for more in ["archive", "export", "attach", "volumes", "exec", ".*"] {
        assert!(!read.contains(more), "{more}");
    }
    // The orchestrator has the proxy in place of the socket.
    let orchestrator = &services["orchestrator"];
    assert_eq!(orchestrator["volumes"], serde_json::json!(["/dev/null:/var/run/docker.sock:ro"]));
    assert_eq!(orchestrator["environment"]["DOCKER_HOST"], "tcp://socket-proxy:2375");
}

/// So that it sees keys under a name that nobody reads, and has refused to start before the gateway would be open.
#[test]
fn the_orchestrator_has_all_of_the_env_file_and_starts_first() {
    let services = services("compose.yaml");
    let all = serde_json::json!(["${MAYFLY_ENV_FILE:-defaults.env}"]);
    assert_eq!(services["orchestrator"]["env_file"], all);
    let first = serde_json::json!({"orchestrator": {"condition": "service_healthy"}});
    assert_eq!(services["api-gateway"]["depends_on"], first);
    let example = std::fs::read_to_string(format!("{FOLDER}/.env.example")).unwrap();
    assert!(example.lines().any(|line| line == "MAYFLY_ENV_FILE=.env"), "it names itself");
}
