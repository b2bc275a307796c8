//! Makes sure that the URL of a request parses, whatever form the request's target and `Host` had.

use std::borrow::Cow;

use crate::exchange::Request;

/// Adds a missing slash in front of the path, takes scheme and authority off an absolute-form target (RFC 9112, 3.2.2), and
/// replaces a host that no URL can have by that of `server_host`, which is called with the scheme.
pub fn tidy(request: &mut Request<'_>, server_host: impl FnOnce(&str) -> String) {
    if request.path.first() != Some(&b'/') {
        tidy_path(request);
    }
    if !is_authority(request.host.as_bytes()) {
        request.host = Cow::Owned(server_host(&request.scheme));
    }
}

/// Apart from `tidy`, since most paths need none of this.
#[cold]
fn tidy_path(request: &mut Request<'_>) {
    let path = std::mem::take(&mut request.path).into_owned();
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        path.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let target = scheme
        .and_then(|scheme| path.get(scheme.len()..))
        .unwrap_or(&path);
    let slash = target.iter().position(|&byte| byte == b'/');
    let (authority, rest) = match scheme {
        Some(_) => target.split_at(slash.unwrap_or(target.len())),
        None => target.split_at(0),
    };
    // The authority takes precedence over `Host`.
    if is_authority(authority) {
        request.host = String::from_utf8_lossy(authority).into_owned().into();
    }
    let mut tidied = rest.to_vec();
    if rest.first() != Some(&b'/') && !(rest.is_empty() && scheme.is_none()) {
        tidied.insert(0, b'/');
    }
    request.path = Cow::Owned(tidied);
    request.raw_path = None;
}

/// Whether a URL can have this host: a name or a bracketed address, with or without a port.
fn is_authority(host: &[u8]) -> bool {
    let (name, rest) = if host.first() == Some(&b'[') {
        let Some(end) = host.iter().position(|&byte| byte == b']') else {
            return false;
        };
        let is_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
        let (address, rest) = host.split_at(end);
        let address = address.get(1..).unwrap_or_default();
        if !address.iter().all(is_address) {
            return false;
        }
        (address, rest.get(1..).unwrap_or_default())
    } else {
        let end = host.iter().position(|&byte| byte == b':');
        host.split_at(end.unwrap_or(host.len()))
    };
    let is_port = match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(host: &str, path: &str) -> String {
        let mut request = Request {
            host: Cow::Borrowed(host),
            path: Cow::Borrowed(path.as_bytes()),
            ..Request::default()
        };
        tidy(&mut request, |_| "server:81".into());
        format!("{}{}", request.host, String::from_utf8_lossy(&request.path))
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/cart//2", "shop/cart//2"),
            ("//cart", "shop//cart"),
            ("cart", "shop/cart"),
            ("*", "shop/*"),
            ("", "shop"),
            ("http://other:8080/cart", "other:8080/cart"),
            ("HTTPS://other", "other/"),
            ("http:///cart", "shop/cart"),
            ("http://[::1/cart", "shop/cart"),
            ("ftp://other/cart", "shop/ftp://other/cart"),
        ] {
            assert_eq!(tidied("shop", path), expected, "{path}");
        }
    }

    #[test]
    fn hosts() {
        for host in [
            "a",
            "a.example:80",
            "[::1]",
            "[::1]:8000",
            "127.0.0.1:",
            "bücher.example",
        ] {
            assert_eq!(tidied(host, "/"), format!("{host}/"));
        }
        for host in [
            "", "[::1", "::1", "a:b", "a:80:80", "[::1]x", ":80", "[", "]", "[]]", "a]", "[g]",
            "a:123456",
        ] {
            let expected = "server:81/";
            assert_eq!(tidied(host, "/"), expected, "{host}");
        }
    }
}
