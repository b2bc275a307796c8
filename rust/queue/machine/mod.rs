//! What the processes of a host share: the sums, the server's pause, and which process holds which segment.

#[cfg(all(unix, not(any(loom, portable))))]
mod look;
#[cfg(not(loom))]
pub mod pause;
pub mod state;
#[cfg(all(unix, not(any(loom, portable))))]
pub mod state_file;
#[cfg(not(loom))]
pub mod survey;
