//! What this process may do: its capabilities, and whether its system calls are filtered. For the supervisor, and
//! for a child before exec: nothing here allocates.

use nix::errno::Errno;

use super::mount::done;

/// linux/capability.h.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct CapabilityData {
    pub(super) effective: u32,
    pub(super) permitted: u32,
    pub(super) inheritable: u32,
}

/// Capabilities of this process that count, as bits.
pub(crate) fn effective_capabilities() -> Result<u64, Errno> {
    read().map(|[low, high]| u64::from(high.effective) << 32 | u64::from(low.effective))
}

/// Capabilities that this process may make count, as bits.
pub(crate) fn permitted_capabilities() -> Result<u64, Errno> {
    read().map(|[low, high]| u64::from(high.permitted) << 32 | u64::from(low.permitted))
}

/// Whether system calls of this process are filtered (prctl(2), PR_GET_SECCOMP).
pub(crate) fn is_filtered() -> bool {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) == libc::SECCOMP_MODE_FILTER as libc::c_int }
}

/// Both halves of what this process has (capget(2)).
pub(super) fn read() -> Result<[CapabilityData; 2], Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapabilityData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: a header of version 3, and two halves that the kernel fills.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    Ok(data)
}

/// Gives both halves to this process (capset(2)).
pub(super) fn write(data: &[CapabilityData; 2]) -> Result<(), Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: a header of version 3, and two halves that are only read.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })
}
