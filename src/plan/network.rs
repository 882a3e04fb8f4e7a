//! How a pod with a network of its own reaches what is outside, and is reached: what is asked for, and how
//! pasta, which carries it, is called. Knows no host: whether pasta is there is found out elsewhere.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::spec::{Network, Pod, Profile, Protocol};

/// The pod's IPv4 address where pasta carries its network. Of the space that carriers have for what stands
/// behind an address of theirs (RFC 6598), which hosts do not have: the host's own address is then the
/// host's to the pod as well.
pub const POD_ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);
/// The other end.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// Bits of the network that both are in, and nothing else.
const PREFIX: u8 = 30;
/// Stands for the host's name server in the pod; what a host has for that is often an address that only the
/// host reaches (127.0.0.53).
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// Whose network the pod has, and how far it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The host's own.
    #[default]
    Host,
    /// A network of the pod's own, without a way out.
    Itself,
    /// With a way out where this host has pasta.
    OutsideIfPossible,
    /// With a way out, or not at all.
    Outside,
}

/// A port of the host that leads into the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The host's address; `None` is each of them.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub host_port: u16,
    /// The port in the pod.
    pub port: u16,
}

/// As people write it: the host's side.
impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.host_port)?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:{}", self.host_port)?,
            None => write!(f, "{}", self.host_port)?,
        }
        f.write_str(if self.protocol == Protocol::Udp { "/udp" } else { "" })
    }
}

impl Published {
    /// What `[HOSTIP:]HOSTPORT:PORT[/tcp|/udp]` says; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (ports, protocol) = match text.rsplit_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some((_, other)) => return Err(format!("{other:?} is neither tcp nor udp")),
        };
        let number = |port: &str| match port.parse::<u16>() {
            Ok(number @ 1..) if !port.starts_with('+') => Ok(number),
            Ok(_) | Err(_) => Err(format!("{port:?} is no port: write a number from 1 to 65535")),
        };
        let (rest, port) = ports
            .rsplit_once(':')
            .ok_or_else(|| "write the host's port, `:`, and the pod's port".to_owned())?;
        let (address, host_port) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((address, host_port)) => {
                let in_brackets = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
                let parsed = match in_brackets {
                    Some(inner) => inner.parse().ok().map(IpAddr::V6),
                    None => address.parse().ok().map(IpAddr::V4),
                };
                let wrong =
                    || format!("{address:?} is no address: write numbers, such as 127.0.0.1 or [::1]");
                (Some(parsed.ok_or_else(wrong)?), host_port)
            }
        };
        Ok(Self { protocol, address, host_port: number(host_port)?, port: number(port)? })
    }

    /// Whether both would listen at the same place of the host.
    fn collides(&self, other: &Self) -> bool {
        let any = |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
        let addresses = any(self.address) || any(other.address) || self.address == other.address;
        self.protocol == other.protocol && self.host_port == other.host_port && addresses
    }

    /// In pasta's words: `ADDRESS/HOSTPORT:PORT`.
    fn forwarded(&self) -> String {
        let address = self.address.map(|address| format!("{address}/")).unwrap_or_default();
        format!("{address}{}:{}", self.host_port, self.port)
    }
}

/// The network that a pod is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// How far it reaches.
    pub reach: Reach,
    /// Ports of the host that lead into it.
    pub published: Vec<Published>,
}

impl NetworkPlan {
    /// What pasta is called with, beside its name; `namespace` is where the pod's network namespace is
    /// mounted. Of the host's own loopback interface the pod sees nothing, and what the pod listens on is
    /// published only where that is asked for.
    pub fn arguments(&self, namespace: &str) -> Vec<String> {
        let mut arguments = [
            // It stays a child of ours, and says on standard output when it is ready.
            "--foreground --quiet --pid /proc/self/fd/1",
            // Users have been changed already where they were to be.
            "--runas 0 --no-netns-quit --config-net --no-map-gw --tcp-ns none --udp-ns none",
        ]
        .iter()
        .flat_map(|words| words.split(' ').map(str::to_owned))
        .collect::<Vec<_>>();
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        add("--address", POD_ADDRESS.to_string());
        add("--netmask", PREFIX.to_string());
        add("--gateway", GATEWAY.to_string());
        add("--dns-forward", NAME_SERVER.to_string());
        for (name, protocol) in [("--tcp-ports", Protocol::Tcp), ("--udp-ports", Protocol::Udp)] {
            let ports = self.published.iter().filter(|published| published.protocol == protocol);
            let ports: Vec<String> = ports.map(Published::forwarded).collect();
            if ports.is_empty() {
                add(name, "none".to_owned());
            }
            ports.into_iter().for_each(|port| add(name, port));
        }
        add("--netns", namespace.to_owned());
        arguments
    }
}

/// The network that a pod is to have: by its manifest, and by the ports that the command line publishes.
///
/// # Errors
/// Everything that cannot be, with what to do about it.
pub fn network(pod: &Pod, published: &[Published]) -> Result<NetworkPlan, Vec<String>> {
    let mut problems = Vec::new();
    let of_manifest = of_manifest(pod, &mut problems);
    let is_shared = pod.profile == Profile::Process || pod.sandbox.host.network;
    if is_shared {
        for port in of_manifest.iter().chain(published).filter(|port| port.host_port != port.port) {
            problems.push(format!(
                "cannot publish port {} of the pod as port {port} of the host: the pod has the host's network, \
                 whose ports are its own; use the same number, or a network of its own",
                port.port
            ));
        }
        return if problems.is_empty() { Ok(NetworkPlan::default()) } else { Err(problems) };
    }
    let reach = match pod.sandbox.network {
        Network::None => Reach::Itself,
        Network::Private => Reach::OutsideIfPossible,
        Network::Pasta => Reach::Outside,
    };
    let mut all: Vec<Published> = Vec::new();
    for port in of_manifest.into_iter().chain(published.iter().copied()) {
        if all.contains(&port) {
            continue;
        }
        if reach == Reach::Itself {
            problems.push(format!(
                "cannot publish port {port} of the host: the pod's network is `none`, which nothing reaches; use \
                 `private` or `pasta`"
            ));
        } else if let Some(other) = all.iter().find(|other| other.collides(&port)) {
            problems.push(format!(
                "cannot publish port {port} of the host for port {} of the pod: it leads to port {} already; choose \
                 another one",
                port.port, other.port
            ));
        }
        all.push(port);
    }
    // Only what is asked for can be missing.
    let reach = if reach == Reach::OutsideIfPossible && !all.is_empty() { Reach::Outside } else { reach };
    if problems.is_empty() { Ok(NetworkPlan { reach, published: all }) } else { Err(problems) }
}

