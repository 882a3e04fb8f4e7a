//! What the kernel gave the process: its environment, to be handed on without a copy, and the program that
//! it is.

use std::ffi::{CStr, c_char};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

unsafe extern "C" {
    static mut environ: *const *const c_char;
}

/// Every variable as `NAME=value`.
pub(crate) fn environment() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: reads a pointer that the C library set before main, or `add_variable`. Nothing else in this
    // program changes the environment (clippy forbids it): what was there once stays as it is.
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

/// Adds a variable, for a process that the kernel has started with next to none. Before anything has been
/// read from the environment, and while there is one thread.
pub(crate) fn add_variable(variable: &'static CStr) {
    let all = environment().map(CStr::as_ptr).chain([variable.as_ptr(), std::ptr::null()]);
    let all: &'static [*const c_char] = Box::leak(all.collect());
    // SAFETY: an array that ends with a null pointer and lives as long as the process, as all that it
    // points to; nobody reads the pointer at the same time.
    unsafe { environ = all.as_ptr() };
}

/// The file that this process executes, to be executed again whatever has become of its name.
pub(crate) fn open_own_program() -> io::Result<OwnedFd> {
    match open_program(c"/proc/self/exe") {
        // Without /proc by the name that it was executed by.
        Err(error) => match executed_as().map(open_program) {
            Some(Ok(file)) => Ok(file),
            Some(Err(_)) | None => Err(error),
        },
        opened => opened,
    }
}

fn open_program(path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: a null-terminated string that lives.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn executed_as() -> Option<&'static CStr> {
    // SAFETY: takes a number only.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    // SAFETY: where it is there, it is a null-terminated string that lives as long as the process.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })
}
