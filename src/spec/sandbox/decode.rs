//! What surrounds the containers, as Kubernetes takes it (rules 152 to 155, 163): namespaces of the host,
//! names, name resolution. Knows how it is written, and what of it excludes what else.

use std::net::IpAddr;

use super::{DnsConfig, DnsPolicy, HostAlias, HostNamespaces, Network, Sandbox};
use crate::spec::decode::{Fields, Item};
use crate::spec::fields::Place;
use crate::spec::name;
use crate::spec::pod::{Metadata, Profile};

/// The kernel has no longer name of a host.
const MOST_OF_A_HOSTNAME: usize = 64;
/// What the C library's resolver takes (rule 155).
const MOST_NAMESERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const MOST_OF_SEARCHES: usize = 2048;

/// Namespaces that the pod shares with the host, and where it says so.
pub(in crate::spec) struct Host<'a> {
    pub shared: HostNamespaces,
    /// Where `hostNetwork` is written as true.
    pub network: Option<Item<'a>>,
    pid: Option<Item<'a>>,
    /// Where `hostIPC` is written as true.
    pub ipc: Option<Item<'a>>,
}

/// Reads which namespaces are the host's. In profile `process` they are in any case: `false` says no more than
/// leaving it out, as that is Kubernetes' default, but for the users, of whom the default is the host's.
pub(in crate::spec) fn host<'a>(fields: &mut Fields<'a>, profile: Profile) -> Host<'a> {
    let mut written = |name, value: bool| fields.take(name).filter(|item| item.boolean() == Some(value));
    let network = written("hostNetwork", true);
    let pid = written("hostPID", true);
    let ipc = written("hostIPC", true);
    let own_users = written("hostUsers", false);
    if let Some(users) = &own_users {
        for shared in [&network, &pid, &ipc].into_iter().flatten() {
            excludes(shared, "it needs the host's users", users);
        }
        if profile == Profile::Process {
            users.refuse_here(
                "profile \"process\" has the host's users",
                "use profile \"pod\", or remove it to run with the host's users",
            );
        }
    }
    let always = profile == Profile::Process;
    let shared = HostNamespaces {
        network: always || network.is_some(),
        pid: always || pid.is_some(),
        ipc: always || ipc.is_some(),
        users: own_users.is_none(),
    };
    Host { shared, network, pid, ipc }
}

/// Reports that two fields exclude each other.
fn excludes(item: &Item<'_>, label: &str, other: &Item<'_>) {
    let problem = item.wrong().label(label);
    let problem = problem.note("which this excludes", other.scope.source, other.node.span);
    item.scope.report(problem.help(format!("remove {} or {}", item.name, other.name)));
}

/// Reads the rest. `network` is podinit's own setting; the metadata is the pod's.
pub(in crate::spec) fn sandbox(
    fields: &mut Fields<'_>,
    host: &Host<'_>,
    network: Option<&Item<'_>>,
    metadata: &Metadata,
) -> Sandbox {
    let share = fields.take("shareProcessNamespace").filter(|item| item.boolean() == Some(true));
    if let Some((share, pid)) = share.as_ref().zip(host.pid.as_ref()) {
        excludes(share, "the processes are the host's", pid);
    }
    let hostname = label(fields, "hostname");
    let subdomain = label(fields, "subdomain");
    let long = fields.take("setHostnameAsFQDN").filter(|item| item.boolean() == Some(true));
    let hostname_override =
        fields.take("hostnameOverride").and_then(|item| override_of(&item, host, long.as_ref()));
    let host_aliases = fields.take("hostAliases").and_then(|item| item.list()).unwrap_or_default();
    let policy = fields.take("dnsPolicy");
    let dns_policy = policy.as_ref().and_then(dns_policy).unwrap_or_default();
    let config = fields.take("dnsConfig");
    let servers = config.as_ref().and_then(|config| config.node.entry("nameservers"));
    if let Some(policy) =
        policy.filter(|_| dns_policy == DnsPolicy::None && servers.is_none_or(|it| it.value.is_empty()))
    {
        policy.refuse(
            "it leaves the pod without name servers",
            "write `dnsConfig` with `nameservers`, or remove dnsPolicy",
        );
    }
    let sandbox = Sandbox {
        host: host.shared,
        share_process_namespace: share.is_some(),
        network: network.and_then(|item| network_of(item, host)).unwrap_or_default(),
        hostname,
        subdomain,
        set_hostname_as_fqdn: long.is_some(),
        hostname_override,
        host_aliases: host_aliases.iter().filter_map(host_alias).collect(),
        dns_policy,
        dns_config: config.map(|item| dns_config(&item)).unwrap_or_default(),
    };
    if let Some(item) = long {
        fits_a_hostname(&item, &sandbox, metadata);
    }
    sandbox
}

