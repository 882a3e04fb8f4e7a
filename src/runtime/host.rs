//! What this host is like, as far as it is asked for.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;

use crate::plan::Surroundings;

/// What variables and the Pod object tell of this host and of a new pod on it, which has the host's addresses
/// as long as it has no network of its own. Without a network the address is 127.0.0.1.
pub(super) fn surroundings() -> Surroundings {
    let mut addresses: Vec<IpAddr> = [
        // Addresses that lead through the default route, and that nobody has (RFC 5737, RFC 3849).
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
    ]
    .into_iter()
    .filter_map(|(any, far)| address_towards(any, far))
    .collect();
    if addresses.is_empty() {
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let name = nix::unistd::gethostname().unwrap_or_default();
    Surroundings {
        uid: random_uuid(),
        // As kubelet makes a node's name of the host's.
        node_name: name.to_string_lossy().trim().to_lowercase(),
        pod_addresses: addresses.clone(),
        addresses,
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        memory: host_memory(),
    }
}

/// The address that this host would send from. Nothing is sent.
fn address_towards(any: IpAddr, far: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(far, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A random number.
pub(super) fn random_number() -> u64 {
    RandomState::new().hash_one(0)
}

/// A UUID of version 4 (RFC 9562). The hasher's keys are the kernel's random bytes.
pub(super) fn random_uuid() -> String {
    let [high, low] = [0_u64, 1].map(|number| RandomState::new().hash_one(number));
    let high = high & !0xf000 | 0x4000;
    let low = low & (u64::MAX >> 2) | 1 << 63;
    let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

/// Bytes of memory that the host has; `None` where /proc does not tell.
pub(crate) fn host_memory() -> Option<u64> {
    static MEMORY: OnceLock<Option<u64>> = OnceLock::new();
    *MEMORY.get_or_init(|| {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes.saturating_mul(1024))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_random_and_of_version_4() {
        let (one, other) = (random_uuid(), random_uuid());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{one}");
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{one}");
    }
}
