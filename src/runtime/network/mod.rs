//! The way out of a pod's own network, and into it: pasta, which runs in the host's network and carries
//! what the pod sends. What it is to do was decided in `plan`; here it is found, started, heard and ended.

mod launcher;

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
};
use nix::unistd::{AccessFlags, access};

use self::launcher::Launcher;
use super::apart::OwnCopy;
use super::{cause, emergency};
use crate::plan::{NetworkPlan, Published, Reach};
use crate::spec::Protocol;

/// Searched where podinit has no PATH.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Bytes of the longest message of the launcher.
const MOST_BYTES: usize = 4096;

/// Milliseconds that pasta gets until it is ready, and a little more: the launcher gives up before.
const UNTIL_READY: u16 = 6000;
/// Milliseconds that the launcher gets to end it.
const UNTIL_GONE: u16 = 1000;

/// What the launcher tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// pasta carries the pod's network.
    Ready,
    /// It does not, or no longer, in these words.
    Ended(String),
    /// It was ended, as asked.
    Stopped,
}

impl Said {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ready => b"R".to_vec(),
            Self::Stopped => b"S".to_vec(),
            Self::Ended(words) => [b"E", words.as_bytes()].concat(),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'R', _) => Some(Self::Ready),
            (b'S', _) => Some(Self::Stopped),
            (_, words) => Some(Self::Ended(String::from_utf8_lossy(words).into_owned())),
        }
    }
}

/// What carries the pod's network: pasta, and the process that starts it.
#[derive(Debug)]
pub(super) struct NetworkHelper {
    copy: OwnCopy,
    socket: OwnedFd,
}

/// What was found of pasta.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing is needed.
    NotNeeded,
    /// The pod has no way out, which it was told.
    Missing,
    /// It is running soon.
    Helper(NetworkHelper),
}

impl NetworkHelper {
    /// Makes what will start pasta, where the pod's network needs it. While the supervisor is in the host's
    /// network and in its own user namespace. `place` is a directory for mounts that show nowhere else.
    ///
    /// # Errors
    /// pasta is asked for and not there, or a port of the host is not to be had.
    pub(super) fn find(plan: &NetworkPlan, place: &Path, joins_user: bool) -> Result<Found, String> {
        match plan.reach {
            Reach::Host | Reach::Itself => return Ok(Found::NotNeeded),
            Reach::OutsideIfPossible | Reach::Outside => {}
        }
        let Some(program) = program() else {
            return match plan.reach {
                Reach::OutsideIfPossible => Ok(Found::Missing),
                Reach::Host | Reach::Itself | Reach::Outside => Err(missing(plan)),
            };
        };
        check_ports(&plan.published)?;
        let helper = Self::start(plan, program, place.to_owned(), joins_user);
        helper.map(Found::Helper).map_err(|error| format!("cannot start what starts pasta: {}", cause(error)))
    }