/// A part of a name. An empty one is left out.
fn label(fields: &mut Fields<'_>, field: &'static str) -> Option<String> {
    let item = fields.take(field)?;
    let written = item.string().filter(|written| !written.is_empty())?;
    if let Err(broken) = name::label(written) {
        let better = name::repaired(written).unwrap_or_else(|| "web".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word(field, &better)));
    }
    Some(written.to_owned())
}

fn override_of(item: &Item<'_>, host: &Host<'_>, long: Option<&Item<'_>>) -> Option<String> {
    let written = item.string()?;
    let broken = match name::subdomain(written) {
        Err(broken) => Some(broken),
        Ok(()) => (written.len() > MOST_OF_A_HOSTNAME).then_some("longer than 64 characters"),
    };
    if let Some(broken) = broken {
        let better = name::repaired_subdomain(written).filter(|better| better.len() <= MOST_OF_A_HOSTNAME);
        let better = better.unwrap_or_else(|| "web".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("hostnameOverride", &better)));
    }
    if let Some(network) = &host.network {
        excludes(item, "with the host's network it is called as the host", network);
    }
    if let Some(long) = long {
        excludes(item, "the second name", long);
    }
    Some(written.to_owned())
}

/// The name that `setHostnameAsFQDN` asks for has to fit the kernel's (rule 152).
fn fits_a_hostname(item: &Item<'_>, sandbox: &Sandbox, metadata: &Metadata) {
    let Some(subdomain) = sandbox.subdomain.as_deref().filter(|_| !sandbox.host.network) else { return };
    let own = metadata.name.get(..63).unwrap_or(&metadata.name).trim_end_matches(['-', '.']);
    let host = sandbox.hostname.as_deref().unwrap_or(own);
    let long = format!("{host}.{subdomain}.{}.svc.cluster.local", metadata.namespace);
    if long.len() > MOST_OF_A_HOSTNAME {
        item.refuse_here(
            format!(
                "\"{}\" has {} characters, a host's name has {MOST_OF_A_HOSTNAME}",
                crate::spec::tree::cut(&long),
                long.len()
            ),
            "write a shorter hostname or subdomain, or remove it",
        );
    }
}

fn network_of(item: &Item<'_>, host: &Host<'_>) -> Option<Network> {
    let words = [("private", Network::Private), ("none", Network::None), ("pasta", Network::Pasta)];
    let found = item.choice(&words, "one of private, none, pasta")?;
    match &host.network {
        Some(shared) => excludes(item, "the network is the host's", shared),
        None if host.shared.network => {
            item.refuse_here(
                "profile \"process\" has the host's network",
                "use profile \"pod\", or remove it",
            );
        }
        None => {}
    }
    Some(found)
}

fn host_alias(item: &Item<'_>) -> Option<HostAlias> {
    item.fields(&[Place::HostAlias], |fields| {
        fields.belong_to_part("a host alias");
        let ip = match fields.take("ip") {
            Some(item) => address(&item),
            None => {
                fields.missing("ip", format!("write {}", fields.item.scope.word("ip", "192.0.2.1")));
                None
            }
        };
        let names = fields.take("hostnames").and_then(|item| item.list()).unwrap_or_default();
        let hostnames = names.iter().filter_map(|item| {
            let written = item.string()?;
            if let Err(broken) = name::subdomain(written) {
                let better = name::repaired_subdomain(written).unwrap_or_else(|| "db.example".to_owned());
                item.refuse(broken, format!("write \"{better}\""));
            }
            Some(written.to_owned())
        });
        let hostnames = hostnames.collect();
        Some(HostAlias { ip: ip?, hostnames })
    })?
}

