//! Reads JSON without building anything: finds where keys and values begin and end.
//!
//! Understands RFC 8259, and `NaN`, `Infinity` and `-Infinity` as Python does. Anything else is refused, however harmless,
//! because a parser that accepts it may see other keys than we do. Nesting costs one bit per level and no recursion.

use super::tokens::Tokens;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// A position in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    tokens: Tokens<'t>,
}

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString<'t> {
    pub(super) text: &'t str,
    pub(super) has_escapes: bool,
}

impl<'t> RawString<'t> {
    /// `None` if the value is not a string.
    pub(super) fn unquote(value: &'t str) -> Option<Self> {
        let text = value.strip_prefix('"')?.strip_suffix('"')?;
        let has_escapes = text.as_bytes().contains(&b'\\'); // short as a rule, too short for memchr
        Some(Self { text, has_escapes })
    }
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            tokens: Tokens::new(text.as_bytes()),
        }
    }

    /// Where the next token is, and its first byte.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<(usize, u8)> {
        let at = self.tokens.peek().ok_or(Malformed)?;
        let byte = self.text.as_bytes().get(at).ok_or(Malformed)?;
        Ok((at, *byte))
    }

    /// Takes the next token.
    #[inline]
    pub(super) fn token(&mut self) -> Result<(usize, u8)> {
        let token = self.peek()?;
        self.tokens.skip();
        Ok(token)
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.tokens.peek() {
            None if self.tokens.is_well_formed() => Ok(()),
            _ => Err(Malformed),
        }
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<RawString<'t>> {
        let (start, quote) = self.token()?;
        let (end, colon) = self.token()?;
        if (quote, colon) != (b'"', b':') {
            return Err(Malformed);
        }
        let string = self.text.get(start..end).ok_or(Malformed)?;
        RawString::unquote(string.trim_ascii_end()).ok_or(Malformed)
    }

    /// A value of any kind: where it ends.
    pub(super) fn value(&mut self) -> Result<usize> {
        let (start, first) = self.token()?;
        match first {
            b'{' => self.container(State::ObjectStart),
            b'[' => self.container(State::ArrayStart),
            b'"' => self.string_end(start),
            _ => scalar(self.text.as_bytes(), start),
        }
    }

    /// The end of the string at `start`: nothing but white space stands between it and the next token.
    fn string_end(&mut self, start: usize) -> Result<usize> {
        let next = self.tokens.peek().unwrap_or(self.text.len());
        let string = self.text.get(start..next).ok_or(Malformed)?;
        Ok(start + string.trim_ascii_end().len())
    }

    /// The rest of a container that `state` is the start of: where it ends.
    #[inline(never)] // on its own, the loop keeps all it needs in registers
    fn container(&mut self, mut state: State) -> Result<usize> {
        let bytes = self.text.as_bytes();
        let mut nesting = Nesting::default();
        loop {
            let mut batch = self.tokens.batch().ok_or(Malformed)?;
            while let Some(at) = batch.next() {
                let class = CLASSES[usize::from(*bytes.get(at).ok_or(Malformed)?)];
                let before = state;
                state = NEXT[before as usize][class as usize];
                // Most tokens are of the first three classes: this one branch is all they cost.
                if class as u8 <= Class::String as u8 {
                    continue;
                }
                match (class, state) {
                    (Class::Object | Class::Array, _) => nesting.push(before.is_in_object()),
                    (Class::ObjectEnd | Class::ArrayEnd, State::Ended) => match nesting.pop() {
                        Some(true) => state = State::AfterMember,
                        Some(false) => state = State::AfterElement,
                        None => {
                            self.tokens.put_back(&batch);
                            return Ok(at + 1);
                        }
                    },
                    (Class::ObjectEnd | Class::ArrayEnd, _) => return Err(Malformed),
                    (Class::Colon | Class::Comma | Class::String | Class::Other, _) => {
                        scalar(bytes, at)?;
                    }
                }
            }
            if matches!(state, State::Malformed) {
                return Err(Malformed);
            }
            self.tokens.put_back(&batch);
        }
    }
}

