//! GitHub's JSON: only the fields we read, everything else ignored, so that a new field or value breaks nothing. It is written,
//! too: what is held for conditional requests is exactly this.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::page::Page;

/// Pages that are an object around the list, with the whole list's length.
macro_rules! pages {
    ($($page:ident { $field:ident: $item:ty })*) => {$(
        #[derive(Deserialize, Serialize)]
        pub(super) struct $page {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            total_count: Option<u64>,
            $field: Vec<$item>,
        }

        impl Page for $page {
            type Item = $item;

            fn total(&self) -> Option<u64> {
                self.total_count
            }

            fn len(&self) -> usize {
                self.$field.len()
            }

            fn into_items(self) -> Vec<$item> {
                self.$field
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
    pub(super) status: String,
    pub(super) busy: bool,
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
    #[serde(default)]
    pub(super) account: Option<Account>,
    #[serde(default)]
    pub(super) suspended_at: Option<String>,
    #[serde(default)]
    pub(super) repository_selection: String,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Account {
    // An enterprise has none.
    #[serde(default)]
    pub(super) login: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a field of GitHub's answer")]
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Repo {
    pub(super) id: i64,
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) private: bool,
    #[serde(default)]
    pub(super) fork: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) pushed_at: Option<String>,
}

/// An entry of a folder.
#[derive(Deserialize, Serialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) sha: String,
    #[serde(default)]
    pub(super) size: u64,
}

/// A file with its content.
#[derive(Deserialize, Serialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) encoding: String,
    #[serde(default)]
    pub(super) content: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Run {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Job {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) conclusion: Option<String>,
    #[serde(default)]
    pub(super) completed_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) runner_name: Option<String>,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) started_at: Option<Timestamp>,
}

/// What GraphQL says of a repository.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FolderOf {
    pub(super) database_id: Option<i64>,
    pub(super) name_with_owner: String,
    pub(super) object: Option<Tree>,
}

/// A folder; anything else has no entries.
#[derive(Deserialize)]
pub(super) struct Tree {
    #[serde(default)]
    pub(super) entries: Vec<TreeEntry>,
}

#[derive(Deserialize)]
pub(super) struct TreeEntry {
    pub(super) name: String,
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    pub(super) oid: String,
    #[serde(default)]
    pub(super) size: u64,
}

/// A file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) text: Option<String>,
}
