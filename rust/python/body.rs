//! What is kept of one body while it passes.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

/// This many chunks are joined into one. An object costs some 33 bytes beside its content, and a body that comes byte by
/// byte would pay them a million times. Each byte is copied once, whatever the number of chunks.
const MANY_CHUNKS: usize = 256;

/// The first bytes of a body, and the body's size.
pub struct KeptBody {
    chunks: Chunks,
    /// How many of the chunks after the first are joined ones.
    joined: usize,
    room_bytes: usize,
    pub size_bytes: u64,
}

impl KeptBody {
    pub fn new(max_bytes: usize) -> KeptBody {
        KeptBody {
            chunks: Chunks::default(),
            joined: 0,
            room_bytes: max_bytes,
            size_bytes: 0,
        }
    }

    /// Notes a piece of the body.
    pub fn add(&mut self, data: &Bound<'_, PyBytes>) {
        let py = data.py();
        let bytes = data.as_bytes();
        self.size_bytes += bytes.len() as u64;
        let kept = bytes.len().min(self.room_bytes);
        if kept == 0 {
            return;
        }
        self.room_bytes -= kept;
        let chunk = match bytes.get(..kept) {
            Some(beginning) if kept < bytes.len() => PyBytes::new(py, beginning).unbind(),
            _ => data.clone().unbind(),
        };
        if self.chunks.first.is_none() {
            self.chunks.first = Some(chunk);
            return;
        }
        let more = &mut self.chunks.more;
        more.push(chunk);
        if more.len() - self.joined == MANY_CHUNKS {
            let many = Chunks {
                first: None,
                more: more.split_off(self.joined),
            };
            more.push(PyBytes::new(py, &many.joined(py)).unbind());
            self.joined += 1;
        }
    }

    /// Keeps no bytes from here on; the size is still counted.
    pub fn forget(&mut self) {
        self.chunks = Chunks::default();
        self.joined = 0;
        self.room_bytes = 0;
    }

    pub fn chunks(&self, py: Python<'_>) -> Chunks {
        self.chunks.clone_ref(py)
    }
}

/// A piece of a body as immutable bytes.
pub fn unchanging<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    // A few servers give and take other buffers as well, whose content may change later.
    let copy = PyMemoryView::from(data)?.call_method0("tobytes")?;
    Ok(copy.cast_into::<PyBytes>()?)
}

/// The chunks of a body, held for as long as the core borrows their bytes.
#[derive(Default)]
pub struct Chunks {
    /// The only chunk, as a rule.
    first: Option<Py<PyBytes>>,
    more: Vec<Py<PyBytes>>,
}

impl Chunks {
    fn clone_ref(&self, py: Python<'_>) -> Chunks {
        Chunks {
            first: self.first.as_ref().map(|chunk| chunk.clone_ref(py)),
            more: self.more.iter().map(|chunk| chunk.clone_ref(py)).collect(),
        }
    }

    /// The chunks as one slice; a single chunk is not copied.
    pub fn only(&self) -> Option<&Py<PyBytes>> {
        self.first.as_ref().filter(|_| self.more.is_empty())
    }

    /// One chunk is borrowed as it is; several are joined.
    pub fn joined<'a>(&'a self, py: Python<'a>) -> Cow<'a, [u8]> {
        if let Some(only) = self.only() {
            return Cow::Borrowed(only.as_bytes(py));
        }
        let all = || self.first.iter().chain(&self.more);
        let size = all().map(|chunk| chunk.as_bytes(py).len()).sum();
        let mut joined = Vec::with_capacity(size);
        for chunk in all() {
            joined.extend_from_slice(chunk.as_bytes(py));
        }
        Cow::Owned(joined)
    }
}
