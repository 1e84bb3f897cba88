//! GitHub's JSON: only the fields we read, everything else ignored, so that a new field or value breaks nothing. It is written,
//! too: what is held for conditional requests is exactly this.
//!
//! Invariant: an entry of a list demands only what it is worth nothing without; each other field reads as missing where something
//! else stands ([`lenient`]).

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::lenient::{self, List};
use mayfly_common::scope::RepoSlug;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::page::Page;

/// Pages that are an object around the list, with the whole list's length.
macro_rules! pages {
    ($($page:ident { $field:ident: $item:ty })*) => {$(
        #[derive(Deserialize, Serialize)]
        pub(super) struct $page {
            #[serde(
                default,
                deserialize_with = "lenient::option",
                skip_serializing_if = "Option::is_none"
            )]
            total_count: Option<u64>,
            $field: List<$item>,
        }

        impl Page for $page {
            type Item = $item;

            fn total(&self) -> Option<u64> {
                self.total_count
            }

            fn list(&self) -> &List<$item> {
                &self.$field
            }

            fn into_items(self) -> Vec<$item> {
                self.$field.into_entries()
            }
        }
    )*};
}

pages! {
    Runners { runners: Runner }
    RunnerGroups { runner_groups: RunnerGroup }
    Runs { workflow_runs: Run }
    Jobs { jobs: Job }
    InstallationRepos { repositories: Repo }
}

#[derive(Deserialize, Serialize)]
pub(super) struct Runner {
    pub(super) id: i64,
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) busy: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Jit {
    pub(super) runner: JitRunner,
    pub(super) encoded_jit_config: String,
}

#[derive(Deserialize)]
pub(super) struct JitRunner {
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

#[derive(Deserialize, Serialize)]
pub(super) struct RunnerGroup {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Installation {
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) account: Option<Account>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) suspended_at: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) repository_selection: String,
    #[serde(default, deserialize_with = "permissions")]
    pub(super) permissions: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Account {
    // An enterprise has none.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) login: String,
    #[serde(rename = "type", default, deserialize_with = "lenient::or_default")]
    pub(super) kind: String,
}

/// The permissions that are texts.
fn permissions<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let all: BTreeMap<String, serde_json::Value> = lenient::or_default(d)?;
    let text =
        |(name, value): (String, serde_json::Value)| Some((name, value.as_str()?.to_owned()));
    Ok(all.into_iter().filter_map(text).collect())
}

#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Repo {
    pub(super) id: i64,
    #[serde(deserialize_with = "read_slug", serialize_with = "write_slug")]
    pub(super) full_name: RepoSlug,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) private: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) fork: bool,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) archived: bool,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) disabled: bool,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) pushed_at: Option<String>,
}

fn read_slug<'de, D: Deserializer<'de>>(d: D) -> Result<RepoSlug, D::Error> {
    let text = String::deserialize(d)?;
    RepoSlug::parse(&text).map_err(|error| serde::de::Error::custom(format!("full_name {error}")))
}

fn write_slug<S: Serializer>(slug: &RepoSlug, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(slug)
}

/// An entry of a folder.
#[derive(Deserialize, Serialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) sha: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) size: u64,
}

/// A file with its content.
#[derive(Deserialize, Serialize)]
pub(super) struct File {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) encoding: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) content: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Run {
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) updated_at: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) path: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) head_sha: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) run_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) conclusion: Option<String>,
    /// None if they cannot be read.
    #[serde(default, deserialize_with = "lenient::texts_if_readable")]
    pub(super) labels: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) completed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) runner_name: Option<String>,
}

/// What GraphQL says of a repository.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FolderOf {
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) database_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) name_with_owner: String,
    pub(super) object: Option<Tree>,
}

/// A folder; anything else has no entries.
#[derive(Deserialize)]
pub(super) struct Tree {
    #[serde(default)]
    pub(super) entries: List<TreeEntry>,
}

#[derive(Deserialize)]
pub(super) struct TreeEntry {
    pub(super) name: String,
    #[serde(rename = "type", default, deserialize_with = "lenient::option")]
    pub(super) kind: Option<String>,
    pub(super) oid: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) size: u64,
}

