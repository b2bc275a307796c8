//! The deny or allow list, compiled once per configuration.
//!
//! `Rules` holds names and nothing of a request, so one `Rules` serves all threads. It answers one question, "may the value of
//! this name be sent?", and never sees the value. If both lists are configured, only the denylist applies, as documented.

mod names;
mod paths;

use names::NameSet;
use paths::Paths;
pub(crate) use paths::Trail;

/// Which list applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// No list: everything is sent.
    Pass,
    /// Listed names are redacted.
    Deny,
    /// Names that are not listed are redacted.
    Allow,
}

/// What becomes of the value of a JSON member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberVerdict {
    /// The value is sent, except for denied members inside it.
    Keep,
    /// The member is not allowed, but an allowed path begins with it: only allowed members inside it are sent.
    Enter,
    /// The value is replaced by a marker, whatever is inside it.
    Redact,
}

/// The compiled list: which names keep their values.
#[derive(Debug)]
pub struct Rules {
    policy: Policy,
    names: NameSet,
    /// `None` unless lists apply at every depth.
    paths: Option<Paths>,
}

impl Rules {
    /// Compiles the lists. With both, only the denylist applies; with neither, nothing is redacted. An empty allowlist lets
    /// nothing through.
    ///
    /// `nested` applies the list to the members of JSON objects at every depth, inside arrays too. Then an entry may also be
    /// a dotted path, and `*` in it stands for any run of characters within one name: `user.card.*`, `*_token`. A path matches
    /// the end of a member's path, so that a plain name matches at any depth; arrays add nothing to a path. Names of headers,
    /// form fields and URL parameters are always compared whole.
    pub fn new(denylist: &[String], allowlist: Option<&[String]>, nested: bool) -> Rules {
        let (policy, list) = if !denylist.is_empty() {
            (Policy::Deny, denylist)
        } else if let Some(allowlist) = allowlist {
            (Policy::Allow, allowlist)
        } else {
            (Policy::Pass, denylist)
        };
        Rules {
            policy,
            names: NameSet::new(list),
            paths: nested.then(|| Paths::new(list)),
        }
    }

    /// Whether a list is configured.
    pub fn is_active(&self) -> bool {
        self.policy != Policy::Pass
    }

    /// Whether names have to be listed for their values to be sent.
    pub(crate) fn is_allowlist(&self) -> bool {
        self.policy == Policy::Allow
    }

    /// What becomes of a JSON value that has no name.
    pub(crate) fn top_level(&self) -> MemberVerdict {
        match self.policy {
            Policy::Pass | Policy::Deny => MemberVerdict::Keep,
            Policy::Allow => MemberVerdict::Enter,
        }
    }

    /// Whether the value of a JSON member, form field or URL parameter is redacted. The name is compared exactly.
    pub fn denies(&self, key: &str) -> bool {
        match self.policy {
            Policy::Pass => false,
            Policy::Deny => self.names.contains(key),
            Policy::Allow => !self.names.contains(key),
        }
    }

    /// Whether the value of a header is redacted. The name is compared without regard to ASCII case.
    pub fn denies_header(&self, name: &str) -> bool {
        match self.policy {
            Policy::Pass => false,
            Policy::Deny => self.names.contains_ignoring_case(name),
            Policy::Allow => !self.names.contains_ignoring_case(name),
        }
    }

    /// Whether the list applies to JSON at every depth.
    pub(crate) fn is_nested(&self) -> bool {
        self.paths.is_some()
    }

    /// Judges the member `key` of the object that `trail` has led to.
    pub(crate) fn judge(&self, key: &str, trail: &mut Trail) -> MemberVerdict {
        let listed = self.names.contains(key);
        let (matched, started) = match &self.paths {
            Some(paths) => paths.follow(key, trail),
            None => (false, false),
        };
        match (self.policy, listed || matched) {
            (Policy::Pass, _) | (Policy::Deny, false) | (Policy::Allow, true) => {
                MemberVerdict::Keep
            }
            (Policy::Allow, false) if started => MemberVerdict::Enter,
            (Policy::Deny, true) | (Policy::Allow, false) => MemberVerdict::Redact,
        }
    }
}
