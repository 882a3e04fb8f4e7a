//! What is lost on hosts that lack something, by the data alone.

use std::collections::BTreeMap;

use super::*;
use crate::spec::{
    EmptyDir, HostPath, Profile, SeLinuxOptions, SecurityProfile, Sysctl, Volume, VolumeMount, VolumeSource,
};

/// A host that lacks these.
fn host(lacks: &[Fact]) -> HostFacts {
    let lack = |fact: &Fact| {
        let lack = Lack { cause: "operation not permitted".into(), remedy: format!("allow {}", fact.name()) };
        (*fact, Err(lack))
    };
    HostFacts {
        found: lacks.iter().map(lack).collect::<BTreeMap<_, _>>(),
        is_privileged: false,
        own: (1000, 1000),
        own_groups: vec![1000],
        ids: Ids::Single,
        capabilities: 0,
        landlock: None,
    }
}

/// What Docker's default profile takes from an unprivileged user.
const DOCKER: [Fact; 13] = [
    Fact::UserNamespace,
    Fact::MountNamespace,
    Fact::ProcessNamespace,
    Fact::NetworkNamespace,
    Fact::IpcNamespace,
    Fact::Hostname,
    Fact::CgroupNamespace,
    Fact::MountApi,
    Fact::Proc,
    Fact::ChangeUser,
    Fact::Groups,
    Fact::DropCapabilities,
    Fact::SeccompByRight,
];

fn pod(profile: Profile, change: impl Fn(&mut Pod, &mut Container)) -> Pod {
    let mut pod = Pod { profile, ..Pod::named("pod") };
    let mut main = Container { command: vec!["true".to_owned()], ..Container::named("main") };
    change(&mut pod, &mut main);
    pod.containers.push(main);
    pod
}

fn images() -> Images {
    Images { host_rootfs: true, ..Images::default() }
}

fn lost_by(pod: &Pod, facts: &HostFacts) -> Vec<(String, Option<Protection>)> {
    let lost = lost(pod, &isolation(pod, &images()).unwrap(), facts);
    lost.into_iter().map(|loss| (loss.field, loss.protection)).collect()
}

#[test]
fn fs_17_users_of_root_s_pod_are_refused_where_mounts_cannot_have_their_ids() {
    let own = |user: u32| {
        pod(Profile::Pod, move |pod, main| {
            pod.sandbox.host.users = false;
            main.security_context.run_as.user = Some(user);
        })
    };
    let root = |lacks: &[Fact]| HostFacts {
        is_privileged: true,
        own: (0, 0),
        own_groups: Vec::new(),
        ids: Ids::Host,
        ..host(lacks)
    };
    assert_eq!(lost_by(&own(7), &root(&[])), []);
    assert_eq!(lost_by(&own(7), &root(&[Fact::OwnUsers])), [("hostUsers".to_owned(), None)]);
    let user = "containers[0].securityContext.runAsUser".to_owned();
    assert_eq!(lost_by(&own(65_536), &root(&[])), [(user, Some(Protection::User))]);
    // In a namespace of users podinit may give away what it lacks outside.
    assert_eq!(lost_by(&own(0), &root(&[Fact::DropCapabilities, Fact::SeccompByRight])), []);
}

#[test]
fn fs_09_mounts_that_others_see_are_root_s_to_make_and_not_of_users_of_their_own() {
    let shows = |of_host: bool, own_users: bool| {
        pod(Profile::Pod, move |pod, main| {
            let source = if of_host {
                VolumeSource::HostPath(HostPath { path: "/srv".into(), type_: Default::default() })
            } else {
                VolumeSource::EmptyDir(EmptyDir { in_memory: false, size_limit: None, mode: 0o777 })
            };
            pod.volumes.push(Volume { name: "data".into(), source });
            pod.sandbox.host.users = !own_users;
            let mount_propagation = MountPropagation::Bidirectional;
            main.volume_mounts.push(VolumeMount {
                name: "data".into(),
                mount_path: "/data".into(),
                read_only: false,
                recursive_read_only: Default::default(),
                sub_path: Default::default(),
                mount_propagation,
            });
            main.security_context.privileged = true;
        })
    };
    let root = HostFacts { is_privileged: true, own: (0, 0), ids: Ids::Host, ..host(&[]) };
    let refused = [("containers[0].volumeMounts[0].mountPropagation".to_owned(), None)];
    assert_eq!(lost_by(&shows(true, false), &root), []);
    let problems = isolation(&shows(true, true), &images()).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("SYS_ADMIN"), "{problems:?}");
    assert_eq!(lost_by(&shows(false, true), &root), refused);
    assert_eq!(lost_by(&shows(true, false), &host(&[])), refused);
    assert_eq!(lost_by(&shows(false, false), &host(&[])), []);
}

