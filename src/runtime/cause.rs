//! What an error number says, in the wording of the program's messages.

use std::io;

use nix::errno::Errno;

/// The cause in lower case, for the end of "cannot X: cause".
pub(crate) fn cause(error: impl Into<io::Error>) -> String {
    let error = error.into();
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).desc().to_lowercase(),
        None => error.to_string(),
    }
}
