//! The files of a volume that podinit writes: keys of ConfigMaps and Secrets, and what the pod tells of itself.
//! Pure: how they are written and replaced is the runtime's. No message has a value in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::environment::{Surroundings, Told};
use crate::spec::{
    DownwardFile, DownwardValue, KeyToPath, ObjectName, Pod, Projected, ProjectedObject, ProjectedSource,
};

/// A file of a volume. What it holds does not show in its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct VolumeFile<'a> {
    /// Relative, without `..`; may have directories above it.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// All of it.
    pub contents: Cow<'a, [u8]>,
}

impl fmt::Debug for VolumeFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VolumeFile")
            .field("path", &self.path)
            .field("mode", &format_args!("{:o}", self.mode))
            .finish_non_exhaustive()
    }
}

/// The files of a volume, sorted by path; of two with one path the later source's. With an `fsGroup` its group
/// can read them (rule 151).
///
/// # Errors
/// All that is missing, in kubelet's words.
pub fn volume_files<'a>(
    pod: &'a Pod,
    volume: &'a Projected,
    surroundings: &'a Surroundings,
) -> Result<Vec<VolumeFile<'a>>, String> {
    let mut files = Files { pod, default_mode: volume.default_mode, all: BTreeMap::new() };
    let mut problems: Vec<String> = Vec::new();
    for source in &volume.sources {
        let done = match source {
            ProjectedSource::ConfigMap(wanted) => files.config_map(wanted),
            ProjectedSource::Secret(wanted) => files.secret(wanted),
            ProjectedSource::DownwardApi(wanted) => {
                let told = Told { pod, surroundings: Some(surroundings) };
                wanted.iter().try_for_each(|file| files.downward(file, told))
            }
        };
        problems.extend(done.err().filter(|why| !problems.contains(why)));
    }
    if problems.is_empty() {
        problems.extend(files.below_a_file());
    }
    match problems.as_slice() {
        [] => Ok(files.in_order()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// What one object has under a key.
type Lookup<'l, 'a> = &'l dyn Fn(&str) -> Option<&'a [u8]>;

struct Files<'a> {
    pod: &'a Pod,
    default_mode: u32,
    all: BTreeMap<&'a str, (u32, Cow<'a, [u8]>)>,
}

impl<'a> Files<'a> {
    fn add(&mut self, path: &'a str, mode: Option<u32>, contents: impl Into<Cow<'a, [u8]>>) {
        self.all.insert(path, (mode.unwrap_or(self.default_mode), contents.into()));
    }

    fn config_map(&mut self, wanted: &'a ProjectedObject) -> Result<(), String> {
        let Some(object) = self.pod.objects.config_maps.get(&self.object(&wanted.name)) else {
            return missing(wanted, || format!("configmap {:?} not found", wanted.name));
        };
        if let Some(items) = items(wanted) {
            let found = |key: &str| {
                let text = object.data.get(key).map(String::as_bytes);
                text.or_else(|| object.binary_data.get(key).map(Vec::as_slice))
            };
            return self.items(items, wanted, "configmap references non-existent config key", &found);
        }
        object.data.iter().for_each(|(key, text)| self.add(key, None, text.as_bytes()));
        object.binary_data.iter().for_each(|(key, bytes)| self.add(key, None, bytes.as_slice()));
        Ok(())
    }

    fn secret(&mut self, wanted: &'a ProjectedObject) -> Result<(), String> {
        let Some(object) = self.pod.objects.secrets.get(&self.object(&wanted.name)) else {
            return missing(wanted, || format!("secret {:?} not found", wanted.name));
        };
        if let Some(items) = items(wanted) {
            let found = |key: &str| object.data.get(key).map(Vec::as_slice);
            return self.items(items, wanted, "references non-existent secret key", &found);
        }
        object.data.iter().for_each(|(key, bytes)| self.add(key, None, bytes.as_slice()));
        Ok(())
    }

