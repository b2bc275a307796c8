//! The names of the files in an app's directory.

use crate::queue::fork;

/// The sequence number of compact files. No process makes so many files.
const COMPACT: u64 = u64::MAX;

/// What a file is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// A file that is being made. If it is unlocked, its process has died and the file is removed.
    Temporary,
    /// A whole segment. If it is unlocked, it waits for an adopter.
    Segment,
}

impl Extension {
    fn text(self) -> &'static str {
        match self {
            Extension::Temporary => "tmp",
            Extension::Segment => "seg",
        }
    }
}

/// `<token>-<sequence>.<extension>`. The token says which process holds the file; no two files ever share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    token: u64,
    pub sequence: u64,
    pub extension: Extension,
}

impl Name {
    /// A new name for a file of this process.
    pub fn own(extension: Extension) -> Name {
        Name {
            token: fork::token(),
            sequence: fork::next_sequence(),
            extension,
        }
    }

    /// A name for a segment of no living process.
    pub fn nobodys() -> Name {
        Name {
            token: fork::random(),
            sequence: 0,
            extension: Extension::Segment,
        }
    }

    /// A name for a segment of no living process that is as small as possible.
    pub fn compact() -> Name {
        Name {
            sequence: COMPACT,
            ..Name::nobodys()
        }
    }

    pub fn is_compact(self) -> bool {
        self.sequence == COMPACT
    }

    pub fn parse(text: &str) -> Option<Name> {
        let (stem, extension) = text.rsplit_once('.')?;
        let extension = [Extension::Temporary, Extension::Segment]
            .into_iter()
            .find(|known| known.text() == extension)?;
        let (token, sequence) = stem.split_once('-')?;
        let name = Name {
            token: u64::from_str_radix(token, 16).ok()?,
            sequence: sequence.parse().ok()?,
            extension,
        };
        (name.to_string() == text).then_some(name) // refuses other spellings of the same name
    }

    pub fn is_own(self) -> bool {
        fork::is(self.token)
    }

    pub fn with(self, extension: Extension) -> Name {
        Name { extension, ..self }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:016x}-{}.{}",
            self.token,
            self.sequence,
            self.extension.text()
        )
    }
}
