//! What the variables of one attempt are set to (rules 133 to 140). Pure: it is handed what the host and the
//! files say. No message has a value in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::command::AttemptInputs;
use crate::spec::{
    Amounts, Container, CountedResource, EnvFrom, EnvFromSource, EnvValue, KeyRef, ObjectName, Pod, PodField,
    Quantity, ResourceRef, env_file, expand,
};

/// Expansion ends when it has made so much: execve(2) takes at most 6 MiB, and variables that double one
/// another would fill the memory before it could say so.
pub(super) const MOST_EXPANDED: usize = 8 << 20;

/// What variables may tell of the pod that no manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The pod's, a UUID.
    pub uid: String,
    /// What the node is called.
    pub node_name: String,
    /// The node's; never empty.
    pub addresses: Vec<IpAddr>,
    /// The pod's; never empty.
    pub pod_addresses: Vec<IpAddr>,
    /// Processors that the node has for pods.
    pub processors: u64,
    /// Bytes of memory that the node has for pods; `None` where nobody knows.
    pub memory: Option<u64>,
}

/// Files by path: what each holds, or why it cannot be read.
pub type FilesRead = BTreeMap<String, Result<Vec<u8>, String>>;

/// The files that have to be read before each attempt of this container.
pub fn files(container: &Container) -> impl Iterator<Item = &str> {
    let of_variables = container.env_from_files.iter().map(|(_, path)| path);
    container.env_files.iter().chain(of_variables).map(String::as_str)
}

/// Whether a variable of this container tells of the [`Surroundings`].
pub fn asks_for_surroundings(container: &Container) -> bool {
    container.env.iter().any(|variable| match &variable.value {
        EnvValue::Literal(_) | EnvValue::ConfigMapKey(_) | EnvValue::SecretKey(_) => false,
        EnvValue::Resource(wanted) => wanted.of_limits,
        EnvValue::Field(field) => match field {
            PodField::Name | PodField::Namespace | PodField::Label(_) | PodField::Annotation(_) => false,
            PodField::ServiceAccountName => false,
            PodField::Uid | PodField::NodeName => true,
            PodField::HostIp | PodField::HostIps | PodField::PodIp | PodField::PodIps => true,
        },
    })
}

/// Variables in the order in which they were set last.
#[derive(Debug, Default)]
pub(super) struct Variables<'a> {
    values: BTreeMap<Cow<'a, str>, (usize, Cow<'a, str>)>,
    count: usize,
    /// Of all names and values that were set.
    bytes: usize,
}

impl<'a> Variables<'a> {
    fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        self.count += 1;
        self.bytes += name.len() + value.len();
        self.values.insert(name, (self.count, value));
    }

    /// Fails where one object that is taken again and again would fill the memory.
    fn check_size(&self) -> Result<(), String> {
        if self.bytes > MOST_EXPANDED {
            return Err("cannot set variables of more than 8 MiB".to_owned());
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| &**value)
    }

    pub(super) fn in_order(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> =
            self.values.iter().map(|(name, (at, value))| (*at, &**name, &**value)).collect();
        all.sort_unstable_by_key(|(at, ..)| *at);
        all.into_iter().map(|(_, name, value)| (name, value)).collect()
    }
}

