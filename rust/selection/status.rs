//! Ranges of HTTP statuses.

/// Ranges of statuses, one of which has to contain that of the response.
#[derive(Debug)]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Each range is its first and its last status.
    pub fn new(ranges: Vec<(u16, u16)>) -> Statuses {
        Statuses(ranges)
    }

    pub fn contain(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&status))
    }
}

/// The number that a status begins with, for instance 200 of `200 OK`; 0 if it begins with no number.
pub fn code(status: &str) -> u16 {
    let code = status.split(' ').next().unwrap_or_default();
    code.parse().unwrap_or(0)
}