#[test]
fn priv_11_profiles_and_labels_are_missed_where_they_are_written() {
    let facts = host(&[Fact::AppArmor, Fact::SeLinux]);
    let lost = |change: fn(&mut Pod, &mut Container)| lost_by(&pod(Profile::Process, change), &facts);
    let field = |name: &str| format!("containers[0].securityContext.{name}");
    let app_armor = [("securityContext.appArmorProfile".to_owned(), Some(Protection::AppArmor))];
    for profile in [SecurityProfile::RuntimeDefault, SecurityProfile::Localhost("own".into())] {
        let written = pod(Profile::Process, |pod, _| {
            pod.security_context.profiles.app_armor = Some(profile.clone());
        });
        assert_eq!(lost_by(&written, &facts), app_armor);
        let reduction = Reduction { without: [Protection::AppArmor].into(), own: (0, 0), landlock: None };
        assert_eq!(lost_by(&reduction.of(&written), &facts), []);
    }
    // Where the usual one forbids nothing, whoever names another one does not miss it.
    let idle = |profile: SecurityProfile| {
        let written = pod(Profile::Process, |pod, _| {
            pod.security_context.profiles.app_armor = Some(profile.clone());
        });
        lost_by(&written, &host(&[Fact::DefaultAppArmor]))
    };
    assert_eq!(idle(SecurityProfile::RuntimeDefault), app_armor);
    assert_eq!(idle(SecurityProfile::Localhost("own".into())), []);
    let label = [(field("seLinuxOptions"), Some(Protection::SeLinux))];
    assert_eq!(
        lost(|_, main| {
            let level = "s0".to_owned();
            main.security_context.profiles.se_linux = Some(SeLinuxOptions { level, ..Default::default() });
        }),
        label
    );
    let unconfined = |_: &mut Pod, main: &mut Container| {
        main.security_context.profiles.app_armor = Some(SecurityProfile::Unconfined);
    };
    assert_eq!(lost(unconfined), []);
}

#[test]
fn profile_process_loses_nothing_that_it_does_not_ask_for() {
    assert_eq!(lost_by(&pod(Profile::Process, |_, _| {}), &host(&DOCKER)), []);
}

#[test]
fn rootless_07_each_field_that_cannot_be_honoured_is_named_with_what_accepts_it() {
    let of = |change: fn(&mut Pod, &mut Container)| lost_by(&pod(Profile::Process, change), &host(&DOCKER));
    let security = "containers[0].securityContext";
    for (change, field, protection) in [
        (
            (|_, main| main.security_context.run_as.user = Some(5)) as fn(&mut Pod, &mut Container),
            format!("{security}.runAsUser"),
            Protection::User,
        ),
        (
            |pod, main| {
                main.security_context.run_as.user = Some(1000);
                main.security_context.run_as.group = Some(1000);
                pod.security_context.supplemental_groups = vec![7];
            },
            "securityContext.supplementalGroups".to_owned(),
            Protection::User,
        ),
        (
            |pod, main| {
                main.security_context.run_as.user = Some(1000);
                main.security_context.run_as.group = Some(1000);
                pod.security_context.fs_group = Some(7);
            },
            "securityContext.fsGroup".to_owned(),
            Protection::User,
        ),
        (
            |_, main| main.security_context.capabilities.drop = CapabilitySet::All,
            format!("{security}.capabilities"),
            Protection::Capabilities,
        ),
        (
            |_, main| main.security_context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault),
            format!("{security}.seccompProfile"),
            Protection::Seccomp,
        ),
        (
            |_, main| main.security_context.read_only_root_filesystem = true,
            format!("{security}.readOnlyRootFilesystem"),
            Protection::ReadOnlyRoot,
        ),
        (
            |pod, _| pod.sandbox.share_process_namespace = true,
            "shareProcessNamespace".to_owned(),
            Protection::Processes,
        ),
        (
            |_, main| {
                main.volume_mounts.push(VolumeMount {
                    name: "data".into(),
                    mount_path: "/data".to_owned(),
                    read_only: false,
                    recursive_read_only: Default::default(),
                    sub_path: Default::default(),
                    mount_propagation: Default::default(),
                });
            },
            "containers[0].volumeMounts[0]".to_owned(),
            Protection::Volumes,
        ),
        (
            |pod, _| {
                let (name, value) = ("net.core.somaxconn".to_owned(), "1".to_owned());
                pod.security_context.sysctls.push(Sysctl { name, value });
            },
            "securityContext.sysctls[0]".to_owned(),
            Protection::Sysctls,
        ),
    ] {
        assert_eq!(of(change), [(field, Some(protection))]);
    }
}