/// The variables of an attempt, without those that are inherited.
///
/// # Errors
/// What is missing, in Kubernetes' words where it has some (rule 140).
pub(super) fn variables<'a>(
    pod: &'a Pod,
    container: &'a Container,
    inputs: AttemptInputs<'a>,
) -> Result<Variables<'a>, String> {
    let mut variables = Variables::default();
    let sources = Sources { pod, inputs };
    for path in &container.env_files {
        sources.env_file(path, &mut variables)?;
    }
    for from in &container.env_from {
        sources.env_from(from, &mut variables)?;
        variables.check_size()?;
    }
    for (name, path) in &container.env_from_files {
        variables.set(name, sources.file(path)?.trim_end_matches('\n'));
    }
    let mut made = 0;
    for variable in &container.env {
        let value = match &variable.value {
            EnvValue::Literal(text) if made > MOST_EXPANDED => Some(Cow::Borrowed(text.as_str())),
            EnvValue::Literal(text) => {
                let expanded = expand(text, |name| variables.get(name));
                made += expanded.len();
                Some(Cow::Owned(expanded))
            }
            EnvValue::ConfigMapKey(key) => sources.config_map_key(key)?.map(Cow::Borrowed),
            EnvValue::SecretKey(key) => sources.secret_key(key)?.map(Cow::Borrowed),
            EnvValue::Field(field) => Some(sources.told().field(field)?),
            EnvValue::Resource(wanted) => {
                let amount = sources.told().resource(wanted, Some(container))?;
                Some(Cow::Owned(amount.to_string()))
            }
        };
        if let Some(value) = value {
            variables.set(&variable.name, value);
        }
    }
    Ok(variables)
}

/// Where values come from.
struct Sources<'a> {
    pod: &'a Pod,
    inputs: AttemptInputs<'a>,
}

impl<'a> Sources<'a> {
    fn told(&self) -> Told<'a> {
        Told { pod: self.pod, surroundings: self.inputs.surroundings }
    }

    fn env_file(&self, path: &'a str, variables: &mut Variables<'a>) -> Result<(), String> {
        let read = env_file(self.file(path)?);
        let read =
            read.map_err(|broken| format!("cannot use {path}, line {}: {}", broken.line, broken.why))?;
        read.into_iter().for_each(|(name, value)| variables.set(name, value));
        Ok(())
    }

    /// The text of a file.
    fn file(&self, path: &str) -> Result<&'a str, String> {
        let bytes = match self.inputs.files.get(path) {
            Some(Ok(bytes)) => bytes,
            Some(Err(cause)) => return Err(format!("cannot read {path}: {cause}")),
            None => return Err(format!("cannot read {path}")),
        };
        text(bytes).map_err(|why| format!("cannot use {path}: {why}"))
    }

    fn env_from(&self, from: &'a EnvFrom, variables: &mut Variables<'a>) -> Result<(), String> {
        let named = |key: &'a String| match from.prefix.as_str() {
            "" => Cow::Borrowed(key.as_str()),
            prefix => Cow::Owned(format!("{prefix}{key}")),
        };
        match &from.source {
            EnvFromSource::ConfigMap(name) => {
                let Some(data) = self.config_map(name) else {
                    return missing(from.optional, || format!("configmap {name:?} not found"));
                };
                for (key, value) in data {
                    let value =
                        text(value.as_bytes()).map_err(|why| self.unusable("ConfigMap", name, key, why))?;
                    variables.set(named(key), value);
                }
            }
            EnvFromSource::Secret(name) => {
                let Some(data) = self.secret(name) else {
                    return missing(from.optional, || format!("secret {name:?} not found"));
                };
                for (key, value) in data {
                    let value = text(value).map_err(|why| self.unusable("Secret", name, key, why))?;
                    variables.set(named(key), value);
                }
            }
        }
        Ok(())
    }

    fn config_map_key(&self, wanted: &KeyRef) -> Result<Option<&'a str>, String> {
        let KeyRef { name, key, optional } = wanted;
        let Some(data) = self.config_map(name) else {
            return missing(*optional, || format!("configmap {name:?} not found")).map(|()| None);
        };
        let Some(value) = data.get(key) else {
            return missing(*optional, || self.no_key("ConfigMap", wanted)).map(|()| None);
        };
        text(value.as_bytes()).map(Some).map_err(|why| self.unusable("ConfigMap", name, key, why))
    }

    fn secret_key(&self, wanted: &KeyRef) -> Result<Option<&'a str>, String> {
        let KeyRef { name, key, optional } = wanted;
        let Some(data) = self.secret(name) else {
            return missing(*optional, || format!("secret {name:?} not found")).map(|()| None);
        };
        let Some(value) = data.get(key) else {
            return missing(*optional, || self.no_key("Secret", wanted)).map(|()| None);
        };
        text(value).map(Some).map_err(|why| self.unusable("Secret", name, key, why))
    }

    fn config_map(&self, name: &str) -> Option<&'a BTreeMap<String, String>> {
        Some(&self.pod.objects.config_maps.get(&self.object(name))?.data)
    }

    fn secret(&self, name: &str) -> Option<&'a BTreeMap<String, Vec<u8>>> {
        Some(&self.pod.objects.secrets.get(&self.object(name))?.data)
    }

    fn object(&self, name: &str) -> ObjectName {
        ObjectName { namespace: self.pod.metadata.namespace.to_string(), name: name.to_owned() }
    }

    fn no_key(&self, kind: &str, KeyRef { name, key, .. }: &KeyRef) -> String {
        format!("couldn't find key {key} in {kind} {}/{name}", self.pod.metadata.namespace)
    }

    fn unusable(&self, kind: &str, name: &str, key: &str, why: &str) -> String {
        format!("cannot use key {key} in {kind} {}/{name}: {why}", self.pod.metadata.namespace)
    }
}

