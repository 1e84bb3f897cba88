//! Workflow files, many repositories at a time: first the folders, which hold a version of every file, then only the files
//! whose version nobody has read yet.
//!
//! GraphQL reads a hundred folders or files for one point; where it is refused or in trouble, REST reads them one by one
//! ("Repository contents"). So it is with a file that a folder has and GraphQL says nothing of. Facts on limits are from "Rate limits and query limits for the GraphQL API".

mod question;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::SignedDuration;
use mayfly_common::lenient::List;
use mayfly_common::repository::{FileText, FileVersion, Folder};
use mayfly_common::scope::RepoSlug;
use serde_json::{Map, Value};
use tracing::warn;

use self::question::is_yaml;
use super::budget::{Account, Priority};
use super::call::{Call, Who};
use super::client::GitHubClient;
use super::error::GitHubError;
use super::graphql::Answered;
use super::wire;

/// Repositories or files of one question.
const BATCH: usize = 100;
/// Bytes of files of one question: GitHub ends a question that takes longer than ten seconds.
const BATCH_BYTES: u64 = 1 << 20;
/// Questions under way at a time.
const QUESTIONS: usize = 3;
/// REST requests under way at a time where GraphQL is refused.
const SINGLE: usize = 8;
/// Larger files are not read: GitHub gives the content of up to 1 MB ("Get repository content").
const MAX_FILE: u64 = 1 << 20;
/// How long GraphQL is not asked after it refused.
const REFUSED: SignedDuration = SignedDuration::from_hours(1);
/// How long it is not asked after it was in trouble.
const TROUBLED: SignedDuration = SignedDuration::from_mins(10);

/// What was read of each thing asked for.
pub(super) type Read<I, F> = Vec<(I, Result<F, GitHubError>)>;

/// Something that can be asked for together with others, or alone by REST.
trait Wanted: Sized + Send + Sync {
    type Found: Send;

    fn repo(&self) -> &RepoSlug;

    /// Its size in bytes, as far as it matters.
    fn weight(&self) -> u64;

    fn document(items: &[Self]) -> (String, Map<String, Value>);

    /// What was answered for the item at `index`.
    fn answer(index: usize, answered: &Answered) -> Result<Self::Found, GitHubError>;

    /// True if the answer is that there is no such thing, though GitHub listed it a moment ago: REST is asked, too.
    fn is_in_doubt(found: &Result<Self::Found, GitHubError>) -> bool;

    fn by_rest<'a>(
        &'a self,
        client: &'a GitHubClient,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Self::Found, GitHubError>>;
}

impl GitHubClient {
    /// The workflow folders of `repos`. [`GitHubError::NotFound`]: the repository is gone, or not shown to us.
    pub async fn workflow_folders(
        &self,
        repos: Vec<RepoSlug>,
        priority: Priority,
    ) -> Read<RepoSlug, Folder> {
        self.in_batches(repos, priority).await
    }

    /// The workflow folder of one repository, by REST. One that is not there has no files; so it is with a repository.
    pub async fn workflow_folder(
        &self,
        repo: &RepoSlug,
        priority: Priority,
    ) -> Result<Folder, GitHubError> {
        self.folder_by_rest(repo, priority).await
    }

