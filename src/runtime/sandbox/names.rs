//! The files with names that the pod's containers share: hosts, hostname, resolv.conf.

use std::fs;

use super::{Sandbox, config};
use crate::plan;
use crate::pod::StartFailure;
use crate::runtime::cause;
use crate::spec::{ContainerId, Pod};

impl Sandbox {
    /// Writes the files with names that the pod's containers share (rules 152, 153, 155).
    pub(super) fn write_names(&mut self, pod: &Pod) -> Result<(), String> {
        self.has_started = false;
        let Some(place) = &self.place else { return Ok(()) };
        let hosts = self.hosts(pod);
        let of_host = fs::read("/etc/resolv.conf").unwrap_or_default();
        let of_host = String::from_utf8_lossy(&of_host).into_owned();
        let (resolv_conf, warnings) = plan::resolv_conf(&of_host, pod, self.network.name_server())?;
        for warning in warnings {
            log::warn!("{warning}");
        }
        let files = [
            ("hosts", hosts),
            ("hostname", format!("{}\n", self.hostname.kernel).into_bytes()),
            ("resolv.conf", resolv_conf.into_bytes()),
        ];
        for (name, text) in files {
            place
                .write(name, &text, 0o644)
                .map_err(|error| format!("cannot write the pod's {name}: {}", cause(error)))?;
        }
        Ok(())
    }

    /// The file of names that the pod's containers share.
    fn hosts(&self, pod: &Pod) -> Vec<u8> {
        if self.isolation.network {
            return plan::hosts(pod, &self.hostname, self.network.addresses()).into_bytes();
        }
        plan::hosts_with_host_network(pod, &fs::read("/etc/hosts").unwrap_or_default())
    }

    /// Whatever a container has made of the names: the next one finds them as they should be (rule 153).
    pub(in crate::runtime) fn renew_hosts(&mut self, pod: &Pod, id: ContainerId) -> Result<(), StartFailure> {
        let has_them = self.of(id).is_some_and(|isolation| isolation.as_on_node);
        // The first one has them as they were made a moment ago.
        let is_first = has_them && !std::mem::replace(&mut self.has_started, true);
        if let Some(place) = self.place.as_ref().filter(|_| has_them && !is_first) {
            let hosts = self.hosts(pod);
            // In place: those that run have it mounted.
            let renewed = place
                .holds("hosts", &hosts)
                .and_then(|is_right| if is_right { Ok(()) } else { place.write("hosts", &hosts, 0o644) });
            renewed.map_err(|error| config(format!("cannot write the pod's hosts: {}", cause(error))))?;
        }
        Ok(())
    }
}
