//! A backend in memory, with failure knobs: for tests of everything above the backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mayfly_common::foreign_text;
use mayfly_common::name::RunnerName;
use tokio::sync::Notify;

use super::{
    Backend, BackendError, Capabilities, Cleared, Console, HostResources, ImageStore, Progress,
    Storage, Usage, Watcher,
};
use crate::spec::MachineSpec;
use mayfly_common::identity::RunnerIdentity;
use mayfly_common::machine::{Exit, Machine, MachineRef, Phase};

/// What its errors call it.
const TITLE: &str = "The fake";

/// What a test does when a runner was started: register it, say, as an image does that registers itself.
pub type Started = Box<dyn Fn(&MachineSpec) + Send + Sync>;

/// A call that the engine takes, and goes on with at [`FakeBackend::go_on`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The next launch, before it makes anything.
    Launch,
    /// The next launch, when its container is there.
    MadeLaunch,
    /// The next removal, before it removes anything.
    Removal,
}

/// Containers in memory.
#[derive(Default)]
pub struct FakeBackend {
    state: Mutex<State>,
    events: Notify,
    answers: Notify,
    goes_on: Notify,
}

/// What the fake holds, open to tests.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "knobs, each on its own")]
pub struct State {
    /// The containers.
    pub machines: BTreeMap<RunnerName, Machine>,
    /// The number of machines that were made: part of their ids.
    pub made: usize,
    /// The environment each was started with, its bootstrap included.
    pub environments: BTreeMap<RunnerName, Vec<(String, String)>>,
    /// True if somebody starts what does not run as soon as it was listed.
    pub woken: bool,
    /// Called for every runner that was started.
    pub started: Option<Started>,
    /// Text that all running runners have printed so far.
    pub printed: String,
    /// True if the engine is away.
    pub away: bool,
    /// True if it lists no machine, whatever there is.
    pub lists_nothing: bool,
    /// True if the engine takes calls and does not answer until [`FakeBackend::answer`].
    pub frozen: bool,
    /// Calls that are held up.
    pub holds: Vec<Hold>,
    /// True if its stream of events ends as soon as it begins, or with the next event.
    pub deaf: bool,
    /// How many calls a frozen engine has taken.
    pub taken: usize,
    /// What the machine has.
    pub host: HostResources,
    /// True if images are there.
    pub image: bool,
    /// Images that are not there even so.
    pub missing: BTreeSet<String>,
    /// Images that the engine refuses to inspect.
    pub untold: BTreeSet<String>,
    /// The id of every image.
    pub image_id: String,
    /// How many of the next launches fail.
    pub failing_launches: usize,
    /// How many of the next launches do not reach the engine.
    pub unreachable_launches: usize,
    /// Number of next launches that make their container and lose the engine's answer.
    pub half_launches: usize,
    /// How many of the next starts of runners with a Docker engine of their own fail.
    pub failing_starts: usize,
    /// How many of the next starts of such runners do not reach the engine.
    pub unreachable_starts: usize,
    /// How many of the next logs do not come from the engine.
    pub unreachable_logs: usize,
    /// How many of the next logs the engine refuses.
    pub refused_logs: usize,
    /// True if pulling fails.
    pub failing_pulls: bool,
    /// True if pulls come a quarter of their way and no further.
    pub endless_pulls: bool,
    /// How many pulls there were.
    pub pulls: usize,
    /// Logs that are being read, and the most that were at a time.
    pub readers: (usize, usize),
    /// Networks of ours.
    pub networks: BTreeSet<String>,
    /// What the engine does not let go of when it is cleared, in words.
    pub stuck: Vec<String>,
    /// What is wrong and keeps no runner from starting.
    pub problems: Vec<String>,
}

impl State {
    /// Removes this machine, and no other of its name.
    fn remove(&mut self, machine: &MachineRef) {
        self.machines.retain(|name, one| (name, &one.id) != (&machine.name, &machine.id));
    }
}

