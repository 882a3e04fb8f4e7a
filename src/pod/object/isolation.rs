//! What a Pod object says of users, rights, volumes, names and namespaces, as Kubernetes shows it. Knows what
//! the specification says, and nothing that a volume holds.

use serde_json::{Value, json};

use super::put;
use crate::spec::{
    CapabilityChanges, CapabilitySet, Container, DnsPolicy, DownwardFile, DownwardValue, FsGroupChangePolicy,
    HostPathType, KeyToPath, MountPropagation, Pod, PodSecurityContext, ProcMount, Profile, Projected,
    ProjectedObject, ProjectedSource, RecursiveReadOnly, RunAs, Sandbox, SecurityContext, SecurityProfile,
    SecurityProfiles, SubPath, SupplementalGroupsPolicy, Volume, VolumeMount, VolumeSource,
};

/// Adds what the pod says.
pub(super) fn of_pod(pod: &Pod, spec: &mut Value) {
    put(spec, "securityContext", pod_security_context(&pod.security_context));
    put(spec, "volumes", pod.volumes.iter().map(volume).collect());
    let Sandbox {
        host,
        share_process_namespace,
        network: _,
        hostname,
        subdomain,
        set_hostname_as_fqdn,
        hostname_override,
        host_aliases,
        dns_policy,
        dns_config,
    } = &pod.sandbox;
    let is_process = pod.profile == Profile::Process;
    for (name, value) in [
        ("hostNetwork", is_process || host.network),
        ("hostPID", is_process || host.pid),
        ("hostIPC", is_process || host.ipc),
        ("shareProcessNamespace", *share_process_namespace),
        ("setHostnameAsFQDN", *set_hostname_as_fqdn),
    ] {
        put_true(spec, name, value);
    }
    put(spec, "hostUsers", if is_process || host.users { Value::Null } else { json!(false) });
    put(spec, "hostname", json!(hostname));
    put(spec, "subdomain", json!(subdomain));
    put(spec, "hostnameOverride", json!(hostname_override));
    let alias =
        |alias: &crate::spec::HostAlias| json!({"ip": alias.ip.to_string(), "hostnames": alias.hostnames});
    put(spec, "hostAliases", host_aliases.iter().map(alias).collect());
    let policy = match dns_policy {
        DnsPolicy::ClusterFirst => "ClusterFirst",
        DnsPolicy::ClusterFirstWithHostNet => "ClusterFirstWithHostNet",
        DnsPolicy::Default => "Default",
        DnsPolicy::None => "None",
    };
    put(spec, "dnsPolicy", json!(policy));
    let mut config = json!({});
    let servers: Vec<String> = dns_config.nameservers.iter().map(ToString::to_string).collect();
    put(&mut config, "nameservers", json!(servers));
    put(&mut config, "searches", json!(dns_config.searches));
    let option = |(name, value): &(String, Option<String>)| {
        let mut option = json!({"name": name});
        put(&mut option, "value", json!(value));
        option
    };
    put(&mut config, "options", dns_config.options.iter().map(option).collect());
    put(spec, "dnsConfig", config);
}

/// Adds what a container says.
pub(super) fn of_container(container: &Container, object: &mut Value) {
    put(object, "securityContext", security_context(&container.security_context));
    put(object, "volumeMounts", container.volume_mounts.iter().map(volume_mount).collect());
}

/// What has become of the container's volume mounts: what can be read only with all that is below it is (rule 149).
pub(super) fn status_of_mounts(container: &Container) -> Value {
    let status = |mount: &VolumeMount| {
        let mut object = json!({"name": mount.name, "mountPath": mount.mount_path});
        put_true(&mut object, "readOnly", mount.read_only);
        let recursive = match mount.recursive_read_only {
            RecursiveReadOnly::Disabled => "Disabled",
            RecursiveReadOnly::IfPossible | RecursiveReadOnly::Enabled => "Enabled",
        };
        put(&mut object, "recursiveReadOnly", if mount.read_only { json!(recursive) } else { Value::Null });
        object
    };
    container.volume_mounts.iter().map(status).collect()
}

/// Sets a field to true, or leaves it out, as it is false then.
fn put_true(object: &mut Value, name: &str, value: bool) {
    put(object, name, if value { json!(true) } else { Value::Null });
}

fn put_run_as(object: &mut Value, run_as: &RunAs) {
    put(object, "runAsUser", json!(run_as.user));
    put(object, "runAsGroup", json!(run_as.group));
    put(object, "runAsNonRoot", json!(run_as.non_root));
}

