//! The deny or allow list, compiled once per configuration.