    fn items(
        &mut self,
        items: &'a [KeyToPath],
        wanted: &ProjectedObject,
        not_there: &str,
        found: Lookup<'_, 'a>,
    ) -> Result<(), String> {
        for KeyToPath { key, path, mode } in items {
            match found(key) {
                Some(contents) => self.add(path, *mode, contents),
                None => missing(wanted, || format!("{not_there}: {key}"))?,
            }
        }
        Ok(())
    }

    fn downward(&mut self, file: &'a DownwardFile, told: Told<'a>) -> Result<(), String> {
        let metadata = &self.pod.metadata;
        let text = match &file.value {
            DownwardValue::Field(field) => told.field(field)?,
            DownwardValue::Labels => Cow::Owned(lines(&metadata.labels)),
            DownwardValue::Annotations => Cow::Owned(lines(&metadata.annotations)),
            DownwardValue::Resource(wanted) => Cow::Owned(told.resource(wanted, None)?.to_string()),
        };
        let contents: Cow<'a, [u8]> = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.add(&file.path, file.mode, contents);
        Ok(())
    }

    fn object(&self, name: &str) -> ObjectName {
        ObjectName { namespace: self.pod.metadata.namespace.to_string(), name: name.to_owned() }
    }

    /// What would have to be a file and a directory at once.
    fn below_a_file(&self) -> impl Iterator<Item = String> {
        self.all.keys().flat_map(|path| {
            let above = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
            let files = above.filter(|above| self.all.contains_key(above));
            files.map(move |above| {
                format!("cannot write file {path:?}: {above:?} is a file of the same volume")
            })
        })
    }

    fn in_order(self) -> Vec<VolumeFile<'a>> {
        // Kubernetes' mask for volumes that nobody writes to: user and group read.
        let of_group = if self.pod.security_context.fs_group.is_some() { 0o440 } else { 0 };
        let file = |(path, (mode, contents)): (&str, (u32, Cow<'a, [u8]>))| VolumeFile {
            path: path.to_owned(),
            mode: mode | of_group,
            contents,
        };
        self.all.into_iter().map(file).collect()
    }
}

/// Which keys are wanted; an empty list is every key, as in Kubernetes.
fn items(wanted: &ProjectedObject) -> Option<&[KeyToPath]> {
    wanted.items.as_deref().filter(|items| !items.is_empty())
}

/// Nothing is wrong where what is missing is optional.
fn missing(wanted: &ProjectedObject, message: impl FnOnce() -> String) -> Result<(), String> {
    if wanted.optional { Ok(()) } else { Err(message()) }
}

/// A line `key="value"` for each, sorted by key, without a line's end after the last (rule 138).
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<_> = map.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// As Go's `%q` writes a text, which is how programs that read these files take it apart.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            ' '..='~' => quoted.push(character),
            '\0'..='\u{7f}' => quoted += &format!("\\x{:02x}", u32::from(character)),
            _ if is_printable(character) => quoted.push(character),
            '\0'..='\u{ffff}' => quoted += &format!("\\u{:04x}", u32::from(character)),
            '\u{10000}'.. => quoted += &format!("\\U{:08x}", u32::from(character)),
        }
    }
    quoted + "\""
}

