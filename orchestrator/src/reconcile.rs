//! The imperative shell: one pass is look → plan → act → record → show. No decision is made here.
//!
//! Level-triggered: a tick, a Docker event and a request only say "look now"; what is done follows from what is seen. Safe to
//! kill at any instruction: containers carry all we need in their labels, so the next start adopts them.
//!
//! | module | what |
//! |---|---|
//! | [`driver`] | the loop: tick, nudge, Docker event, shutdown; one pass at a time, and when the next is due |
//! | `outcome` | what becomes of an action |
//! | `pass` | one pass: look, plan, act, record, show |
//! | `look`, `poll`, `discover` | gather: what runs, what is registered, what waits; which repositories there are |
//! | `groups` | which runner groups jobs without labels ask for |
//! | `hear` | takes in what webhooks and lists tell, keeps what was learnt |
//! | `ask` | asks GitHub what became of jobs that no webhook reported, or the end of |
//! | `flight` | the actions under way, which go on beside later passes |
//! | `act` | one match on [`Action`](mayfly_planner::Action) |
//! | `launch` | register, render the environment, start |
//! | `registrar` | registers runners at GitHub, or has them do so themselves |
//! | `record` | begins the actions, takes in what they came to |
//! | `asked` | requests from the API until they are answered |
//! | `show` | tells what was seen and done |
//! | [`handle`] | what the HTTP side sees: requests in, the last snapshot out |
//! | `history` | the latest runners that are gone |
//! | `journal` | what happened, as events |
//! | `lost` | runners that somebody else removed, also while no orchestrator ran |
//! | `problems` | which problems last |
//! | `state` | what passes remember |
//! | `uninstall` | removes what is left of the installation once it is drained |

mod act;
mod ask;
mod asked;
mod discover;
pub mod driver;
mod flight;
mod groups;
pub mod handle;
mod hear;
mod history;
mod journal;
mod launch;
mod look;
mod lookups;
mod lost;
mod outcome;
mod pass;
mod poll;
mod problems;
mod record;
mod registrar;
pub mod request;
mod show;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod uninstall;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify, mpsc, watch};

use self::act::Actor;
use self::flight::Flight;
use self::handle::Handle;
use self::journal::Journal;
use self::launch::Launcher;
use self::state::State;
use crate::adapters::Adapters;
use crate::backends::Backends;
use crate::book::Book;
use crate::demand::polling::Polling;
use crate::demand::webhooks::Webhooks;
use crate::drain::Drain;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use mayfly_common::clock::Clock;
use mayfly_github::GitHubClient;
use mayfly_planner::snapshot::Snapshot;
use mayfly_settings::Config;

/// Requests that may wait for the next pass.
const REQUEST_QUEUE: usize = 64;

/// Runs passes.
pub struct Reconciler {
    config: Config,
    backends: Arc<Backends>,
    github: Arc<GitHubClient>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    nudge: Arc<Notify>,
    /// An action ended.
    ended: Arc<Notify>,
    stopping: Arc<AtomicBool>,
    /// Runs what goes on beside passes.
    tasks: Tasks,
    actor: Arc<Actor>,
    book: Arc<Book>,
    drain: Arc<Drain>,
    intake: Arc<Intake>,
    webhooks: Webhooks,
    polling: Polling,
    snapshot: watch::Sender<Snapshot>,
    state: Mutex<State>,
}

impl Reconciler {
    /// A reconciler and the handle through which others see it.
    pub(crate) fn new(
        config: Config,
        adapters: &Adapters,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> (Self, Handle) {
        let Adapters { docker, others, github, clock, store, alone: _ } = adapters;
        let github = Arc::clone(github);
        let (clock, store) = (Arc::clone(clock), store.clone());
        let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
        let (snapshot, seen) = watch::channel(Snapshot::default());
        let (journal, events) = Journal::new();
        let nudge = Arc::new(Notify::new());
        let backends = Arc::new(Backends::new(docker, others, (&clock, &nudge, &tasks)));
        let most = backends.caps().map(|(name, caps)| (name, caps.runners));
        let book = Arc::new(Book::new(&config, store.clone()).with_backends(most));
        let drain = Arc::new(Drain::new(store.clone()));
        let intake = Arc::new(Intake::new(store, Arc::clone(&clock), Arc::clone(&nudge)));
        let handle = Handle {
            requests: sender,
            asked: Arc::new(AtomicU64::new(0)),
            snapshot: seen,
            events,
            nudge: Arc::clone(&nudge),
            backends: Arc::clone(&backends),
            intake: Arc::clone(&intake),
            book: Arc::clone(&book),
            drain: Arc::clone(&drain),
            clock: Arc::clone(&clock),
            github: Arc::clone(&github),
            lookups: Arc::default(),
        };
        let (actions, pools) = (Arc::clone(&backends), Arc::clone(&book));
        let launcher = Launcher::new(&config, pools, actions, Arc::clone(&github));
        let actor = Actor {
            backends: Arc::clone(&backends),
            github: Arc::clone(&github),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            launcher,
        };
        let ended = Arc::new(Notify::new());
        let state = State::new(requests, journal, Flight::new(Arc::clone(&ended)), clock.now());
        let stopping = Arc::new(AtomicBool::new(false));
        let state = Mutex::new(state);
        (
            Self {
                config,
                backends,
                github: Arc::clone(&github),
                clock,
                metrics,
                nudge,
                ended,
                stopping,
                tasks,
                actor: Arc::new(actor),
                book,
                drain,
                webhooks: Webhooks::new(Arc::clone(&intake)),
                polling: Polling::new(github),
                intake,
                snapshot,
                state,
            },
            handle,
        )
    }

    /// From now on no runner is started; everything else goes on.
    pub fn stop_launching(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
