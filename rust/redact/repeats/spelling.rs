//! How a byte may be written in a text that repeats it: as itself, percent-encoded, as an entity of HTML, as an escape of JSON or
//! of JavaScript, or as one of these inside another (`%2526`, `\u0026amp;`, `&#x25;26`, `\\u0026`).

use std::collections::HashSet;

use crate::redact::url::component::hex;

/// How deep escapes may be nested.
const MAX_LAYERS: usize = 6;

/// How deep escapes may be nested inside an entity, whose `&`, `#` and `;` may be escaped too.
const MAX_INNER: usize = 3;

/// How many readings of one place are kept.
const MAX_READINGS: usize = 12;

/// The longest escape that has no other escape in it.
const MAX_ESCAPE: usize = 12;

/// A reading of a position in a text.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// One character in UTF-8, or a part of one.
    bytes: [u8; 4],
    length: usize,
    /// Where the reading ends in the text.
    end: usize,
    /// How deep its escapes are nested.
    layers: usize,
}

impl Reading {
    fn byte(byte: u8, end: usize, layers: usize) -> Reading {
        Reading {
            bytes: [byte, 0, 0, 0],
            length: 1,
            end,
            layers,
        }
    }

    fn character(character: char, end: usize, layers: usize) -> Reading {
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        Reading {
            bytes,
            length,
            end,
            layers,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn is(&self, byte: u8) -> bool {
        self.as_bytes() == [byte]
    }

    /// How many of the `wanted` bytes this reading is. A blank may be written as `+`.
    fn matches(&self, wanted: &[u8]) -> Option<usize> {
        let is_blank = self.is(b'+') && wanted.first() == Some(&b' ');
        (is_blank || wanted.starts_with(self.as_bytes())).then_some(self.length)
    }
}

/// Whether a byte may begin an escape.
pub(in crate::redact) fn may_escape(byte: u8) -> bool {
    matches!(byte, b'%' | b'&' | b'\\')
}

/// Where `wanted` ends if it is written at this position, in whatever way.
///
/// A `&` may be itself or begin an entity, and so with `%` and `\`: what fits is all tried, and each try that is put off takes one
/// off `tries`. With none left the answer means nothing. With `is_cut` the text may end before `wanted` does.
pub(in crate::redact) fn written(
    text: &[u8],
    position: usize,
    wanted: &[u8],
    is_cut: bool,
    tries: &mut usize,
) -> Option<usize> {
    let mut others: Vec<(usize, usize)> = Vec::new();
    let mut seen: HashSet<(usize, usize)> = HashSet::new();
    let (mut at, mut done) = (position, 0);
    loop {
        let rest = wanted.get(done..).unwrap_or_default();
        let Some(first) = rest.first() else {
            return Some(at);
        };
        let mut next = None;
        match text.get(at) {
            Some(byte) if !may_escape(*byte) => {
                let fits = byte == first || (*byte == b'+' && *first == b' ');
                next = fits.then_some((at + 1, done + 1));
            }
            Some(_) => {
                for reading in Readings::of(text, at, MAX_LAYERS).iter() {
                    let Some(length) = reading.matches(rest) else {
                        continue;
                    };
                    let place = (reading.end, done + length);
                    if next.is_none() && (others.is_empty() || !seen.contains(&place)) {
                        next = Some(place);
                    } else if *tries > 0 && seen.insert(place) {
                        *tries -= 1;
                        others.push(place);
                    }
                }
            }
            None => {}
        }
        // The rest of the text may be the beginning of an escape.
        let is_end = at == text.len()
            || (at + MAX_ESCAPE > text.len() && text.get(at).is_some_and(|byte| may_escape(*byte)));
        if next.is_none() && others.is_empty() && is_cut && is_end && at > position {
            return Some(text.len());
        }
        (at, done) = next.or_else(|| others.pop())?;
    }
}

/// All readings of a position. The first is the byte itself.
#[derive(Clone, Copy)]
struct Readings {
    all: [Reading; MAX_READINGS],
    count: usize,
}

impl Readings {
    fn of(text: &[u8], at: usize, max_layers: usize) -> Readings {
        let first = text.get(at).copied().unwrap_or_default();
        let mut found = Readings {
            all: [Reading::byte(first, at + 1, 0); MAX_READINGS],
            count: 1,
        };
        let mut tried = 0;
        while let Some(lead) = found.iter().nth(tried).copied() {
            tried += 1;
            if lead.layers >= max_layers {
                continue;
            }
            // The rest of an escape went through the encodings that its first character went through.
            let left = (max_layers - lead.layers - 1)
                .max(lead.layers)
                .min(MAX_INNER);
            match lead.as_bytes() {
                b"%" => {
                    let digits = text.get(lead.end..lead.end + 2);
                    let byte = digits.and_then(hex);
                    found.extend(byte.map(|b| Reading::byte(b, lead.end + 2, lead.layers + 1)));
                }
                b"&" => found.extend(entity(text, lead, left)),
                b"\\" => escapes(text, lead, left, &mut found),
                _ => {}
            }
        }
        found
    }

    fn iter(&self) -> std::slice::Iter<'_, Reading> {
        self.all.get(..self.count).unwrap_or_default().iter()
    }

    fn extend(&mut self, reading: Option<Reading>) {
        // Two readings that end in one place and say the same are one, whatever their layers.
        let is_known = |new: &Reading| {
            let same = |old: &Reading| old.end == new.end && old.as_bytes() == new.as_bytes();
            self.iter().any(same)
        };
        let reading = reading.filter(|new| !is_known(new));
        if let (Some(reading), Some(place)) = (reading, self.all.get_mut(self.count)) {
            *place = reading;
            self.count += 1;
        }
    }
}

/// Where `wanted` ends if it is written at this position.
fn byte_at(text: &[u8], at: usize, wanted: u8, max_layers: usize) -> Option<usize> {
    match text.get(at)? {
        byte if *byte == wanted => Some(at + 1),
        _ if max_layers == 0 => None,
        byte if may_escape(*byte) => Readings::of(text, at, max_layers)
            .iter()
            .find(|reading| reading.is(wanted))
            .map(|reading| reading.end),
        _ => None,
    }
}

/// The entity after a `&`.
fn entity(text: &[u8], lead: Reading, max_layers: usize) -> Option<Reading> {
    let number = byte_at(text, lead.end, b'#', max_layers);
    let start = number.unwrap_or(lead.end);
    let rest = text.get(start..)?;
    let length = rest
        .iter()
        .take(MAX_ESCAPE)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    let end = byte_at(text, start + length, b';', max_layers)?;
    let character = match (number, name.strip_prefix(['x', 'X'])) {
        (Some(_), Some(digits)) => char::from_u32(u32::from_str_radix(digits, 16).ok()?)?,
        (Some(_), None) => char::from_u32(name.parse().ok()?)?,
        (None, _) => named(name)?,
    };
    Some(Reading::character(character, end, lead.layers + 1))
}

/// The escapes after a `\`.
fn escapes(text: &[u8], lead: Reading, max_layers: usize, found: &mut Readings) {
    let layers = lead.layers + 1;
    let digits = |start: usize, count: usize| {
        let digits = std::str::from_utf8(text.get(start..start + count)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let after = lead.end + 1;
    match text.get(lead.end) {
        Some(b'x') => {
            let character = digits(after, 2).and_then(char::from_u32);
            found.extend(character.map(|c| Reading::character(c, after + 2, layers)));
        }
        Some(b'u') => {
            let Some(first) = digits(after, 4) else {
                return;
            };
            if let Some(character) = char::from_u32(first) {
                found.extend(Some(Reading::character(character, after + 4, layers)));
                return;
            }
            for slash in Readings::of(text, after + 4, max_layers).iter() {
                let second = digits(slash.end + 1, 4)
                    .filter(|_| slash.is(b'\\') && text.get(slash.end) == Some(&b'u'));
                let units = second.and_then(|second| {
                    Some([u16::try_from(first).ok()?, u16::try_from(second).ok()?])
                });
                let character = units.and_then(|units| char::decode_utf16(units).next()?.ok());
                found.extend(character.map(|c| Reading::character(c, slash.end + 5, layers)));
            }
        }
        Some(byte) if byte.is_ascii() => {
            for next in Readings::of(text, lead.end, max_layers).iter() {
                let byte = match next.as_bytes() {
                    [byte @ (b'"' | b'\\' | b'/' | b'\'' | b'`')] => *byte,
                    b"n" => b'\n',
                    b"r" => b'\r',
                    b"t" => b'\t',
                    b"b" => 8,
                    b"f" => 12,
                    _ => continue,
                };
                found.extend(Some(Reading::byte(byte, next.end, layers)));
            }
        }
        _ => {}
    }
}

/// The named entities that frameworks write for characters of a URL.
fn named(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" | "AMP" => '&',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "equals" => '=',
        "percnt" => '%',
        "plus" => '+',
        "sol" => '/',
        "bsol" => '\\',
        "num" => '#',
        "quest" => '?',
        "colon" => ':',
        "semi" => ';',
        "comma" => ',',
        "period" => '.',
        "excl" => '!',
        "dollar" => '$',
        "commat" => '@',
        "lowbar" => '_',
        "ast" => '*',
        "lpar" => '(',
        "rpar" => ')',
        "lsqb" | "lbrack" => '[',
        "rsqb" | "rbrack" => ']',
        "lcub" | "lbrace" => '{',
        "rcub" | "rbrace" => '}',
        "verbar" | "vert" => '|',
        "Hat" => '^',
        "grave" => '`',
        "Tab" => '\t',
        "NewLine" => '\n',
        "nbsp" => '\u{a0}',
        _ => return None,
    })
}
