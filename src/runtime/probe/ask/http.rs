//! A GET that is waited for, with its redirects (rules 62 and 73).

use std::io::{self, Read, Write};

use super::wire::Wire;
use super::{Deadline, Failed};
use crate::runtime::cause;
use crate::runtime::probe::http::{Answer, Next, Request, Whole};
use crate::runtime::probe::{Purpose, Result, Verdict};
use crate::spec::HttpScheme;

/// Why there is no answer.
pub(super) enum NoAnswer {
    Failed(Failed),
    /// The server does not speak TLS.
    #[cfg_attr(not(feature = "https"), expect(dead_code, reason = "only TLS finds that out"))]
    PlainHttp,
}

pub(super) fn ask(mut request: Request, deadline: Deadline) -> std::result::Result<Result, Failed> {
    let first = request.clone();
    let mut success = Verdict::Success;
    loop {
        let answer = match once(&request, deadline) {
            Ok(answer) => answer,
            Err(NoAnswer::Failed(failed)) => return Err(failed),
            // Once, from the beginning, and without what is not meant for others' eyes (rule 73).
            Err(NoAnswer::PlainHttp) if request.purpose == Purpose::Hook && success == Verdict::Success => {
                request.clone_from(&first);
                request.get.scheme = HttpScheme::Http;
                request.get.http_headers.retain(|header| !header.name.eq_ignore_ascii_case("authorization"));
                success = Verdict::PlainHttp;
                continue;
            }
            Err(NoAnswer::PlainHttp) => {
                return Err(Failed(format!(
                    "cannot speak TLS with {}: it speaks plain HTTP",
                    request.authority()
                )));
            }
        };
        match request.judge(&answer) {
            Next::Again => {}
            Next::Done((Verdict::Success, text)) => return Ok((success, text)),
            Next::Done(result) => return Ok(result),
        }
    }
}

fn once(request: &Request, deadline: Deadline) -> std::result::Result<Whole, NoAnswer> {
    let wire = Wire::open(&request.get.host, request.get.port, deadline).map_err(NoAnswer::Failed)?;
    match request.get.scheme {
        HttpScheme::Http => talk(wire, request).map_err(NoAnswer::Failed),
        #[cfg(feature = "https")]
        HttpScheme::Https => {
            let stream = super::tls::begin(wire, &request.get.host, &request.authority())?;
            talk(stream, request).map_err(NoAnswer::Failed)
        }
        #[cfg(not(feature = "https"))]
        HttpScheme::Https => Err(NoAnswer::Failed(Failed(super::left_out("HTTPS", "https")))),
    }
}

fn talk(mut stream: impl Read + Write, request: &Request) -> std::result::Result<Whole, Failed> {
    let failed =
        |error: io::Error| Failed(format!("cannot talk to {}: {}", request.authority(), cause(error)));
    stream.write_all(&request.bytes()).and_then(|()| stream.flush()).map_err(failed)?;
    let (mut answer, mut buffer) = (Answer::default(), [0; 16 * 1024]);
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The end of the connection without the end of TLS: whether all has come is told by the answer.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(failed(error)),
        };
        match answer.take(buffer.get(..count).unwrap_or_default(), count == 0) {
            Ok(None) => {}
            Ok(Some(answer)) => return Ok(answer),
            Err(what) => {
                let authority = request.authority();
                return Err(Failed(format!("cannot understand the answer of {authority}: {what}")));
            }
        }
    }
}
