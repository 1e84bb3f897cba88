//! The configured backends, by name. What one of them does not answer blinds the platform for its own machines only.

mod images;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use mayfly_backend::bounded::{Bounded, Contact, Seen};
use mayfly_backend::{Backend, BackendError, Cleared};
use mayfly_common::clock::Clock;
use mayfly_common::identity::BackendName;
use mayfly_common::machine::{Machine, Phase};
use mayfly_planner::{BackendCaps, ImageKey, ImageSeen};
use mayfly_settings::pool::Pool;
use tokio::sync::{Notify, OnceCell};

pub(crate) use self::images::{Images, Wanted};
use crate::tasks::Tasks;

/// How long a pass waits for the list of a backend that did not answer before, where it has others to look at. Until then it may have
/// taken its time.
const SILENT_LIST: Duration = Duration::from_secs(2);

/// A backend, as wiring hands it in.
pub struct Configured {
    /// What makes the machines.
    pub backend: Arc<dyn Backend>,
    /// What all its machines together may use; none for the backend `docker`, which has what `MAX_RUNNERS` and its kin say.
    pub caps: Option<BackendCaps>,
}

/// All backends. One of them is `docker`, whose engine gives the installation its id.
pub(crate) struct Backends {
    /// What the backend `docker` said of the installation, once.
    installation: OnceCell<String>,
    docker: One,
    others: BTreeMap<BackendName, One>,
}

/// What passes, readers and actions use of one backend: each has its own bounds.
pub(crate) struct One {
    pub(crate) name: BackendName,
    /// For the questions of passes.
    pub(crate) passes: Arc<Bounded>,
    /// For questions beside passes.
    pub(crate) readers: Arc<Bounded>,
    /// For what actions do.
    pub(crate) actions: Arc<Bounded>,
    /// Its images.
    pub(crate) images: Arc<Images>,
    contact: Arc<Contact>,
    caps: Option<BackendCaps>,
}

/// What the backends listed.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// All machines, those of a silent backend as they were last seen, in a phase that nobody knows.
    pub(crate) machines: Vec<Machine>,
    /// The backends that could not list theirs, each with the reason.
    pub(crate) unreachable: BTreeMap<BackendName, String>,
}

impl One {
    fn new(
        name: BackendName,
        Configured { backend, caps }: &Configured,
        (clock, nudge, tasks): (&Arc<dyn Clock>, &Arc<Notify>, &Tasks),
    ) -> Self {
        let contact = Arc::new(Contact::new(Arc::clone(clock)));
        let bounded = |new: fn(Arc<dyn Backend>, Arc<Contact>) -> Bounded| {
            Arc::new(new(Arc::clone(backend), Arc::clone(&contact)))
        };
        Self {
            name,
            passes: bounded(Bounded::for_passes),
            readers: bounded(Bounded::for_readers),
            actions: bounded(Bounded::for_actions),
            images: Arc::new(Images::new(Arc::clone(nudge), tasks.clone())),
            contact,
            caps: caps.clone(),
        }
    }

    fn title(&self) -> &'static str {
        self.passes.capabilities().title
    }

    /// Its list, which is no proof that machines are gone if none is left in it and one of those `known` is there.
    async fn list(&self, known: &[Machine]) -> Result<Vec<Machine>, BackendError> {
        let listed = self.passes.list().await?;
        for machine in known.iter().filter(|_| listed.is_empty()) {
            if self.passes.get(&machine.reference()).await?.is_some() {
                let name = &machine.name;
                let why = format!("it lists no machine, and {name} is there");
                return Err(BackendError::unreachable(self.title(), why));
            }
        }
        Ok(listed)
    }

    /// The same; where it has not answered before, it gets little time.
    async fn list_soon(&self, known: &[Machine]) -> Result<Vec<Machine>, BackendError> {
        if self.contact.seen().silent.is_none() {
            return self.list(known).await;
        }
        let late = |_| {
            let seconds = SILENT_LIST.as_secs();
            Err(BackendError::unreachable(self.title(), format!("no list within {seconds} s")))
        };
        tokio::time::timeout(SILENT_LIST, self.list(known)).await.unwrap_or_else(late)
    }
}

impl Backends {
    pub(crate) fn new(
        docker: &Configured,
        others: &BTreeMap<BackendName, Configured>,
        (clock, nudge, tasks): (&Arc<dyn Clock>, &Arc<Notify>, &Tasks),
    ) -> Self {
        let one = |name: &BackendName, configured: &Configured| {
            One::new(name.clone(), configured, (clock, nudge, tasks))
        };
        Self {
            installation: OnceCell::new(),
            docker: one(&BackendName::default(), docker),
            others: others.iter().map(|(name, other)| (name.clone(), one(name, other))).collect(),
        }
    }

    /// The backend `docker`.
    pub(crate) fn docker(&self) -> &One {
        &self.docker
    }

