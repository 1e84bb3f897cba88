//! The runners' image: there, young enough, and made for this engine.

use bollard::models::ImageInspect;
use jiff::{SignedDuration, Timestamp};
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_common::pool::PullPolicy;
use mayfly_github::checkup::Finding;

use super::engine::{Engine, said, status};
use super::finding::{failure, note, ok, warning};

/// GitHub sends no jobs to a runner that is older than this by a release (docs: "Self-hosted runners reference", "Runner
/// software updates").
const OLD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Before this, a date of an image is one that a reproducible build put there.
const FIRST: i64 = 1_363_000_000;

/// Looks at `image` on the engine.
pub(super) async fn check(engine: &Engine, image: &str, pull: PullPolicy) -> Vec<Finding> {
    match engine.docker.inspect_image(image).await {
        Ok(found) => {
            let engine = (engine.version.os.as_deref(), engine.version.arch.as_deref());
            judge(image, &found, pull, engine, SystemClock.now())
        }
        Err(error) if status(&error) == Some(404) => vec![absent(image, pull)],
        Err(error) => vec![failure(
            format!("the engine does not tell about the image {image}: {}", said(&error)),
            "look at RUNNER_IMAGE and at the engine's log",
        )],
    }
}

fn absent(image: &str, pull: PullPolicy) -> Finding {
    match pull {
        PullPolicy::Never => failure(
            format!("the image {image} is not on the engine, and RUNNER_PULL_POLICY=never"),
            format!("docker pull {image}, or build it, or set RUNNER_PULL_POLICY=missing"),
        ),
        PullPolicy::Missing | PullPolicy::Always => note(format!(
            "the image {image} is not on the engine yet; it is pulled before the first runner starts, without credentials for its registry"
        )),
    }
}

/// `engine`: its operating system and its architecture, as image names have them.
fn judge(
    image: &str,
    found: &ImageInspect,
    pull: PullPolicy,
    engine: (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Vec<Finding> {
    vec![presence(image, found), age(image, found, pull, now), platform(found, engine)]
}

fn presence(image: &str, found: &ImageInspect) -> Finding {
    let digest = found.repo_digests.iter().flatten().find_map(|name| name.split_once('@'));
    let digest = digest.map_or_else(
        || format!("no digest: it was not pulled; id {}", found.id.as_deref().unwrap_or("unknown")),
        |(_, digest)| format!("digest {digest}"),
    );
    ok(format!("the image {image} is on the engine ({digest})"))
}

fn age(image: &str, found: &ImageInspect, pull: PullPolicy, now: Timestamp) -> Finding {
    let created = found.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(created) = created.filter(|created| created.as_second() >= FIRST) else {
        return note(
            "the image does not tell when it was made; GitHub refuses runners of old versions",
        );
    };
    let age = now.duration_since(created);
    let days = (age.as_hours() / 24).max(0);
    let what = format!("the image was made {}", ago(days));
    if age <= OLD {
        return ok(what);
    }
    let hint = match pull {
        PullPolicy::Always => {
            "GitHub refuses runners of old versions: name a newer tag in RUNNER_IMAGE, if pulling this one brings none".to_owned()
        }
        PullPolicy::Missing | PullPolicy::Never => format!(
            "GitHub refuses runners of old versions: docker pull {image} (or build it anew), or name a newer tag in RUNNER_IMAGE"
        ),
    };
    warning(what, hint)
}

fn ago(days: i64) -> String {
    match days {
        0 => "less than a day ago".to_owned(),
        1 => "a day ago".to_owned(),
        _ => format!("{days} days ago"),
    }
}

fn platform(found: &ImageInspect, (os, architecture): (Option<&str>, Option<&str>)) -> Finding {
    let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let image = told(found.os.as_deref()).zip(told(found.architecture.as_deref()));
    let engine = told(os).zip(told(architecture));
    let (Some(image), Some(engine)) = (image, engine) else {
        return note("whether the image's platform is the engine's cannot be told");
    };
    let named = |(os, architecture): &(String, String)| format!("{os}/{architecture}");
    let (image, engine) = (named(&image), named(&engine));
    let both = format!("the image is for {image}, the engine is {engine}");
    match (&*image, &*engine) {
        (image, engine) if image == engine => {
            ok(format!("the image is for {engine}, as the engine is"))
        }
        // Most such processors run it; not all do.
        ("linux/386", "linux/amd64") | ("linux/arm", "linux/arm64") => {
            warning(both, "such a processor usually runs it, but an image of its own kind is safer")
        }
        _ => failure(both, format!("have RUNNER_IMAGE name an image for {engine}")),
    }
}

#[cfg(test)]
mod tests;
