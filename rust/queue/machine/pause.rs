//! The host's state as one process sees it: when to send, and how it went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::queue::files::directory::Directory;
use crate::queue::machine::state::State;
use crate::queue::machine::state_file::{read, update};

/// A server that goes on taking logs is news once a second: no write for each POST.
const NEWS_MS: u64 = 1000;
/// How old news from the other processes may be: a flusher asks several times for each POST.
const MOMENT: Duration = Duration::from_millis(100);

/// The state of one queue's directory, or of its process alone where there is no directory or no room in it.
pub struct SharedPause {
    directory: Option<Arc<Directory>>,
    /// Takes part in every change; asked only where the file cannot be.
    local: Mutex<State>,
    /// What the file said a moment ago.
    seen: Mutex<Option<(Instant, State)>>,
}

impl SharedPause {
    pub fn new(directory: Option<Arc<Directory>>) -> SharedPause {
        SharedPause {
            directory,
            local: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub fn state(&self) -> State {
        self.shared().unwrap_or_else(|| lock(&self.local).clone())
    }

    /// Milliseconds until a POST may be made; at 0, the caller may make one now, and no other process for `turn_ms`
    /// milliseconds unless all is well.
    pub fn claim(&self, turn_ms: u64) -> u64 {
        let now_ms = now_ms();
        if self.shared().is_some_and(|state| state.failures == 0) {
            return 0;
        }
        self.change(|state| state.claim(now_ms, turn_ms))
    }

    /// Milliseconds until [`SharedPause::claim`] is worth a try.
    pub fn pause_ms(&self) -> u64 {
        self.state().pause_ms(now_ms())
    }

    pub fn succeeded(&self) {
        let now_ms = now_ms();
        let is_news = |state: State| {
            state.failures > 0 || now_ms.saturating_sub(state.last_success_ms) >= NEWS_MS
        };
        if self.shared().is_none_or(is_news) {
            self.change(|state| state.succeeded(now_ms));
        }
    }

    pub fn failed(&self, delay_ms: u64, error: &str) {
        let now_ms = now_ms();
        self.change(|state| state.failed(now_ms, delay_ms, error));
    }

    fn change<T>(&self, change: impl Fn(&mut State) -> T) -> T {
        let local = change(&mut lock(&self.local));
        *lock(&self.seen) = None;
        let shared = self
            .directory
            .as_ref()
            .and_then(|directory| update(directory, change));
        shared.unwrap_or(local)
    }

    fn shared(&self) -> Option<State> {
        let directory = self.directory.as_ref()?;
        let mut seen = lock(&self.seen);
        if seen.as_ref().is_none_or(|(at, _)| at.elapsed() >= MOMENT) {
            *seen = read(directory).map(|state| (Instant::now(), state));
        }
        seen.as_ref().map(|(_, state)| state.clone())
    }
}

/// A panic under the lock leaves a state that is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn now_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
