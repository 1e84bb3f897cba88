//! What is known of each scope, and made or asked for once.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use mayfly_common::scope::Scope;
use secrecy::SecretString;
use tokio::sync::Mutex;

/// Registration tokens by scope, each with when it ends.
pub(super) type Tokens = ByScope<Option<(SecretString, Timestamp)>>;

/// Ids of an organisation's or enterprise's runner groups, by lower-case name.
pub(super) type Groups = ByScope<HashMap<String, i64>>;

/// What is known of each scope. One for which GitHub does not answer holds no other up.
#[derive(Default)]
pub(super) struct ByScope<T>(Mutex<HashMap<Scope, Arc<Mutex<T>>>>);

impl<T: Default> ByScope<T> {
    pub(super) async fn of(&self, scope: &Scope) -> Arc<Mutex<T>> {
        Arc::clone(self.0.lock().await.entry(scope.clone()).or_default())
    }
}
