//! Who we are at GitHub: a user's token, or an App that acts through its installations. What is asked of GitHub for that is in
//! `installations`.
//!
//! Invariants: tokens are opaque; an installation's token is made once for all who need it and renewed before it ends; which
//! installation acts for an account is asked again after ten minutes, or after one where none is known or one is suspended.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::Login;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::app::InstallationTokens;
use super::budget::Account;
use super::error::GitHubError;
use crate::credential::{AppCredential, Credential};

/// How long the list of installations is good for.
const LIST_KEPT: SignedDuration = SignedDuration::from_mins(10);
/// The shorter time after which it is read again where an account is missing or suspended: that may have ended.
pub(super) const LIST_REREAD: SignedDuration = SignedDuration::from_secs(60);

/// The credential, and what was made of it.
pub(super) enum Identity {
    /// A user's token.
    Token(SecretString),
    /// An App.
    App(Box<AppIdentity>),
}

/// An App and its installations.
pub(super) struct AppIdentity {
    pub(super) credential: AppCredential,
    pub(super) tokens: InstallationTokens,
    pub(super) installations: Mutex<Installations>,
}

/// The installations, by the account they are on.
#[derive(Default)]
pub(super) struct Installations {
    pub(super) read_at: Option<Timestamp>,
    pub(super) by_owner: BTreeMap<Login, Installation>,
    /// Number of entries of the list that could not be read.
    pub(super) unread: usize,
}

impl Installations {
    /// The time for which the list is good.
    pub(super) fn kept(&self) -> SignedDuration {
        let suspended = self.by_owner.values().any(|installation| installation.suspended);
        if suspended { LIST_REREAD } else { LIST_KEPT }
    }
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// GitHub's id.
    pub id: i64,
    /// The account it is on.
    pub owner: Login,
    /// True if that account is an organisation.
    pub organization: bool,
    /// True if it is suspended: then nothing can be done there.
    pub suspended: bool,
    /// Whether it has all repositories of the account, or only those that were selected.
    pub all_repositories: bool,
    /// What it may do: permissions by GitHub's names, each with `read`, `write` or `admin`.
    pub permissions: BTreeMap<String, String>,
}

impl Installation {
    /// Why nothing can be done there while it is suspended.
    pub fn suspension(&self) -> GitHubError {
        GitHubError::NotInstalled(format!("{}: installation {} is suspended", self.owner, self.id))
    }
}

impl Identity {
    pub(super) fn new(credential: Credential) -> Self {
        match credential {
            Credential::Token(token) => Self::Token(token),
            Credential::App(credential) => Self::App(Box::new(AppIdentity {
                credential,
                tokens: InstallationTokens::default(),
                installations: Mutex::default(),
            })),
        }
    }

    /// After a 401: whether another token can be had. `clock_differs`: GitHub's clock turned out to be another than thought.
    pub(super) async fn renew(&self, account: Account, clock_differs: bool) -> bool {
        match (self, account) {
            (Self::App(app), Account::Installation(id)) => {
                app.tokens.forget(id).await;
                true
            }
            (Self::App(_), Account::App) => clock_differs,
            _ => false,
        }
    }
}
