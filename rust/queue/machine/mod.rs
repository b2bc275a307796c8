//! What the processes of a machine know together: the sums, the server's pause, and who holds what.

#[cfg(all(unix, not(any(loom, portable))))]
mod look;
#[cfg(not(loom))]
pub mod pause;
pub mod state;
#[cfg(all(unix, not(any(loom, portable))))]
pub mod state_file;
#[cfg(not(loom))]
pub mod survey;