/// What a pod can tell of itself and of what surrounds it (rules 138 and 139).
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) pod: &'a Pod,
    pub(super) surroundings: Option<&'a Surroundings>,
}

impl<'a> Told<'a> {
    fn surroundings(self) -> Result<&'a Surroundings, String> {
        self.surroundings.ok_or_else(|| "cannot tell anything about this host".to_owned())
    }

    pub(super) fn field(self, field: &PodField) -> Result<Cow<'a, str>, String> {
        let metadata = &self.pod.metadata;
        let of = |map: &'a BTreeMap<String, String>, key| map.get(key).map_or("", String::as_str);
        let first = |all: &[IpAddr]| Cow::Owned(all.first().map(IpAddr::to_string).unwrap_or_default());
        let all =
            |all: &[IpAddr]| Cow::Owned(all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(","));
        Ok(Cow::Borrowed(match field {
            PodField::Name => &metadata.name,
            PodField::Namespace => &metadata.namespace,
            PodField::Label(key) => of(&metadata.labels, key),
            PodField::Annotation(key) => of(&metadata.annotations, key),
            PodField::ServiceAccountName => &self.pod.service_account_name,
            PodField::Uid => &self.surroundings()?.uid,
            PodField::NodeName => &self.surroundings()?.node_name,
            PodField::HostIp => return Ok(first(&self.surroundings()?.addresses)),
            PodField::PodIp => return Ok(first(&self.surroundings()?.pod_addresses)),
            PodField::HostIps => return Ok(all(&self.surroundings()?.addresses)),
            PodField::PodIps => return Ok(all(&self.surroundings()?.pod_addresses)),
        }))
    }

    /// An amount in the unit that is asked for, of the container that is named or else of `own` (rule 139).
    pub(super) fn resource(self, wanted: &ResourceRef, own: Option<&Container>) -> Result<u64, String> {
        let named = |name: &String| {
            let mut all = self.pod.containers.iter().chain(&self.pod.init_containers);
            let found = all.find(|container| *container.name == **name);
            found.ok_or_else(|| format!("container {name} not found"))
        };
        let container = match (&wanted.container, own) {
            (Some(name), _) => named(name)?,
            (None, Some(own)) => own,
            (None, None) => return Err(format!("cannot tell {}: it names no container", wanted.name())),
        };
        let of = |amounts: &Amounts| match wanted.resource {
            CountedResource::Cpu => amounts.cpu,
            CountedResource::Memory => amounts.memory,
        };
        let some = |amount: &Quantity| !amount.is_zero();
        let amount = if wanted.of_limits {
            let own = of(&container.resources.limits).filter(some);
            match own.or_else(|| of(&self.pod.resources.limits).filter(some)) {
                Some(limit) => limit,
                None => self.of_node(wanted.resource)?,
            }
        } else {
            of(&container.resources.requests).unwrap_or_default()
        };
        Ok(amount.in_units_of(wanted.divisor))
    }

    fn of_node(self, resource: CountedResource) -> Result<Quantity, String> {
        let surroundings = self.surroundings()?;
        match resource {
            CountedResource::Cpu => Ok(Quantity::whole(surroundings.processors)),
            CountedResource::Memory => {
                let memory = surroundings.memory.map(Quantity::whole);
                memory.ok_or_else(|| "cannot tell how much memory this host has".to_owned())
            }
        }
    }
}

