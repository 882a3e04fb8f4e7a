//! The pod of a manifest in both its forms, and as the template in another object. Knows the shape of a
//! pod; its parts read themselves.

use super::container::{ContainerList, RESTART_POLICIES, Surroundings, container};
use super::container_settings::start_after;
use super::decode::{Fields, Item};
use super::fields::Place;
use super::kind::{Restarts, Workload};
use super::metadata::{annotations, file_name, generated_name, labels, namespace, pod_name};
use super::name;
use super::object::{Head, ObjectMetadata, head};
use super::pod::{Container, Metadata, Pod, Profile, RestartPolicy};
use super::resources::resources;
use super::sandbox::{host, sandbox};
use super::security_context::pod_security_context;
use super::settings::Settings;
use super::tree::{Span, Value, cut};
use super::volume::volumes;
use super::{Options, Source, Syntax, workload};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A manifest that is to be a pod.
pub(super) struct Form<'a> {
    pub root: &'a Item<'a>,
    pub head: Head,
    pub workload: Workload,
    pub options: &'a Options,
    pub option_name: Option<&'a str>,
    pub source: &'a Source,
}

impl<'a> Form<'a> {
    pub fn yaml(&self) -> Option<Pod> {
        self.root.fields(&[Place::Document], |fields| {
            head(fields, self.head);
            if self.workload == Workload::Pod { self.pod(fields) } else { workload::pod(self, fields) }
        })?
    }

    fn pod(&self, fields: &mut Fields<'_>) -> Option<Pod> {
        let (metadata, mut settings) = self.yaml_metadata(fields);
        let profile = settings.profile(self.options, Profile::Pod);
        let (back_off, kubelet) = (settings.back_off(), settings.kubelet.read());
        let pod = self.spec_below(fields, profile, &mut settings, metadata)?;
        Some(Pod { crash_loop_back_off: back_off, kubelet, ..pod })
    }

