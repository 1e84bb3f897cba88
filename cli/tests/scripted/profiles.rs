//! Where the gateway's address and key come from, where several things say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::Gateway;
use crate::in_time::InTime as _;

const FILES: [(&str, &str); 4] = [
    ("option.key", "key-of-the-option-0123456789abcdef\n"),
    ("variable.key", "key-of-the-variable-0123456789abcdef\n"),
    ("default.key", "key-of-the-default-0123456789abcdef\n"),
    ("work.key", "key-of-work-0123456789abcdef\n"),
];

struct Scene {
    folder: PathBuf,
    gateway: Gateway,
}

impl Scene {
    async fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("profiles-{test}"));
        let _ = fs::remove_dir_all(&folder);
        let gateway = Gateway::start(|_, _| (200, json!({"total_count": 0, "pools": []}))).await;
        let profile = |name: &str, url: &str| {
            format!("{name}: {{url: '{url}', api_key_file: '{}/{name}.key'}}\n", folder.display())
        };
        let profiles =
            profile("default", &gateway.url) + &profile("work", &format!("{}/work", gateway.url));
        for place in ["xdg/mayfly", "home/.config/mayfly"] {
            fs::create_dir_all(folder.join(place)).unwrap();
            fs::write(folder.join(place).join("profiles.yaml"), &profiles).unwrap();
        }
        for (file, key) in FILES {
            fs::write(folder.join(file), key).unwrap();
        }
        Self { folder, gateway }
    }

    /// What is asked for, and with which key; or the exit code and what is said.
    async fn asks(&self, options: &str, variables: &str) -> String {
        self.gateway.whole.lock().unwrap().clear();
        let (folder, url) = (self.folder.to_str().unwrap(), &self.gateway.url);
        let put = |text: &str| text.replace("FOLDER", folder).replace("GATEWAY", url);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.env_clear().args(["pool", "list"]).args(put(options).split_whitespace());
        command.envs(put(variables).split_whitespace().filter_map(|one| one.split_once('=')));
        let output = tokio::task::spawn_blocking(move || command.output_in_time()).await.unwrap();
        let asked = self.gateway.whole.lock().unwrap().join("\n");
        if output.status.success() {
            return asked.replace(" Bearer key-of-", " with ").replace("-0123456789abcdef", "");
        }
        let said = String::from_utf8(output.stderr).unwrap();
        format!("{} {}", output.status.code().unwrap(), said.replace(folder, "FOLDER").trim_end())
    }
}

#[tokio::test]
async fn options_win_over_variables_and_those_over_the_profile() {
    let scene = Scene::new("order").await;
    let rows = [
        ("", "XDG_CONFIG_HOME=FOLDER/xdg", "GET /pools with the-default"),
        ("", "HOME=FOLDER/home", "GET /pools with the-default"),
        ("", "HOME=/nowhere XDG_CONFIG_HOME=FOLDER/xdg", "GET /pools with the-default"),
        ("", "HOME=FOLDER/home XDG_CONFIG_HOME=", "GET /pools with the-default"),
        ("", "HOME=FOLDER/home MAYFLY_PROFILE=work", "GET /work/pools with work"),
        (
            "--profile default",
            "HOME=FOLDER/home MAYFLY_PROFILE=work",
            "GET /pools with the-default",
        ),
        ("", "HOME=FOLDER/home MAYFLY_URL=GATEWAY/var", "GET /var/pools with the-default"),
        (
            "--url GATEWAY/opt",
            "HOME=FOLDER/home MAYFLY_URL=GATEWAY/var",
            "GET /opt/pools with the-default",
        ),
        (
            "",
            "HOME=FOLDER/home MAYFLY_API_KEY_FILE=FOLDER/variable.key",
            "GET /pools with the-variable",
        ),
        (
            "",
            "HOME=FOLDER/home MAYFLY_API_KEY=key-of-text MAYFLY_API_KEY_FILE=FOLDER/variable.key",
            "GET /pools with text",
        ),
        (
            "--api-key-file FOLDER/option.key",
            "HOME=FOLDER/home MAYFLY_API_KEY=key-of-text MAYFLY_API_KEY_FILE=FOLDER/variable.key",
            "GET /pools with the-option",
        ),
        ("", "MAYFLY_URL=GATEWAY", "GET /pools"),
        ("", "HOME=/nowhere MAYFLY_URL=GATEWAY/", "GET /pools"),
    ];
    for (options, variables, asked) in rows {
        assert_eq!(scene.asks(options, variables).await, asked, "{options} {variables}");
    }
}

#[tokio::test]
async fn a_profile_or_a_key_that_is_not_there_is_named() {
    let scene = Scene::new("missing").await;
    let gone = "No such file or directory (os error 2)";
    let rows = [
        ("--profile x", "HOME=FOLDER/home", "2 error: FOLDER/home/.config/mayfly/profiles.yaml has no profile x; it has default, work".to_owned()),
        ("--profile x", "", "2 error: there is no profile x".to_owned()),
        ("--profile x", "HOME=FOLDER", format!("2 error: FOLDER/.config/mayfly/profiles.yaml: {gone}")),
        ("", "MAYFLY_PROFILE=x HOME=FOLDER", format!("2 error: FOLDER/.config/mayfly/profiles.yaml: {gone}")),
    ];
    for (options, variables, said) in rows {
        assert_eq!(scene.asks(options, variables).await, said, "{options} {variables}");
    }
    for (options, variables, origin) in [
        ("--api-key-file /nowhere", "MAYFLY_URL=GATEWAY", "--api-key-file: "),
        ("", "MAYFLY_URL=GATEWAY MAYFLY_API_KEY_FILE=/nowhere", "MAYFLY_API_KEY_FILE: "),
    ] {
        let said = scene.asks(options, variables).await;
        assert!(said.starts_with(&format!("2 error: {origin}")), "{said}");
    }
    let profiles = "default: {url: 'http://127.0.0.1:1', api_key_file: /nowhere}\nodd: {url: 'ftp://h'}\nnone: {}\n";
    fs::write(scene.folder.join("xdg/mayfly/profiles.yaml"), profiles).unwrap();
    let said = scene.asks("", "XDG_CONFIG_HOME=FOLDER/xdg").await;
    assert!(said.starts_with("2 error: the profile's api_key_file: "), "{said}");
    let odd = "2 error: the profile's url: the address must begin with http:// or https://; write http://HOST:PORT or https://HOST";
    assert_eq!(scene.asks("--profile odd", "XDG_CONFIG_HOME=FOLDER/xdg").await, odd);
    assert_eq!(
        scene.asks("--profile none --url GATEWAY", "XDG_CONFIG_HOME=FOLDER/xdg").await,
        "GET /pools"
    );
}
