//! The app's directory, the files in it and their locks. Not compiled for systems without POSIX record locks (Windows).

pub mod directory;
pub mod file_lock;
pub mod filesystem;
pub mod names;
