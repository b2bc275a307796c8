//! The app's directory, the files in it and their locks.

#[cfg(unix)]
pub mod directory;
#[cfg(unix)]
pub mod file_lock;
#[cfg(unix)]
pub mod filesystem;
#[cfg(unix)]
pub mod names;
#[cfg(not(unix))]
pub use crate::queue::nowhere::{directory, file_lock};
