//! Reads JSON without building anything: finds where keys and values begin and end.
//!
//! Understands RFC 8259, and `NaN`, `Infinity` and `-Infinity` as Python does. Anything else is refused, however harmless,
//! because a parser that accepts it may see other keys than we do. Nesting costs one bit per level and no recursion.

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// A position in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString<'t> {
    pub(super) text: &'t str,
    pub(super) has_escapes: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, which stays where it is.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Malformed),
            }
        }
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn token(&mut self) -> Result<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            Ok(_) => Err(Malformed),
            Err(Malformed) => Ok(()),
        }
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<RawString<'t>> {
        if self.token()? != b'"' {
            return Err(Malformed);
        }
        let start = self.at;
        let has_escapes = self.string()?;
        let text = self.text.get(start..self.at - 1).ok_or(Malformed)?;
        match self.token()? {
            b':' => Ok(RawString { text, has_escapes }),
            _ => Err(Malformed),
        }
    }

    /// A value of any kind.
    pub(super) fn value(&mut self) -> Result<()> {
        let mut nesting = Nesting::default();
        loop {
            match self.token()? {
                b'"' => {
                    self.string()?;
                }
                b'{' => {
                    if self.peek()? == b'}' {
                        self.at += 1;
                    } else {
                        nesting.push(true);
                        self.skip_key()?;
                        continue;
                    }
                }
                b'[' => {
                    if self.peek()? == b']' {
                        self.at += 1;
                    } else {
                        nesting.push(false);
                        continue;
                    }
                }
                first => self.scalar(first)?,
            }
            // A value has ended, and with it perhaps the containers it closes.
            loop {
                if nesting.is_empty() {
                    return Ok(());
                }
                match (self.token()?, nesting.is_in_object) {
                    (b',', true) => {
                        self.skip_key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => nesting.pop(),
                    _ => return Err(Malformed),
                }
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<()> {
        if self.token()? != b'"' {
            return Err(Malformed);
        }
        self.string()?;
        match self.token()? {
            b':' => Ok(()),
            _ => Err(Malformed),
        }
    }

    /// The rest of a string, its closing quote included: whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool> {
        let mut has_escapes = false;
        loop {
            self.plain_characters();
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// Goes to the next quote, backslash or control character, or to the end.
    #[inline]
    fn plain_characters(&mut self) {
        while let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(0x20..=0x21 | 0x23..=0x5B | 0x5D..) = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<()> {
        let length = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => 6,
            _ => return Err(Malformed),
        };
        let escape = self.bytes.get(self.at..self.at + length).ok_or(Malformed)?;
        let digits = escape.get(2..).unwrap_or_default();
        if digits.iter().all(u8::is_ascii_hexdigit) {
            self.at += length;
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// The rest of a number or a name.
    #[inline]
    fn scalar(&mut self, first: u8) -> Result<()> {
        match first {
            b'0'..=b'9' => self.number(first),
            b'-' => match self.bytes.get(self.at) {
                Some(b'I') => self.name("Infinity"),
                Some(&digit) => {
                    self.at += 1;
                    self.number(digit)
                }
                None => Err(Malformed),
            },
            b't' => self.name("rue"),
            b'f' => self.name("alse"),
            b'n' => self.name("ull"),
            b'N' => self.name("aN"),
            b'I' => self.name("nfinity"),
            _ => Err(Malformed),
        }
    }

    /// The rest of a name. What follows needs no look: only punctuation may come after a value.
    fn name(&mut self, rest: &str) -> Result<()> {
        let found = self.bytes.get(self.at..).unwrap_or_default();
        if found.starts_with(rest.as_bytes()) {
            self.at += rest.len();
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    #[inline]
    fn number(&mut self, first: u8) -> Result<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(Malformed),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<()> {
        let start = self.at;
        self.digits();
        if self.at > start {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// The high bit of each byte of `word` that is a quote, a backslash or a control character. Bits above the lowest one set
/// may be wrong, since a borrow carries upwards.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    let control = below(word, 0x20);
    (quote | backslash | control) & (ONES << 7)
}

/// The containers around a position: for each, whether it is an object.
#[derive(Debug, Default)]
struct Nesting {
    /// The innermost container; without meaning when there is none.
    is_in_object: bool,
    depth: usize,
    /// The containers around it, 64 to a word, the outermost in bit 0 of the first word.
    outer: u64,
    full: Vec<u64>,
}

impl Nesting {
    fn is_empty(&self) -> bool {
        self.depth == 0
    }

    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.outer);
        }
        self.outer = self.outer << 1 | u64::from(self.is_in_object);
        self.is_in_object = is_object;
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.is_in_object = self.outer & 1 == 1;
        self.outer >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer = self.full.pop().unwrap_or_default();
        }
    }
}
