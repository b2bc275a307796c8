//! Multipart: no denied value is sent, however a parser may cut up the body.

use super::{assert_hidden, body, denied_in_multipart, expand, rules, sent};

pub fn check(data: &[u8]) {
    let text = expand(data);
    let multipart = body("multipart/form-data; boundary=B", &text);
    assert_hidden(
        &denied_in_multipart(&text),
        &text,
        &sent(&rules(false), &multipart),
    );
}