#[test]
fn being_who_one_is_and_a_filter_without_new_privileges_take_no_right() {
    let same = pod(Profile::Process, |_, main| {
        let context = &mut main.security_context;
        (context.run_as.user, context.run_as.group) = (Some(1000), Some(1000));
        context.allow_privilege_escalation = Some(false);
        context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
    });
    assert_eq!(lost_by(&same, &host(&DOCKER)), []);
}

#[test]
fn a_user_namespace_of_one_id_has_no_other_users() {
    let user = |id| {
        let pod = pod(Profile::Pod, |pod, _| pod.security_context.run_as.user = Some(id));
        lost_by(&pod, &host(&[Fact::Ids, Fact::ChangeUser, Fact::DropCapabilities]))
    };
    assert_eq!(user(0), []);
    assert_eq!(user(5), [("securityContext.runAsUser".to_owned(), Some(Protection::User))]);
}

#[test]
fn what_containers_have_from_the_pod_is_lost_once_and_by_the_pod_s_path() {
    let with = |own: fn(&mut Pod)| {
        let mut pod = pod(Profile::Process, |pod, _| {
            let context = &mut pod.security_context;
            (context.run_as.user, context.run_as.group) = (Some(5), Some(1000));
            context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
            let init = Container { command: vec!["true".to_owned()], ..Container::named("first") };
            pod.init_containers.push(init);
            pod.containers.push(Container { command: vec!["true".to_owned()], ..Container::named("side") });
        });
        own(&mut pod);
        let lost = lost(&pod, &isolation(&pod, &images()).unwrap(), &host(&DOCKER));
        lost.into_iter().map(|loss| (loss.field, loss.what)).collect::<Vec<_>>()
    };
    let said = |losses: &[(&str, &str)]| -> Vec<(String, String)> {
        losses.iter().map(|(field, what)| ((*field).to_owned(), (*what).to_owned())).collect()
    };
    let (user, filter) = ("securityContext.runAsUser", "securityContext.seccompProfile");
    let all = [
        (user, "containers first, side and main as 5:1000"),
        (filter, "a filter of system calls for containers first, side and main"),
    ];
    assert_eq!(with(|_| {}), said(&all));
    // What a container says itself is its own, and what it makes of the pod's is another loss.
    let own = with(|pod| {
        let [side, main] = &mut pod.containers[..] else { panic!("two containers") };
        side.security_context.run_as.user = Some(7);
        side.security_context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
        (main.security_context.run_as.user, main.security_context.run_as.group) = (Some(1000), Some(8));
    });
    let expected = [
        (user, "container first as 5:1000"),
        (filter, "a filter of system calls for containers first and main"),
        ("containers[0].securityContext.runAsUser", "container side as 7:1000"),
        ("containers[0].securityContext.seccompProfile", "a filter of system calls for container side"),
        ("containers[1].securityContext.runAsGroup", "container main as 1000:8"),
    ];
    assert_eq!(own, said(&expected));
    // A group of the container's own with the pod's user.
    let groups = with(|pod| pod.containers[0].security_context.run_as.group = Some(8));
    assert_eq!(groups[0], (user.to_owned(), "containers first and main as 5:1000".to_owned()));
    assert_eq!(groups[2], (user.to_owned(), "container side as 5:8".to_owned()));
}

