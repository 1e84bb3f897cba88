//! Space for images and containers: what is free if that can be seen, else what is used.

use std::path::Path;
use std::process::Command;

use bollard::query_parameters::{
    DataUsageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
};
use mayfly_github::checkup::Finding;

use super::engine::{Engine, said};
use super::finding::{failure, note, ok, warning};

/// Below this, an ordinary image or checkout does not fit any more.
const NONE: u64 = 1 << 30;
/// Below this, one large job can use up what is left.
const LITTLE: u64 = 10 << 30;

/// A file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    total: u64,
    free: u64,
}

/// What the engine's images and containers take, in bytes; none where it does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Used {
    images: Option<u64>,
    /// True if layers that images share were counted for each of them.
    shared_twice: bool,
    containers: Option<u64>,
}

/// Looks at where the engine keeps things.
pub(super) async fn check(engine: &Engine) -> Vec<Finding> {
    let root = engine.info.docker_root_dir.clone().unwrap_or_default();
    if engine.local && !root.is_empty() {
        let path = root.clone();
        // A file system that hangs would hold everything else up.
        let seen = tokio::task::spawn_blocking(move || space(Path::new(&path))).await;
        if let Ok(Some(seen)) = seen {
            return vec![free(&root, seen)];
        }
    }
    used(&root, usage(engine).await)
}

/// What `df` says of the file system of `path`; none where it cannot be seen.
fn space(path: &Path) -> Option<Space> {
    if !path.is_dir() {
        return None;
    }
    let output = Command::new("df").env("LC_ALL", "C").arg("-Pk").arg(path).output().ok()?;
    parse(std::str::from_utf8(&output.stdout).ok()?)
}

/// Reads the output of `df -Pk` (POSIX): size, used and available are the second to fourth column, in blocks of 1024 bytes.
fn parse(text: &str) -> Option<Space> {
    let columns: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    // The first column, a device's name, may hold blanks: the columns are found from the percentage on.
    let percent = columns.iter().position(|column| {
        column.strip_suffix('%').is_some_and(|number| number.parse::<u64>().is_ok())
    })?;
    let kilobytes = |back: usize| columns.get(percent.checked_sub(back)?)?.parse::<u64>().ok();
    let total = kilobytes(3)?.checked_mul(1024)?;
    Some(Space { total, free: kilobytes(1)?.checked_mul(1024)? })
}

async fn usage(engine: &Engine) -> Result<Used, String> {
    let options = DataUsageOptionsBuilder::default().build();
    // Engines before API 1.52 tell it in another shape, which the client library does not read.
    if let Ok(told) = engine.docker.df(Some(options)).await {
        let bytes = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok());
        let images = bytes(told.image_usage.and_then(|usage| usage.total_size));
        let containers = bytes(told.container_usage.and_then(|usage| usage.total_size));
        if images.is_some() {
            return Ok(Used { images, shared_twice: false, containers });
        }
    }
    let images = engine.docker.list_images(Some(ListImagesOptionsBuilder::default().build()));
    let sizes = ListContainersOptionsBuilder::default().all(true).size(true).build();
    let containers = engine.docker.list_containers(Some(sizes));
    let (images, containers) =
        futures::try_join!(images, containers).map_err(|error| said(&error))?;
    let sum = |sizes: &mut dyn Iterator<Item = i64>| {
        sizes.filter_map(|size| u64::try_from(size).ok()).fold(0, u64::saturating_add)
    };
    Ok(Used {
        images: Some(sum(&mut images.iter().map(|image| image.size))),
        shared_twice: true,
        containers: Some(sum(&mut containers.iter().filter_map(|one| one.size_rw))),
    })
}

fn free(root: &str, space: Space) -> Finding {
    let what = format!("{} of {} are free at {root}", size(space.free), size(space.total));
    let hint = "docker system df tells what takes space, docker system prune frees what is not used; or have a larger disk";
    match space.free {
        0..NONE => failure(what, hint),
        NONE..LITTLE => warning(what, hint),
        _ => ok(what),
    }
}

fn used(root: &str, used: Result<Used, String>) -> Vec<Finding> {
    let place = if root.is_empty() { "where the engine keeps things" } else { root };
    let unseen = note(format!(
        "how much is free at {place} cannot be seen from here; df -h {root} on the engine's machine tells",
    ));
    let taken = match used {
        Ok(Used { images: None, containers: None, .. }) => {
            note("the engine does not tell what images and containers take either")
        }
        Ok(Used { images, shared_twice, containers }) => {
            let told = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), size);
            let most =
                if shared_twice { " at most (layers that they share count for each)" } else { "" };
            ok(format!(
                "images take {}{most}, what containers wrote {}",
                told(images),
                told(containers)
            ))
        }
        Err(why) => warning(
            format!("the engine does not tell what images and containers take: {why}"),
            "look at the engine's log",
        ),
    };
    vec![unseen, taken]
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        0x4000_0000..0x100_0000_0000 => (1 << 30, "GiB"),
        _ => (1_u64 << 40, "TiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests;