fn put_profiles(object: &mut Value, profiles: &SecurityProfiles) {
    let profile = |profile: &Option<SecurityProfile>| match profile {
        None => Value::Null,
        Some(SecurityProfile::RuntimeDefault) => json!({"type": "RuntimeDefault"}),
        Some(SecurityProfile::Unconfined) => json!({"type": "Unconfined"}),
        Some(SecurityProfile::Localhost(name)) => json!({"type": "Localhost", "localhostProfile": name}),
    };
    put(object, "seccompProfile", profile(&profiles.seccomp));
    put(object, "appArmorProfile", profile(&profiles.app_armor));
    if let Some(options) = &profiles.se_linux {
        let mut label = json!({});
        for (name, part) in [
            ("user", &options.user),
            ("role", &options.role),
            ("type", &options.type_),
            ("level", &options.level),
        ] {
            put(&mut label, name, if part.is_empty() { Value::Null } else { json!(part) });
        }
        put(object, "seLinuxOptions", label);
    }
}

fn pod_security_context(context: &PodSecurityContext) -> Value {
    let mut object = json!({});
    put_run_as(&mut object, &context.run_as);
    put(&mut object, "supplementalGroups", json!(context.supplemental_groups));
    if context.supplemental_groups_policy == SupplementalGroupsPolicy::Strict {
        put(&mut object, "supplementalGroupsPolicy", json!("Strict"));
    }
    put(&mut object, "fsGroup", json!(context.fs_group));
    if context.fs_group_change_policy == FsGroupChangePolicy::OnRootMismatch {
        put(&mut object, "fsGroupChangePolicy", json!("OnRootMismatch"));
    }
    let sysctls: Vec<Value> =
        context.sysctls.iter().map(|one| json!({"name": one.name, "value": one.value})).collect();
    put(&mut object, "sysctls", json!(sysctls));
    put_profiles(&mut object, &context.profiles);
    object
}

fn security_context(context: &SecurityContext) -> Value {
    // Every field: one that is new has to be thought about here.
    let SecurityContext {
        run_as,
        capabilities,
        privileged,
        allow_privilege_escalation,
        read_only_root_filesystem,
        proc_mount,
        profiles,
    } = context;
    let mut object = json!({});
    put_run_as(&mut object, run_as);
    put(&mut object, "capabilities", capability_changes(capabilities));
    put_true(&mut object, "privileged", *privileged);
    put(&mut object, "allowPrivilegeEscalation", json!(allow_privilege_escalation));
    put_true(&mut object, "readOnlyRootFilesystem", *read_only_root_filesystem);
    if *proc_mount == ProcMount::Unmasked {
        put(&mut object, "procMount", json!("Unmasked"));
    }
    put_profiles(&mut object, profiles);
    object
}

fn capability_changes(changes: &CapabilityChanges) -> Value {
    let names = |set: &CapabilitySet| match set {
        CapabilitySet::All => json!(["ALL"]),
        CapabilitySet::These(these) => these.iter().map(|one| json!(one.name())).collect(),
    };
    let mut object = json!({});
    put(&mut object, "add", names(&changes.add));
    put(&mut object, "drop", names(&changes.drop));
    object
}

fn volume_mount(mount: &VolumeMount) -> Value {
    let mut object = json!({"name": mount.name, "mountPath": mount.mount_path});
    put_true(&mut object, "readOnly", mount.read_only);
    put(
        &mut object,
        "recursiveReadOnly",
        match mount.recursive_read_only {
            RecursiveReadOnly::Disabled => Value::Null,
            RecursiveReadOnly::IfPossible => json!("IfPossible"),
            RecursiveReadOnly::Enabled => json!("Enabled"),
        },
    );
    put(
        &mut object,
        "mountPropagation",
        match mount.mount_propagation {
            MountPropagation::None => Value::Null,
            MountPropagation::HostToContainer => json!("HostToContainer"),
            MountPropagation::Bidirectional => json!("Bidirectional"),
        },
    );
    match &mount.sub_path {
        SubPath::Whole => {}
        SubPath::Path(path) => put(&mut object, "subPath", json!(path)),
        SubPath::Expression(path) => put(&mut object, "subPathExpr", json!(path)),
    }
    object
}

fn volume(volume: &Volume) -> Value {
    let (name, source) = match &volume.source {
        VolumeSource::EmptyDir(directory) => {
            let mut source = json!({});
            put(&mut source, "medium", if directory.in_memory { json!("Memory") } else { Value::Null });
            put(&mut source, "sizeLimit", json!(directory.size_limit.map(|limit| limit.to_string())));
            let is_usual = directory.mode == 0o777;
            put(&mut source, "mode", if is_usual { Value::Null } else { json!(directory.mode) });
            ("emptyDir", source)
        }
        VolumeSource::HostPath(host) => {
            ("hostPath", json!({"path": host.path, "type": host_path_type(host.type_)}))
        }
        VolumeSource::PersistentVolumeClaim { claim_name, read_only } => {
            let mut source = json!({"claimName": claim_name});
            put_true(&mut source, "readOnly", *read_only);
            ("persistentVolumeClaim", source)
        }
        VolumeSource::Image { reference } => ("image", json!({"reference": reference})),
        VolumeSource::Projected(projected) => files(projected),
    };
    // An empty source says what it is.
    json!({"name": volume.name, name: source})
}

