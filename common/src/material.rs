//! What a pool's runners are made from.

use std::sync::Arc;

use crate::pool::{DockerMode, Isolation};

/// What runner containers are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// The image.
    pub image: String,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// The confinement.
    pub profile: Profile,
    /// All that a runner is made from, in short: another text means another make.
    pub fingerprint: String,
}

impl Material {
    /// All images that it takes.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let engine = self.profile.engine.as_ref();
        std::iter::once(&*self.image).chain(engine.map(|engine| &*engine.image))
    }
}

/// What every runner container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Memory, swap included, in bytes.
    pub memory: i64,
    /// Processors, in billionths of one.
    pub nano_cpus: i64,
    /// Most processes and threads.
    pub pids: i64,
    /// How tightly it is confined.
    pub isolation: Isolation,
    /// The system calls it may make, as Docker reads them (a seccomp profile in JSON); none means the engine's own filter.
    pub seccomp: Option<Arc<str>>,
    /// The Docker engine of its own, if it has one.
    pub engine: Option<Engine>,
}

impl Profile {
    /// How many containers a runner is, each with the limits above.
    pub fn containers(&self) -> i64 {
        if self.engine.is_some() { 2 } else { 1 }
    }
}

/// A Docker engine for one runner: a container beside it, with the same limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its image, made in the manner of Docker's official one: `dockerd-entrypoint.sh` starts the daemon and takes its options.
    pub image: String,
    /// True if its container is privileged. If not, it has all capabilities but `SYS_RESOURCE`, and no seccomp filter.
    pub privileged: bool,
}

impl Engine {
    /// What a runner of a pool with this `mode` has.
    pub fn of(&self, mode: DockerMode) -> Option<Self> {
        (mode == DockerMode::Dind).then(|| self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_with_an_engine_is_two_containers_of_two_images() {
        let engine = Engine { image: "dind".to_owned(), privileged: true };
        let mut material = Material {
            image: "runner".to_owned(),
            command: None,
            profile: Profile {
                memory: 1,
                nano_cpus: 2,
                pids: 3,
                isolation: Isolation::Strict,
                seccomp: None,
                engine: None,
            },
            fingerprint: String::new(),
        };
        assert_eq!(material.profile.containers(), 1);
        assert_eq!(material.images().collect::<Vec<_>>(), ["runner"]);
        material.profile.engine = engine.of(DockerMode::Dind);
        assert_eq!(material.profile.engine, Some(engine.clone()));
        assert_eq!(material.profile.containers(), 2);
        assert_eq!(material.images().collect::<Vec<_>>(), ["runner", "dind"]);
        assert_eq!(engine.of(DockerMode::None), None);
    }
}
