//! The process's environment as the kernel laid it out, to be handed on without a copy.

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Every variable as `NAME=value`.
pub(crate) fn environment() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: reads a pointer that the C library set before main. Nothing in this program changes the
    // environment (clippy forbids it), so that it and all it points to stay as they are.
    let mut next = unsafe { environ };
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: `next` points into the array, which ends with a null pointer: see below.
        let variable = unsafe { *next };
        if variable.is_null() {
            return None;
        }
        // SAFETY: this was not the last element.
        next = unsafe { next.add(1) };
        // SAFETY: every element of the environment is null-terminated and lives as long as the process.
        Some(unsafe { CStr::from_ptr(variable) })
    })
}