fn host_path_type(type_: HostPathType) -> &'static str {
    match type_ {
        HostPathType::Unset => "",
        HostPathType::DirectoryOrCreate => "DirectoryOrCreate",
        HostPathType::Directory => "Directory",
        HostPathType::FileOrCreate => "FileOrCreate",
        HostPathType::File => "File",
        HostPathType::Socket => "Socket",
        HostPathType::CharDevice => "CharDevice",
        HostPathType::BlockDevice => "BlockDevice",
    }
}

/// A volume of one source is told as such, which says the same.
fn files(projected: &Projected) -> (&'static str, Value) {
    let mode = json!(projected.default_mode);
    let (name, mut source) = match projected.sources.as_slice() {
        [ProjectedSource::ConfigMap(object)] => ("configMap", object_keys("name", object)),
        [ProjectedSource::Secret(object)] => ("secret", object_keys("secretName", object)),
        [ProjectedSource::DownwardApi(files)] => ("downwardAPI", downward(files)),
        several => {
            let source = |source: &ProjectedSource| match source {
                ProjectedSource::ConfigMap(object) => json!({"configMap": object_keys("name", object)}),
                ProjectedSource::Secret(object) => json!({"secret": object_keys("name", object)}),
                ProjectedSource::DownwardApi(files) => json!({"downwardAPI": downward(files)}),
            };
            let sources: Vec<Value> = several.iter().map(source).collect();
            ("projected", json!({"sources": sources}))
        }
    };
    put(&mut source, "defaultMode", mode);
    (name, source)
}

fn object_keys(name: &str, of: &ProjectedObject) -> Value {
    let mut object = json!({name: of.name});
    let item = |item: &KeyToPath| {
        let mut object = json!({"key": item.key, "path": item.path});
        put(&mut object, "mode", json!(item.mode));
        object
    };
    put(&mut object, "items", of.items.iter().flatten().map(item).collect());
    put_true(&mut object, "optional", of.optional);
    object
}

fn downward(files: &[DownwardFile]) -> Value {
    let file = |file: &DownwardFile| {
        let mut object = json!({"path": file.path});
        let field = |path: &str| json!({"apiVersion": "v1", "fieldPath": path});
        let (name, source) = match &file.value {
            DownwardValue::Field(told) => ("fieldRef", field(&told.path())),
            DownwardValue::Labels => ("fieldRef", field("metadata.labels")),
            DownwardValue::Annotations => ("fieldRef", field("metadata.annotations")),
            DownwardValue::Resource(told) => {
                let mut source = json!({"resource": told.name(), "divisor": told.divisor.to_string()});
                put(&mut source, "containerName", json!(told.container));
                ("resourceFieldRef", source)
            }
        };
        put(&mut object, name, source);
        put(&mut object, "mode", json!(file.mode));
        object
    };
    let mut object = json!({});
    put(&mut object, "items", files.iter().map(file).collect());
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Network, Options, Source, Syntax, load, render_all};

    fn read(text: &str, profile: Profile) -> Pod {
        let options = Options { profile: Some(profile), ..Options::default() };
        let sources = [Source { name: "pod.yaml".to_owned(), text: text.to_owned(), syntax: Syntax::Yaml }];
        let loaded = load(&sources, &options);
        loaded.pod.unwrap_or_else(|| panic!("{}", render_all(&loaded.problems, &sources, false)))
    }

    #[test]
    fn what_the_object_says_is_what_the_manifest_said() {
        let manifests = [
            (include_str!("../../../tests/manifests/good/full.yaml"), Profile::Process),
            (include_str!("../../../tests/manifests/good/profile-isolation.yaml"), Profile::Pod),
        ];
        for (text, profile) in manifests {
            let mut pod = read(text, profile);
            let containers = |pod: &Pod| -> Value {
                let container = |it: &Container| {
                    let mut object = json!({"name": it.name, "image": "a", "command": ["a"]});
                    of_container(it, &mut object);
                    object
                };
                pod.containers.iter().map(container).collect()
            };
            let mut spec = json!({"containers": containers(&pod)});
            of_pod(&pod, &mut spec);
            let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec});
            let again = read(&object.to_string(), profile);
            // Kubernetes has no such field.
            pod.sandbox.network = Network::default();
            assert_eq!(again.sandbox, pod.sandbox);
            assert_eq!(again.security_context, pod.security_context);
            assert_eq!(again.volumes, pod.volumes);
            for (again, container) in again.containers.iter().zip(&pod.containers) {
                assert_eq!(again.security_context, container.security_context);
                assert_eq!(again.volume_mounts, container.volume_mounts);
            }
        }
    }
}