    /// The field `spec` of an object or a template; the delays are the caller's.
    fn spec_below<'f>(
        &self,
        fields: &mut Fields<'f>,
        profile: Profile,
        settings: &mut Settings<'f>,
        metadata: Metadata,
    ) -> Option<Pod> {
        let Some(spec) = fields.take("spec") else {
            fields.missing("spec", "write `spec:` with `containers:` below it");
            return None;
        };
        spec.fields(&[Place::Spec], |fields| self.spec(fields, profile, settings, metadata))
    }

    /// The pod of a template in an object of this name.
    pub fn template(&self, item: &Item<'_>, owner: &ObjectMetadata<'_>) -> Option<Pod> {
        item.fields(&[Place::PodTemplate], |fields| {
            let metadata = fields.take("metadata");
            let read = metadata.and_then(|item| {
                item.fields(&[Place::TemplateMetadata], |fields| (labels(fields), annotations(fields)))
            });
            let (labels, (annotations, mut settings)) = read.unwrap_or_default();
            let profile = settings.profile(self.options, Profile::Pod);
            let (back_off, kubelet) = (settings.back_off(), settings.kubelet.read());
            let named = self.metadata_of(owner.name.unwrap_or_default(), owner.namespace);
            let metadata = Metadata { labels, annotations, ..named };
            let pod = self.spec_below(fields, profile, &mut settings, metadata)?;
            Some(Pod { crash_loop_back_off: back_off, kubelet, ..pod })
        })?
    }

    fn yaml_metadata<'f>(&self, fields: &mut Fields<'f>) -> (Metadata, Settings<'f>) {
        let item = fields.take("metadata");
        let read = item.as_ref().and_then(|item| {
            item.fields(&[Place::Metadata], |fields| {
                let written = fields.peek("name").or_else(|| fields.peek("generateName"));
                if written.is_none() && self.option_name.is_none() {
                    fields.missing("name", "write `name: my-pod`, or use `--name`");
                }
                let generated = generated_name(fields);
                let (mut metadata, settings) = self.metadata(fields);
                if fields.peek("name").is_none() && self.option_name.is_none() {
                    metadata.name = Arc::from(generated.unwrap_or(&metadata.name));
                }
                (metadata, settings)
            })
        });
        if item.is_none() && self.option_name.is_none() {
            fields.missing("metadata", "write `metadata:` with `name: my-pod` below it, or use `--name`");
        }
        read.unwrap_or_else(|| (self.metadata_of("", "default"), Settings::default()))
    }

    pub fn toml(&self) -> Option<Pod> {
        self.root.fields(&[Place::Toml, Place::Spec], |fields| {
            let (metadata, _) = self.metadata(fields);
            let mut settings = Settings::take_keys(fields);
            let profile = settings.profile(self.options, Profile::Process);
            let (back_off, kubelet) = (settings.back_off(), settings.kubelet.read());
            let spec = self.spec(fields, profile, &mut settings, metadata);
            Pod { crash_loop_back_off: back_off, kubelet, ..spec }
        })
    }

    /// Name, namespace, labels and annotations, which are the same fields in both forms.
    fn metadata<'f>(&self, fields: &mut Fields<'f>) -> (Metadata, Settings<'f>) {
        let name = pod_name(fields);
        let namespace = namespace(fields);
        let labels = labels(fields);
        let (annotations, settings) = annotations(fields);
        let metadata = self.metadata_of(name.unwrap_or_default(), namespace);
        (Metadata { labels, annotations, ..metadata }, settings)
    }

    fn metadata_of(&self, name: &str, namespace: &str) -> Metadata {
        let from_file = || file_name(self.source);
        let name = match self.option_name.unwrap_or(name) {
            "" => Arc::from(from_file()),
            name => Arc::from(name),
        };
        Metadata {
            name,
            namespace: Arc::from(namespace),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The fields of the spec; the delays are the caller's.
    fn spec<'f>(
        &self,
        fields: &mut Fields<'f>,
        profile: Profile,
        settings: &mut Settings<'f>,
        metadata: Metadata,
    ) -> Pod {
        let restart_policy = self.restart_policy(fields, profile);
        let host = host(fields, profile);
        let sandbox = sandbox(fields, &host, settings.network.as_ref(), &metadata);
        let security_context = fields.take("securityContext").map(|item| pod_security_context(&item, &host));
        let mut volumes = fields.take("volumes").map(|item| volumes(&item)).unwrap_or_default();
        volumes.is_broken |= self.has_claims();
        operating_system(fields);
        let grace = self.written_grace(fields);
        let termination_grace_period = grace.unwrap_or(self.options.default_grace);
        let surroundings = Surroundings {
            profile,
            restart_policy,
            longest_sleep: self.longest_sleep(grace),
            start_after: RefCell::default(),
            image_told: Cell::new(false),
            host: &host,
            volumes: &volumes,
            host_ports: RefCell::default(),
        };
        let resources = fields.take("resources").map(|item| resources(&item, "the pod"));
        let init = fields.take("initContainers");
        let main = fields.take("containers");
        some_container(fields, main.as_ref());
        let mut names = Names::default();
        let init_containers = containers(init.as_ref(), ContainerList::Init, &surroundings, &mut names);
        let containers = containers(main.as_ref(), ContainerList::Main, &surroundings, &mut names);
        let active_deadline =
            fields.take("activeDeadlineSeconds").and_then(|item| item.integer(1, i32::MAX.into()));
        let mut pod = Pod {
            metadata,
            active_deadline: active_deadline.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
            readiness_gates: fields
                .take("readinessGates")
                .map(|item| readiness_gates(&item))
                .unwrap_or_default(),
            job: None,
            profile,
            restart_policy,
            termination_grace_period,
            crash_loop_back_off: Default::default(),
            kubelet: Default::default(),
            resources: resources.unwrap_or_default(),
            service_account_name: service_account_name(fields),
            // The caller has them.
            objects: Arc::default(),
            sandbox,
            security_context: security_context.unwrap_or_default(),
            volumes: volumes.read.clone(),
            init_containers,
            containers,
            ephemeral_containers: Vec::new(),
        };
        let mut written = settings.apply_to_containers(&mut pod);
        for (name, item) in surroundings.start_after.take() {
            let found = pod.iter().find(|(_, _, container)| *container.name == *name).map(|(id, ..)| id);
            written.extend(found.map(|id| (id, item)));
        }
        start_after(&mut pod, written);
        files_beside(self.source, &mut pod);
        pod
    }

    /// What the manifest, or else the kind of object, or else the profile says.
    fn restart_policy(&self, fields: &mut Fields<'_>, profile: Profile) -> RestartPolicy {
        let (kind, restarts) = (self.head.kind.name, self.workload.restarts());
        let otherwise = match (restarts, profile) {
            (Restarts::Always, _) | (Restarts::Any | Restarts::Ending, Profile::Pod) => RestartPolicy::Always,
            (Restarts::Any | Restarts::Ending, Profile::Process) => RestartPolicy::Never,
        };
        // An empty one counts as left out, as where Kubernetes fills in a default.
        let written = fields.take("restartPolicy").filter(|item| item.node.as_string() != Some(""));
        let Some(item) = written else {
            if restarts == Restarts::Ending {
                let help = "write `restartPolicy: Never`, or OnFailure to restart containers that fail";
                fields.missing("restartPolicy", help);
            }
            return otherwise;
        };
        let policy = item.choice(RESTART_POLICIES, "one of Always, OnFailure, Never");
        if policy.is_some_and(|policy| !restarts.allow(policy)) {
            match restarts {
                Restarts::Any => {}
                Restarts::Always => item.refuse(
                    format!("the only policy for a {kind} is Always"),
                    "write `restartPolicy: Always`, or `kind: Job` for something that ends",
                ),
                Restarts::Ending => item.refuse(
                    format!("a {kind} is there to end: one of OnFailure, Never"),
                    "write `restartPolicy: Never`, or OnFailure to restart containers that fail",
                ),
            }
        }
        policy.unwrap_or(otherwise)
    }

    /// Seconds; a negative number counts as 1 (rule 77).
    fn written_grace(&self, fields: &mut Fields<'_>) -> Option<Duration> {
        let seconds =
            fields.take("terminationGracePeriodSeconds").and_then(|item| item.integer(i64::MIN, i64::MAX));
        seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(1)))
    }

    /// Whether the pod has volumes besides, of the object around it.
    fn has_claims(&self) -> bool {
        let spec = self.root.node.entry("spec").filter(|_| self.workload == Workload::StatefulSet);
        spec.is_some_and(|spec| spec.value.entry("volumeClaimTemplates").is_some())
    }

    /// What a hook may sleep (rule 74). A manifest that is right stays so under a shorter `--grace`.
    fn longest_sleep(&self, written: Option<Duration>) -> Duration {
        let usual = Options::default().default_grace;
        written.unwrap_or(self.options.default_grace.max(usual))
    }
}

