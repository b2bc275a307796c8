//! One kind of body per file: bytes in, what may be sent out.