    /// The texts of files.
    pub async fn workflow_texts(
        &self,
        files: Vec<(RepoSlug, FileVersion)>,
        priority: Priority,
    ) -> Read<(RepoSlug, FileVersion), FileText> {
        let (large, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, file)| file.size > MAX_FILE);
        let mut read = self.in_batches(files, priority).await;
        read.extend(large.into_iter().map(|wanted| (wanted, Ok(FileText::NoText))));
        read
    }

    /// Asks for `items`, as many in one question as may be, per account.
    async fn in_batches<W: Wanted>(&self, items: Vec<W>, priority: Priority) -> Read<W, W::Found> {
        let mut read = Vec::new();
        let mut by_account: BTreeMap<Account, Vec<W>> = BTreeMap::new();
        for item in items {
            let who = Who::Owner(item.repo().owner().clone());
            match self.account(&who).await {
                Ok(account) => by_account.entry(account).or_default().push(item),
                Err(error) => read.push((item, Err(error))),
            }
        }
        let mut batches = Vec::new();
        for (account, items) in by_account {
            batches.extend(packed(items).into_iter().map(|batch| (account, batch)));
        }
        let asked = batches
            .into_iter()
            .map(|(account, batch)| self.batch(account, batch, priority).boxed());
        let mut results = stream::iter(asked).buffer_unordered(QUESTIONS);
        while let Some(found) = results.next().await {
            read.extend(found);
        }
        read
    }

    /// Asks one question. One that GitHub cannot answer is tried in halves, then given up for REST.
    async fn batch<W: Wanted>(
        &self,
        account: Account,
        items: Vec<W>,
        priority: Priority,
    ) -> Read<W, W::Found> {
        let mut read = Vec::new();
        let mut waiting = vec![(items, false)];
        while let Some((mut items, halved)) = waiting.pop() {
            let Some(first) = items.first() else { continue };
            if !self.graphql_open(account) {
                read.extend(self.one_by_one(items, priority).await);
                continue;
            }
            let who = Who::Owner(first.repo().owner().clone());
            let (document, variables) = W::document(&items);
            match self.ask(who, priority, &document, variables).await {
                Ok(answered) => {
                    let found = (0..items.len()).map(|index| W::answer(index, &answered));
                    let found: Vec<_> = found.collect();
                    let found = items.into_iter().zip(found);
                    let (doubtful, sure): (Vec<_>, Vec<_>) =
                        found.partition(|(_, found)| W::is_in_doubt(found));
                    read.extend(sure);
                    let doubtful = doubtful.into_iter().map(|(item, _)| item).collect();
                    read.extend(self.one_by_one(doubtful, priority).await);
                }
                Err(error) => match (verdict(&error), items.len()) {
                    (Verdict::Wait, _) => {
                        read.extend(items.into_iter().map(|item| (item, Err(error.clone()))));
                    }
                    (Verdict::Trouble, 2..) if !halved => {
                        let half = items.split_off(items.len() / 2);
                        waiting.extend([(items, true), (half, true)]);
                    }
                    (verdict, _) => {
                        let wait = if verdict == Verdict::Refused { REFUSED } else { TROUBLED };
                        warn!(account = %account, minutes = wait.as_mins(), "workflows are read one by one for a while, as GraphQL does not answer: {error}");
                        self.close_graphql(account, wait);
                        waiting.push((items, halved));
                    }
                },
            }
        }
        read
    }

    async fn one_by_one<W: Wanted>(&self, items: Vec<W>, priority: Priority) -> Read<W, W::Found> {
        let asked = items.into_iter().map(|item| {
            async move {
                let found = item.by_rest(self, priority).await;
                (item, found)
            }
            .boxed()
        });
        stream::iter(asked).buffer_unordered(SINGLE).collect().await
    }

    fn graphql_open(&self, account: Account) -> bool {
        let closed =
            self.no_graphql_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        closed.get(&account).is_none_or(|until| self.now() >= *until)
    }

    fn close_graphql(&self, account: Account, wait: SignedDuration) {
        let until = self.now().saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
        let mut closed =
            self.no_graphql_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        closed.insert(account, until);
    }

    pub(super) async fn folder_by_rest(
        &self,
        repo: &RepoSlug,
        priority: Priority,
    ) -> Result<Folder, GitHubError> {
        let entries: List<wire::Entry> = match self.get(&self.contents(repo, None, priority)).await
        {
            Ok(entries) => entries,
            // No such folder, or an empty repository.
            Err(GitHubError::NotFound) => return Ok(Folder::default()),
            Err(error) => return Err(error),
        };
        let odd = entries.odd().to_vec();
        let files = entries.into_entries().into_iter();
        let files = files.filter(|entry| entry.kind == "file" && is_yaml(&entry.name));
        let version =
            |entry: wire::Entry| FileVersion { name: entry.name, oid: entry.sha, size: entry.size };
        Ok(Folder { files: files.map(version).collect(), odd, ..Folder::default() })
    }

    async fn text_by_rest(
        &self,
        repo: &RepoSlug,
        file: &FileVersion,
        priority: Priority,
    ) -> Result<FileText, GitHubError> {
        self.text_of(&self.contents(repo, Some(&file.name), priority)).await
    }

    /// The text of the file at `path`, as it was at the commit `sha`.
    pub async fn text_at(
        &self,
        repo: &RepoSlug,
        path: &str,
        sha: &str,
    ) -> Result<FileText, GitHubError> {
        let values = [repo.owner().as_str(), repo.name()].into_iter().chain(path.split('/'));
        let values: Vec<&str> = values.collect();
        let who = Who::Owner(repo.owner().clone());
        let route = "/repos/{owner}/{repo}/contents/{path}";
        self.text_of(&self.call(who, Priority::Demand, route, &values, &[("ref", sha)])).await
    }

    async fn text_of(&self, call: &Call) -> Result<FileText, GitHubError> {
        let found: wire::File = match self.get(call).await {
            Err(GitHubError::NotFound) => return Ok(FileText::Missing),
            outcome => outcome?,
        };
        let bytes = match found.encoding.as_str() {
            "base64" => {
                STANDARD.decode(found.content.split_ascii_whitespace().collect::<String>()).ok()
            }
            _ => None,
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.map_or(FileText::NoText, FileText::Read))
    }

    fn contents(&self, repo: &RepoSlug, file: Option<&str>, priority: Priority) -> Call {
        let mut values = vec![repo.owner().as_str(), repo.name(), ".github", "workflows"];
        values.extend(file);
        let who = Who::Owner(repo.owner().clone());
        self.call(who, priority, "/repos/{owner}/{repo}/contents/{path}", &values, &[])
    }
}

/// What an error says about asking GraphQL on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// REST would not fare better.
    Wait,
    /// It may be the size of the question.
    Trouble,
    /// GraphQL is not for us.
    Refused,
}

fn verdict(error: &GitHubError) -> Verdict {
    match error {
        GitHubError::Server(_) | GitHubError::Malformed(_) => Verdict::Trouble,
        GitHubError::Forbidden(_)
        | GitHubError::NotFound
        | GitHubError::Invalid(_)
        | GitHubError::Conflict(_) => Verdict::Refused,
        _ => Verdict::Wait,
    }
}

/// Puts items together up to the bounds of a question.
fn packed<W: Wanted>(items: Vec<W>) -> Vec<Vec<W>> {
    let mut batches: Vec<Vec<W>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let weight = item.weight();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + weight <= BATCH_BYTES => {
                bytes += weight;
                batch.push(item);
            }
            _ => {
                bytes = weight;
                batches.push(vec![item]);
            }
        }
    }
    batches
}