/// Reports a pod that has no main container.
fn some_container(fields: &Fields<'_>, main: Option<&Item<'_>>) {
    let is_empty = |item: &Item<'_>| matches!(&item.node.value, Value::List(items) if items.is_empty());
    if main.is_some_and(|main| !is_empty(main)) {
        return;
    }
    let help = match fields.item.scope.syntax {
        Syntax::Yaml => "write `containers:` with one item for each container, starting with `- name: `",
        Syntax::Toml => "write `[[containers]]` with `name = \"main\"` and `command = [...]` below it",
    };
    match main {
        Some(item) => item.scope.report(
            item.scope
                .error(item.key, "cannot run a pod without containers")
                .path(item.path.clone())
                .label("the list is empty")
                .help(help),
        ),
        None => fields.missing("containers", help),
    }
}

/// Of no effect but for variables that tell it; what is wrong with it is reported where it is ignored.
fn service_account_name(fields: &Fields<'_>) -> Arc<str> {
    let written = ["serviceAccountName", "serviceAccount"].into_iter().find_map(|name| {
        let item = fields.peek(name)?;
        item.node.as_string().filter(|name| !name.is_empty()).map(Arc::from)
    });
    written.unwrap_or_else(|| Arc::from("default"))
}

/// Types of conditions that have to be True before the pod is Ready (rule 123).
fn readiness_gates(item: &Item<'_>) -> Vec<Arc<str>> {
    let gates = item.list().unwrap_or_default();
    let read = gates.iter().filter_map(|item| {
        item.fields_with_main(&[Place::ReadinessGate], "conditionType", |fields| {
            let Some(item) = fields.take("conditionType") else {
                fields.missing("conditionType", "write the type of a condition, such as `example.com/ready`");
                return None;
            };
            let text = item.string()?;
            if let Err(broken) = name::qualified(text) {
                item.refuse(broken, "write the type of a condition, such as `example.com/ready`");
            }
            Some(Arc::from(text))
        })?
    });
    read.collect()
}

fn operating_system(fields: &mut Fields<'_>) {
    let Some(item) = fields.take("os") else { return };
    item.fields(&[Place::Os], |fields| {
        fields.belong_to("os");
        match fields.take("name") {
            Some(item) => {
                let words = [("linux", true), ("windows", false)];
                if item.choice(&words, "podinit runs on Linux") == Some(false) {
                    let help = format!("write {}", item.scope.word("name", "linux"));
                    item.refuse_here("podinit runs on Linux", help);
                }
            }
            None => fields.missing("name", format!("write {}", item.scope.word("name", "linux"))),
        }
    });
}

/// Paths that are written relative to the manifest, as the supervisor finds them.
fn files_beside(source: &Source, pod: &mut Pod) {
    let directory = source.name.get(..source.name.rfind('/').map_or(0, |at| at + 1)).unwrap_or_default();
    for container in pod.init_containers.iter_mut().chain(&mut pod.containers) {
        let named = container.env_from_files.iter_mut().map(|(_, path)| path);
        let rootfs = container.rootfs.iter_mut().map(|rootfs| &mut rootfs.path);
        for path in
            container.env_files.iter_mut().chain(named).chain(rootfs).filter(|path| !path.starts_with('/'))
        {
            path.insert_str(0, directory);
        }
    }
}

/// The containers' names with their places (rule 19).
type Names = BTreeMap<String, Span>;

fn containers<'a>(
    item: Option<&Item<'a>>,
    list: ContainerList,
    surroundings: &Surroundings<'a>,
    names: &mut Names,
) -> Vec<Container> {
    let items = item.and_then(|item| item.list()).unwrap_or_default();
    let mut read = Vec::new();
    for item in &items {
        let Some(container) = container(item, list, surroundings) else { continue };
        let place = item.node.entry("name").map_or(item.node.span, |entry| entry.value.span);
        if !container.name.is_empty() {
            match names.get(&*container.name) {
                Some(first) => {
                    let message = format!("cannot use name \"{}\" for two containers", cut(&container.name));
                    item.scope.report(
                        item.scope
                            .error(place, message)
                            .path(format!("{}.name", item.path))
                            .label("the second container of this name")
                            .note("the first is", item.scope.source, *first)
                            .help("give one of the two another name; init containers and containers share their names"),
                    );
                }
                None => {
                    names.insert(container.name.to_string(), place);
                }
            }
        }
        read.push(container);
    }
    read
}