    /// All of them, `docker` first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &One> {
        std::iter::once(&self.docker).chain(self.others.values())
    }

    /// The one of this name.
    ///
    /// Errors: none is configured under it, as for a machine that an earlier configuration made.
    pub(crate) fn of(&self, name: &BackendName) -> Result<&One, BackendError> {
        self.all().find(|one| one.name == *name).ok_or_else(|| {
            BackendError::unreachable("The backend", format!("none is called {name}"))
        })
    }

    /// A pass begins.
    pub(crate) fn begin_pass(&self) {
        self.all().for_each(|one| one.passes.begin_pass());
    }

    /// The installation whose machines these are: it is asked for once.
    ///
    /// Errors: the backend `docker` never answered yet.
    pub(crate) async fn installation(&self) -> Result<String, BackendError> {
        self.installation.get_or_try_init(|| self.docker.passes.installation()).await.cloned()
    }

    /// The lists of all backends, asked side by side. `known`: what each listed last; it is brought up to date.
    ///
    /// Errors: none of them can list.
    pub(crate) async fn list(
        &self,
        known: &mut BTreeMap<BackendName, Vec<Machine>>,
    ) -> Result<Listed, BackendError> {
        let last = |one: &One| known.get(&one.name).map_or(&[][..], Vec::as_slice);
        let alone = self.others.is_empty();
        let lists = self.all().map(async |one: &One| {
            let last = last(one);
            let listed = if alone { one.list(last).await } else { one.list_soon(last).await };
            (one, listed)
        });
        let mut listed = Listed::default();
        let mut failed = None;
        for (one, list) in join_all(lists).await {
            match list {
                Ok(machines) => {
                    listed.machines.extend(machines.iter().cloned());
                    known.insert(one.name.clone(), machines);
                }
                Err(error) => {
                    listed.unreachable.insert(one.name.clone(), error.to_string());
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) if listed.unreachable.len() == self.all().count() => return Err(error),
            _ => {}
        }
        for (name, why) in &listed.unreachable {
            let last = known.get(name).into_iter().flatten().cloned();
            listed.machines.extend(last.map(|machine| unseen(machine, why)));
        }
        Ok(listed)
    }

    /// Removes what is left of the installation everywhere.
    ///
    /// Errors: one of them cannot be asked.
    pub(crate) async fn clear(&self) -> Result<Cleared, BackendError> {
        let mut all = Cleared::default();
        for one in self.all() {
            let Cleared { removed, left } = one.passes.clear().await?;
            all.removed.extend(removed);
            all.left.extend(left);
        }
        Ok(all)
    }

    /// What is wrong with any of them and keeps no runner from starting.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.all().flat_map(|one| one.passes.problems()).collect()
    }

    /// Says in words if a pool can use all images of its runners.
    pub(crate) fn image_state(&self, pool: &Pool) -> String {
        let describe = |one: &One| one.images.describe_all(pool.material.images(), pool.pull);
        self.of(&pool.spec.backend).map_or_else(|error| error.to_string(), describe)
    }

    /// How all images that pools use stand. A backend that turns out not to answer is noted among those that do not.
    pub(crate) async fn look_at_images(
        &self,
        mut wanted: BTreeMap<BackendName, BTreeMap<String, Wanted>>,
        unreachable: &mut BTreeMap<BackendName, String>,
        now: Timestamp,
    ) -> Result<BTreeMap<ImageKey, ImageSeen>, BackendError> {
        let mut seen = BTreeMap::new();
        let mut failed = None;
        for one in self.all() {
            let wanted = wanted.remove(&one.name).unwrap_or_default();
            if unreachable.contains_key(&one.name) {
                continue;
            }
            match one.images.look(&*one.passes, &wanted, now).await {
                Ok(found) => seen.extend(
                    found
                        .into_iter()
                        .map(|((image, policy), found)| ((one.name.clone(), image, policy), found)),
                ),
                Err(error) => {
                    unreachable.insert(one.name.clone(), error.to_string());
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if unreachable.len() == self.all().count() => Err(error),
            _ => Ok(seen),
        }
    }

    /// What is wrong with images, if anything is, and for which pools.
    pub(crate) fn image_problems(&self) -> Vec<String> {
        self.all().flat_map(|one| one.images.problems()).collect()
    }

    /// When failed pulls may be tried again.
    pub(crate) fn image_retries(&self) -> Vec<Timestamp> {
        self.all().flat_map(|one| one.images.retries()).collect()
    }

    /// When the backend `docker` last answered.
    pub(crate) fn contact(&self) -> Seen {
        self.docker.contact.seen()
    }

    /// What the machines of each other backend may use together.
    pub(crate) fn caps(&self) -> impl Iterator<Item = (BackendName, BackendCaps)> {
        let caps = |one: &One| Some((one.name.clone(), one.caps.clone()?));
        self.others.values().filter_map(caps)
    }
}

/// A machine of a backend that does not answer.
fn unseen(machine: Machine, why: &str) -> Machine {
    Machine { phase: Phase::Unknown(why.to_owned()), defect: None, unread: None, ..machine }
}
