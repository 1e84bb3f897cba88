//! GitHub's JSON of hooks and deliveries: the fields we read. It is written, too: what is held for conditional requests is this.

use jiff::Timestamp;
use mayfly_common::lenient::{self, List};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::hook::{self, HookConfig, HookDelivery};
use crate::page::Page;

#[derive(Deserialize, Serialize)]
pub(super) struct Hook {
    pub(super) id: i64,
    #[serde(default, deserialize_with = "lenient::option")]
    active: Option<bool>,
    #[serde(default, deserialize_with = "lenient::texts")]
    events: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    config: Config,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Config {
    #[serde(default, deserialize_with = "lenient::option")]
    url: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    content_type: Option<String>,
    /// A text or a number.
    #[serde(default, deserialize_with = "is_set")]
    insecure_ssl: bool,
    /// Shown as asterisks; only that there is one is kept.
    #[serde(default, deserialize_with = "is_set")]
    secret: bool,
}

#[derive(Deserialize, Serialize)]
pub(super) struct App {
    #[serde(default, deserialize_with = "lenient::texts")]
    pub(super) events: Vec<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Delivery {
    id: i64,
    guid: String,
    delivered_at: Timestamp,
    event: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    redelivery: bool,
    #[serde(default, deserialize_with = "lenient::option")]
    duration: Option<f64>,
    #[serde(default, deserialize_with = "lenient::option")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    status_code: Option<i64>,
    #[serde(default, deserialize_with = "lenient::option")]
    action: Option<String>,
}

/// A page of deliveries. The next is where the cursor in its `Link` header says, and nowhere else.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Deliveries(List<Delivery>);

impl Page for Deliveries {
    type Item = Delivery;

    const NUMBERED: bool = false;

    fn list(&self) -> &List<Delivery> {
        &self.0
    }

    fn into_items(self) -> Vec<Delivery> {
        self.0.into_entries()
    }
}

impl Deliveries {
    pub(super) fn into_deliveries(self) -> impl Iterator<Item = HookDelivery> {
        self.into_items().into_iter().map(|one| HookDelivery {
            id: one.id,
            guid: one.guid,
            delivered_at: one.delivered_at,
            redelivery: one.redelivery,
            duration: one.duration.unwrap_or_default(),
            status: one.status.unwrap_or_default(),
            status_code: one
                .status_code
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or_default(),
            event: one.event,
            action: one.action,
        })
    }
}

impl Hook {
    pub(super) fn into_hook(self) -> hook::Hook {
        hook::Hook {
            id: Some(self.id),
            active: self.active,
            events: self.events,
            config: self.config.into_config(),
        }
    }
}

impl Config {
    pub(super) fn into_config(self) -> HookConfig {
        HookConfig {
            url: self.url.filter(|url| !url.is_empty()),
            // What GitHub sends where a hook does not say.
            content_type: self.content_type.unwrap_or_else(|| "form".to_owned()),
            insecure_ssl: self.insecure_ssl,
            has_secret: self.secret,
        }
    }
}

/// True if a value is there and neither empty, zero nor false.
fn is_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => false,
        Value::Bool(set) => set,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !matches!(text.as_str(), "" | "0"),
        Value::Array(_) | Value::Object(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_reads_as_it_came_and_keeps_no_secret() {
        let text = r#"{"id":1,"events":["push"],"active":true,"new":{},
            "config":{"url":"https://h/","content_type":"json","insecure_ssl":1,"secret":"********"}}"#;
        let read: Hook = serde_json::from_str(text).unwrap();
        let held = serde_json::to_string(&read).unwrap();
        assert!(!held.contains("***"), "{held}");
        let again: Hook = serde_json::from_str(&held).unwrap();
        assert_eq!(again.into_hook(), read.into_hook());
        let bare: Hook = serde_json::from_str(r#"{"id":2,"config":{"insecure_ssl":"0"}}"#).unwrap();
        let bare = bare.into_hook().config;
        assert_eq!((bare.insecure_ssl, bare.has_secret, bare.url), (false, false, None));
        assert_eq!(bare.content_type, "form");
    }
}