/// What the first byte of a token makes of it.
#[derive(Clone, Copy)]
enum Class {
    Colon,
    Comma,
    String,
    /// A number or a name, or not JSON.
    Other,
    Object,
    Array,
    ObjectEnd,
    ArrayEnd,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    classes[b'{' as usize] = Class::Object;
    classes[b'[' as usize] = Class::Array;
    classes[b'}' as usize] = Class::ObjectEnd;
    classes[b']' as usize] = Class::ArrayEnd;
    classes[b':' as usize] = Class::Colon;
    classes[b',' as usize] = Class::Comma;
    classes[b'"' as usize] = Class::String;
    classes
};

/// What a container has come to.
#[derive(Clone, Copy)]
enum State {
    ObjectStart,
    Key,
    Colon,
    MemberValue,
    AfterMember,
    ArrayStart,
    Element,
    AfterElement,
    Ended,
    Malformed,
}

impl State {
    fn is_in_object(self) -> bool {
        matches!(self, State::MemberValue)
    }
}

/// The grammar: the state after a token, by the state before it and its class.
const NEXT: [[State; 8]; 10] = {
    use State::{
        AfterElement, AfterMember, ArrayStart, Colon, Element, Ended, Key, Malformed as No,
        MemberValue, ObjectStart,
    };
    [
        // :          ,        string        other         {            [           }      ]
        [No, No, Colon, No, No, No, Ended, No], // ObjectStart
        [No, No, Colon, No, No, No, No, No],    // Key
        [MemberValue, No, No, No, No, No, No, No], // Colon
        [
            No,
            No,
            AfterMember,
            AfterMember,
            ObjectStart,
            ArrayStart,
            No,
            No,
        ], // MemberValue
        [No, Key, No, No, No, No, Ended, No],   // AfterMember
        [
            No,
            No,
            AfterElement,
            AfterElement,
            ObjectStart,
            ArrayStart,
            No,
            Ended,
        ], // ArrayStart
        [
            No,
            No,
            AfterElement,
            AfterElement,
            ObjectStart,
            ArrayStart,
            No,
            No,
        ], // Element
        [No, Element, No, No, No, No, No, Ended], // AfterElement
        [No; 8],                                // Ended
        [No; 8],                                // Malformed
    ]
};

/// Where a number or a name ends.
#[inline]
fn scalar(bytes: &[u8], start: usize) -> Result<usize> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = match rest {
        [b'-' | b'0'..=b'9', ..] if !rest.starts_with(b"-I") => number(rest)?,
        _ => name(rest)?,
    };
    match rest.get(length) {
        None | Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | b']' | b'}') => Ok(start + length),
        Some(_) => Err(Malformed),
    }
}

fn name(rest: &[u8]) -> Result<usize> {
    ["true", "false", "null", "NaN", "Infinity", "-Infinity"]
        .iter()
        .find(|name| rest.starts_with(name.as_bytes()))
        .map(|name| name.len())
        .ok_or(Malformed)
}

#[inline]
fn number(rest: &[u8]) -> Result<usize> {
    let at = |i: usize| rest.get(i).copied().unwrap_or_default();
    let digits = |start: usize| {
        let mut end = start;
        while at(end).is_ascii_digit() {
            end += 1;
        }
        if end > start { Ok(end) } else { Err(Malformed) }
    };
    let start = usize::from(at(0) == b'-');
    let mut end = digits(start)?;
    if at(start) == b'0' && end > start + 1 {
        return Err(Malformed);
    }
    if at(end) == b'.' {
        end = digits(end + 1)?;
    }
    if let b'e' | b'E' = at(end) {
        let has_sign = matches!(at(end + 1), b'+' | b'-');
        end = digits(end + 1 + usize::from(has_sign))?;
    }
    Ok(end)
}

/// The containers around a position: for each, whether it is an object.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    /// The innermost ones, the last in bit 0.
    inner: u64,
    /// The others, 64 to a word.
    outer: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let is_object = self.inner & 1 == 1;
        self.inner >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
        Some(is_object)
    }
}
