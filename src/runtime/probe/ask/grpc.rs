//! The gRPC health service, version 1: `Check` over HTTP/2 without TLS (rule 65). The library for HTTP/2
//! wants to be polled by something: here that is a loop that waits for the one connection there is.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use http::{HeaderMap, Request};
use nix::poll::PollFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;
use super::{Deadline, Failed};
use crate::runtime::probe::http::authority;
use crate::runtime::probe::{OUTPUT, Purpose, Result, Verdict};
use crate::spec::ProbeHost;

const PATH: &str = "/grpc.health.v1.Health/Check";

/// What a call came to.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// `HealthCheckResponse.status`.
    Health(u64),
    /// Another code than OK, and what the server says to it.
    Refused { code: u32, message: String },
}

pub(super) fn ask(
    host: &ProbeHost,
    port: u16,
    service: &str,
    deadline: Deadline,
) -> std::result::Result<Result, Failed> {
    let line = Line::new(Wire::open(host, port, deadline)?);
    let failed = |why: String| match line.wire.borrow().speaks_plain_http() {
        true => Failed("error: health rpc probe failed: the server speaks HTTP/1, not HTTP/2".to_owned()),
        false => Failed(format!("error: health rpc probe failed: {why}")),
    };
    let request = Request::post(format!("http://{}{PATH}", authority(host, port)))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", Purpose::Probe.user_agent())
        .body(())
        .map_err(|error| failed(error.to_string()))?;
    let reply = call(&line, request, framed(&check_request(service))).map_err(failed)?;
    Ok(match reply {
        Reply::Health(1) => (Verdict::Success, "service healthy".to_owned()),
        Reply::Health(status) => {
            (Verdict::Failure, format!("service unhealthy (responded with {:?})", status_name(status)))
        }
        Reply::Refused { code: 12, message } => {
            let what = "error: this server does not implement the grpc health protocol";
            (Verdict::Failure, format!("{what} (grpc.health.v1.Health): {message}"))
        }
        Reply::Refused { code, message } => {
            (Verdict::Failure, format!("error: health rpc probe failed: code {code}: {message}"))
        }
    })
}

/// One call over the line, to its end.
fn call(line: &Line, request: Request<()>, body: Bytes) -> std::result::Result<Reply, String> {
    let (send, connection) =
        line.drive(pin!(h2::client::handshake(line.clone())), None)?.map_err(in_words)?;
    line.drive(pin!(exchange(send, request, body)), Some(connection))?
}

async fn exchange(
    send: SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> std::result::Result<Reply, String> {
    let mut send = send.ready().await.map_err(in_words)?;
    let (response, mut stream) = send.send_request(request, false).map_err(in_words)?;
    stream.send_data(body, true).map_err(in_words)?;
    let (head, mut answer) = response.await.map_err(in_words)?.into_parts();
    if !head.status.is_success() {
        return Err(format!("the server answers {}", head.status));
    }
    // A call that is refused may have its trailers for a head.
    if let Some(refused) = refusal(&head.headers) {
        return Ok(refused);
    }
    let mut message = Vec::new();
    while let Some(data) = answer.data().await {
        let data = data.map_err(in_words)?;
        // A window that could not be opened again is found out at the next frame.
        let _ = answer.flow_control().release_capacity(data.len());
        message.extend_from_slice(&data);
        if message.len() > OUTPUT {
            return Err("the answer is too long".to_owned());
        }
    }
    let trailers = answer.trailers().await.map_err(in_words)?.unwrap_or_default();
    if let Some(refused) = refusal(&trailers) {
        return Ok(refused);
    }
    let status = message.get(5..).and_then(check_response);
    status.map(Reply::Health).ok_or_else(|| "the answer cannot be understood".to_owned())
}

fn in_words(error: h2::Error) -> String {
    error.to_string()
}

/// What `grpc-status` says, if it is not OK.
fn refusal(headers: &HeaderMap) -> Option<Reply> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let code = text("grpc-status")?.parse().ok().filter(|code| *code != 0)?;
    Some(Reply::Refused { code, message: text("grpc-message").unwrap_or_default() })
}

/// A message as gRPC puts it into a stream: not compressed, and how long.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// `HealthCheckRequest`: field 1 is the service's name.
fn check_request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        let mut length = service.len();
        while length > 0x7f {
            message.push(0x80 | u8::try_from(length & 0x7f).unwrap_or(0));
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or(0));
        message.extend_from_slice(service.as_bytes());
    }
    message
}

/// Field 1 of `HealthCheckResponse`, of which an empty message says 0; other fields are skipped.
fn check_response(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = varint(&mut message)?;
                status = if key >> 3 == 1 { value } else { status };
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn status_name(status: u64) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        1 => "SERVING".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => other.to_string(),
    }
}

/// The connection, as something that is polled and as something that is waited for.
#[derive(Clone)]
struct Line {
    wire: Rc<RefCell<Wire>>,
    /// What those that were polled wait for.
    awaited: Rc<Cell<PollFlags>>,
}

/// Whether something wants to be polled again.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Line {
    fn new(wire: Wire) -> Self {
        Self { wire: Rc::new(RefCell::new(wire)), awaited: Rc::new(Cell::new(PollFlags::empty())) }
    }

    /// Polls until the future has its value, and the connection with it, without which nothing moves.
    fn drive<T>(
        &self,
        mut future: Pin<&mut impl Future<Output = T>>,
        mut connection: Option<Connection<Line, Bytes>>,
    ) -> std::result::Result<T, String> {
        let awake = Arc::new(Awake(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&awake));
        let mut context = Context::from_waker(&waker);
        loop {
            self.awaited.set(PollFlags::empty());
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Ok(value);
            }
            let ended = connection.as_mut().map(|connection| Pin::new(connection).poll(&mut context));
            if let Some(Poll::Ready(end)) = ended {
                // What it brought last may be what is waited for.
                return match future.as_mut().poll(&mut context) {
                    Poll::Ready(value) => Ok(value),
                    Poll::Pending => {
                        Err(end.err().map_or_else(|| "the connection ended".to_owned(), in_words))
                    }
                };
            }
            if !awake.0.swap(false, Ordering::Relaxed) {
                self.wire.borrow().wait(self.awaited.get()).map_err(|error| error.to_string())?;
            }
        }
    }

    fn wait_for<T>(&self, flags: PollFlags) -> Poll<T> {
        self.awaited.set(self.awaited.get() | flags);
        Poll::Pending
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.wire.borrow_mut().try_read(buffer.initialize_unfilled());
        match read {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for(PollFlags::POLLIN),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.wire.borrow().try_write(bytes);
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for(PollFlags::POLLOUT),
            other => Poll::Ready(other),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_name_s_length_before_it() {
        assert_eq!(check_request(""), b"");
        assert_eq!(check_request("db"), b"\x0a\x02db");
        let long = "x".repeat(300);
        assert_eq!(check_request(&long)[..3], [0x0a, 0xac, 0x02]);
        assert_eq!(framed(b"ab")[..], *b"\0\0\0\0\x02ab");
    }

    #[test]
    fn a_response_may_have_fields_of_tomorrow() {
        assert_eq!(check_response(b""), Some(0));
        assert_eq!(check_response(b"\x08\x01"), Some(1));
        assert_eq!(check_response(b"\x12\x02ab\x08\x02\x1d\0\0\0\0"), Some(2));
        assert_eq!(check_response(b"\x08"), None);
        assert_eq!(check_response(b"\x12\x05ab"), None);
    }
}
