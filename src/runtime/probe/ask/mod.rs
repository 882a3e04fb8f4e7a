//! Asks one question and waits for the answer, in a process that has nothing else to do: `podinit probe`, or
//! a child of the supervisor's that is given what PID 1 does not do itself.

mod exec;
#[cfg(feature = "grpc")]
mod grpc;
mod http;
mod names;
#[cfg(feature = "https")]
mod tls;
mod wire;

use std::io::{self, Read, Write};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Question, Result, Verdict};
use crate::pod::Time;
use crate::runtime::{cause, clock};
pub(in crate::runtime) use exec::exec;
use wire::Wire;

/// A question with all its headers is not longer.
const LONGEST: u64 = 16 << 20;

/// Until when an answer is waited for; without one, for as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline(Option<(Time, Duration)>);

/// Why there is no answer, in words for people.
#[derive(Debug)]
struct Failed(String);

/// Asks, and waits for the answer.
pub(crate) fn ask(question: Question, deadline: Deadline) -> Result {
    let answer = match question {
        Question::Tcp { host, port } => {
            Wire::open(&host, port, deadline).map(|_| (Verdict::Success, String::new()))
        }
        Question::Http(request) => http::ask(request, deadline),
        #[cfg(feature = "grpc")]
        Question::Grpc { host, port, service } => grpc::ask(&host, port, &service, deadline),
        #[cfg(not(feature = "grpc"))]
        Question::Grpc { .. } => Err(Failed(left_out("gRPC", "grpc"))),
    };
    answer.unwrap_or_else(|Failed(why)| (Verdict::Failure, why))
}

/// Asks what standard input says, answers on standard output, and returns how it went as an exit code.
pub(in crate::runtime) fn answer() -> u8 {
    let mut text = Vec::new();
    let question =
        io::stdin().take(LONGEST).read_to_end(&mut text).ok().and_then(|_| Question::from_json(&text));
    let (verdict, why) = match question {
        // Whoever asked ends us when the time is up.
        Some(question) => ask(question, Deadline::default()),
        None => (Verdict::Error, "cannot understand the question".to_owned()),
    };
    let mut out = io::stdout();
    // Who does not listen knows that.
    let _ = out.write_all(why.as_bytes()).and_then(|()| out.flush());
    verdict.exit_code()
}

/// What a podinit says that was built without a part of it.
#[cfg(not(all(feature = "https", feature = "grpc")))]
fn left_out(what: &str, feature: &str) -> String {
    format!("cannot speak {what}: this podinit was built without its feature `{feature}`")
}

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Some((clock::now().mono + time, time)))
    }

    /// The earlier of this one and one after that time.
    fn at_most(self, time: Duration) -> Self {
        let Self(Some(other)) = Self::after(time) else { return self };
        Self(Some(self.0.map_or(other, |own| own.min(other))))
    }

    /// Waits until the descriptor is ready for this.
    pub(crate) fn wait(self, fd: std::os::fd::BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        loop {
            let mut ready = [PollFd::new(fd, flags)];
            match poll(&mut ready, self.left()?) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// What is left, rounded up.
    fn left(self) -> io::Result<PollTimeout> {
        let Some((until, time)) = self.0 else { return Ok(PollTimeout::NONE) };
        let left = until.since(clock::now().mono).as_nanos().div_ceil(1_000_000);
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {time:?}")));
        }
        Ok(PollTimeout::try_from(i32::try_from(left).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX))
    }
}

impl Failed {
    fn to(what: &str, error: impl Into<io::Error>) -> Self {
        Self(format!("cannot {what}: {}", cause(error)))
    }
}
