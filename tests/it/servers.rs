//! Servers for probes and hooks to ask: threads of the test, and nginx.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

use crate::harness::{Directory, PATIENCE, has, until};

/// A server that gives this answer to every request, and what it was asked.
pub struct Answering {
    pub port: u16,
    requests: Receiver<String>,
}

impl Answering {
    pub fn new(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (send, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = read_head(&mut stream);
                let _ = stream.write_all(answer.as_bytes());
                if send.send(request).is_err() {
                    return;
                }
            }
        });
        Self { port, requests }
    }

    /// What the next request says.
    pub fn request(&self) -> String {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    /// Nobody has asked, or every request has been looked at.
    pub fn is_unasked(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

/// What comes up to the empty line, or as far as it is text.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            // A TLS record begins so: it has no empty line.
            Ok(count) if count > 0 && head.is_empty() && buffer[0] == 0x16 => return "TLS".to_owned(),
            Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server that takes connections and says nothing.
pub fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    port
}

/// A port that nobody listens on, as far as one can know.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A gRPC server with the health service, or without it. The service "up" is served, "down" is not.
pub fn grpc(with_health: bool) -> u16 {
    let (send, port) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            send.send(listener.local_addr().unwrap().port()).unwrap();
            let mut routes = Routes::default();
            if with_health {
                let (reporter, service) = tonic_health::server::health_reporter();
                reporter.set_service_status("up", ServingStatus::Serving).await;
                reporter.set_service_status("down", ServingStatus::NotServing).await;
                routes = routes.add_service(service);
            }
            let incoming = TcpIncoming::from(listener);
            Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
        });
    });
    port.recv_timeout(PATIENCE).unwrap()
}

/// nginx with TLS on one port, which nobody has vouched for, and without on another.
pub struct Nginx {
    pub https: u16,
    pub http: u16,
    child: Child,
    _directory: Directory,
}

impl Nginx {
    /// `None` where it is not installed.
    pub fn start() -> Option<Self> {
        if !has(&["nginx", "openssl"]) {
            return None;
        }
        // Somebody may take a port before nginx does.
        loop {
            if let Some(nginx) = Self::try_start() {
                return Some(nginx);
            }
        }
    }

    fn try_start() -> Option<Self> {
        let directory = Directory::new();
        let (https, http) = (free_port(), free_port());
        let path = |name: &str| directory.path(name).display().to_string();
        let (key, certificate) = (path("key.pem"), path("certificate.pem"));
        let openssl = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"];
        let made =
            Command::new("openssl").args(openssl).args(["-keyout", &key, "-out", &certificate]).output();
        assert!(made.unwrap().status.success());
        let configuration = format!(
            "
            daemon off; master_process off; error_log {0}/error.log; pid {0}/pid;
            events {{}}
            http {{
                access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
                fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
                server {{
                    listen 127.0.0.1:{https} ssl;
                    ssl_certificate {certificate}; ssl_certificate_key {key};
                    location /ok {{ return 200 ok; }}
                    location /moved {{ return 302 /ok; }}
                    location /loop {{ return 302 /loop; }}
                    location /elsewhere {{ return 302 https://example.org/; }}
                    location /broken {{ return 503; }}
                    location /guarded {{ if ($http_authorization != 'Bearer t0ken') {{ return 401; }} return 200 in; }}
                }}
                server {{
                    listen 127.0.0.1:{http};
                    location / {{ return 301 https://127.0.0.1:{https}$request_uri; }}
                }}
            }}",
            directory.path("").display(),
        );
        let file = directory.file("nginx.conf", &configuration);
        let mut nginx = Command::new("nginx");
        let mut child = nginx.arg("-c").arg(file).arg("-p").arg(directory.path("")).spawn().unwrap();
        let mut has_ended = false;
        until("nginx listens", || {
            has_ended = child.try_wait().unwrap().is_some();
            has_ended || TcpStream::connect(("127.0.0.1", https)).is_ok()
        });
        (!has_ended).then_some(Self { https, http, child, _directory: directory })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