/// The `hostPort`s of all containers.
fn of_manifest(pod: &Pod, problems: &mut Vec<String>) -> Vec<Published> {
    let mut all = Vec::new();
    for (_, _, container) in pod.iter() {
        for port in &container.ports {
            let Some((address, host_port)) = port.host_port else { continue };
            if port.protocol == Protocol::Sctp && !pod.sandbox.host.network && pod.profile == Profile::Pod {
                problems.push(format!(
                    "cannot publish port {host_port} of the host for container {}: pasta carries TCP and UDP, and \
                     no SCTP; use the host's network (hostNetwork: true)",
                    container.name
                ));
                continue;
            }
            all.push(Published { protocol: port.protocol, address, host_port, port: port.container_port });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Container, ContainerPort};

    fn pod(ports: &[(u16, u16)]) -> Pod {
        let port = |(host, container): &(u16, u16)| ContainerPort {
            name: None,
            container_port: *container,
            protocol: Protocol::Tcp,
            host_port: Some((None, *host)),
        };
        let ports = ports.iter().map(port).collect();
        let container = Container { ports, ..Container::named("web") };
        Pod { containers: vec![container], ..Pod::named("pod") }
    }

    #[test]
    fn what_is_published_is_read_from_words() {
        let parsed = |text: &str| Published::parse(text).map(|it| (it.to_string(), it.port));
        assert_eq!(parsed("8080:80"), Ok(("8080".to_owned(), 80)));
        assert_eq!(parsed("127.0.0.1:5353:53/udp"), Ok(("127.0.0.1:5353/udp".to_owned(), 53)));
        assert_eq!(parsed("[::1]:8080:80/tcp"), Ok(("[::1]:8080".to_owned(), 80)));
        for (wrong, says) in [
            ("8080", "write the host's port"),
            ("0:80", "from 1 to 65535"),
            ("80:65536", "from 1 to 65535"),
            ("host:80:80", "no address"),
            ("::1:80:80", "no address"),
            ("80:80/sctp", "neither tcp nor udp"),
        ] {
            assert!(Published::parse(wrong).unwrap_err().contains(says), "{wrong}");
        }
    }

    #[test]
    fn rootless_09_pasta_is_asked_for_what_is_published_and_for_nothing_else() {
        let also = Published::parse("127.0.0.1:5353:53/udp").unwrap();
        let plan = network(&pod(&[(8080, 80)]), &[also]).unwrap();
        // Ports that are asked for are not dropped where there is no pasta.
        assert_eq!(plan.reach, Reach::Outside);
        let words = plan.arguments("/run/here").join(" ");
        assert!(
            words.contains("--tcp-ports 8080:80 --udp-ports 127.0.0.1/5353:53 --netns /run/here"),
            "{words}"
        );
        assert!(words.contains("--no-map-gw --tcp-ns none --udp-ns none"), "{words}");
        let plan = network(&pod(&[]), &[]).unwrap();
        assert_eq!(plan.reach, Reach::OutsideIfPossible);
        let words = plan.arguments("/x").join(" ");
        assert!(words.contains("--tcp-ports none --udp-ports none"), "{words}");
    }

    #[test]
    fn a_port_of_the_host_leads_to_one_port_of_the_pod() {
        let problems = |ports: &[(u16, u16)], published: &[&str]| {
            let published: Vec<_> = published.iter().map(|it| Published::parse(it).unwrap()).collect();
            network(&pod(ports), &published).map(|plan| plan.published.len()).map_err(|all| all.len())
        };
        assert_eq!(problems(&[(8080, 80)], &["8080:80"]), Ok(1), "said twice");
        assert_eq!(problems(&[(8080, 80)], &["8080:81"]), Err(1));
        assert_eq!(problems(&[(8080, 80)], &["127.0.0.1:8080:81", "8080:82/udp"]), Err(1));
        assert_eq!(problems(&[], &["127.0.0.1:8080:80", "127.0.0.2:8080:81"]), Ok(2));
    }

    #[test]
    fn with_the_host_s_network_a_port_is_the_same_outside() {
        let mut pod = pod(&[(80, 80)]);
        pod.sandbox.host.network = true;
        assert_eq!(network(&pod, &[]), Ok(NetworkPlan::default()));
        let other = Published::parse("8080:80").unwrap();
        assert!(network(&pod, &[other]).unwrap_err()[0].contains("host's network"));
    }

    #[test]
    fn nothing_leads_to_a_network_of_none() {
        let mut pod = pod(&[]);
        pod.sandbox.network = Network::None;
        assert_eq!(network(&pod, &[]).unwrap().reach, Reach::Itself);
        let published = Published::parse("8080:80").unwrap();
        assert!(network(&pod, &[published]).unwrap_err()[0].contains("`none`"));
    }
}
