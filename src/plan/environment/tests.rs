//! What variables come to, from every source, and what each says of what is missing.

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
    loaded.pod.unwrap_or_else(|| panic!("{}", crate::spec::render_all(&loaded.problems, &[source], false)))
}

fn with_files(pod: &Pod, files: &FilesRead) -> Result<Vec<String>, String> {
    let surroundings = surroundings();
    let asks = asks_for_surroundings(&pod.containers[0]);
    let surroundings = asks.then_some(&surroundings);
    let volume_files = &VolumeFilesRead::new();
    let inputs =
        AttemptInputs { environment: &[], marker: None, surroundings, files, volume_files, node: None };
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
    assert_eq!(set(two).unwrap(), ["password=$(A)hunter2", "P_A=of-db", "P_password=$(A)hunter2", "A=own"]);
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
    let secret = objects.secrets.values_mut().find(|secret| secret.data.contains_key("password")).unwrap();
    secret.data.insert("large".to_owned(), vec![b'x'; 100_000]);
    pod.objects = Arc::new(objects);
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
fn rule_141_a_file_of_a_volume_says_what_it_is_asked_for_or_why_not_without_showing_it() {
    let set = |read: Option<Result<Option<&str>, &str>>, more: &str| {
        let source = format!("fileKeyRef: {{volumeName: data, path: ./a.env, key: K{more}}}");
        let fields = format!("env: [{{name: V, valueFrom: {{{source}}}}}, {{name: W, value: $(V)}}]");
        let pod = pod(&fields, "volumes: [{name: data, emptyDir: {}}],");
        let mut wanted = volume_env_files(&pod.containers[0]).map(|(volume, path)| (&**volume, path));
        assert_eq!(wanted.next(), Some(("data", "a.env")));
        let mut files = VolumeFilesRead::new();
        if let Some(read) = read {
            let read = read.map(|text| text.map(|text| text.as_bytes().to_vec())).map_err(str::to_owned);
            files.insert((Arc::from("data"), "a.env".to_owned()), read);
        }
        let none = FilesRead::new();
        let inputs = AttemptInputs {
            environment: &[],
            marker: None,
            surroundings: None,
            files: &none,
            volume_files: &files,
            node: None,
        };
        let found = variables(&pod, &pod.containers[0], inputs)?;
        Ok(found.in_order().into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>())
    };
    let (long, too_long) = (format!("K='{}'", "x".repeat(32 << 10)), format!("K='{}'", "x".repeat(32769)));
    let value = |value: &str| Ok::<_, String>(vec![format!("V={value}"), format!("W={value}")]);
    let says = |text| Some(Ok(Some(text)));
    assert_eq!(set(says("K='1'\nL='$(K)'\nK='$(L)'"), ""), value("$(L)"), "the last counts, as in a shell");
    assert_eq!(set(says("K=''"), ""), value(""));
    assert_eq!(set(says(&long), "").map(|it| it[0].len()), Ok(2 + (32 << 10)));
    let wrong = |why: &str| Err(why.to_owned());
    let file = "file \"a.env\" of volume data";
    let too_long_says = format!("cannot use key K of {file}: it has more than 32 KiB");
    assert_eq!(set(says(&too_long), ""), wrong(&too_long_says));
    let broken = format!("cannot use {file}, line 2: its value is not in single quotes");
    assert_eq!(set(says("K='1'\nL=hunter2"), ", optional: true"), wrong(&broken));
    assert!(set(says("K='a\0'"), "").is_err());
    let unreadable = Some(Err("it leads out of the volume"));
    assert_eq!(
        set(unreadable, ", optional: true"),
        wrong(&format!("cannot read {file}: it leads out of the volume"))
    );
    for (read, why) in [
        (says("L='1'"), format!("couldn't find key K in {file}")),
        (Some(Ok(None)), format!("{file} not found")),
        (None, format!("{file} not found")),
    ] {
        assert_eq!(set(read, ""), wrong(&why));
        assert_eq!(set(read, ", optional: true"), Ok(vec!["W=$(V)".to_owned()]));
    }
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
