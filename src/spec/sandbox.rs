//! What the containers of a pod share: the host's namespaces or ones of their own, names and name
//! resolution. "Sandbox" is Kubernetes' word for what surrounds a pod's containers.

mod decode;

pub(super) use decode::{Host, host, sandbox};

use std::net::IpAddr;

/// What surrounds the pod's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Which namespaces are the host's.
    pub host: HostNamespaces,
    /// All containers see each other's processes (`shareProcessNamespace`).
    pub share_process_namespace: bool,
    /// What a network of the pod's own can reach.
    pub network: Network,
    /// First part of the pod's name for its own kernel; `None` is the pod's name (rule 152).
    pub hostname: Option<String>,
    /// Makes hostname.subdomain.namespace.svc.cluster.local of it.
    pub subdomain: Option<String>,
    /// The long name is the kernel's as well.
    pub set_hostname_as_fqdn: bool,
    /// Before all others.
    pub hostname_override: Option<String>,
    /// Lines of /etc/hosts (rule 153).
    pub host_aliases: Vec<HostAlias>,
    /// Where resolv.conf comes from (rule 155).
    pub dns_policy: DnsPolicy,
    /// What it has more.
    pub dns_config: DnsConfig,
}

/// Namespaces that the pod shares with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostNamespaces {
    /// Network, and with it UTS.
    pub network: bool,
    /// Process ids.
    pub pid: bool,
    /// System V IPC and POSIX message queues.
    pub ipc: bool,
    /// Users. Where they are not, root in the pod is nobody outside. Whether they can be is the host's to
    /// say: an ordinary user cannot make a namespace without one of users.
    pub users: bool,
}

/// As Kubernetes has it: only the users are the host's.
impl Default for HostNamespaces {
    fn default() -> Self {
        Self { network: false, pid: false, ipc: false, users: true }
    }
}

/// What a network of the pod's own can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The outside through `pasta` where that is there, itself otherwise.
    #[default]
    Private,
    /// Itself.
    None,
    /// The outside through `pasta`, or the pod does not start.
    Pasta,
}

/// A line of /etc/hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAlias {
    /// The address.
    pub ip: IpAddr,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// Where resolv.conf comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsPolicy {
    /// The cluster's; on one host, the host's.
    #[default]
    ClusterFirst,
    /// The same with the host's network.
    ClusterFirstWithHostNet,
    /// The host's.
    Default,
    /// `dnsConfig` alone.
    None,
}

/// What resolv.conf has more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// At most 3.
    pub nameservers: Vec<IpAddr>,
    /// At most 32, of 2048 characters together.
    pub searches: Vec<String>,
    /// Name, and value where it has one.
    pub options: Vec<(String, Option<String>)>,
}