/// A file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(super) is_truncated: bool,
    #[serde(default, deserialize_with = "lenient::option")]
    pub(super) text: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::hooks;

    /// How many entries of a page could be read, and how many could not.
    type Count = fn(&str) -> (usize, usize);

    fn count<P: Page>(text: &str) -> (usize, usize) {
        let page: P = serde_json::from_str(text).expect("a page");
        // As it is held for a conditional request.
        let held = serde_json::to_string(&page).expect("a page can be written");
        let again: P = serde_json::from_str(&held).expect("what was written is read");
        assert_eq!(again.list().len(), page.list().len(), "{text} {held}");
        let odd = page.list().odd().len();
        (page.into_items().len(), odd)
    }

    fn entries(text: &str) -> (usize, usize) {
        let tree: Tree = serde_json::from_str(text).expect("a folder");
        (tree.entries.entries().len(), tree.entries.odd().len())
    }

    /// Every list of GitHub's that is read: around the list, an entry, and the fields that an entry is worth nothing without.
    fn lists() -> Vec<(Option<&'static str>, Value, &'static [&'static str], Count)> {
        let job = json!({
            "id": 1, "status": "queued", "name": "build", "conclusion": "success", "labels": ["x"],
            "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
            "completed_at": "2026-01-01T00:00:00Z", "runner_name": "r",
        });
        let repo = json!({
            "id": 1, "full_name": "o/r", "private": true, "fork": false, "archived": false,
            "disabled": false, "pushed_at": "2026-01-01T00:00:00Z",
        });
        let installation = json!({
            "id": 1, "account": {"login": "o", "type": "Organization"}, "suspended_at": "x",
            "repository_selection": "all", "permissions": {"actions": "read"},
        });
        let hook = json!({
            "id": 1, "active": true, "events": ["push"],
            "config": {"url": "http://h/", "content_type": "json", "insecure_ssl": "0", "secret": "*"},
        });
        let delivery = json!({
            "id": 1, "guid": "g", "delivered_at": "2026-01-01T00:00:00Z", "event": "push",
            "redelivery": false, "duration": 0.1, "status": "OK", "status_code": 200, "action": "x",
        });
        let runner = json!({"id": 1, "name": "r", "status": "online", "busy": true});
        let entry = json!({"type": "file", "name": "ci.yml", "sha": "a", "size": 1});
        let tree_entry = json!({"name": "ci.yml", "type": "blob", "oid": "a", "size": 1});
        vec![
            (Some("runners"), runner, &["id", "name"], count::<Runners>),
            (
                Some("runner_groups"),
                json!({"id": 1, "name": "g"}),
                &["id", "name"],
                count::<RunnerGroups>,
            ),
            (Some("workflow_runs"), json!({"id": 1, "updated_at": "x"}), &["id"], count::<Runs>),
            (Some("jobs"), job, &["id", "status"], count::<Jobs>),
            (Some("repositories"), repo.clone(), &["id", "full_name"], count::<InstallationRepos>),
            (None, repo, &["id", "full_name"], count::<List<Repo>>),
            (None, installation, &["id"], count::<List<Installation>>),
            (None, entry, &["type", "name"], count::<List<Entry>>),
            (None, hook, &["id"], hooks::tests::count_hooks),
            (
                None,
                delivery,
                &["id", "guid", "delivered_at", "event"],
                hooks::tests::count_deliveries,
            ),
            (Some("entries"), tree_entry, &["name", "oid"], entries),
        ]
    }

    fn page(around: Option<&str>, list: &[String]) -> String {
        let list = format!("[{}]", list.join(","));
        around.map_or(list.clone(), |name| format!("{{\"total_count\":9,\"{name}\":{list}}}"))
    }

    /// What GitHub has sent, or could: null, other types, an empty text, numbers and texts beyond what is possible.
    const ODD: [&str; 10] =
        ["null", "7", "-1", "1e999", "\"\"", "\"x\"", "\"\\ud800\"", "[]", "[null]", "{\"a\":1}"];

    proptest! {
        /// One odd entry among good ones: the good ones are read, and the odd one counts as an entry.
        #[test]
        fn one_odd_entry_hides_no_other(
            before in 0usize..4, after in 0usize..4, odd in 0..ODD.len(), field in 0usize..4,
        ) {
            for (around, good, required, count) in lists() {
                let text = good.to_string();
                let name = required[field % required.len()];
                let mut lacking = good.clone();
                lacking.as_object_mut().unwrap().shift_remove(name);
                for bad in [ODD[odd].to_owned(), lacking.to_string(), "{}".to_owned()] {
                    let mut list = vec![text.clone(); before];
                    list.push(bad.clone());
                    list.extend(vec![text.clone(); after]);
                    prop_assert_eq!(count(&page(around, &list)), (before + after, 1), "{} {}", text, bad);
                }
            }
        }

        /// One odd field that an entry can do without: the entry is read all the same.
        #[test]
        fn one_odd_field_hides_no_entry(odd in 0..ODD.len()) {
            for (around, good, required, count) in lists() {
                for (name, value) in good.as_object().unwrap() {
                    if required.contains(&name.as_str()) {
                        continue;
                    }
                    let whole = format!("\"{name}\":{value}");
                    let text = good.to_string().replace(&whole, &format!("\"{name}\":{}", ODD[odd]));
                    prop_assert_eq!(count(&page(around, std::slice::from_ref(&text))), (1, 0), "{}", text);
                    let mut missing = good.clone();
                    missing.as_object_mut().unwrap().shift_remove(name);
                    prop_assert_eq!(count(&page(around, &[missing.to_string()])), (1, 0), "{}", name);
                }
            }
        }
    }

    #[test]
    fn a_page_without_its_list_is_no_empty_page() {
        for text in ["{}", "{\"total_count\":0}", "{\"jobs\":null}", "{\"jobs\":{}}", "[]", "null"]
        {
            assert!(serde_json::from_str::<Jobs>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<List<Repo>>("null").is_err());
    }

    #[test]
    fn a_repository_without_a_name_of_the_right_form_is_left_out_and_named() {
        let text = r#"[{"id":1,"full_name":"o/../r","private":true},{"id":2,"full_name":"o/r"}]"#;
        let list: List<Repo> = serde_json::from_str(text).unwrap();
        assert_eq!(list.entries().len(), 1);
        assert_eq!(list.odd(), ["id 1: full_name must have the form owner/repo"]);
        assert_eq!(list.entries()[0].private, None, "unsaid");
    }
}