/// A numeric address.
fn address(item: &Item<'_>) -> Option<IpAddr> {
    let address = item.string()?.parse().ok();
    if address.is_none() {
        item.refuse("this is no address", "write numbers, such as \"192.0.2.1\" or \"2001:db8::1\"");
    }
    address
}

fn dns_policy(item: &Item<'_>) -> Option<DnsPolicy> {
    let words = [
        ("ClusterFirst", DnsPolicy::ClusterFirst),
        ("ClusterFirstWithHostNet", DnsPolicy::ClusterFirstWithHostNet),
        ("Default", DnsPolicy::Default),
        ("None", DnsPolicy::None),
    ];
    item.choice_or_default(&words, "one of ClusterFirst, ClusterFirstWithHostNet, Default, None")
}

fn dns_config(item: &Item<'_>) -> DnsConfig {
    let read = item.fields(&[Place::DnsConfig], |fields| {
        fields.belong_to("dnsConfig");
        let mut list = |name: &'static str, most: usize| {
            let Some(item) = fields.take(name) else { return Vec::new() };
            let items = item.list().unwrap_or_default();
            if items.len() > most {
                too_many(&item, &format!("{} {name}", items.len()), &format!("at most {most}"));
            }
            items
        };
        let nameservers = list("nameservers", MOST_NAMESERVERS);
        let searches = list("searches", MOST_SEARCHES);
        let searches: Vec<String> = searches.iter().filter_map(search).collect();
        if let Some(item) = fields.peek("searches").filter(|_| searches.join(" ").len() > MOST_OF_SEARCHES) {
            let what = format!("searches of {} characters", searches.join(" ").len());
            too_many(&item, &what, &format!("at most {MOST_OF_SEARCHES}"));
        }
        let options = fields.take("options").and_then(|item| item.list()).unwrap_or_default();
        DnsConfig {
            nameservers: nameservers.iter().filter_map(address).collect(),
            searches,
            options: options.iter().filter_map(dns_option).collect(),
        }
    });
    read.unwrap_or_default()
}

fn too_many(item: &Item<'_>, what: &str, label: &str) {
    let message = format!("cannot use {what}{}", item.owner);
    let problem = item.scope.error(item.key, message).path(item.path.clone());
    item.scope.report(problem.label(label).help("leave some out: no resolver takes more"));
}

/// A domain, perhaps with a dot at its end and `_` in it; the root alone.
fn search(item: &Item<'_>) -> Option<String> {
    let written = item.string()?;
    let letters = written.strip_suffix('.').unwrap_or(written).replace('_', "x");
    if written != "."
        && let Err(broken) = name::subdomain(&letters)
    {
        item.refuse(broken, "write a domain such as \"example.com\"");
    }
    Some(written.to_owned())
}

fn dns_option(item: &Item<'_>) -> Option<(String, Option<String>)> {
    item.fields_with_main(&[Place::DnsOption], "name", |fields| {
        fields.belong_to_part("an option");
        let word = |item: Item<'_>| {
            let written = item.string()?;
            if written.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':') {
                item.refuse_here("it is one word", "write name and value apart, such as `ndots` and \"2\"");
            }
            Some(written.to_owned())
        };
        let name = fields.take("name").and_then(word).filter(|name| !name.is_empty());
        if name.is_none() && fields.peek("name").is_none_or(|item| item.node.as_string() == Some("")) {
            fields.missing("name", format!("write {}", fields.item.scope.word("name", "ndots")));
        }
        let value = fields.take("value").and_then(word).filter(|value| !value.is_empty());
        Some((name?, value))
    })?
}
