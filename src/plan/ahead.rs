//! Which attempts may be put together before their turn: those that begin with the same whatever other containers
//! do until then. As whom they run is found out once more when their turn comes, and does not count here.

use super::environment::{files, volume_env_files};
use super::isolation::{Isolation, Root};
use crate::spec::{Container, ContainerId, Pod, SecurityProfile, SubPath, TERMINATION_LOG, VolumeSource};

/// Whether an attempt of `next` may be put together now. `running` is the init container that runs until its turn
/// comes, which is there to make things for those that follow, and finds nothing of theirs where it looks.
pub fn is_known_ahead(
    pod: &Pod,
    isolation: &Isolation,
    running: Option<ContainerId>,
    next: ContainerId,
) -> bool {
    let Some(container) = pod.container(next) else { return false };
    // A part of a volume is looked for, or made, when it is mounted.
    let has_parts = container.volume_mounts.iter().any(|mount| mount.sub_path != SubPath::Whole);
    let reads = files(container).next().is_some() || volume_env_files(container).next().is_some();
    let profiles = [&container.security_context.profiles, &pod.security_context.profiles];
    let is_file = |profile: &Option<SecurityProfile>| matches!(profile, Some(SecurityProfile::Localhost(_)));
    if has_parts || reads || profiles.iter().any(|profiles| is_file(&profiles.seccomp)) {
        return false;
    }
    running.is_none_or(|running| is_known_while_runs(pod, isolation, running, next, container))
}

fn is_known_while_runs(
    pod: &Pod,
    isolation: &Isolation,
    running: ContainerId,
    next: ContainerId,
    container: &Container,
) -> bool {
    let before = || pod.iter().map(|(.., other)| other).take(next.position());
    // Sidecars before it run meanwhile as well.
    let mut runs = (0..=running.position()).map(ContainerId::at);
    let is_root_known = match isolation.of(next).and_then(|of| of.root.as_ref()) {
        None => false,
        // What is mounted, and where it works, has its place among the host's files.
        Some(Root::Host) => {
            let has_directory = container.working_dir.as_deref().is_some_and(|directory| directory != "/");
            let has_message = container.termination_message_path != TERMINATION_LOG;
            container.volume_mounts.is_empty() && !has_directory && !has_message
        }
        Some(root @ Root::Directory(_)) => {
            root.has_layer() && !runs.any(|other| reaches_host(pod, isolation, other))
        }
    };
    // Places for what is mounted may be made in a volume, and links lead there from anywhere: that is nobody's to see
    // who does not come after it.
    let is_own = |name: &str| !before().any(|other| mounts(other, name));
    let are_volumes_own =
        container.volume_mounts.iter().all(|mount| is_of_pod(pod, &mount.name) && is_own(&mount.name));
    // What waits is one of the pod's processes.
    is_root_known && are_volumes_own && pod.kubelet.pod_pids_limit.is_none()
}

fn mounts(container: &Container, volume: &str) -> bool {
    container.volume_mounts.iter().any(|mount| *mount.name == *volume)
}

/// Whether nobody but the pod has the volume. What a path of the host leads to is found when it is mounted.
fn is_of_pod(pod: &Pod, name: &str) -> bool {
    let volume = pod.volumes.iter().find(|volume| *volume.name == *name);
    volume.is_some_and(|volume| match volume.source {
        VolumeSource::EmptyDir(_) | VolumeSource::Projected(_) | VolumeSource::Image { .. } => true,
        VolumeSource::HostPath(_) | VolumeSource::PersistentVolumeClaim { .. } => false,
    })
}

