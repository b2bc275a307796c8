//! Header values.

pub(in crate::redact) mod cookies;

use crate::redact::edit::{Edit, Text};
use crate::redact::marker;
use crate::redact::mask;
use crate::redact::repeats::Repeats;
use crate::redact::url::denied;
use crate::redact::url::hidden::Denied;
use crate::rules::Rules;

/// Request headers that are masked even if they are allowed.
const CREDENTIALS: [&str; 2] = ["Authorization", "Proxy-Authorization"];

/// Headers whose values are URLs even if they do not look like one, such as `cart?ticket=..`.
const URLS: [&str; 10] = [
    "Content-Location",
    "Destination",
    "Link",
    "Location",
    "Referer",
    "Refresh",
    "X-Forwarded-Uri",
    "X-Original-Uri",
    "X-Original-Url",
    "X-Rewrite-Url",
];

/// What becomes of a header's value, which follows from the header's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The value is kept, since no list is configured.
    Keep,
    /// The value is kept; if it looks like a URL, its denied parameters are redacted.
    KeepText,
    /// The value is kept; the denied parameters of its URLs are redacted.
    KeepUrl,
    /// Each cookie is kept or redacted by its name.
    Cookies,
    /// The one cookie is kept or redacted by its name; its attributes are kept.
    SetCookie,
    Mask,
    Redact,
}

impl Treatment {
    /// The treatment of a request's header.
    pub fn in_request(rules: &Rules, name: &str) -> Treatment {
        match Treatment::of(rules, name) {
            // An allowlist that does not have the header's name may have the names of single cookies.
            Treatment::Redact if rules.is_allowlist() && name.eq_ignore_ascii_case("Cookie") => {
                Treatment::Cookies
            }
            Treatment::Redact => Treatment::Redact,
            _ if is_one_of(&CREDENTIALS, name) => Treatment::Mask,
            Treatment::KeepText if !rules.is_allowlist() && name.eq_ignore_ascii_case("Cookie") => {
                Treatment::Cookies
            }
            other => other,
        }
    }

    /// The treatment of a response's header.
    pub fn in_response(rules: &Rules, name: &str) -> Treatment {
        match Treatment::of(rules, name) {
            Treatment::Redact
                if rules.is_allowlist() && name.eq_ignore_ascii_case("Set-Cookie") =>
            {
                Treatment::SetCookie
            }
            Treatment::KeepText
                if !rules.is_allowlist() && name.eq_ignore_ascii_case("Set-Cookie") =>
            {
                Treatment::SetCookie
            }
            other => other,
        }
    }

    fn of(rules: &Rules, name: &str) -> Treatment {
        if rules.denies_header(name) {
            Treatment::Redact
        } else if !rules.is_active() {
            Treatment::Keep
        } else if is_one_of(&URLS, name) {
            Treatment::KeepUrl
        } else {
            Treatment::KeepText
        }
    }

    /// The value, as far as it may be sent.
    #[inline]
    pub fn apply<'a>(self, rules: &Rules, value: &'a str) -> Text<'a> {
        match self {
            Treatment::Keep => Text::plain(value),
            Treatment::KeepText | Treatment::KeepUrl => {
                let edits = self.denied(rules, value).iter().map(edit).collect();
                Text::edited(value, edits)
            }
            Treatment::Cookies => cookies::in_request(rules, value),
            Treatment::SetCookie => cookies::in_response(rules, value),
            Treatment::Mask => Text::plain(mask(value)),
            Treatment::Redact => Text::plain(marker::redacted(value.chars().count())),
        }
    }

    /// Whether a value with these characters is kept as it is.
    #[inline]
    pub fn keeps_all_of(self, characters: Characters) -> bool {
        match self {
            Treatment::Keep => characters.are_ascii(),
            Treatment::KeepText | Treatment::KeepUrl => characters.0 == 0,
            _ => false,
        }
    }

    /// Notes the denied parameters of a value, so that they are redacted wherever the log repeats them. Returns the value's
    /// characters, without those of a URL if nothing in it is denied: then it need not be judged again.
    pub fn note_repeats(
        self,
        rules: &Rules,
        value: &str,
        characters: Characters,
        repeats: &mut Repeats,
    ) -> Characters {
        if !matches!(self, Treatment::KeepText | Treatment::KeepUrl) {
            return characters;
        }
        let denied = self.denied(rules, value);
        repeats.add(value, &denied);
        if denied.is_empty() {
            Characters(characters.0 & NOT_ASCII)
        } else {
            characters
        }
    }

    fn denied(self, rules: &Rules, value: &str) -> Vec<Denied> {
        denied::in_header(rules, value, self == Treatment::KeepUrl)
    }
}

/// Which of the few characters that matter here a value has: usually none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Characters(u8);

const OF_PARAMETERS: u8 = 1;
const OF_USERINFO: u8 = 2;
const NOT_ASCII: u8 = 4;

/// For each byte, which of these characters it is.
const CHARACTERS: [u8; 256] = {
    let mut characters = [0; 256];
    characters[b'?' as usize] = OF_PARAMETERS;
    characters[b'#' as usize] = OF_PARAMETERS;
    characters[b'%' as usize] = OF_PARAMETERS;
    characters[b'@' as usize] = OF_USERINFO;
    let mut byte = 0x80;
    while byte < 256 {
        characters[byte] = NOT_ASCII;
        byte += 1;
    }
    characters
};

impl Characters {
    /// A value that was not examined may have any of them.
    pub const UNKNOWN: Characters = Characters(OF_PARAMETERS | OF_USERINFO | NOT_ASCII);

    #[inline]
    pub fn of(value: &str) -> Characters {
        Characters(
            value
                .bytes()
                .fold(0, |found, byte| found | CHARACTERS[usize::from(byte)]),
        )
    }

    /// Whether a URL in the value can have parameters, however it is encoded.
    #[inline]
    pub fn may_hold_parameters(self) -> bool {
        self.0 & OF_PARAMETERS != 0
    }

    #[inline]
    pub fn are_ascii(self) -> bool {
        self.0 & NOT_ASCII == 0
    }
}

fn edit(denied: &Denied) -> Edit {
    Edit {
        start: denied.range.start,
        end: denied.range.end,
        replacement: denied.hidden.component(),
    }
}

/// Whether `name` is one of `names`. Length and first letter are compared first, in which most names differ.
fn is_one_of(names: &[&str], name: &str) -> bool {
    let first = name.as_bytes().first().map(u8::to_ascii_uppercase);
    names.iter().any(|known| {
        known.len() == name.len()
            && known.as_bytes().first().copied() == first
            && known.eq_ignore_ascii_case(name)
    })
}