/// Nothing is wrong where what is missing is optional.
fn missing(optional: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if optional { Ok(()) } else { Err(message()) }
}

/// Bytes that a variable can be set to.
fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.contains(&0) {
        return Err("it has a NUL character, which no variable can hold");
    }
    std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Profile, Source, Syntax, load};

    const OBJECTS: &str = "\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: debug, A: of-settings, nul: \"a\\0b\"}
binaryData: {bytes: YQ==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: other}
data: {elsewhere: x}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: $(A)hunter2, A: of-db}
---
apiVersion: v1
kind: Secret
metadata: {name: bytes}
data: {raw: /w==}
";

    fn surroundings() -> Surroundings {
        Surroundings {
            uid: "u-1".to_owned(),
            node_name: "node".to_owned(),
            addresses: vec!["192.168.1.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            pod_addresses: vec!["192.168.1.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            processors: 8,
            memory: Some(16 << 30),
        }
    }

    /// A pod whose container `main` has these fields, with the objects above; `rest` stands in the spec.
    fn pod(fields: &str, rest: &str) -> Pod {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, labels: {{app: shop}}, annotations: {{Ex.com/a: b c}}}}\n\
             spec: {{{rest} containers: [{{name: main, command: [x], {fields}}}]}}\n{OBJECTS}"
        );
        let source = Source { name: "a.yaml".to_owned(), text, syntax: Syntax::Yaml };
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        let loaded = load(std::slice::from_ref(&source), &options);
        loaded
            .pod
            .unwrap_or_else(|| panic!("{}", crate::spec::render_all(&loaded.problems, &[source], false)))
    }

    fn with_files(pod: &Pod, files: &FilesRead) -> Result<Vec<String>, String> {
        let surroundings = surroundings();
        let asks = asks_for_surroundings(&pod.containers[0]);
        let surroundings = asks.then_some(&surroundings);
        let inputs = AttemptInputs { environment: &[], marker: None, surroundings, files, node: None };
        let found = variables(pod, &pod.containers[0], inputs)?;
        Ok(found.in_order().into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    fn set(fields: &str) -> Result<Vec<String>, String> {
        with_files(&pod(fields, ""), &FilesRead::new())
    }

    fn value(source: &str) -> Result<Vec<String>, String> {
        set(&format!("env: [{{name: V, valueFrom: {source}}}]"))
    }

    fn is(value: &str) -> Result<Vec<String>, String> {
        Ok(vec![format!("V={value}")])
    }

    #[test]
    fn rule_133_later_sources_win_and_env_wins_over_all() {
        let all = "envFrom: [{configMapRef: {name: settings}}, {prefix: P_, secretRef: {name: db}}], env: [{name: level, value: own}]";
        let of_settings = pod(all, "").objects.config_maps.values().next().unwrap().data.len();
        assert_eq!(of_settings, 3);
        assert!(set(all).unwrap_err().contains("NUL"), "a value that no variable can hold");
        let two = "envFrom: [{secretRef: {name: db}}, {prefix: P_, secretRef: {name: db}}], env: [{name: A, value: own}]";
        assert_eq!(
            set(two).unwrap(),
            ["password=$(A)hunter2", "P_A=of-db", "P_password=$(A)hunter2", "A=own"]
        );
    }

    #[test]
    fn rule_134_what_sources_gave_is_known_and_not_looked_at_again() {
        let fields = "envFrom: [{secretRef: {name: db}}], env: [{name: URL, value: \"db:$(password)@$(later)\"}, {name: later, value: x}]";
        assert_eq!(set(fields).unwrap()[2..], ["URL=db:$(A)hunter2@$(later)", "later=x"]);
        let from = "env: [{name: A, value: a}, {name: B, valueFrom: {secretKeyRef: {name: db, key: password}}}, {name: C, value: $(B)}]";
        assert_eq!(set(from).unwrap(), ["A=a", "B=$(A)hunter2", "C=$(A)hunter2"]);
    }

    #[test]
    fn rule_138_fields_of_the_pod() {
        let cases = [
            ("metadata.name", "web"),
            ("metadata.namespace", "default"),
            ("metadata.uid", "u-1"),
            ("metadata.labels['app']", "shop"),
            ("metadata.labels['none']", ""),
            ("metadata.annotations['Ex.com/a']", "b c"),
            ("spec.nodeName", "node"),
            ("spec.serviceAccountName", "default"),
            ("status.hostIP", "192.168.1.7"),
            ("status.podIP", "192.168.1.7"),
            ("status.hostIPs", "192.168.1.7,2001:db8::7"),
            ("status.podIPs", "192.168.1.7,2001:db8::7"),
        ];
        for (path, expected) in cases {
            assert_eq!(value(&format!("{{fieldRef: {{fieldPath: \"{path}\"}}}}")), is(expected), "{path}");
        }
        let account = pod(
            "env: [{name: V, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}]",
            "serviceAccountName: builder,",
        );
        assert_eq!(with_files(&account, &FilesRead::new()), is("builder"));
    }

    #[test]
    fn rule_139_amounts_are_rounded_up_and_fall_back_to_the_pod_s_and_the_node_s() {
        let own = "resources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 1250m, memory: 64Mi}},";
        let of = |own: &str, rest: &str, source: &str| {
            let fields = format!("{own} env: [{{name: V, valueFrom: {{resourceFieldRef: {{{source}}}}}}}]");
            with_files(&pod(&fields, rest), &FilesRead::new())
        };
        let cases = [
            ("resource: limits.cpu", "2", "8"),
            ("resource: limits.cpu, divisor: 1m", "1250", "8000"),
            ("resource: limits.memory", "67108864", "17179869184"),
            ("resource: limits.memory, divisor: 1Gi", "1", "16"),
            ("resource: limits.memory, divisor: 1M", "68", "17180"),
            ("resource: requests.cpu, divisor: 0", "1", "0"),
            ("resource: requests.memory, divisor: 1Mi", "32", "0"),
            ("containerName: main, resource: requests.memory, divisor: 1Mi", "32", "0"),
        ];
        for (source, with, without) in cases {
            assert_eq!((of(own, "", source), of("", "", source)), (is(with), is(without)), "{source}");
        }
        let of_pod = "resources: {limits: {cpu: 3}},";
        assert_eq!(of("", of_pod, "resource: limits.cpu"), is("3"));
        assert_eq!(of("", of_pod, "resource: limits.memory, divisor: 1Gi"), is("16"));
        assert_eq!(of(own, of_pod, "resource: limits.cpu"), is("2"));
        let missing = of("", "", "containerName: none, resource: limits.cpu");
        assert_eq!(missing, Err("container none not found".to_owned()));
    }

    #[test]
    fn rule_140_what_is_missing_is_named_as_kubernetes_does_or_skipped() {
        assert_eq!(value("{configMapKeyRef: {name: settings, key: level}}"), is("debug"));
        assert_eq!(value("{secretKeyRef: {name: db, key: A}}"), is("of-db"));
        let cases = [
            ("configMapKeyRef: {name: none, key: k", "configmap \"none\" not found"),
            ("configMapKeyRef: {name: settings, key: k", "couldn't find key k in ConfigMap default/settings"),
            // Another namespace's, and what is there for files.
            (
                "configMapKeyRef: {name: settings, key: elsewhere",
                "couldn't find key elsewhere in ConfigMap default/settings",
            ),
            (
                "configMapKeyRef: {name: settings, key: bytes",
                "couldn't find key bytes in ConfigMap default/settings",
            ),
            ("secretKeyRef: {name: none, key: k", "secret \"none\" not found"),
            ("secretKeyRef: {name: db, key: k", "couldn't find key k in Secret default/db"),
        ];
        for (source, message) in cases {
            assert_eq!(value(&format!("{{{source}}}}}")), Err(message.to_owned()));
            assert_eq!(value(&format!("{{{source}, optional: true}}}}")), Ok(vec![]), "{source}");
        }
        for (from, message) in [("configMapRef", "configmap"), ("secretRef", "secret")] {
            let fields = |more: &str| format!("envFrom: [{{{from}: {{name: none{more}}}}}]");
            assert_eq!(set(&fields("")), Err(format!("{message} \"none\" not found")));
            assert_eq!(set(&fields(", optional: true")), Ok(vec![]));
        }
    }

    #[test]
    fn one_object_taken_again_and_again_does_not_fill_the_memory() {
        let mut pod = pod("envFrom: [{secretRef: {name: db}}]", "");
        let mut from = pod.containers[0].env_from.remove(0);
        let mut objects = (*pod.objects).clone();
        let secret =
            objects.secrets.values_mut().find(|secret| secret.data.contains_key("password")).unwrap();
        secret.data.insert("large".to_owned(), vec![b'x'; 100_000]);
        pod.objects = std::sync::Arc::new(objects);
        for number in 0..1000 {
            from.prefix = number.to_string();
            pod.containers[0].env_from.push(from.clone());
        }
        let said = with_files(&pod, &FilesRead::new());
        assert_eq!(said, Err("cannot set variables of more than 8 MiB".to_owned()));
    }

    #[test]
    fn what_no_variable_can_hold_is_said_without_showing_it() {
        let raw = value("{secretKeyRef: {name: bytes, key: raw}}").unwrap_err();
        assert_eq!(raw, "cannot use key raw in Secret default/bytes: it is no UTF-8 text");
        let nul = value("{configMapKeyRef: {name: settings, key: nul}}").unwrap_err();
        assert_eq!(
            nul,
            "cannot use key nul in ConfigMap default/settings: it has a NUL character, which no variable can hold"
        );
    }

    #[test]
    fn files_stand_below_what_the_manifest_says() {
        let mut pod =
            pod("envFrom: [{prefix: S_, secretRef: {name: db}}], env: [{name: C, value: $(B)-$(TOKEN)}]", "");
        let main = &mut pod.containers[0];
        main.env_files = vec!["a.env".to_owned(), "b.env".to_owned()];
        main.env_from_files = vec![("TOKEN".to_owned(), "/run/token".to_owned())];
        assert_eq!(files(&pod.containers[0]).collect::<Vec<_>>(), ["a.env", "b.env", "/run/token"]);
        let file = |path: &str, text: &str| (path.to_owned(), Ok(text.as_bytes().to_vec()));
        let read = FilesRead::from([
            file("a.env", "A=1\nB=1\nC=1\nS_A=1"),
            file("b.env", "B='2'\n"),
            file("/run/token", "two\nlines\n\n"),
        ]);
        assert_eq!(
            with_files(&pod, &read).unwrap(),
            ["A=1", "B=2", "S_A=of-db", "S_password=$(A)hunter2", "TOKEN=two\nlines", "C=2-two\nlines"]
        );
        let mut broken = read.clone();
        broken.extend([file("b.env", "A=1\nB=hunter2 'x'\n")]);
        let said = with_files(&pod, &broken).unwrap_err();
        assert!(said.starts_with("cannot use b.env, line 2: ") && !said.contains("hunter2"), "{said}");
        broken.insert("b.env".to_owned(), Err("no such file".to_owned()));
        assert_eq!(with_files(&pod, &broken), Err("cannot read b.env: no such file".to_owned()));
    }
}
