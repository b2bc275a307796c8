//! Which requests are logged, and how: the rules of a configuration, compiled once.
//!
//! The first rule whose conditions all hold decides. Some conditions are known before the app is called (path, method, host,
//! user agent), some when the response starts (status, content type, route), and the time only at the end: so a request is
//! judged up to three times, and each time the rules that can no longer decide are left out.

mod patterns;
mod share;
mod status;

pub use patterns::Patterns;
pub use share::Share;
pub use status::{Statuses, code as status_code};

/// The conditions of a rule, all of which must hold for it to decide. `None`: no condition.
#[derive(Debug, Default)]
pub struct Conditions {
    pub path: Option<Patterns>,
    pub method: Option<Patterns>,
    /// A pattern without a port matches any port.
    pub host: Option<Patterns>,
    pub user_agent: Option<Patterns>,
    pub route: Option<Patterns>,
    pub status: Option<Statuses>,
    /// A pattern without a semicolon is compared with the media type alone.
    pub content_type: Option<Patterns>,
    pub slower_than_ms: Option<f64>,
}

/// What a rule does with the requests that it decides about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Action {
    pub is_logged: bool,
    pub keeps_request_body: bool,
    pub keeps_response_body: bool,
    pub share: Share,
}

impl Default for Action {
    /// What happens to a request that no rule decides about.
    fn default() -> Action {
        Action {
            is_logged: true,
            keeps_request_body: true,
            keeps_response_body: true,
            share: Share::ALL,
        }
    }
}

#[derive(Debug)]
pub struct Rule {
    pub conditions: Conditions,
    pub action: Action,
}

/// What is known of a request when it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Percent-decoded, with the prefix of a mount.
    pub path: &'a [u8],
    pub method: &'a str,
    /// The `Host` header; empty if there is none.
    pub host: &'a str,
    /// The `User-Agent` header; empty if there is none.
    pub user_agent: &'a str,
}

/// What is known once the response has started.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The framework's template of the path, if it has one.
    pub route: Option<&'a str>,
    /// The status code; 0 if the app's status does not begin with a number.
    pub status: u16,
    /// The `Content-Type` header; empty if there is none.
    pub content_type: &'a str,
    pub elapsed_ms: f64,
    /// Whether the response has ended, so that `elapsed_ms` is final.
    pub is_over: bool,
}

/// The place of a rule in the list, from 0.
pub type Number = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This rule decides; `None`: no rule does.
    Final(Option<Number>),
    /// The rules that may still decide, in order. If the conditions of all of them fail, no rule decides.
    Open(Vec<Number>),
}

/// Whether a condition holds, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Holds,
    Fails,
    Unknown,
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Outcome {
        if holds {
            Outcome::Holds
        } else {
            Outcome::Fails
        }
    }
}

impl Rule {
    fn meets_arrival(&self, arrival: &Arrival<'_>) -> Outcome {
        let Conditions {
            path,
            method,
            host,
            user_agent,
            route,
            status,
            content_type,
            slower_than_ms,
        } = &self.conditions;
        let holds = |patterns: &Option<Patterns>, value: &[u8]| {
            patterns
                .as_ref()
                .is_none_or(|patterns| patterns.matches(value))
        };
        if !holds(path, arrival.path)
            || !holds(method, arrival.method.as_bytes())
            || !holds(user_agent, arrival.user_agent.as_bytes())
            || !host
                .as_ref()
                .is_none_or(|host| meets_host(host, arrival.host))
        {
            return Outcome::Fails;
        }
        let is_whole = route.is_none()
            && status.is_none()
            && content_type.is_none()
            && slower_than_ms.is_none();
        if is_whole {
            Outcome::Holds
        } else {
            Outcome::Unknown
        }
    }

    /// Compares the other conditions, for a rule whose conditions on the arrival hold.
    fn meets_answer(&self, answer: &Answer<'_>) -> Outcome {
        let conditions = &self.conditions;
        let route = answer.route.unwrap_or_default().as_bytes();
        let meets = conditions
            .route
            .as_ref()
            .is_none_or(|patterns| answer.route.is_some() && patterns.matches(route))
            && conditions
                .status
                .as_ref()
                .is_none_or(|statuses| statuses.contain(answer.status))
            && conditions
                .content_type
                .as_ref()
                .is_none_or(|patterns| meets_content_type(patterns, answer.content_type));
        match conditions.slower_than_ms {
            _ if !meets => Outcome::Fails,
            None => Outcome::Holds,
            Some(limit_ms) if answer.elapsed_ms > limit_ms => Outcome::Holds,
            Some(_) if answer.is_over => Outcome::Fails,
            Some(_) => Outcome::Unknown,
        }
    }
}

fn meets_host(patterns: &Patterns, host: &str) -> bool {
    if patterns.matches(host.as_bytes()) {
        return true;
    }
    // Only digits are a port: `[::1]` has colons too.
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    port.is_some_and(|(name, _)| patterns.matches(name.as_bytes()))
}

fn meets_content_type(patterns: &Patterns, content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    patterns.matches(media_type.as_bytes()) || patterns.matches(content_type.trim().as_bytes())
}

/// The rules of a configuration, in order.
#[derive(Debug, Default)]
pub struct Selection {
    rules: Vec<Rule>,
}

impl Selection {
    pub fn new(rules: Vec<Rule>) -> Selection {
        Selection { rules }
    }

    /// The action of rule `number`; without a rule, everything is logged.
    pub fn action(&self, number: Option<Number>) -> Action {
        number
            .and_then(|number| self.rules.get(number))
            .map_or_else(Action::default, |rule| rule.action)
    }

    /// Judges a request before the app is called.
    pub fn at_arrival(&self, arrival: &Arrival<'_>) -> Decision {
        judge(0..self.rules.len(), |number| {
            self.rules
                .get(number)
                .map_or(Outcome::Fails, |rule| rule.meets_arrival(arrival))
        })
    }

    /// Judges a request further, by the rules that an earlier decision has left open.
    pub fn at_answer(&self, open: &[Number], answer: &Answer<'_>) -> Decision {
        judge(open.iter().copied(), |number| {
            self.rules
                .get(number)
                .map_or(Outcome::Fails, |rule| rule.meets_answer(answer))
        })
    }
}

fn judge(numbers: impl Iterator<Item = Number>, outcome: impl Fn(Number) -> Outcome) -> Decision {
    let mut open = Vec::new();
    for number in numbers {
        match outcome(number) {
            Outcome::Fails => {}
            Outcome::Unknown => open.push(number),
            Outcome::Holds if open.is_empty() => return Decision::Final(Some(number)),
            Outcome::Holds => {
                // This rule decides, unless an earlier one that is still open does.
                open.push(number);
                break;
            }
        }
    }
    if open.is_empty() {
        Decision::Final(None)
    } else {
        Decision::Open(open)
    }
}
