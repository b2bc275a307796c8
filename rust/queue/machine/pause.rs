//! `SharedPause`: when this process may send, and what the processes of the host know of the server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::queue::home::Home;
use crate::queue::machine::state::State;

/// How often a success is written to the state file while the server takes logs.
const NEWS_MS: u64 = 1000;
/// How old the state that was read last may be. A flusher asks several times for each POST.
const MOMENT: Duration = Duration::from_millis(100);

/// The state of one queue's directory, or that of this process alone if there is no directory or no room in it.
pub struct SharedPause {
    home: Mutex<Home>,
    /// A copy that gets every change; read only if the file cannot be.
    local: Mutex<State>,
    /// The state that was read last, and when.
    seen: Mutex<Option<(Instant, State)>>,
}

impl SharedPause {
    pub fn new(home: Home) -> SharedPause {
        SharedPause {
            home: Mutex::new(home),
            local: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Continues in another directory, since the old one is gone. The first process that comes to the new directory writes the
    /// state that it has read last.
    pub fn move_to(&self, home: Home) {
        let known = lock(&self.seen).take().map(|(_, state)| state);
        if let Some(known) = known {
            home.update_state(|state| {
                if state.is_new() {
                    let label = std::mem::take(&mut state.label);
                    *state = known;
                    state.set_label(&label);
                }
            });
        }
        *lock(&self.home) = home;
    }

    pub fn state(&self) -> State {
        self.shared().unwrap_or_else(|| lock(&self.local).clone())
    }

    /// Milliseconds until a POST may be made. At 0, the caller may make one now; after a failure, no other process may make one for
    /// `turn_ms` milliseconds.
    pub fn claim(&self, turn_ms: u64) -> u64 {
        let now_ms = now_ms();
        if self.shared().is_some_and(|state| state.failures == 0) {
            return 0;
        }
        self.change(|state| state.claim(now_ms, turn_ms))
    }

    /// Milliseconds until [`SharedPause::claim`] may succeed.
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
        let home = lock(&self.home).clone();
        let shared = home.update_state(|state| (change(state), state.clone()));
        let Some((answer, state)) = shared else {
            return local;
        };
        *lock(&self.seen) = Some((Instant::now(), state));
        answer
    }

    fn shared(&self) -> Option<State> {
        let home = lock(&self.home).clone();
        let mut seen = lock(&self.seen);
        if let Some((_, state)) = seen.as_ref().filter(|(at, _)| at.elapsed() < MOMENT) {
            return Some(state.clone());
        }
        // If there is nothing to read any more, the state that was read last is kept: see `move_to`.
        let state = home.state()?;
        *seen = Some((Instant::now(), state.clone()));
        Some(state)
    }
}

/// Ignores poisoning: a panic under the lock leaves a valid state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn now_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
