//! What every handler shares: the world behind a lock, and what is observed about requests.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::Fault;
use super::observed::Observed;
use crate::world::World;

/// The state of one running simulator.
pub(crate) struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<()>,
    observed: Mutex<Observed>,
    /// How many requests to the REST API are under way.
    pub(crate) open: watch::Sender<usize>,
    faults: Mutex<Vec<Fault>>,
    urls: Mutex<BaseUrls>,
    /// Cancelled when the simulator stops, so that held requests end.
    pub(crate) stop: CancellationToken,
}

/// Where clients are told to find the simulator.
#[derive(Default)]
struct BaseUrls {
    public: Option<String>,
    listener: String,
}

/// The locked world; whoever waits for a change of it looks again once this is dropped.
pub struct WorldGuard<'a> {
    world: MutexGuard<'a, World>,
    changed: &'a watch::Sender<()>,
}

impl Deref for WorldGuard<'_> {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        self.changed.send_replace(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of a test that held the lock is that test's to report; the world itself is settled after every verb.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            changed: watch::Sender::new(()),
            observed: Mutex::default(),
            open: watch::Sender::new(0),
            faults: Mutex::default(),
            urls: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    /// The world, to change it.
    pub(crate) fn world(&self) -> WorldGuard<'_> {
        WorldGuard { world: lock(&self.world), changed: &self.changed }
    }

    /// The world, to look at it: nobody is woken.
    pub(crate) fn look(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Tells of every later change of the world.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn observed(&self) -> MutexGuard<'_, Observed> {
        lock(&self.observed)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        lock(&self.faults)
    }

    pub(crate) fn set_public_url(&self, url: Option<String>) {
        lock(&self.urls).public = url.map(|url| url.trim_end_matches('/').to_owned());
    }

    pub(crate) fn set_listener_url(&self, url: String) {
        lock(&self.urls).listener = url;
    }

    pub(crate) fn listener_url(&self) -> String {
        lock(&self.urls).listener.clone()
    }

    /// The URL that answers point at: the configured one, else the one the client used, else the first listener's.
    pub(crate) fn base_url(&self, host: Option<&str>) -> String {
        let urls = lock(&self.urls);
        match (&urls.public, host) {
            (Some(public), _) => public.clone(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => urls.listener.clone(),
        }
    }
}

/// Query parameters by name; the last of a name counts.
pub(crate) fn query(text: Option<&str>) -> BTreeMap<String, String> {
    let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Undoes percent encoding; what is not valid UTF-8 afterwards is replaced.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = |at: usize| behind.get(at).and_then(|&b| char::from(b).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = behind.get(2..).unwrap_or_default();
            }
            (b'+', ..) => {
                bytes.push(b' ');
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let found = query(Some("name=a%20b+c&per_page=5&flag&name=%C3%A4%"));
        let get = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(get("name"), Some("ä%"));
        assert_eq!((get("per_page"), get("flag"), get("x")), (Some("5"), Some(""), None));
        assert_eq!(decode("a%20b+c"), "a b c");
    }
}