#[test]
fn what_is_lost_for_another_reason_is_another_loss() {
    let with = pod(Profile::Process, |pod, _| {
        pod.security_context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
        let mut side = Container { command: vec!["true".to_owned()], ..Container::named("side") };
        side.security_context.allow_privilege_escalation = Some(false);
        pod.containers.push(side);
    });
    let facts = host(&[Fact::Seccomp, Fact::SeccompByRight]);
    let lost = lost(&with, &isolation(&with, &images()).unwrap(), &facts);
    let said: Vec<_> = lost.iter().map(|loss| (loss.what.as_str(), loss.remedy.as_str())).collect();
    let expected = [
        ("a filter of system calls for container side", "allow seccomp"),
        ("a filter of system calls for container main", "allow seccomp-by-right"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn groups_of_the_pod_are_lost_once_each() {
    let with = pod(Profile::Process, |pod, _| {
        let context = &mut pod.security_context;
        (context.run_as.user, context.run_as.group) = (Some(1000), Some(1000));
        (context.fs_group, context.supplemental_groups) = (Some(7), vec![8, 9]);
        pod.containers.push(Container { command: vec!["true".to_owned()], ..Container::named("side") });
    });
    let lost = lost(&with, &isolation(&with, &images()).unwrap(), &host(&DOCKER));
    let said: Vec<_> = lost.iter().map(|loss| (loss.field.as_str(), loss.what.as_str())).collect();
    let expected = [
        ("securityContext.fsGroup", "the volumes' group 7 for containers side and main"),
        ("securityContext.supplementalGroups", "supplementary groups for containers side and main"),
    ];
    assert_eq!(said, expected);
}

/// The kernel lets nobody set groups there (user_namespaces(7)), and nobody has to set his own.
#[test]
fn a_user_namespace_of_one_id_has_no_groups_but_its_own() {
    let groups = |of_volumes: Option<u32>, others: &[u32]| {
        let pod = pod(Profile::Pod, |pod, _| {
            let context = &mut pod.security_context;
            (context.fs_group, context.supplemental_groups) = (of_volumes, others.to_vec());
        });
        let lost = lost(&pod, &isolation(&pod, &images()).unwrap(), &host(&[Fact::Ids]));
        lost.into_iter().map(|loss| (loss.field, loss.cause, loss.remedy)).collect::<Vec<_>>()
    };
    let refused = |field: &str| {
        let cause = "no groups can be set where operation not permitted".to_owned();
        (format!("securityContext.{field}"), cause, "allow ids".to_owned())
    };
    assert_eq!(groups(Some(0), &[0]), []);
    assert_eq!(groups(Some(7), &[]), [refused("fsGroup")]);
    assert_eq!(groups(Some(0), &[0, 7]), [refused("supplementalGroups")]);
    assert_eq!(groups(Some(7), &[7, 8]), ["fsGroup", "supplementalGroups"].map(refused));
}

#[test]
fn rootless_07_what_is_accepted_by_name_is_given_up_and_nothing_else() {
    let plain = pod(Profile::Pod, |_, _| {});
    let fit =
        |names: &[Protection]| fitted(&plain, &images(), &host(&DOCKER), &names.iter().copied().collect());
    let Err(Unfit::Losses(all)) = fit(&[]) else { panic!("it was not refused") };
    let names: BTreeSet<_> = all.iter().filter_map(|loss| loss.protection).collect();
    let all: Vec<_> = names.into_iter().collect();
    let fitted_pod = fit(&all).unwrap();
    assert!(!fitted_pod.isolation.is_needed(), "{:?}", fitted_pod.isolation);
    assert!(fitted_pod.isolation.keeps_user && fitted_pod.isolation.keeps_capabilities);
    assert_eq!(fitted_pod.pod.security_context.run_as.user, Some(1000));
    // Each of them was needed.
    for left_out in &all {
        let others: Vec<_> = all.iter().copied().filter(|it| it != left_out).collect();
        let Err(Unfit::Losses(losses)) = fit(&others) else { panic!("{left_out:?} was given up unasked") };
        assert!(losses.iter().any(|loss| loss.protection == Some(*left_out)), "{left_out:?}: {losses:?}");
    }
}

#[test]
fn what_the_host_can_honour_is_kept_whatever_is_accepted() {
    let plain = pod(Profile::Pod, |_, main| main.security_context.read_only_root_filesystem = true);
    let kept = fitted(&plain, &images(), &host(&[]), &Protection::ALL.into()).unwrap();
    assert_eq!((kept.pod, kept.reduction.without), (plain.clone(), BTreeSet::new()));
    assert_eq!(kept.isolation, isolation(&plain, &images()).unwrap());
}

#[test]
fn a_parameter_of_the_network_is_never_the_host_s() {
    let with = pod(Profile::Pod, |pod, _| {
        let (name, value) = ("net.core.somaxconn".to_owned(), "1".to_owned());
        pod.security_context.sysctls.push(Sysctl { name, value });
    });
    let accepted = [Protection::Network, Protection::Hostname].into();
    let Err(Unfit::Losses(losses)) = fitted(&with, &images(), &host(&[Fact::NetworkNamespace]), &accepted)
    else {
        panic!("it would be the host's")
    };
    assert_eq!(losses[0].protection, Some(Protection::Sysctls));
}

#[test]
fn a_root_file_system_cannot_be_given_up() {
    let with = pod(Profile::Process, |_, main| {
        main.rootfs = Some(crate::spec::Rootfs { path: "/srv".into(), layer: RootfsLayer::Directory });
    });
    assert_eq!(lost_by(&with, &host(&DOCKER)), [("containers[0].rootfs".to_owned(), None)]);
}

#[test]
fn names_of_protections_are_found_again() {
    for protection in Protection::ALL {
        assert_eq!(Protection::named(protection.name()), Some(protection));
    }
    assert_eq!(Protection::named("all"), None);
}

/// PRIV-12: what it takes is asked for with it, so that a filter takes no right either.
#[test]
fn priv_12_landlock_stands_in_for_what_was_given_up_and_for_nothing_else() {
    let read_only = |main: &mut Container| {
        main.security_context.read_only_root_filesystem = true;
        main.security_context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
    };
    let with = pod(Profile::Process, |pod, main| {
        read_only(main);
        pod.init_containers.push(Container { command: vec!["true".to_owned()], ..Container::named("first") });
    });
    let facts = HostFacts { landlock: Some(7), ..host(&DOCKER) };
    let fitted_pod = fitted(&with, &images(), &facts, &[Protection::ReadOnlyRoot].into()).unwrap();
    let stands_in: Vec<_> = fitted_pod.isolation.containers.iter().map(|of| of.landlock.is_some()).collect();
    assert_eq!(stands_in, [false, true]);
    let escalation = |pod: &Pod| pod.containers[0].security_context.allow_privilege_escalation;
    assert_eq!(escalation(&fitted_pod.pod), Some(false));
    // What is read again while the pod runs is without it in the same way.
    assert_eq!(fitted_pod.reduction.of(&with), fitted_pod.pod);
    // Where mounts can be made there is a read-only root, and nothing stands in for it.
    let able = HostFacts { landlock: Some(7), ..host(&[]) };
    let kept = fitted(&with, &images(), &able, &Protection::ALL.into()).unwrap();
    assert!(kept.isolation.containers.iter().all(|of| of.landlock.is_none()));
    assert_eq!((kept.lost, kept.pod), (Vec::new(), with));
}

#[test]
fn settings_of_a_kubelet_are_lost_by_their_own_names() {
    let with = pod(Profile::Process, |pod, _| {
        pod.kubelet.memory_throttling_factor = Some(0.5);
        pod.kubelet.pod_pids_limit = Some(7);
    });
    let lost = lost_by(&with, &host(&[Fact::Memory, Fact::Cpu, Fact::Pids]));
    assert_eq!(lost, ["memoryThrottlingFactor", "podPidsLimit"].map(|field| (field.to_owned(), None)));
}
