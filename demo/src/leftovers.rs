//! What demos left on the engine that were killed. A demo's image says which process it belongs to; it is made first and removed last,
//! and all else carries the demo's name.
//!
//! Invariant: what belongs to a process that may live is not touched.

use std::collections::{BTreeMap, HashMap};

use bollard::Docker;
use bollard::query_parameters::ListImagesOptionsBuilder;

use super::owner::{EnginePlace, Fate, Owner};

/// Marks an image as a demo's: its value is the demo's name.
pub(super) const DEMO: &str = "dev.mayfly.demo";
/// The process that the demo belongs to.
pub(super) const OWNER: &str = "dev.mayfly.demo.owner";

/// The demos whose process is gone.
pub(super) async fn abandoned(
    docker: &Docker,
    this: &Owner,
    place: EnginePlace,
) -> Result<Vec<String>, bollard::errors::Error> {
    let filters = HashMap::from([("label".to_owned(), vec![DEMO.to_owned()])]);
    let options = ListImagesOptionsBuilder::default().all(true).filters(&filters).build();
    let images = docker.list_images(Some(options)).await?;
    Ok(judge(images.into_iter().map(|image| image.labels), this, place))
}

/// The demos that these labels name and whose process is gone. One of which anything says otherwise is left alone.
fn judge(
    labels: impl Iterator<Item = HashMap<String, String>>,
    this: &Owner,
    place: EnginePlace,
) -> Vec<String> {
    let mut gone: BTreeMap<String, bool> = BTreeMap::new();
    for labels in labels {
        let Some(demo) = labels.get(DEMO) else { continue };
        let owner = labels.get(OWNER).and_then(|text| Owner::parse(text));
        let is_gone = owner.is_some_and(|owner| owner.fate(this, place) == Fate::Gone);
        *gone.entry(demo.clone()).or_insert(true) &= is_gone;
    }
    // No installation that a person named is touched, whatever its labels say.
    let is_ours = |demo: &String| demo.strip_prefix("demo-").is_some_and(|rest| rest.len() == 6);
    gone.into_iter().filter(|(demo, gone)| *gone && is_ours(demo)).map(|(demo, _)| demo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_demos_whose_process_is_gone_are_abandoned() {
        let this = Owner::this_process().unwrap();
        let alive = this.to_string();
        // No process has this number (`/proc/sys/kernel/pid_max` is at most 2^22).
        let mut parts: Vec<String> = alive.split('/').map(str::to_owned).collect();
        parts[3] = "4194305".to_owned();
        let gone = parts.join("/");
        let rows = [
            ("demo-aaaaaa", Some(&*alive)),
            ("demo-bbbbbb", Some(&*gone)),
            ("demo-bbbbbb", Some(&*gone)),
            // Its image says otherwise.
            ("demo-cccccc", Some(&*gone)),
            ("demo-cccccc", Some(&*alive)),
            ("demo-dddddd", None),
            ("demo-eeeeee", Some("nonsense")),
            ("production", Some(&*gone)),
            ("demo-fffff", Some(&*gone)),
            ("demo-ggggggg", Some(&*gone)),
        ];
        let labels = rows.into_iter().map(|(demo, owner)| {
            let owner = owner.map(|owner| (OWNER.to_owned(), owner.to_owned()));
            [(DEMO.to_owned(), demo.to_owned())].into_iter().chain(owner).collect()
        });
        assert_eq!(judge(labels, &this, EnginePlace::ThisMachine), ["demo-bbbbbb"]);
    }
}