impl FakeBackend {
    /// A backend with the image present and no container.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State { image: true, ..State::default() }),
            events: Notify::new(),
            answers: Notify::new(),
            goes_on: Notify::new(),
        }
    }

    /// The state, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all containers.
    pub fn names(&self) -> Vec<String> {
        self.state().machines.keys().map(ToString::to_string).collect()
    }

    /// Lets a container end.
    pub fn exit(&self, name: &str, code: i64, log_tail: &str) {
        let log_tail = log_tail.to_owned();
        self.turn(name, &Phase::Exited(Exit { code, out_of_memory: false, log_tail }));
    }

    /// A machine is in this phase from now on.
    pub fn turn(&self, name: &str, phase: &Phase) {
        self.change(name, |machine| machine.phase = phase.clone());
    }

    /// A machine is of no use for its next job from now on.
    pub fn spoil(&self, name: &str, defect: &str) {
        self.change(name, |machine| machine.defect = Some(defect.to_owned()));
    }

    fn change(&self, name: &str, change: impl Fn(&mut Machine)) {
        let mut state = self.state();
        state.machines.values_mut().filter(|one| one.name.as_str() == name).for_each(change);
        drop(state);
        self.events.notify_one();
    }

    /// Answers what a frozen engine has taken so far.
    pub fn answer(&self) {
        self.answers.notify_waiters();
    }

    /// Goes on with all calls that are held up at this moment.
    pub fn go_on(&self) {
        self.goes_on.notify_waiters();
    }

    /// Waits at this point if somebody wants it.
    async fn hold(&self, at: Hold) {
        let goes_on = self.goes_on.notified();
        let found = {
            let holds = &mut self.state().holds;
            let found = holds.iter().position(|hold| *hold == at);
            found.map(|index| holds.remove(index))
        };
        if found.is_some() {
            goes_on.await;
        }
    }

    async fn make(&self, spec: &MachineSpec) -> Result<(), BackendError> {
        let mut state = self.reach().await?;
        if state.unreachable_launches > 0 {
            state.unreachable_launches -= 1;
            return Err(BackendError::unreachable(TITLE, "no answer"));
        }
        if state.failing_launches > 0 {
            state.failing_launches -= 1;
            return Err(BackendError::Refused {
                title: TITLE,
                what: "start a runner container",
                reason: "no space left".to_owned(),
            });
        }
        if let Some(there) = state.machines.get(&spec.identity.name) {
            let same = there.is_same_runner(&spec.identity);
            let taken = || BackendError::NameTaken(spec.identity.name.clone());
            return if same { Ok(()) } else { Err(taken()) };
        }
        let (phase, lingers) = match &spec.profile.engine {
            None => (Phase::Running { working: Some(false) }, false),
            Some(engine) if state.missing.contains(&engine.image) => {
                return Err(BackendError::ImageMissing(engine.image.clone()));
            }
            Some(_) => (Phase::Preparing, true),
        };
        let identity =
            RunnerIdentity { image_id: Some(state.image_id.clone()), ..spec.identity.clone() };
        let name = identity.name.clone();
        state.made += 1;
        let machine = Machine {
            id: format!("container-{}-of-{name}", state.made),
            identity,
            phase,
            defect: None,
            lingers,
            unread: None,
        };
        let bootstrap = spec.bootstrap.expose();
        let bootstrap = bootstrap.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut environment: Vec<_> = spec.environment.iter().cloned().chain(bootstrap).collect();
        environment.sort();
        state.environments.insert(name.clone(), environment);
        state.machines.insert(name, machine);
        if let Some(started) = &state.started {
            started(spec);
        }
        if state.half_launches > 0 {
            state.half_launches -= 1;
            return Err(BackendError::unreachable(TITLE, "the answer was lost"));
        }
        Ok(())
    }

    async fn reach(&self) -> Result<MutexGuard<'_, State>, BackendError> {
        let frozen = self.state().frozen;
        if frozen {
            self.state().taken += 1;
            self.answers.notified().await;
        }
        let state = self.state();
        if state.away { Err(BackendError::unreachable(TITLE, "no engine")) } else { Ok(state) }
    }
}

