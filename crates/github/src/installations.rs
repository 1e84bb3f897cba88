//! Which account acts for a request, its token, and the installations of an App.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use mayfly_common::lenient::List;
use mayfly_common::scope::Login;
use secrecy::SecretString;

use super::budget::{Account, Priority};
use super::call::Who;
use super::client::{GitHubClient, PER_PAGE};
use super::error::GitHubError;
use super::identity::{AppIdentity, Identity, Installation, Installations, LIST_REREAD};
use super::wire;

impl GitHubClient {
    /// True if we are an App.
    pub fn is_app(&self) -> bool {
        matches!(self.identity, Identity::App(_))
    }

    /// Who pays for a request in the name of `who`.
    // Boxed with a type: finding out goes through requests, which go through here again.
    pub(super) fn account<'a>(
        &'a self,
        who: &'a Who,
    ) -> BoxFuture<'a, Result<Account, GitHubError>> {
        async move { self.find_account(who).await }.boxed()
    }

    async fn find_account(&self, who: &Who) -> Result<Account, GitHubError> {
        match (&self.identity, who) {
            (Identity::Token(_), _) => Ok(Account::User),
            (_, Who::App | Who::User) => Ok(Account::App),
            (_, Who::Installation(id)) => Ok(Account::Installation(*id)),
            (Identity::App(app), Who::Owner(owner)) => {
                let id = self.installation_of(app, owner).await?;
                Ok(Account::Installation(id))
            }
        }
    }

    /// What authorises a request of `account`.
    pub(super) fn bearer(
        &self,
        account: Account,
    ) -> BoxFuture<'_, Result<SecretString, GitHubError>> {
        async move { self.find_bearer(account).await }.boxed()
    }

    async fn find_bearer(&self, account: Account) -> Result<SecretString, GitHubError> {
        match (&self.identity, account) {
            (Identity::Token(token), _) => Ok(token.clone()),
            (Identity::App(app), Account::Installation(id)) => {
                app.tokens.get(id, self.now(), || self.installation_token(id)).await
            }
            (Identity::App(app), _) => app
                .credential
                .key
                .jwt(&app.credential.issuer, self.now())
                .map_err(|_| GitHubError::Unauthorized),
        }
    }

    async fn installation_token(&self, id: i64) -> Result<(SecretString, Timestamp), GitHubError> {
        let call = self.call(
            Who::App,
            Priority::Job,
            "/app/installations/{installation_id}/access_tokens",
            &[&id.to_string()],
            &[],
        );
        match self.post::<wire::Token>(&call, None).await {
            Ok(made) => Ok((made.token.into(), made.expires_at)),
            Err(GitHubError::Forbidden(_) | GitHubError::NotFound) => {
                Err(GitHubError::NotInstalled(format!(
                    "installation {id}: it was ended, or is suspended"
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// The installations of the App that we are to use; none for a token.
    pub async fn installations(&self) -> Result<Vec<Installation>, GitHubError> {
        Ok(self.installations_read().await?.0)
    }

    /// The same, and the number of entries of GitHub's list that could not be read.
    pub(super) async fn installations_read(
        &self,
    ) -> Result<(Vec<Installation>, usize), GitHubError> {
        let Identity::App(app) = &self.identity else { return Ok((Vec::new(), 0)) };
        let mut known = app.installations.lock().await;
        let kept = known.kept();
        self.refresh(app, &mut known, kept).await?;
        Ok((known.by_owner.values().cloned().collect(), known.unread))
    }

    /// The one account or installation that we are to act for, as `GITHUB_APP_INSTALLATION` names it.
    pub(super) fn only_installation(&self) -> Option<&str> {
        match &self.identity {
            Identity::App(app) => app.credential.only.as_deref(),
            Identity::Token(_) => None,
        }
    }

    /// Forgets the list of installations: it changed.
    pub async fn installations_changed(&self) {
        if let Identity::App(app) = &self.identity {
            app.installations.lock().await.read_at = None;
        }
    }

    /// GitHub says that an installation is suspended: the list of them is out of date. Answers with the error that it means.
    pub(super) async fn suspended(&self, id: i64) -> GitHubError {
        let unnamed =
            || GitHubError::NotInstalled(format!("an account: installation {id} is suspended"));
        let Identity::App(app) = &self.identity else { return unnamed() };
        let mut known = app.installations.lock().await;
        known.read_at = None;
        let found = known.by_owner.values().find(|installation| installation.id == id);
        found.map_or_else(unnamed, Installation::suspension)
    }

    async fn installation_of(&self, app: &AppIdentity, owner: &Login) -> Result<i64, GitHubError> {
        // Held across the request on purpose: all who need the list wait for one reading of it.
        let mut known = app.installations.lock().await;
        let kept = known.kept();
        self.refresh(app, &mut known, kept).await?;
        if !known.by_owner.contains_key(owner) {
            self.refresh(app, &mut known, LIST_REREAD).await?;
        }
        match known.by_owner.get(owner) {
            Some(found) if found.suspended => Err(found.suspension()),
            Some(found) => Ok(found.id),
            None if known.unread > 0 => Err(GitHubError::NotInstalled(format!(
                "{owner}: no installation that can be read is there, and {} cannot be read",
                known.unread
            ))),
            None => Err(GitHubError::NotInstalled(format!("{owner}: it is not installed there"))),
        }
    }

    async fn refresh(
        &self,
        app: &AppIdentity,
        known: &mut Installations,
        kept: SignedDuration,
    ) -> Result<(), GitHubError> {
        let now = self.now();
        if known.read_at.is_some_and(|read_at| now.duration_since(read_at) < kept) {
            return Ok(());
        }
        let query = [("per_page", &*PER_PAGE.to_string())];
        let call = self.call(Who::App, Priority::Demand, "/app/installations", &[], &query);
        let found = self.get_whole::<List<wire::Installation>>(call).await?;
        let used = found.items.into_iter().filter_map(|found| {
            let account = found.account?;
            let owner = Login::parse(&account.login).ok()?;
            let wanted = app.credential.only.as_ref().is_none_or(|only| {
                only.eq_ignore_ascii_case(owner.as_str()) || *only == found.id.to_string()
            });
            let installation = Installation {
                id: found.id,
                owner: owner.clone(),
                organization: account.kind == "Organization",
                suspended: found.suspended_at.is_some(),
                all_repositories: found.repository_selection != "selected",
                permissions: found.permissions,
            };
            wanted.then_some((owner, installation))
        });
        let used: BTreeMap<Login, Installation> = used.collect();
        known.unread = found.unread;
        if found.unread == 0 {
            known.by_owner.clear();
        }
        // What is missing may be what could not be read: it is as it was.
        known.by_owner.extend(used);
        known.read_at = Some(now);
        Ok(())
    }
}
