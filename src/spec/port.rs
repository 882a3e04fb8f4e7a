//! The ports of a container: their names, which probes use, and the ports of the host that lead to them. Knows
//! what Kubernetes accepts, and no network.

use std::cell::RefCell;
use std::net::IpAddr;

use super::container::Surroundings;
use super::decode::{Fields, Item};
use super::fields::Place;
use super::name;
use super::pod::{ContainerPort, Protocol};
use super::sandbox::Host;
use super::tree::Span;

/// A port of the host, which one container has.
pub(super) type HostPort = (Protocol, Option<IpAddr>, u16);

/// Reads `ports`. A plain init container has the host's ports for itself while it runs.
pub(super) fn ports(
    fields: &mut Fields<'_>,
    plain_init: bool,
    surroundings: &Surroundings<'_>,
) -> Vec<ContainerPort> {
    let Some(items) = fields.take("ports").and_then(|item| item.list()) else { return Vec::new() };
    let own = RefCell::default();
    let taken = if plain_init { &own } else { &surroundings.host_ports };
    let mut named: Vec<(&str, Item<'_>)> = Vec::new();
    items
        .iter()
        .filter_map(|item| {
            item.fields_with_main(&[Place::ContainerPort], "containerPort", |fields| {
                fields.belong_to_part("a port");
                let name = fields.take("name").and_then(|item| port_name(item, &mut named));
                let protocols = [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
                let protocol = fields
                    .take("protocol")
                    .and_then(|item| item.choice_or_default(&protocols, "one of TCP, UDP, SCTP"));
                let container_port = match fields.take("containerPort") {
                    Some(item) => item.integer(1, 65535),
                    None => {
                        fields.missing(
                            "containerPort",
                            format!("write {}", item.scope.written("containerPort", "8080")),
                        );
                        None
                    }
                };
                let container_port = container_port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
                let protocol = protocol.unwrap_or(Protocol::Tcp);
                let host_port = host_port(fields, container_port, surroundings.host);
                if let Some((address, port, item)) = &host_port {
                    take_host_port(item, (protocol, *address, *port), taken);
                }
                let host_port = host_port.map(|(address, port, _)| (address, port));
                ContainerPort { name, container_port, protocol, host_port }
            })
        })
        .collect()
}

fn port_name<'a>(item: Item<'a>, named: &mut Vec<(&'a str, Item<'a>)>) -> Option<String> {
    let name = item.string().filter(|name| !name.is_empty())?;
    if let Err(broken) = name::port(name) {
        let better =
            name::repaired(name).filter(|name| name::port(name).is_ok()).unwrap_or_else(|| "http".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("name", &better)));
    } else if let Some((_, first)) = named.iter().find(|(other, _)| *other == name) {
        let problem = item.wrong().label("the second port of this name").note(
            "the first is",
            item.scope.source,
            first.node.span,
        );
        item.scope.report(problem.help("give one of the two another name"));
    }
    named.push((name, item));
    Some(name.to_owned())
}

/// A port of the host that leads to the container, and where it is written.
fn host_port<'a>(
    fields: &mut Fields<'a>,
    container_port: u16,
    host: &Host<'_>,
) -> Option<(Option<IpAddr>, u16, Item<'a>)> {
    let address = fields.take("hostIP").filter(|item| item.node.as_string() != Some(""));
    let address = address.and_then(|item| {
        let written = item.string()?;
        let address = written.parse::<IpAddr>().ok();
        if address.is_none() {
            // A cluster takes it.
            item.refuse_here("this is no address", "write numbers, such as \"127.0.0.1\" or \"::1\"");
        }
        Some((address?, item))
    });
    // 0 counts as left out.
    let port = fields.take("hostPort").and_then(|item| Some((item.positive(65535)?, item)));
    let (port, item) = port.and_then(|(port, item)| Some((u16::try_from(port).ok()?, item)))?;
    if host.shared.network && port != container_port && container_port != 0 {
        let help =
            format!("write {}, or leave it out", item.scope.written("hostPort", &container_port.to_string()));
        match &host.network {
            Some(_) => item.refuse("with the host's network it is the container's port", help),
            None => item.refuse_here("in profile \"process\" the container listens on the host itself", help),
        }
    }
    if let Some((written, item)) =
        address.as_ref().filter(|(it, _)| host.shared.network && !it.is_unspecified())
    {
        item.refuse_here(
            format!("with the host's network the container itself chooses {written}"),
            "remove it, and tell the program where to listen",
        );
    }
    Some((address.map(|(address, _)| address), port, item))
}

/// A port of the host is taken once (rule of the API server: for each protocol and address).
fn take_host_port(item: &Item<'_>, port: HostPort, taken: &RefCell<Vec<(HostPort, Span)>>) {
    let mut taken = taken.borrow_mut();
    if let Some((_, first)) = taken.iter().find(|(other, _)| *other == port) {
        item.refuse_second("taken twice", *first, "choose another port of the host for one of the two");
    }
    taken.push((port, item.node.span));
}
