//! What may be sent of a request and its response.
//!
//! Each file filters one kind of data: it takes bytes and [`Rules`], and returns a [`Text`] or [`Param`]s. Nothing here fails: a text
//! that cannot be filtered with certainty is replaced by a marker. A text is never changed in place, only copied with its edits.
//!
//! ```text
//! header/                     header values; cookies by name
//! url/                        the query, and urlencoded forms
//!   denied  hidden            finds denied values in parameters, values and URLs, however often they are encoded
//!   pair  component           names and values, encoded and decoded
//! repeats/                    denied parameters that the log repeats elsewhere
//!   spelling                  in how many ways a byte may be written
//! body/                       decides what kind a body is
//!   decompress  content_type  what that decision needs
//!   form  multipart           one filter for each kind
//!   parameters  disposition   the `; name=value` syntax of header fields
//! json                        the filter of JSON, in bodies and in parameters
//! edit   marker   mask        what is written in place of a denied value
//! ```

mod body;
mod edit;
mod header;
mod json;
mod marker;
mod mask;
mod repeats;
mod url;

use std::borrow::Cow;

pub use body::content_type::{changes_query, is_form};
pub use body::{Body, Content, Unpacked, request_body, response_body};
pub(crate) use edit::COPY_BYTES;
pub use edit::Text;
pub use header::{Characters, Treatment};
pub use marker::{not_read, redacted_text};
pub use mask::{mask, masked};
pub use repeats::Repeats;
pub use url::Query;

#[cfg(doc)]
use crate::rules::Rules;

/// A URL parameter or a form field.
#[derive(Clone, Debug)]
pub struct Param<'a> {
    /// The decoded name; empty if a part of a multipart body has none.
    pub name: Cow<'a, str>,
    /// The decoded value, or a marker; empty for a file, whose content is never sent.
    pub value: Text<'a>,
    /// The name of an uploaded file.
    pub file_name: Option<Cow<'a, str>>,
    /// The type of a part of a multipart body, if it has one.
    pub content_type: Option<Cow<'a, str>>,
}
