//! What the containers of a pod are called and how they resolve names: host name, /etc/hosts and resolv.conf,
//! as kubelet makes them. Pure: it is handed what the host's own files say.

use std::net::IpAddr;

use crate::spec::{DnsConfig, DnsPolicy, HostAlias, Network, Pod, Sandbox};

/// Where names of a cluster end. On one host nobody resolves them but /etc/hosts.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// Kubernetes' limits (rule 155).
const MOST_NAMESERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const MOST_SEARCH_BYTES: usize = 2048;
/// The C library of some containers aborts on longer ones.
const LONGEST_SEARCH: usize = 253;

/// What a pod is called (rule 152).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname {
    /// One label, or what `hostnameOverride` says: the short name of /etc/hosts.
    pub name: String,
    /// The name with its domain, where it has one.
    pub fqdn: Option<String>,
    /// What the kernel is told, and /etc/hostname: at most 64 characters. A pod with the host's network has
    /// the host's name instead.
    pub kernel: String,
}

/// What a pod is called (rule 152).
///
/// # Errors
/// A name that the kernel would not take, in kubelet's words.
pub fn hostname(pod: &Pod) -> Result<Hostname, String> {
    let Sandbox { hostname, subdomain, set_hostname_as_fqdn, hostname_override, .. } = &pod.sandbox;
    if let Some(name) = hostname_override {
        let name = cut(pod, name)?;
        return Ok(Hostname { kernel: name.clone(), name, fqdn: None });
    }
    let name = cut(pod, hostname.as_deref().unwrap_or(&pod.metadata.name))?;
    let namespace = &pod.metadata.namespace;
    let fqdn =
        subdomain.as_ref().map(|subdomain| format!("{name}.{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}"));
    let kernel = match &fqdn {
        Some(fqdn) if *set_hostname_as_fqdn => {
            // One less than `nodename` of uname(2) has room for.
            const MOST: usize = 64;
            if fqdn.len() > MOST {
                return Err(format!(
                    "failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long \
                     ({MOST} characters is the max, {} characters requested)",
                    fqdn.len()
                ));
            }
            fqdn.clone()
        }
        Some(_) | None => name.clone(),
    };
    Ok(Hostname { name, fqdn, kernel })
}

/// At most 63 characters, and no `-` or `.` where it was cut.
fn cut(pod: &Pod, name: &str) -> Result<String, String> {
    const MOST: usize = 63;
    if name.chars().count() <= MOST {
        return Ok(name.to_owned());
    }
    let kept: String = name.chars().take(MOST).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    if kept.is_empty() {
        return Err(format!("hostname for pod {:?} was invalid: {name:?}", pod.metadata.name));
    }
    Ok(kept.to_owned())
}

/// /etc/hosts of a pod with these addresses of its own (rule 153).
pub fn hosts(pod: &Pod, hostname: &Hostname, addresses: &[IpAddr]) -> String {
    let mut text = "# Kubernetes-managed hosts file.\n\
                    127.0.0.1\tlocalhost\n\
                    ::1\tlocalhost ip6-localhost ip6-loopback\n\
                    fe00::0\tip6-localnet\n\
                    fe00::0\tip6-mcastprefix\n\
                    fe00::1\tip6-allnodes\n\
                    fe00::2\tip6-allrouters\n"
        .to_owned();
    for address in addresses {
        text += &match &hostname.fqdn {
            Some(fqdn) => format!("{address}\t{fqdn}\t{}\n", hostname.name),
            None => format!("{address}\t{}\n", hostname.name),
        };
    }
    text + &aliases(&pod.sandbox.host_aliases)
}

/// /etc/hosts of a pod with the host's network: what the host's holds, and the pod's aliases (rule 153).
pub fn hosts_with_host_network(pod: &Pod, of_host: &[u8]) -> Vec<u8> {
    let mut text = b"# Kubernetes-managed hosts file (host network).\n".to_vec();
    text.extend_from_slice(of_host);
    text.extend_from_slice(aliases(&pod.sandbox.host_aliases).as_bytes());
    text
}

fn aliases(aliases: &[HostAlias]) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let lines = aliases.iter().map(|alias| format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
    std::iter::once("\n# Entries added by HostAliases.\n".to_owned()).chain(lines).collect()
}

/// What a resolv.conf says.
#[derive(Debug, Default)]
struct Resolver {
    nameservers: Vec<String>,
    searches: Vec<String>,
    /// `name` or `name:value`.
    options: Vec<String>,
}

