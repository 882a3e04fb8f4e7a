//! The program is the library's command line. It is entered as a C program is: what the standard library
//! does before `main` (looking for the stack's end in /proc, a second stack for overflows, SIGPIPE) is a
//! tenth of the time of `podinit -- true`, and nothing of it is needed: signals are blocked first of all.
#![no_main]

use std::ffi::c_int;

/// Called by the C library. Arguments and environment have been kept by the standard library before.
// SAFETY: the only `main` of the program, with the signature that the C library calls.
#[expect(unsafe_code, reason = "the name is the C library's")]
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    podinit::cli::main().into()
}
