//! The identity of this process. Everything that a forked child must not take for its own is tagged with it.

use memmap2::MmapOptions;

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The identity of one process. Written once, before it is published.
///
/// On Linux it lies in a page that the kernel clears in forked children, so one load tells a child from its parent. On other
/// systems the pid is compared, which takes a system call and fails if a descendant gets its ancestor's pid.
struct Identity {
    /// Never zero, except in a cleared page.
    token: AtomicU64,
    /// Zero if the page is cleared on fork, so that the pid need not be compared.
    pid: AtomicU64,
}

/// The current identity. It is replaced and never freed: a child that draws a new one does not touch its parent's page.
static IDENTITY: AtomicPtr<Identity> = AtomicPtr::null();

fn pid() -> u64 {
    u64::from(std::process::id())
}

fn current() -> Option<u64> {
    // Acquire: the fields were written before the pointer was published.
    let identity = IDENTITY.load(Ordering::Acquire);
    // SAFETY: null or a leaked page that holds an `Identity`; zeros, which a child may find, are one too.
    let identity = unsafe { identity.as_ref() }?;
    let (token, owner) = (
        identity.token.load(Ordering::Relaxed),
        identity.pid.load(Ordering::Relaxed),
    );
    (token != 0 && (owner == 0 || owner == pid())).then_some(token)
}

/// 64 bits of the operating system's randomness, drawn once per process. A fork of a fork draws again, so this is no `Once`; and
/// there is no lock, since a fork may happen while one is held.
pub fn token() -> u64 {
    loop {
        let seen = IDENTITY.load(Ordering::Acquire);
        if let Some(token) = current() {
            return token;
        }
        // Release: publishes the fields. If another thread was faster, the next turn finds its identity. This page is then
        // leaked, which happens at most once per thread in a process's life.
        IDENTITY.replace(seen, draw(), Ordering::Release);
    }
}

/// Whether this process drew `token`.
pub fn is(token: u64) -> bool {
    current() == Some(token)
}

/// Fresh randomness that is no process's token, for the name of a file that any process may adopt.
pub fn random() -> u64 {
    // A version 4 UUID has six fixed bits, three in each half or so; folded, every bit is random.
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    (high ^ low).max(1)
}

#[cfg(all(unix, not(portable)))]
/// A number that no file of this process has had. A child continues its parent's numbers, with another token.
pub fn next_sequence() -> u64 {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    SEQUENCE.fetch_add(1, Ordering::Relaxed)
}

fn draw() -> *mut Identity {
    let identity = |pid| Identity {
        token: AtomicU64::new(random()),
        pid: AtomicU64::new(pid),
    };
    let Ok(mut page) = MmapOptions::new().len(size_of::<Identity>()).map_anon() else {
        return Box::into_raw(Box::new(identity(pid())));
    };
    #[allow(clippy::cast_ptr_alignment)] // a mapping starts on a page
    let place = page.as_mut_ptr().cast::<Identity>();
    let cleared = is_cleared_on_fork(page.as_mut_ptr(), page.len());
    // SAFETY: the page is fresh, so it is aligned, writable, large enough and not shared.
    unsafe { place.write(identity(if cleared { 0 } else { pid() })) };
    std::mem::forget(page);
    place
}

/// Asks the kernel to clear our page in forked children; returns whether it will.
#[cfg(all(target_os = "linux", not(elsewhere)))]
fn is_cleared_on_fork(page: *mut u8, length: usize) -> bool {
    // An emulator that accepts advice that does not exist (old user-mode QEMU) is not believed, as in BoringSSL's fork
    // detection.
    const NO_ADVICE: libc::c_int = -1;
    let advise = |advice| {
        // SAFETY: the page is ours alone, and this advice only changes what children see of it.
        unsafe { libc::madvise(page.cast(), length, advice) == 0 }
    };
    !advise(NO_ADVICE) && advise(libc::MADV_WIPEONFORK)
}

#[cfg(not(all(target_os = "linux", not(elsewhere))))]
fn is_cleared_on_fork(_: *mut u8, _: usize) -> bool {
    false
}
