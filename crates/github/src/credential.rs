//! Who we are at GitHub.

use secrecy::SecretString;

use crate::app::AppKey;

/// Who we are at GitHub.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A user's token, classic or fine-grained: `GITHUB_RUNNER_TOKEN` or `GITHUB_RUNNER_TOKEN_FILE`.
    Token(SecretString),
    /// A GitHub App.
    App(AppCredential),
}

/// A GitHub App.
#[derive(Debug, Clone)]
pub struct AppCredential {
    /// `GITHUB_APP_ID`: its id or its client id.
    pub issuer: String,
    /// `GITHUB_APP_PRIVATE_KEY` or `GITHUB_APP_PRIVATE_KEY_FILE`.
    pub key: AppKey,
    /// `GITHUB_APP_INSTALLATION`: the one account (or installation id) it acts for; none means all that it is installed on.
    pub only: Option<String>,
}
