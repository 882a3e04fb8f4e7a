//! What the variables of one attempt are set to (rules 133 to 140). Pure: it is handed what the host and the
//! files say. No message has a value in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::command::AttemptInputs;
use crate::spec::{
    Amounts, Container, CountedResource, EnvFrom, EnvFromSource, EnvValue, FileKeyRef, KeyRef, ObjectName,
    Pod, PodField, Quantity, ResourceRef, env_file, expand, volume_env_file,
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

/// Files of volumes by volume and path: what each holds, that it is not there, or why it cannot be read.
pub type VolumeFilesRead = BTreeMap<(Arc<str>, String), Result<Option<Vec<u8>>, String>>;

/// Bytes of the longest value that a file of a volume gives a variable (kubelet's kubelet_pods.go).
const MOST_OF_FILE_KEY: usize = 32 << 10;

/// Volume and path of the files of variables that have to be read before each attempt of this container.
pub fn volume_env_files(container: &Container) -> impl Iterator<Item = (&Arc<str>, &str)> {
    container.env.iter().filter_map(|variable| match &variable.value {
        EnvValue::FileKey(wanted) => Some((&wanted.volume, wanted.path.as_str())),
        EnvValue::Literal(_) | EnvValue::ConfigMapKey(_) | EnvValue::SecretKey(_) => None,
        EnvValue::Field(_) | EnvValue::Resource(_) => None,
    })
}

/// The files that have to be read before each attempt of this container.
pub fn files(container: &Container) -> impl Iterator<Item = &str> {
    let of_variables = container.env_from_files.iter().map(|(_, path)| path);
    container.env_files.iter().chain(of_variables).map(String::as_str)
}

/// Whether anything of the pod tells of the [`Surroundings`].
pub fn pod_asks_for_surroundings(pod: &Pod) -> bool {
    !pod.volumes.is_empty() || pod.iter().any(|(.., container)| asks_for_surroundings(container))
}

/// Whether a variable of this container tells of the [`Surroundings`].
pub fn asks_for_surroundings(container: &Container) -> bool {
    container.env.iter().any(|variable| match &variable.value {
        EnvValue::Literal(_) | EnvValue::ConfigMapKey(_) | EnvValue::SecretKey(_) => false,
        EnvValue::FileKey(_) => false,
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
            EnvValue::FileKey(key) => sources.file_key(key)?.map(Cow::Borrowed),
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

    /// What a file of a volume says (rule 141). It may be a secret: no message shows anything of it.
    fn file_key(&self, wanted: &FileKeyRef) -> Result<Option<&'a str>, String> {
        let FileKeyRef { volume, path, key, optional } = wanted;
        let file = || format!("file {path:?} of volume {volume}");
        let bytes = match self.inputs.volume_files.get(&(Arc::clone(volume), path.clone())) {
            Some(Ok(Some(bytes))) => bytes,
            Some(Ok(None)) | None => {
                return missing(*optional, || format!("{} not found", file())).map(|()| None);
            }
            Some(Err(why)) => return Err(format!("cannot read {}: {why}", file())),
        };
        let read = text(bytes).map_err(|why| format!("cannot use {}: {why}", file()))?;
        let read = volume_env_file(read)
            .map_err(|broken| format!("cannot use {}, line {}: {}", file(), broken.line, broken.why))?;
        match read.into_iter().rfind(|(name, _)| name == key) {
            Some((_, value)) if value.len() > MOST_OF_FILE_KEY => {
                Err(format!("cannot use key {key} of {}: it has more than 32 KiB", file()))
            }
            Some((_, value)) => Ok(Some(value)),
            None => missing(*optional, || format!("couldn't find key {key} in {}", file())).map(|()| None),
        }
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
mod tests;
