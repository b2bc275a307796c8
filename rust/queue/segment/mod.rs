//! One segment: mapped by the process that made it, read through its file by the one that has adopted it.

#[cfg(unix)]
pub mod adopted;
#[cfg(unix)]
pub mod create;
pub mod mapping;
#[cfg(not(unix))]
pub use crate::queue::nowhere::{adopted, create};