/// Whether a character beyond ASCII shows. After a letter Rust's debug form leaves exactly those as they are.
fn is_printable(character: char) -> bool {
    String::from_iter(['a', character]).escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{
        ConfigMap, Container, CountedResource, Objects, PodField, Quantity, ResourceRef, Secret,
    };
    use std::sync::Arc;

    fn pod() -> Pod {
        let mut objects = Objects::default();
        let name = |namespace: &str, name: &str| ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let settings = ConfigMap {
            data: BTreeMap::from([("level".to_owned(), "debug\n".to_owned())]),
            immutable: false,
            binary_data: BTreeMap::from([("raw".to_owned(), vec![0, 255])]),
        };
        let data = BTreeMap::from([("password".to_owned(), b"hunter2".to_vec())]);
        let db = Secret { data, immutable: false };
        objects.config_maps.insert(name("default", "settings"), settings.clone());
        objects.config_maps.insert(name("other", "elsewhere"), settings);
        objects.secrets.insert(name("default", "db"), db);
        let mut pod = Pod::named("web");
        pod.objects = Arc::new(objects);
        pod
    }

    fn surroundings() -> Surroundings {
        Surroundings {
            uid: "u-1".to_owned(),
            node_name: "node".to_owned(),
            addresses: vec!["192.168.1.7".parse().unwrap()],
            pod_addresses: vec!["192.168.1.7".parse().unwrap()],
            processors: 8,
            memory: Some(16 << 30),
        }
    }

    fn written(pod: &Pod, sources: Vec<ProjectedSource>) -> Result<Vec<(String, u32, Vec<u8>)>, String> {
        let volume = Projected { sources, default_mode: 0o644 };
        let surroundings = surroundings();
        let files = volume_files(pod, &volume, &surroundings)?;
        Ok(files.into_iter().map(|file| (file.path, file.mode, file.contents.into_owned())).collect())
    }

    fn object(name: &str, items: Option<Vec<KeyToPath>>, optional: bool) -> ProjectedObject {
        ProjectedObject { name: name.to_owned(), items, optional }
    }

    fn item(key: &str, path: &str, mode: Option<u32>) -> KeyToPath {
        KeyToPath { key: key.to_owned(), path: path.to_owned(), mode }
    }

    fn file(path: &str, mode: u32, contents: &[u8]) -> (String, u32, Vec<u8>) {
        (path.to_owned(), mode, contents.to_vec())
    }

    fn downward(values: Vec<(&str, DownwardValue)>) -> ProjectedSource {
        let file =
            |(path, value): (&str, DownwardValue)| DownwardFile { path: path.to_owned(), value, mode: None };
        ProjectedSource::DownwardApi(values.into_iter().map(file).collect())
    }

    #[test]
    fn rule_150_without_items_every_key_is_a_file_of_its_name() {
        let both = vec![
            ProjectedSource::ConfigMap(object("settings", None, false)),
            ProjectedSource::Secret(object("db", Some(vec![]), false)),
        ];
        let expected = [
            file("level", 0o644, b"debug\n"),
            file("password", 0o644, b"hunter2"),
            file("raw", 0o644, &[0, 255]),
        ];
        assert_eq!(written(&pod(), both).unwrap(), expected);
    }

    #[test]
    fn rule_150_items_have_paths_and_modes_and_later_sources_replace_earlier_ones() {
        let sources = vec![
            ProjectedSource::ConfigMap(object(
                "settings",
                Some(vec![item("level", "etc/level", Some(0o400)), item("raw", "raw", None)]),
                false,
            )),
            ProjectedSource::Secret(object("db", Some(vec![item("password", "raw", Some(0o600))]), false)),
        ];
        let expected = [file("etc/level", 0o400, b"debug\n"), file("raw", 0o600, b"hunter2")];
        assert_eq!(written(&pod(), sources).unwrap(), expected);
    }

    #[test]
    fn rule_140_what_is_missing_is_named_in_kubelet_s_words_all_at_once_unless_it_is_optional() {
        let sources = |optional| {
            vec![
                ProjectedSource::ConfigMap(object("elsewhere", None, optional)),
                ProjectedSource::Secret(object("none", None, optional)),
                ProjectedSource::ConfigMap(object("settings", Some(vec![item("k", "k", None)]), optional)),
                ProjectedSource::Secret(object("db", Some(vec![item("k", "k", None)]), optional)),
            ]
        };
        assert_eq!(written(&pod(), sources(true)), Ok(vec![]));
        assert_eq!(
            written(&pod(), sources(false)).unwrap_err(),
            "[configmap \"elsewhere\" not found, secret \"none\" not found, \
             configmap references non-existent config key: k, references non-existent secret key: k]"
        );
        let one = sources(false).into_iter().take(1).collect();
        assert_eq!(written(&pod(), one).unwrap_err(), "configmap \"elsewhere\" not found");
    }

    #[test]
    fn rule_151_with_a_group_of_its_own_a_volume_s_files_can_be_read_by_it() {
        let mut pod = pod();
        pod.security_context.fs_group = Some(2000);
        let items = vec![item("level", "a", Some(0o400)), item("level", "b", Some(0o004))];
        let made = written(&pod, vec![ProjectedSource::ConfigMap(object("settings", Some(items), false))]);
        assert_eq!(made.unwrap().iter().map(|file| file.1).collect::<Vec<_>>(), [0o440, 0o444]);
    }

    #[test]
    fn rule_138_labels_and_annotations_are_sorted_lines_with_values_as_go_quotes_them() {
        let mut pod = pod();
        let pairs = [
            ("b", "x"),
            ("a.org/k", "two\n\"lines\" \\ \t"),
            ("c", "\u{7}\u{1b}\u{7f}é日\u{a0}\u{200b}\u{e000}\u{e0001}e\u{301}😀"),
        ];
        for (key, value) in pairs {
            pod.metadata.annotations.insert(key.to_owned(), value.to_owned());
        }
        let sources =
            vec![downward(vec![("labels", DownwardValue::Labels), ("notes", DownwardValue::Annotations)])];
        let expected = "a.org/k=\"two\\n\\\"lines\\\" \\\\ \\t\"\nb=\"x\"\n\
            c=\"\\a\\x1b\\x7fé日\\u00a0\\u200b\\ue000\\U000e0001e\u{301}😀\"";
        let made = written(&pod, sources).unwrap();
        assert_eq!(made, [file("labels", 0o644, b""), file("notes", 0o644, expected.as_bytes())]);
    }

    #[test]
    fn rule_138_and_139_fields_and_amounts_are_those_of_variables() {
        let mut pod = pod();
        let mut main = Container::named("main");
        main.resources.requests.memory = Quantity::parse("32Mi");
        pod.containers = vec![main];
        let amount = |container: &str, of_limits, divisor: &str| {
            DownwardValue::Resource(ResourceRef {
                container: Some(container.to_owned()),
                of_limits,
                resource: CountedResource::Memory,
                divisor: Quantity::parse(divisor).unwrap(),
            })
        };
        let made = written(
            &pod,
            vec![downward(vec![
                ("limit", amount("main", true, "1Gi")),
                ("name", DownwardValue::Field(PodField::Name)),
                ("request", amount("main", false, "1Mi")),
                ("uid", DownwardValue::Field(PodField::Uid)),
            ])],
        );
        let expected = [("limit", "16"), ("name", "web"), ("request", "32"), ("uid", "u-1")];
        assert_eq!(made.unwrap(), expected.map(|(path, text)| file(path, 0o644, text.as_bytes())));
        let unknown = written(&pod, vec![downward(vec![("x", amount("none", true, "1"))])]);
        assert_eq!(unknown, Err("container none not found".to_owned()));
    }

    #[test]
    fn one_path_cannot_be_a_file_and_a_directory() {
        let items = vec![item("level", "a", None), item("level", "a/b/c", None), item("raw", "ab", None)];
        let made = written(&pod(), vec![ProjectedSource::ConfigMap(object("settings", Some(items), false))]);
        let expected = "cannot write file \"a/b/c\": \"a\" is a file of the same volume";
        assert_eq!(made, Err(expected.to_owned()));
    }

    #[test]
    fn what_a_file_holds_does_not_show() {
        let volume = Projected {
            sources: vec![ProjectedSource::Secret(object("db", None, false))],
            default_mode: 0o600,
        };
        let (pod, surroundings) = (pod(), surroundings());
        let shown = format!("{:?}", volume_files(&pod, &volume, &surroundings).unwrap());
        assert_eq!(shown, "[VolumeFile { path: \"password\", mode: 600, .. }]");
    }
}
