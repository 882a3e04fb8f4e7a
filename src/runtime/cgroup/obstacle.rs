//! Why limits cannot be enforced here, in words, and what would help (RES-06).

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::plan::{self, Controller};
use crate::runtime::cause;
use crate::spec::Pod;

/// What keeps podinit from enforcing limits.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// There is no cgroup v2.
    NotMounted,
    /// podinit's own group is not below what is mounted, and it is not root.
    OutOfSight,
    /// This could not be done with this group.
    Refused(&'static str, PathBuf, io::Error),
    /// The controller is cgroup v1's.
    OfV1,
    /// The controller is not handed down to this group.
    Missing(PathBuf),
    /// The controller cannot be handed on while there are other processes in this group.
    Occupied(PathBuf),
}

impl Obstacle {
    /// Why and what helps. `controllers` are missed, in words.
    fn text(&self, controllers: &str) -> String {
        let (why, help) = self.parts(controllers);
        format!("{why}; {help}")
    }

    /// Why, and what helps.
    pub(super) fn parts(&self, controllers: &str) -> (String, String) {
        let start = format!("start podinit with {}", own_scope());
        match self {
            Self::NotMounted => (
                "there is no cgroup v2 at /sys/fs/cgroup".to_owned(),
                "mount it there, with `mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or limit podinit itself"
                    .to_owned(),
            ),
            Self::OutOfSight => ("podinit's own control group is not below /sys/fs/cgroup".to_owned(), start),
            Self::Refused(what, path, error) => {
                let help = match error.raw_os_error() {
                    Some(libc::EROFS) => {
                        "make the control groups writable, or limit the container that podinit runs in"
                            .to_owned()
                    }
                    _ => start,
                };
                let why = cause(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
                (format!("cannot {what} {}: {why}", path.display()), help)
            }
            Self::OfV1 => (
                format!("cgroup v1 has {controllers} on this host, and podinit uses v2 alone"),
                "boot with `systemd.unified_cgroup_hierarchy=1`, or limit podinit itself".to_owned(),
            ),
            Self::Missing(path) => (format!("{} does not have {controllers}", path.display()), start),
            Self::Occupied(path) => {
                let path = path.display();
                (format!("{controllers} cannot be enabled in {path}: other processes are in it"), start)
            }
        }
    }
}

/// One sentence for each obstacle that keeps limits of the pod from being enforced.
pub(super) fn complaints<'a>(
    obstacles: impl Iterator<Item = (Controller, &'a Obstacle)>,
    pod: &Pod,
) -> Vec<String> {
    let mut groups: Vec<(&Obstacle, Vec<Controller>)> = Vec::new();
    for (controller, obstacle) in obstacles.filter(|(controller, _)| is_asked_for(pod, *controller)) {
        match groups.iter_mut().find(|(known, _)| known.text("") == obstacle.text("")) {
            Some((_, controllers)) => controllers.push(controller),
            None => groups.push((obstacle, vec![controller])),
        }
    }
    groups.iter().map(|(obstacle, controllers)| complaint(obstacle, controllers, pod)).collect()
}

fn is_asked_for(pod: &Pod, controller: Controller) -> bool {
    !plan::limited_by(pod, controller).is_empty() || !plan::kubelet_settings(pod, controller).is_empty()
}

fn complaint(obstacle: &Obstacle, controllers: &[Controller], pod: &Pod) -> String {
    let settings = controllers.iter().flat_map(|controller| plan::kubelet_settings(pod, *controller));
    let settings = settings.map(|setting| setting.name.to_owned());
    let what: Vec<_> = limits(controllers, pod).into_iter().chain(settings).collect();
    let kind = if controllers.len() == 1 { "controller" } else { "controllers" };
    let why = obstacle.text(&format!("{kind} {}", names(controllers)));
    format!("cannot enforce {}: {why}", what.join(" and "))
}

/// The limits that need one of these controllers, in words, if there are such.
fn limits(controllers: &[Controller], pod: &Pod) -> Option<String> {
    let (mut limiting, mut limited) = (Vec::new(), Vec::new());
    for controller in controllers {
        let all = plan::limited_by(pod, *controller);
        if !all.is_empty() {
            limiting.push(*controller);
        }
        for who in all {
            if !limited.contains(&who) {
                limited.push(who);
            }
        }
    }
    let whose = match limited.as_slice() {
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => return None,
    };
    let limits = if limiting.len() == 1 { "limit" } else { "limits" };
    Some(format!("the {} {limits} of {whose}", names(&limiting)))
}

fn names(controllers: &[Controller]) -> String {
    controllers.iter().map(|controller| controller.name()).collect::<Vec<_>>().join(" and ")
}

/// How to get a control group of one's own that one may divide.
fn own_scope() -> &'static str {
    match nix::unistd::geteuid().is_root() {
        true => "`systemd-run --scope -p Delegate=yes podinit ...`",
        false => "`systemd-run --user --scope -p Delegate=yes podinit ...`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Amounts, Container, Quantity};

    fn said(change: fn(&mut Pod)) -> Vec<String> {
        let mut pod = Pod { containers: vec![Container::named("c")], ..Pod::named("a") };
        change(&mut pod);
        let obstacle = Obstacle::OfV1;
        let obstacles = [Controller::Cpu, Controller::Memory].map(|controller| (controller, &obstacle));
        let all = complaints(obstacles.into_iter(), &pod);
        all.iter().map(|one| one.split(" on this host").next().unwrap().to_owned()).collect()
    }

    fn limits_of_container(pod: &mut Pod) {
        let one = Quantity::parse("1");
        pod.containers[0].resources.limits = Amounts { cpu: one, memory: one };
    }

    #[test]
    fn res_06_what_is_not_enforced_is_named_as_it_is_written() {
        assert_eq!(said(|_| {}), [""; 0]);
        let of_limits = "cannot enforce the cpu and memory limits of container c: cgroup v1 has controllers cpu and memory";
        assert_eq!(said(limits_of_container), [of_limits]);
        let setting = said(|pod| pod.kubelet.memory_throttling_factor = Some(0.9));
        assert_eq!(setting, ["cannot enforce memoryThrottlingFactor: cgroup v1 has controller memory"]);
        let both = said(|pod| {
            limits_of_container(pod);
            pod.containers[0].resources.limits.memory = None;
            pod.kubelet.memory_throttling_factor = Some(0.9);
        });
        let expected = "cannot enforce the cpu limit of container c and memoryThrottlingFactor: cgroup v1 has \
                        controllers cpu and memory";
        assert_eq!(both, [expected]);
    }
}
