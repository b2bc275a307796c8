//! Shared-memory segments: push, peek, release, adopt.
