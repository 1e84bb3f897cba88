//! Registers runners at GitHub: in advance, with a just-in-time configuration, or with a token with which the image does so itself. Which
//! of the two follows from the templates of the runner's variables.

use std::sync::Arc;

use mayfly_common::registration::RunnerId;
use mayfly_github::{GitHubClient, GitHubError};
use mayfly_planner::Launch;
use mayfly_settings::Registration;
use secrecy::SecretString;

/// Registers runners.
pub(super) struct Registrar {
    github: Arc<GitHubClient>,
}

/// What gets one runner to GitHub, once.
pub(super) struct Credentials {
    /// The id of its registration; none if it registers itself.
    pub(super) id: Option<RunnerId>,
    /// The placeholder in templates that the secret stands for.
    pub(super) placeholder: &'static str,
    /// The just-in-time configuration, or the token.
    pub(super) secret: SecretString,
}

impl Registrar {
    /// Registers at the GitHub of this client.
    pub(super) fn new(github: Arc<GitHubClient>) -> Self {
        Self { github }
    }

    /// Registers a runner, or has it do so itself.
    ///
    /// Errors: GitHub refuses, or cannot be asked.
    pub(super) async fn register(
        &self,
        launch: &Launch,
        how: Registration,
    ) -> Result<Credentials, GitHubError> {
        match how {
            Registration::Jit => {
                let (scope, name) = (&launch.scope, &launch.name);
                let group = launch.group.as_deref();
                let jit = self.github.jit_config(scope, name, &launch.labels, group).await?;
                Ok(Credentials { id: Some(jit.id), placeholder: "jit_config", secret: jit.config })
            }
            Registration::Token => {
                let secret = self.github.registration_token(&launch.scope).await?;
                Ok(Credentials { id: None, placeholder: "registration_token", secret })
            }
        }
    }
}
