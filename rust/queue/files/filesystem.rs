//! Which file systems can hold a segment.

use std::fs::File;
use std::os::fd::AsRawFd;

/// The reason why a mapped segment is not safe in `directory`; `None` if it is safe.
pub fn unfit(directory: &File) -> Option<String> {
    // SAFETY: `statfs` is plain integers, for which zeros are valid.
    let mut status: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open as long as `directory` is borrowed, and `status` outlives the call.
    if unsafe { libc::fstatfs(directory.as_raw_fd(), &raw mut status) } != 0 {
        return Some(std::io::Error::last_os_error().to_string());
    }
    judge(&status)
}

/// From `linux/magic.h`, `statfs(2)` and the file systems' own headers.
///
/// On a network file system (and FUSE, which may be one) locks and mappings may not agree between hosts, and a lost connection is
/// a SIGBUS. A copy-on-write file system needs new space for every page that is written again, so the space that
/// `posix_fallocate` has reserved does not help, and a full disk is a SIGBUS.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn judge(status: &libc::statfs) -> Option<String> {
    const NETWORK: [(u32, &str); 14] = [
        (0x0000_6969, "NFS"),
        (0x0000_517B, "SMB"),
        (0xFE53_4D42, "SMB2"),
        (0xFF53_4D42, "CIFS"),
        (0x0102_1997, "9p"),
        (0x6573_5546, "FUSE"),
        (0x00C3_6400, "Ceph"),
        (0x5346_414F, "AFS"),
        (0x6B41_4653, "AFS"),
        (0x7375_7245, "Coda"),
        (0x0000_564C, "NCP"),
        (0x0BD0_0BD0, "Lustre"),
        (0x0116_1970, "GFS2"),
        (0x786F_4256, "VirtualBox shared folder"),
    ];
    const COPY_ON_WRITE: [(u32, &str); 3] = [
        (0x9123_683E, "Btrfs"),
        (0x2FC1_2FC1, "ZFS"),
        (0xCA45_1A4E, "bcachefs"),
    ];

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // 32-bit numbers in a field of the platform's choice
    let kind = status.f_type as u32;
    let named = |list: &[(u32, &'static str)]| {
        list.iter()
            .find(|(magic, _)| *magic == kind)
            .map(|(_, name)| *name)
    };
    if let Some(name) = named(&NETWORK) {
        return Some(format!("on a network file system ({name})"));
    }
    named(&COPY_ON_WRITE).map(|name| format!("on a copy-on-write file system ({name})"))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn judge(status: &libc::statfs) -> Option<String> {
    #[allow(clippy::cast_lossless, clippy::cast_sign_loss)] // flag words, whose types differ
    let local = status.f_flags as u64 & libc::MNT_LOCAL as u64 != 0;
    (!local).then(|| "on a network file system".to_owned())
}
