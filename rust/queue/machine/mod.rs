//! What the processes of a machine know together: the sums, the server's pause, and who holds what.

#[cfg(not(loom))]
pub mod pause;
pub mod state;
#[cfg(all(unix, not(loom)))]
pub mod state_file;
#[cfg(not(loom))]
pub mod survey;
