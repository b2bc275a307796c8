//! What the processes of a machine know together: the sums, the server's pause, and who holds what.

#[cfg(not(loom))]
pub mod pause;
pub mod state;
#[cfg(all(unix, not(loom)))]
pub mod state_file;
#[cfg(all(unix, not(loom)))]
pub mod survey;
#[cfg(not(any(unix, loom)))]
pub use crate::queue::nowhere::state_file;
