//! Which attempts may be put together before their turn: those that begin with the same whatever other containers
//! do until then. As whom they run is found out once more when their turn comes, and does not count here.

use super::environment::{files, volume_env_files};
use super::isolation::{Isolation, Root};
use super::mounts::{MountSource, mounts};
use crate::spec::{Container, ContainerId, Pod, SecurityProfile, SubPath, Volume, VolumeSource};

/// Whether an attempt of `next` may be put together now. `running` is the init container that runs until its turn
/// comes, which is there to make things for those that follow, and finds nothing of theirs in the pod's volumes.
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
    let Some(running) = running else { return true };
    let has_directory = container.working_dir.as_deref().is_some_and(|directory| directory != "/");
    let has_volumes = !container.volume_mounts.is_empty();
    let Some(of) = isolation.of(next) else { return false };
    let begins_with_files = match &of.root {
        None => return false,
        // What is mounted has its place among the host's files.
        Some(Root::Host) => has_volumes || has_directory,
        Some(root @ Root::Directory(_)) if !root.has_layer() => return false,
        Some(Root::Directory(_)) => true,
    };
    // Sidecars before it run meanwhile as well.
    let mut others = (0..=running.position()).map(ContainerId::at);
    let changes = begins_with_files && others.any(|other| reaches_host(pod, isolation, other));
    // What waits is one of the pod's processes.
    let takes_one = pod.kubelet.pod_pids_limit.is_some();
    if changes || takes_one || has_directory && has_volumes {
        return false;
    }
    // The place for a mount in a volume would be made there.
    let Ok(Some(plan)) = mounts(pod, container, of, |_| None) else { return false };
    let is_volume = |source: &MountSource| matches!(source, MountSource::Volume { .. });
    let mut volumes = plan.mounts.iter().filter(|mount| is_volume(&mount.source));
    !volumes.any(|volume| plan.mounts.iter().any(|mount| is_below(&mount.path, &volume.path)))
}

/// Whether the container can change files of the host's: roots of others, and what is mounted from them.
fn reaches_host(pod: &Pod, isolation: &Isolation, id: ContainerId) -> bool {
    let has_layer = isolation.of(id).and_then(|of| of.root.as_ref()).is_some_and(Root::has_layer);
    let is_of_pod = |volume: &Volume| match volume.source {
        VolumeSource::EmptyDir(_) | VolumeSource::Projected(_) | VolumeSource::Image { .. } => true,
        VolumeSource::HostPath(_) | VolumeSource::PersistentVolumeClaim { .. } => false,
    };
    let uses = |container: &Container, volume: &Volume| {
        container.volume_mounts.iter().any(|mount| mount.name == volume.name)
    };
    let uses_host =
        |container| pod.volumes.iter().any(|volume| uses(container, volume) && !is_of_pod(volume));
    !has_layer || pod.container(id).is_none_or(uses_host)
}

/// Whether the path leads to something in the directory, as far as the words go.
fn is_below(path: &str, directory: &str) -> bool {
    let mut path = path.split('/').filter(|part| !part.is_empty());
    let mut directory = directory.split('/').filter(|part| !part.is_empty());
    directory.all(|part| path.next() == Some(part)) && path.next().is_some()
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
    fn what_has_files_of_its_own_is_known_while_an_init_container_fills_a_volume() {
        assert!(is_known(of_image(), "", ""));
        assert!(is_known(of_image(), &mounted(EMPTY), &mounted(EMPTY)));
        assert!(is_known(of_image(), "", &mounted("{name: host, mountPath: /data}")));
        assert!(is_known(of_image(), "", ", workingDir: /work"));
        assert!(is_known(of_host(), "", ""));
    }

    #[test]
    fn what_an_init_container_may_change_is_not_known_while_it_runs() {
        for other in ["{name: host, mountPath: /data}", "{name: claim, mountPath: /data}"] {
            assert!(!is_known(of_image(), &mounted(other), ""), "{other}");
        }
        for main in [&mounted(EMPTY), ", workingDir: /work"] {
            assert!(!is_known(of_host(), "", main), "{main}");
        }
        let part = "{name: empty, mountPath: /data, subPath: made/by/init}";
        assert!(!is_known(of_image(), &mounted(EMPTY), &mounted(part)));
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

    /// An init container gets every process that the pod may have.
    #[test]
    fn nothing_waits_in_a_pod_whose_processes_are_counted() {
        let mut counted = pod(["", "", ""]);
        assert!(may_be(&counted, &of_image()));
        counted.kubelet.pod_pids_limit = Some(20);
        assert!(!may_be(&counted, &of_image()));
    }

    /// `git clone` refuses a directory with anything in it.
    #[test]
    fn nothing_is_made_in_a_volume_while_an_init_container_runs() {
        let deeper = format!("{EMPTY}, {{name: host, mountPath: /data/deeper}}");
        assert!(!is_known(of_image(), "", &mounted(&deeper)));
        assert!(!is_known(of_image(), "", &mounted("{name: empty, mountPath: /etc}")), "its hosts are there");
        let works = format!("{}, workingDir: /data/work", mounted(EMPTY));
        assert!(!is_known(of_image(), "", &works));
        assert!(is_known(
            of_image(),
            "",
            &mounted("{name: empty, mountPath: /database}, {name: host, mountPath: /data}")
        ));
    }
}
