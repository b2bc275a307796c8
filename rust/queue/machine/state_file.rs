//! The file `state` of an app's directory: read, changed and written whole by one process at a time.
//!
//! Opened for each use and never mapped: a missing, cut or damaged file is an ordinary case, and no process holds its lock
//! for longer than a read and a write. Never used on a request's thread but in synchronous mode.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::files::directory::Directory;
use crate::queue::files::file_lock;
use crate::queue::machine::state::{STATE_BYTES, State};
use crate::queue::scan_lock::ScanLock;

/// The others need microseconds. One that was stopped in between must not stop us.
const PATIENCE: Duration = Duration::from_millis(50);

/// The state as it is; `None` where there is none that makes sense, or where it was busy.
pub fn read(directory: &Directory) -> Option<State> {
    let _turn = ScanLock::begin_state_within(PATIENCE)?;
    load(&directory.open_state(false).ok()?)
}

/// Changes the state; `None` where that could not be saved. What was there and made no sense is replaced.
pub fn update<T>(directory: &Arc<Directory>, change: impl FnOnce(&mut State) -> T) -> Option<T> {
    // Closing any descriptor of the file would free the lock of another thread that is in here.
    let _turn = ScanLock::begin_state_within(PATIENCE)?;
    let file = directory.open_state(true).ok()?;
    if !file_lock::lock_within(&file, PATIENCE) {
        return None;
    }
    let mut state = load(&file).unwrap_or_default();
    let result = change(&mut state);
    save(&file, &state).ok()?;
    Some(result)
}

fn load(file: &File) -> Option<State> {
    let mut bytes = [0; STATE_BYTES];
    file.read_exact_at(&mut bytes, 0).ok()?;
    State::decode(&bytes)
}

fn save(file: &File, state: &State) -> io::Result<()> {
    file.write_all_at(&state.encode(), 0)
}