/// Whether the container can change files of the host's: roots of others, and what is mounted from them.
fn reaches_host(pod: &Pod, isolation: &Isolation, id: ContainerId) -> bool {
    let has_layer = isolation.of(id).and_then(|of| of.root.as_ref()).is_some_and(Root::has_layer);
    let has_own = |container: &Container| {
        let all_of_pod = container.volume_mounts.iter().all(|mount| is_of_pod(pod, &mount.name));
        all_of_pod && !container.security_context.privileged
    };
    !has_layer || !pod.container(id).is_some_and(has_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Images, isolation};
    use crate::spec::{self, Options, Source, Syntax};

    /// A pod of a sidecar, an init container, and a main container with these further fields each.
    fn pod([side, init, main]: [&str; 3]) -> Pod {
        let volumes = "[{name: empty, emptyDir: {}}, {name: host, hostPath: {path: /srv}}, \
                       {name: claim, persistentVolumeClaim: {claimName: c}}]";
        let of = |name: &str, fields: &str| format!("{{name: {name}, image: image, command: [c]{fields}}}");
        let side = of("s", &format!(", restartPolicy: Always{side}"));
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes: {volumes}\n  \
             initContainers: [{side}, {}]\n  containers: [{}]\n",
            of("i", init),
            of("m", main)
        );
        let source = Source { name: "p.yaml".to_owned(), text, syntax: Syntax::Yaml };
        let mut pod = spec::load(&[source], &Options::default()).pod.unwrap();
        pod.profile = spec::Profile::Pod;
        pod
    }

    /// Whether the pod's main container may be put together while the init container runs.
    fn may_be(pod: &Pod, images: &Images) -> bool {
        let isolation = isolation(pod, images).unwrap();
        let (init, main) = (ContainerId::at(1), ContainerId::at(2));
        let known = is_known_ahead(pod, &isolation, Some(init), main);
        // What is known while an init container runs is known while nobody does.
        assert!(!known || is_known_ahead(pod, &isolation, None, main));
        known
    }

    fn is_known(images: Images, init: &str, main: &str) -> bool {
        may_be(&pod(["", init, main]), &images)
    }

    fn of_image() -> Images {
        Images { directories: [("image".to_owned(), "/srv/image".to_owned())].into(), host_rootfs: false }
    }

    fn of_host() -> Images {
        Images { host_rootfs: true, ..Images::default() }
    }

    fn mounted(mounts: &str) -> String {
        format!(", volumeMounts: [{mounts}]")
    }

    const EMPTY: &str = "{name: empty, mountPath: /data}";

    #[test]
    fn what_has_files_and_volumes_of_its_own_is_known_while_an_init_container_runs() {
        assert!(is_known(of_image(), "", ""));
        assert!(is_known(of_image(), "", &mounted(EMPTY)));
        assert!(is_known(of_image(), "", ", workingDir: /work"));
        assert!(is_known(of_host(), "", ""));
    }

    #[test]
    fn what_an_init_container_may_change_is_not_known_while_it_runs() {
        for other in ["{name: host, mountPath: /data}", "{name: claim, mountPath: /data}"] {
            assert!(!is_known(of_image(), &mounted(other), ""), "{other}");
        }
        assert!(!is_known(of_image(), ", securityContext: {privileged: true}", ""));
        for main in [&mounted(EMPTY), ", workingDir: /work", ", terminationMessagePath: /message"] {
            assert!(!is_known(of_host(), "", main), "{main}");
        }
        let part = "{name: empty, mountPath: /data, subPath: made/by/init}";
        assert!(!is_known(of_image(), "", &mounted(part)));
        let env = ", env: [{name: V, valueFrom: {fileKeyRef: {volumeName: empty, path: file, key: K}}}]";
        assert!(!is_known(of_image(), &mounted(EMPTY), env));
        let profile = ", securityContext: {seccompProfile: {type: Localhost, localhostProfile: p.json}}";
        assert!(!is_known(of_image(), "", profile));
    }

    #[test]
    fn a_sidecar_that_runs_meanwhile_changes_as_much_as_an_init_container() {
        let side = mounted("{name: host, mountPath: /data}");
        assert!(!may_be(&pod([&side, "", ""]), &of_image()));
        assert!(may_be(&pod([&mounted(EMPTY), "", ""]), &of_image()));
    }

    /// `git clone` refuses a directory with anything in it, and an image's links may lead there from anywhere.
    #[test]
    fn nothing_is_made_in_a_volume_that_others_have_seen() {
        let mounted = mounted(EMPTY);
        assert!(!may_be(&pod(["", &mounted, &mounted]), &of_image()));
        assert!(!may_be(&pod([&mounted, "", &mounted]), &of_image()));
        assert!(may_be(&pod([&mounted, &mounted, ""]), &of_image()));
    }

    /// A directory of the host may be another one, or have something mounted on it, when its turn comes.
    #[test]
    fn what_a_path_of_the_host_leads_to_is_found_when_its_turn_comes() {
        for of_host in ["{name: host, mountPath: /data}", "{name: claim, mountPath: /data}"] {
            assert!(!is_known(of_image(), "", &mounted(of_host)), "{of_host}");
        }
    }

    /// An init container gets every process that the pod may have.
    #[test]
    fn nothing_waits_in_a_pod_whose_processes_are_counted() {
        let mut counted = pod(["", "", ""]);
        assert!(may_be(&counted, &of_image()));
        counted.kubelet.pod_pids_limit = Some(20);
        assert!(!may_be(&counted, &of_image()));
    }
}
