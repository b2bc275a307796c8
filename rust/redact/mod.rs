//! What may be sent of a request and its response.
//!
//! One kind of data per file: bytes and [`Rules`] in, [`Text`] or [`Param`]s out. Nothing here fails: what cannot be filtered
//! with certainty is replaced by a marker, and a text is never changed in place, only copied with its edits applied.
//!
//! ```text
//! header  cookies             header values; cookies by name
//! url                         the query, and urlencoded forms
//!   denied                    finds denied values in parameters, values and URLs, however often they are encoded
//!   pair  component           names and values as they are written and as they read
//! repeats                     denied parameters that stand elsewhere in the log
//!   spelling                  in how many ways a byte may be written
//! body                        decides what a body is
//!   decompress  content_type  what it takes to decide
//!   json  form  multipart     one filter per kind
//!   parameters  disposition   the `; name=value` syntax of header fields
//! edit   marker   mask        what is written instead
//! ```

mod body;
mod component;
mod content_type;
mod cookies;
mod decompress;
mod denied;
mod disposition;
mod edit;
mod form;
mod header;
mod json;
mod marker;
mod mask;
mod multipart;
mod pair;
mod parameters;
mod repeats;
mod spelling;
mod url;

use std::borrow::Cow;

pub use body::{Body, Content, Unpacked, request_body, response_body};
pub use content_type::{changes_query, is_form};
pub(crate) use edit::COPY_BYTES;
pub use edit::Text;
pub use header::Treatment;
pub use marker::not_read;
pub use mask::{mask, masked};
pub use repeats::Repeats;
pub use url::Query;

#[cfg(doc)]
use crate::rules::Rules;

/// A URL parameter or a form field.
#[derive(Clone, Debug)]
pub struct Param<'a> {
    /// Decoded; empty if a part of a multipart body has none.
    pub name: Cow<'a, str>,
    /// Decoded, or a marker; empty for a file, whose content is never sent.
    pub value: Text<'a>,
    /// Only of files.
    pub file_name: Option<Cow<'a, str>>,
    /// Of a part of a multipart body, if it has one.
    pub content_type: Option<Cow<'a, str>>,
}