    fn start(plan: &NetworkPlan, program: PathBuf, place: PathBuf, joins_user: bool) -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let namespace = launcher::namespace_at(&place);
        let arguments = plan.arguments(&namespace.to_string_lossy());
        let launcher = Launcher {
            program: CString::new(program.as_os_str().as_bytes())?,
            arguments: arguments.into_iter().filter_map(|word| CString::new(word).ok()).collect(),
            place,
            joins_user,
            socket: theirs,
        };
        let copy = OwnCopy::begin(|| launcher.work())?;
        emergency::add(copy.pid());
        Ok(Self { copy, socket: ours })
    }

    /// Has pasta started for the network that this process is in now. What comes of it is said later.
    pub(super) fn begin(&self) -> io::Result<()> {
        let namespaces = [File::open("/proc/self/ns/net")?, File::open("/proc/self/ns/user")?];
        let descriptors = namespaces.each_ref().map(|file| file.as_raw_fd());
        let rights = [ControlMessage::ScmRights(&descriptors)];
        self.send(&rights)
    }

    fn send(&self, rights: &[ControlMessage<'_>]) -> io::Result<()> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(b"-")], rights, flags, None)?;
        Ok(())
    }

    /// Waits until pasta carries the pod's network. Nothing of the pod runs yet.
    pub(super) fn wait(&self) -> Result<(), String> {
        match self.hear_within(UNTIL_READY) {
            Some(Said::Ready) => Ok(()),
            Some(Said::Ended(words)) => Err(words),
            Some(Said::Stopped) | None => Err("what starts it has ended".to_owned()),
        }
    }

    fn hear_within(&self, timeout: u16) -> Option<Said> {
        let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        while poll(&mut ready, PollTimeout::from(timeout)) == Err(Errno::EINTR) {}
        self.hear().ok().flatten()
    }

    /// What the launcher has said; `None` where that is nothing.
    ///
    /// # Errors
    /// It has ended, and pasta with it.
    pub(super) fn hear(&self) -> Result<Option<Said>, ()> {
        let mut bytes = [0; MOST_BYTES];
        match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(count @ 1..) => Ok(bytes.get(..count).and_then(Said::of)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Ok(_) | Err(_) => Err(()),
        }
    }

    /// Ends pasta, which can begin anew later.
    pub(super) fn stop(&self) {
        if self.send(&[]).is_ok() {
            // What it said before is of no interest any more.
            for _ in 0..4 {
                if matches!(self.hear_within(UNTIL_GONE), Some(Said::Stopped) | None) {
                    break;
                }
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.copy.pid()
    }

    /// Readable when there is something to [`hear`](Self::hear).
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for NetworkHelper {
    /// Ends both.
    fn drop(&mut self) {
        self.stop();
        emergency::remove(self.copy.pid());
    }
}

/// Where pasta is.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new(PATH).to_owned());
    let files = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let mut files = files.map(|directory| directory.join("pasta"));
    files.find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
}

/// What pasta makes the pod's interface with.
pub(super) const DEVICE: &str = "/dev/net/tun";

/// Whether pasta could use its device. Nothing is made.
pub(super) fn try_device() -> io::Result<()> {
    File::options().read(true).write(true).open(DEVICE).map(drop)
}

/// What helps where pasta is not there.
pub(super) const REMEDY: &str = "install pasta (package passt)";

fn missing(plan: &NetworkPlan) -> String {
    let published: Vec<String> = plan.published.iter().map(Published::to_string).collect();
    let (what, others) = if published.is_empty() {
        ("give the pod a network with a way out".to_owned(), "or use `--network private`")
    } else {
        let ports = if published.len() == 1 { "port" } else { "ports" };
        (
            format!("publish {ports} {} of the host", published.join(", ")),
            "or use the host's network (hostNetwork: true or `--network host`)",
        )
    };
    format!("cannot {what}: pasta is not installed; {REMEDY}, {others}")
}

/// Whether what pasta will listen on can be listened on. It would not say what is in the way.
fn check_ports(published: &[Published]) -> Result<(), String> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for port in published {
        let at = SocketAddr::new(port.address.unwrap_or(any), port.host_port);
        let tried = match port.protocol {
            Protocol::Udp => UdpSocket::bind(at).map(drop),
            Protocol::Tcp | Protocol::Sctp => TcpListener::bind(at).map(drop),
        };
        if let Err(error) = tried {
            let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
                "choose a port from 1024 on, or lower net.ipv4.ip_unprivileged_port_start"
            } else if error.kind() == io::ErrorKind::AddrInUse {
                "end what listens there, or choose another port"
            } else {
                "choose another address or port"
            };
            return Err(format!("cannot publish port {port} of the host: {}; {remedy}", cause(error)));
        }
    }
    Ok(())
}

/// What helps where pasta does not come up, by what it said (ROOTLESS-09).
pub(super) fn remedy(words: &str) -> &'static str {
    if words.contains("tun") {
        "load the module (`modprobe tun`) and let this user use /dev/net/tun (mode 0666)"
    } else if words.contains("routable interface") || words.contains("interface not usable") {
        "this host has no default route itself"
    } else if words.contains("bind") {
        "another program may have taken a port in the meantime"
    } else {
        "its manual page tells more: pasta(1)"
    }
}

/// The addresses of the network that this process is in: those that others could use. Without any, the
/// address of the pod is 127.0.0.1.
pub(super) fn addresses() -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = getifaddrs().into_iter().flatten().filter_map(|it| of(&it.address?)).collect();
    all.retain(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !is_link_local(*address),
    });
    all.sort_by_key(IpAddr::is_ipv6);
    if all.is_empty() {
        all.push(Ipv4Addr::LOCALHOST.into());
    }
    all
}

fn of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
}

const fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_launcher_says_is_understood() {
        for said in [Said::Ready, Said::Stopped, Said::Ended("Failed to open tun".to_owned())] {
            assert_eq!(Said::of(&said.to_bytes()), Some(said));
        }
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_what_helps() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let published = Published::parse(&format!("127.0.0.1:{port}:80")).unwrap();
        let said = check_ports(&[published]).unwrap_err();
        let expected =
            format!("cannot publish port 127.0.0.1:{port} of the host: address already in use; end");
        assert!(said.starts_with(&expected), "{said}");
        drop(taken);
        assert_eq!(check_ports(&[published]), Ok(()));
    }
}
