//! The program is the library's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    podinit::cli::main().into()
}
