//! The file `state` of an app's directory: read, changed and written whole by one process at a time.
//!
//! The file is opened for each use and never mapped: a missing, cut or damaged file is an ordinary case, and no process holds its
//! lock for longer than a read and a write. A request's thread uses it only in synchronous mode.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::files::directory::Directory;
use crate::queue::files::file_lock;
use crate::queue::machine::state::{STATE_BYTES, State};
use crate::queue::scan_lock::ScanLock;

/// How long another process's lock is waited for. A use takes microseconds, but a process may be stopped (SIGSTOP) during one.
const PATIENCE: Duration = Duration::from_millis(50);

/// The state; `None` if the file is missing, damaged or busy.
pub fn read(directory: &Directory) -> Option<State> {
    let _turn = ScanLock::begin_state_within(PATIENCE)?;
    load(&directory.open_state(false).ok()?)
}

/// Changes the state; `None` if the change could not be saved. A damaged file is replaced.
pub fn update<T>(directory: &Arc<Directory>, change: impl FnOnce(&mut State) -> T) -> Option<T> {
    // One thread at a time: closing a descriptor of the file frees the lock of any other thread that uses the file.
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