/// The pod's resolv.conf and warnings about it, by what the host's says (rule 155). There is no name server of
/// a cluster on one host: `ClusterFirst` is `Default`. `stand_in` is an address that leads from the pod's network
/// to the host's name server, where there is one.
///
/// # Errors
/// In kubelet's words, where the host's file is broken.
pub fn resolv_conf(
    of_host: &str,
    pod: &Pod,
    stand_in: Option<IpAddr>,
) -> Result<(String, Vec<String>), String> {
    let Sandbox { dns_policy, dns_config, .. } = &pod.sandbox;
    let mut resolver = match dns_policy {
        DnsPolicy::None => Resolver::default(),
        DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet | DnsPolicy::Default => {
            let mut resolver = Resolver::parse(of_host)
                .map_err(|why| format!("cannot use the host's resolv.conf: {why}"))?;
            if let Some(stand_in) = stand_in {
                resolver.stand_in(stand_in);
            }
            resolver
        }
    };
    if *dns_config != DnsConfig::default() {
        resolver.add(dns_config);
    }
    let mut warnings = resolver.fit();
    let own_network = !pod.sandbox.host.network && pod.sandbox.network != Network::None;
    let own = resolver.nameservers.iter().find(|server| is_loopback(server));
    if let Some(server) = own.filter(|_| own_network) {
        warnings.push(format!(
            "nameserver {server} is the pod itself, not the host: name another one in dnsConfig.nameservers, \
             with dnsPolicy None"
        ));
    }
    Ok((resolver.text(), warnings))
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl Resolver {
    /// This address leads to the host's name server, which may listen where only the host reaches it.
    fn stand_in(&mut self, address: IpAddr) {
        let Some(at) = self.nameservers.iter().position(|server| is_loopback(server)) else { return };
        self.nameservers.retain(|server| !is_loopback(server));
        self.nameservers.insert(at, address.to_string());
    }

    /// As kubelet reads it: name servers add up, of the others the last line counts.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().ok_or("nameserver list is empty")?;
                    resolver.nameservers.push(server.to_owned());
                }
                Some("search") => {
                    // A name counts once, with and without a dot at its end.
                    let short = |name: &str| match name.strip_suffix('.') {
                        Some(short) if !short.is_empty() => short.to_owned(),
                        Some(_) | None => name.to_owned(),
                    };
                    resolver.searches = words.map(short).collect();
                }
                Some("options") => resolver.options = words.map(str::to_owned).collect(),
                Some(_) | None => {}
            }
        }
        Ok(resolver)
    }

    /// Of what is there twice the first counts; of options the last value, at the first one's place.
    fn add(&mut self, config: &DnsConfig) {
        self.nameservers.extend(config.nameservers.iter().map(IpAddr::to_string));
        self.searches.extend(config.searches.iter().cloned());
        for list in [&mut self.nameservers, &mut self.searches] {
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|item| seen.insert(item.clone()));
        }
        let of_host = std::mem::take(&mut self.options).into_iter();
        let of_host = of_host.map(|option| match option.split_once(':') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (option, None),
        });
        let mut merged: Vec<(String, Option<String>)> = Vec::new();
        for (name, value) in of_host.chain(config.options.iter().cloned()) {
            match merged.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => merged.push((name, value)),
            }
        }
        let written = |(name, value): (String, Option<String>)| match value.filter(|value| !value.is_empty())
        {
            Some(value) => format!("{name}:{value}"),
            None => name,
        };
        self.options = merged.into_iter().map(written).collect();
    }

    /// Leaves out what is too much, from the end, and says so in kubelet's words.
    fn fit(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.nameservers.len() > MOST_NAMESERVERS {
            self.nameservers.truncate(MOST_NAMESERVERS);
            warnings.push(format!(
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver \
                 line is: {}",
                self.nameservers.join(" ")
            ));
        }
        let before = self.searches.len();
        self.searches.truncate(MOST_SEARCHES);
        self.searches.retain(|search| search.len() <= LONGEST_SEARCH);
        while self.searches.join(" ").len() > MOST_SEARCH_BYTES {
            self.searches.pop();
        }
        if self.searches.len() < before {
            warnings.push(format!(
                "Search Line limits were exceeded, some search paths have been omitted, the applied search \
                 line is: {}",
                self.searches.join(" ")
            ));
        }
        warnings
    }

    /// In containerd's order.
    fn text(&self) -> String {
        let mut text = String::new();
        if !self.searches.is_empty() {
            text += &format!("search {}\n", self.searches.join(" "));
        }
        for server in &self.nameservers {
            text += &format!("nameserver {server}\n");
        }
        if !self.options.is_empty() {
            text += &format!("options {}\n", self.options.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, change: impl Fn(&mut Sandbox)) -> Result<Hostname, String> {
        let mut pod = Pod::named(name);
        change(&mut pod.sandbox);
        hostname(&pod)
    }

    fn called(name: &str, fqdn: Option<&str>, kernel: &str) -> Hostname {
        Hostname { name: name.to_owned(), fqdn: fqdn.map(str::to_owned), kernel: kernel.to_owned() }
    }

    #[test]
    fn rule_152_the_host_name_is_the_field_s_or_the_pod_s_cut_to_63_characters() {
        assert_eq!(of("web", |_| {}), Ok(called("web", None, "web")));
        assert_eq!(of("web", |all| all.hostname = Some("db".to_owned())), Ok(called("db", None, "db")));
        let longest = "a".repeat(63);
        assert_eq!(of(&longest, |_| {}).unwrap().kernel, longest);
        assert_eq!(of(&format!("{longest}b"), |_| {}).unwrap().kernel, longest);
        let dots = format!("{}-.-c.d", "a".repeat(60));
        assert_eq!(of(&dots, |_| {}).unwrap().name, "a".repeat(60));
    }

    #[test]
    fn rule_152_a_subdomain_makes_a_long_name_which_the_kernel_has_where_it_is_asked_for() {
        let long = "web.shop.default.svc.cluster.local";
        let subdomain = |all: &mut Sandbox| all.subdomain = Some("shop".to_owned());
        assert_eq!(of("web", subdomain), Ok(called("web", Some(long), "web")));
        let both = |all: &mut Sandbox| {
            subdomain(all);
            all.set_hostname_as_fqdn = true;
        };
        assert_eq!(of("web", both), Ok(called("web", Some(long), long)));
        assert_eq!(of("web", |all| all.set_hostname_as_fqdn = true), Ok(called("web", None, "web")));
        let fits = of(&"a".repeat(33), both).unwrap();
        assert_eq!(fits.kernel.len(), 64);
        let name = "a".repeat(34);
        assert_eq!(
            of(&name, both).unwrap_err(),
            format!(
                "failed to construct FQDN from pod hostname and cluster domain, FQDN {name}.shop.default.svc.cluster.local \
                 is too long (64 characters is the max, 65 characters requested)"
            )
        );
    }

    #[test]
    fn rule_152_hostname_override_is_before_all_others() {
        let named = of("web", |all| {
            all.hostname_override = Some("db.example.org".to_owned());
            (all.hostname, all.subdomain) = (Some("other".to_owned()), Some("shop".to_owned()));
        });
        assert_eq!(named, Ok(called("db.example.org", None, "db.example.org")));
    }

    fn with_aliases() -> Pod {
        let mut pod = Pod::named("web");
        let alias = |ip: &str, names: &[&str]| HostAlias {
            ip: ip.parse().unwrap(),
            hostnames: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        pod.sandbox.host_aliases = vec![alias("10.0.0.9", &["db", "db.local"]), alias("fd00::9", &["cache"])];
        pod
    }

    #[test]
    fn rule_153_hosts_of_a_pod_with_a_network_of_its_own() {
        let addresses = ["10.1.2.3".parse().unwrap(), "fd00::3".parse().unwrap()];
        let mut pod = with_aliases();
        let head = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n\
            ::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\n\
            fe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
        let tail = "\n# Entries added by HostAliases.\n10.0.0.9\tdb\tdb.local\nfd00::9\tcache\n";
        let short = hosts(&pod, &hostname(&pod).unwrap(), &addresses);
        assert_eq!(short, format!("{head}10.1.2.3\tweb\nfd00::3\tweb\n{tail}"));
        pod.sandbox.subdomain = Some("shop".to_owned());
        pod.sandbox.host_aliases.clear();
        let long = hosts(&pod, &hostname(&pod).unwrap(), &addresses[..1]);
        assert_eq!(long, format!("{head}10.1.2.3\tweb.shop.default.svc.cluster.local\tweb\n"));
    }

    #[test]
    fn rule_153_hosts_of_a_pod_with_the_host_s_network() {
        let text = hosts_with_host_network(&with_aliases(), b"127.0.0.1 localhost \xe9\n");
        let expected: &[u8] = b"# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost \xe9\n\
            \n# Entries added by HostAliases.\n10.0.0.9\tdb\tdb.local\nfd00::9\tcache\n";
        assert_eq!(text, expected);
        let without = hosts_with_host_network(&Pod::named("web"), b"x\n");
        assert_eq!(without, b"# Kubernetes-managed hosts file (host network).\nx\n");
    }

    const HOST: &str = "# made by hand\nnameserver 10.0.0.1 \n\tnameserver 10.0.0.2\nsearch old.org\n\
        search example.org. corp.org . \noptions ndots:1\noptions timeout:2 rotate\n; x\ndomain ignored.org\n";

    fn resolved(host: &str, change: impl Fn(&mut Sandbox)) -> Result<(String, Vec<String>), String> {
        let mut pod = Pod::named("web");
        change(&mut pod.sandbox);
        resolv_conf(host, &pod, None)
    }

    #[test]
    fn rule_155_without_a_cluster_the_host_s_resolver_counts() {
        let expected = "search example.org corp.org .\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions timeout:2 rotate\n";
        for policy in [DnsPolicy::ClusterFirst, DnsPolicy::ClusterFirstWithHostNet, DnsPolicy::Default] {
            let made = resolved(HOST, |all| all.dns_policy = policy);
            assert_eq!(made, Ok((expected.to_owned(), vec![])), "{policy:?}");
        }
        let none = resolved(HOST, |all| all.dns_policy = DnsPolicy::None);
        assert_eq!(none, Ok((String::new(), vec![])));
        assert_eq!(
            resolved("nameserver\n", |_| {}),
            Err("cannot use the host's resolv.conf: nameserver list is empty".to_owned())
        );
        assert_eq!(resolved("nameserver\n", |all| all.dns_policy = DnsPolicy::None).unwrap().0, "");
    }

    fn config() -> DnsConfig {
        DnsConfig {
            nameservers: vec!["10.0.0.2".parse().unwrap(), "fd00::53".parse().unwrap()],
            searches: vec!["corp.org".to_owned(), "own.org".to_owned()],
            options: vec![
                ("timeout".to_owned(), Some("5".to_owned())),
                ("edns0".to_owned(), None),
                ("ndots".to_owned(), Some("2".to_owned())),
            ],
        }
    }

    #[test]
    fn rule_155_dns_config_is_added_and_wins() {
        let merged = resolved(HOST, |all| all.dns_config = config()).unwrap();
        assert_eq!(
            merged.0,
            "search example.org corp.org . own.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver fd00::53\n\
             options timeout:5 rotate edns0 ndots:2\n"
        );
        let alone = resolved(HOST, |all| (all.dns_policy, all.dns_config) = (DnsPolicy::None, config()));
        assert_eq!(
            alone.unwrap().0,
            "search corp.org own.org\nnameserver 10.0.0.2\nnameserver fd00::53\noptions timeout:5 edns0 ndots:2\n"
        );
    }

    #[test]
    fn rule_155_what_is_over_the_limits_is_left_out_and_said() {
        let host = "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n";
        let (text, warnings) = resolved(host, |_| {}).unwrap();
        assert_eq!(text, "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n");
        assert_eq!(
            warnings,
            [
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: \
              1.1.1.1 2.2.2.2 3.3.3.3"
            ]
        );
        let searches = |names: Vec<String>| {
            let (text, warnings) = resolved("", |all| all.dns_config.searches.clone_from(&names)).unwrap();
            let kept = text.split_whitespace().count() - 1;
            assert_eq!(kept < names.len(), warnings.len() == 1, "{warnings:?}");
            kept
        };
        let numbered =
            |count: usize, tail: &str| (0..count).map(|number| format!("s{number:02}{tail}")).collect();
        assert_eq!(searches(numbered(32, "")), 32);
        assert_eq!(searches(numbered(33, "")), 32);
        // 64 bytes and a space: 31 and the last without its space are 2014 bytes, 32 are 2079.
        assert_eq!(searches(numbered(32, &"x".repeat(61))), 31);
        assert_eq!(searches(vec!["a".to_owned(), "x".repeat(254), "b".to_owned()]), 2);
        let one = resolved("", |all| all.dns_config.searches = vec!["a".to_owned(), "x".repeat(254)]);
        assert_eq!(
            one.unwrap().1,
            [
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: a"
            ]
        );
    }

    #[test]
    fn a_name_server_on_the_host_s_loopback_is_not_the_pod_s() {
        let host = "nameserver 127.0.0.53\n";
        let warned = |change: fn(&mut Sandbox)| resolved(host, change).unwrap().1.len();
        assert_eq!(warned(|_| {}), 1);
        assert_eq!(warned(|all| all.network = Network::Pasta), 1);
        assert_eq!(warned(|all| all.network = Network::None), 0);
        assert_eq!(warned(|all| all.host.network = true), 0);
    }

    #[test]
    fn a_name_server_that_only_the_host_reaches_has_a_stand_in() {
        let host = "nameserver 192.0.2.1\nnameserver 127.0.0.53\nnameserver ::1\n";
        let stand_in = Some("169.254.1.1".parse().unwrap());
        let (text, warnings) = resolv_conf(host, &Pod::named("web"), stand_in).unwrap();
        assert!(
            text.contains("nameserver 192.0.2.1\nnameserver 169.254.1.1\n") && !text.contains("::1"),
            "{text}"
        );
        assert_eq!(warnings, Vec::<String>::new());
    }
}
