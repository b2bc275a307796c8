//! The bytes of a segment and the rules for reading and writing them: pure, and modelled by loom.

pub mod copy;
pub mod layout;
pub mod ledger;
pub mod memory;
pub mod ring;