#[async_trait]
impl Backend for FakeBackend {
    fn capabilities(&self) -> &'static Capabilities {
        &Capabilities { kind: "fake", title: TITLE, when_silent: "let it answer" }
    }

    async fn installation(&self) -> Result<String, BackendError> {
        self.reach().await.map(|_| "fake".to_owned())
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.reach().await.map(drop)
    }

    async fn list(&self) -> Result<Vec<Machine>, BackendError> {
        let mut state = self.reach().await?;
        let all = state.machines.values().cloned();
        let listed = all.filter(|_| !state.lists_nothing).collect();
        let woken = std::mem::take(&mut state.woken);
        for machine in state.machines.values_mut().filter(|_| woken) {
            if !matches!(machine.phase, Phase::Running { .. }) {
                machine.phase = Phase::Running { working: Some(false) };
            }
        }
        Ok(listed)
    }

    async fn get(&self, machine: &MachineRef) -> Result<Option<Machine>, BackendError> {
        let state = self.reach().await?;
        let there = state.machines.get(&machine.name).filter(|one| one.id == machine.id);
        Ok(there.cloned())
    }

    async fn create(&self, spec: &MachineSpec) -> Result<(), BackendError> {
        self.hold(Hold::Launch).await;
        self.make(spec).await?;
        self.hold(Hold::MadeLaunch).await;
        Ok(())
    }

    async fn start(&self, machine: &MachineRef) -> Result<(), BackendError> {
        let mut state = self.reach().await?;
        let what = "start a runner container";
        if state.unreachable_starts > 0 {
            state.unreachable_starts -= 1;
            return Err(BackendError::unreachable(TITLE, "no engine"));
        }
        if state.failing_starts > 0 {
            state.failing_starts -= 1;
            state.remove(machine);
            return Err(BackendError::Refused {
                title: TITLE,
                what,
                reason: "no space left".to_owned(),
            });
        }
        let there = state.machines.get_mut(&machine.name).filter(|one| one.id == machine.id);
        let Some(machine) = there else {
            return Err(BackendError::Refused {
                title: TITLE,
                what,
                reason: "it is gone".to_owned(),
            });
        };
        if machine.phase.is_before_start() {
            machine.phase = Phase::Running { working: Some(false) };
        }
        Ok(())
    }

    async fn delete(&self, machine: &MachineRef) -> Result<(), BackendError> {
        self.hold(Hold::Removal).await;
        self.reach().await?.remove(machine);
        Ok(())
    }

    async fn clear(&self) -> Result<Cleared, BackendError> {
        let mut state = self.reach().await?;
        let networks = std::mem::take(&mut state.networks);
        let removed = networks.into_iter().map(|name| format!("network {name}")).collect();
        Ok(Cleared { removed, left: state.stuck.clone() })
    }

    fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        Some(self)
    }

    fn console(&self) -> Option<&dyn Console> {
        Some(self)
    }

    fn watcher(&self) -> Option<&dyn Watcher> {
        Some(self)
    }

    fn usage(&self) -> Option<&dyn Usage> {
        Some(self)
    }
}

#[async_trait]
impl ImageStore for FakeBackend {
    async fn image_id(&self, image: &str) -> Result<Option<String>, BackendError> {
        let state = self.reach().await?;
        if state.untold.contains(image) {
            let (what, reason) = ("inspect an image", "its layer is lost".to_owned());
            return Err(BackendError::Refused { title: TITLE, what, reason });
        }
        Ok((state.image && !state.missing.contains(image)).then(|| state.image_id.clone()))
    }

    async fn pull_image(&self, image: &str, progress: &Progress) -> Result<(), BackendError> {
        let endless = self.reach().await?.endless_pulls;
        progress.set(1 << 20, 4 << 20);
        if endless {
            return std::future::pending().await;
        }
        let mut state = self.state();
        state.pulls += 1;
        if state.failing_pulls {
            return Err(BackendError::PullFailed {
                image: image.to_owned(),
                reason: "not found".to_owned(),
            });
        }
        state.image = true;
        state.missing.remove(image);
        Ok(())
    }
}

#[async_trait]
impl Console for FakeBackend {
    async fn logs(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError> {
        let last = |log: String| {
            let skipped = log.lines().count().saturating_sub(lines as usize);
            log.split_inclusive('\n').skip(skipped).collect::<String>()
        };
        let log = {
            let mut state = self.reach().await?;
            if state.unreachable_logs > 0 {
                state.unreachable_logs -= 1;
                return Err(BackendError::unreachable(TITLE, "no engine"));
            }
            if state.refused_logs > 0 {
                state.refused_logs -= 1;
                let (what, reason) = ("read a log", "it is damaged".to_owned());
                return Err(BackendError::Refused { title: TITLE, what, reason });
            }
            let readers = state.readers.0 + 1;
            state.readers = (readers, state.readers.1.max(readers));
            state.machines.get(name).map(|machine| match &machine.phase {
                Phase::Exited(exit) => foreign_text::log(exit.log_tail.as_bytes()),
                _ => foreign_text::log(state.printed.as_bytes()),
            })
        };
        // As long as it takes everybody else to ask, too.
        tokio::task::yield_now().await;
        self.state().readers.0 -= 1;
        Ok(log.map(last))
    }
}

#[async_trait]
impl Usage for FakeBackend {
    async fn host_resources(&self) -> Result<HostResources, BackendError> {
        Ok(self.reach().await?.host)
    }

    async fn storage(&self) -> Result<Storage, BackendError> {
        self.reach().await.map(|_| Storage { containers: 1_000, images: 2_000, volumes: 3_000 })
    }
}

#[async_trait]
impl Watcher for FakeBackend {
    async fn watch(&self, changed: &Notify) -> BackendError {
        while !self.state().deaf {
            self.events.notified().await;
            changed.notify_one();
        }
        BackendError::unreachable(TITLE, "the event stream ended")
    }
}
