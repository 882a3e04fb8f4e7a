//! Random manifests for tests: Kubernetes objects with all that is nasty to write, and their text in
//! both syntaxes with comments everywhere, written without any of the program's own writers.

// Not every test that includes this needs all of it.
#![allow(dead_code, clippy::wildcard_enum_match_arm)]

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Strings that some reader takes for something else, or that are hard to write.
pub const NASTY: [&str; 88] = [
    "",
    " ",
    "a",
    "word",
    "yes",
    "No",
    "on",
    "y",
    "true",
    "~",
    "null",
    "0",
    "0777",
    "0o17",
    "0x1f",
    "1e3",
    "1_000",
    ".5",
    "5.",
    ".inf",
    "-.INF",
    ".nan",
    "2024-01-01",
    "2024-01-01T10:00:00Z",
    "12:30:45",
    "1.2.3",
    "127.0.0.1",
    "127.0.0.1:80",
    "-",
    "--",
    "---",
    "--- a",
    "...",
    "-x",
    "- a",
    "? b",
    "?",
    ": c",
    ":",
    "a:",
    "a: b",
    "a #b",
    "#x",
    "&a",
    "*a",
    "!t",
    "%d",
    "@x",
    "`x`",
    "[a]",
    "{a}",
    "a,b",
    "'",
    "\"",
    "it's",
    "say \"hi\"",
    "a\\b",
    "\\n",
    "<<",
    "=",
    "a\nb",
    "a\nb\n",
    "a\n",
    "\n",
    "\n\n",
    "a\n\n",
    "\n a\nb",
    " a\n b\n",
    "a\n b\n\tc\n",
    "tab\tx",
    "\tx\ny",
    "end \nx\n",
    "x\n  \ny",
    "x\ny\n  ",
    "a\r\nb",
    "\r",
    "'''",
    "a\n'''\nb\\",
    "a\n\"\"\"\"\nb",
    "x\n\"",
    "x\n\\",
    "x\n'",
    "$(A) and $$",
    "🎉 Ünï\ncode",
    "\u{7f}\u{85}",
    "x\u{2028}y",
    "\u{feff}x",
    "\u{1b}[31m\u{a0}",
];

/// A string of these, or of a few of them together.
pub fn nasty(rng: &mut Rng) -> String {
    let count = if rng.u8(..4) == 0 { rng.usize(2..5) } else { 1 };
    (0..count).map(|_| *rng.choice(NASTY.iter()).unwrap()).collect()
}

fn strings(rng: &mut Rng) -> Value {
    (0..rng.usize(..4)).map(|_| nasty(rng)).collect()
}

/// A part of a path, of any characters that a path may have.
fn step(rng: &mut Rng) -> String {
    format!("x{}", nasty(rng).replace(['/', '\0'], "_"))
}

fn chance(rng: &mut Rng, of: u8) -> bool {
    rng.u8(..of) == 0
}

fn pick(rng: &mut Rng, words: &[&str]) -> Value {
    json!(words[rng.usize(..words.len())])
}

/// A valid Pod object. `whole` has fields as well that podinit does not support yet.
pub fn pod(rng: &mut Rng, whole: bool) -> Value {
    let mut annotations = Map::new();
    for name in ["note", "example.com/Owner", "a.b/c_d"] {
        if chance(rng, 2) {
            annotations.insert(name.to_owned(), json!(nasty(rng)));
        }
    }
    if chance(rng, 2) {
        annotations.insert("podinit.dev/profile".to_owned(), json!("process"));
    }
    if whole && chance(rng, 3) {
        annotations.insert("podinit.dev/network".to_owned(), pick(rng, &["private", "none", "pasta"]));
    }
    if chance(rng, 3) {
        annotations.insert(
            "podinit.dev/crashLoopBackOff.initialDelaySeconds".to_owned(),
            pick(rng, &["0.25", "1", "0"]),
        );
        annotations
            .insert("podinit.dev/crashLoopBackOff.maxDelaySeconds".to_owned(), pick(rng, &["60", "2.5"]));
    }
    let init: Value =
        (0..rng.usize(..3)).map(|n| container(rng, &format!("init-{n}"), true, whole)).collect();
    let main: Value =
        (0..rng.usize(1..4)).map(|n| container(rng, &format!("main-{n}"), false, whole)).collect();
    let mut spec = json!({
        "restartPolicy": pick(rng, &["Always", "OnFailure", "Never"]),
        "containers": main,
        "nodeSelector": {"disk": nasty(rng), "Ünï codé": nasty(rng)},
    });
    if init != json!([]) {
        spec["initContainers"] = init;
    }
    if chance(rng, 2) {
        spec["terminationGracePeriodSeconds"] = json!(rng.i64(-3..100));
        spec["hostPID"] = json!(rng.bool());
        spec["priority"] = json!(rng.i32(..));
        spec["os"] = json!({"name": "linux"});
        spec["tolerations"] =
            json!([{"key": nasty(rng), "operator": "Exists", "tolerationSeconds": rng.i64(..)}, {}]);
        spec["imagePullSecrets"] = json!([{"name": "a"}, {"name": "b"}]);
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().cloned().unwrap_or_default() {
            annotations.extend(settings(rng, &container, list == "containers"));
            if !container["lifecycle"]["stopSignal"].is_null() {
                spec["os"] = json!({"name": "linux"});
            }
        }
    }
    if whole {
        spec["volumes"] = json!([
            {"name": "data", "emptyDir": {}},
            {"name": "host", "hostPath": {"path": format!("/{}", step(rng)), "type": "Directory"}},
            {"name": "cm", "configMap": {"name": "cm", "defaultMode": 420, "items": [{"key": "a.b", "path": step(rng), "mode": 256}]}},
        ]);
        spec["securityContext"] = json!({"runAsUser": 1000, "sysctls": [{"name": "a", "value": nasty(rng)}], "supplementalGroups": [1, 2]});
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "In", "values": strings(rng)}]}]}}});
        spec["hostAliases"] = json!([{"ip": "127.0.0.1", "hostnames": ["a", "b"]}]);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "team", "labels": {"app": "web", "example.com/tier": "yes"}, "annotations": annotations},
        "spec": spec,
    })
}

fn container(rng: &mut Rng, name: &str, init: bool, whole: bool) -> Value {
    let mut command = vec!["/bin/x".to_owned()];
    command.extend((0..rng.usize(..4)).map(|_| nasty(rng)));
    let mut container = json!({
        "name": name,
        "image": pick(rng, &["busybox", "registry:5000/a@sha256:00", "yes"]),
        "command": command,
        "args": strings(rng),
        "env": (0..rng.usize(..5)).map(|_| variable(rng)).collect::<Vec<_>>(),
    });
    if chance(rng, 2) {
        container["workingDir"] = json!(nasty(rng));
        container["imagePullPolicy"] = pick(rng, &["Always", "IfNotPresent", "Never"]);
    }
    if chance(rng, 2) {
        container["ports"] = json!([{"name": "http", "containerPort": rng.u16(1..)}, {"containerPort": 53, "protocol": "UDP"}]);
    }
    let is_sidecar = init && chance(rng, 2);
    if is_sidecar || !init && chance(rng, 2) {
        container["restartPolicy"] = json!(if is_sidecar { "Always" } else { "Never" });
        container["restartPolicyRules"] =
            json!([{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [0, rng.u8(..)]}}]);
    }
    if is_sidecar || !init {
        container["startupProbe"] = probe(rng);
        for kind in ["livenessProbe", "readinessProbe"] {
            if chance(rng, 3) {
                container[kind] = probe(rng);
            }
        }
        if chance(rng, 2) {
            container["lifecycle"] = lifecycle(rng);
        }
        container["terminationMessagePolicy"] = pick(rng, &["File", "FallbackToLogsOnError"]);
        container["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]);
    }
    if chance(rng, 3) {
        let prefix = pick(rng, &["", "p-", "A B", "#: ", "'\"", "yes"]);
        let object = if rng.bool() { "configMapRef" } else { "secretRef" };
        container["envFrom"] = json!([{"prefix": prefix, object: {"name": "s.t", "optional": rng.bool()}}]);
    }
    if whole {
        container["resources"] = json!({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "250m", "example.com/gpu": "2"}});
        container["volumeMounts"] =
            json!([{"name": "data", "mountPath": format!("/{}", step(rng)), "readOnly": rng.bool()}]);
        container["securityContext"] = json!({"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        container["stdin"] = json!(rng.bool());
    }
    container
}

/// What Kubernetes has no field for in a container, as annotations.
fn settings(rng: &mut Rng, container: &Value, is_main: bool) -> Map<String, Value> {
    let mut settings = Map::new();
    let is_kept = !container["startupProbe"].is_null();
    let name = container["name"].as_str().unwrap();
    let mut set = |setting: &str, value: Value| {
        settings.insert(format!("podinit.dev/{name}.{setting}"), value);
    };
    if chance(rng, 3) {
        set("rootfs", json!(format!("{}/a, b", step(rng))));
        if chance(rng, 2) {
            set("rootfsLayer", pick(rng, &["ephemeral", "directory"]));
        }
        set("reaper", pick(rng, &["true", "false"]));
    }
    if is_main && chance(rng, 3) {
        set("keystone", pick(rng, &["true", "false"]));
    }
    if is_main && name != "main-0" && chance(rng, 2) {
        set("startAfter", if name == "main-2" { json!("main-0,main-1") } else { json!("main-0") });
    }
    if chance(rng, 3) {
        set("envFile", pick(rng, &["a.env", "conf/a.env,/etc/b.env"]));
        set("envFromFiles", pick(rng, &["A=a", "B C=/run/b,A=c d"]));
    }
    if is_kept && chance(rng, 3) {
        set("notify", pick(rng, &["socket", "fd:3", "fd:255"]));
    }
    if chance(rng, 4) {
        set("crashLoopBackOff.initialDelaySeconds", pick(rng, &["0.25", "1"]));
        set("crashLoopBackOff.maxDelaySeconds", pick(rng, &["60", "2.5"]));
    }
    for hook in ["postStart", "preStop"] {
        if !container["lifecycle"][hook].is_null() && chance(rng, 2) {
            set(&format!("lifecycle.{hook}.timeoutSeconds"), pick(rng, &["5", "0.5"]));
        }
    }
    settings
}

/// Hooks and a signal to stop by; one of these is there.
fn lifecycle(rng: &mut Rng) -> Value {
    let mut lifecycle = json!({});
    for hook in ["postStart", "preStop"] {
        if chance(rng, 2) {
            lifecycle[hook] = match rng.u8(..4) {
                0 => json!({"exec": {"command": ["/bin/hook", nasty(rng)]}}),
                1 => json!({"sleep": {"seconds": 0}}),
                2 => json!({"tcpSocket": {"port": 80}}),
                _ => json!({"httpGet": {"port": 8443, "scheme": "HTTPS", "path": "/drain"}}),
            };
        }
    }
    if lifecycle == json!({}) || chance(rng, 3) {
        lifecycle["stopSignal"] = pick(rng, &["SIGQUIT", "SIGRTMIN+3", "SIGRTMAX"]);
    }
    lifecycle
}

fn variable(rng: &mut Rng) -> Value {
    let name = pick(rng, &["A", "B", "LOG_LEVEL", "a b", "x.y/z", "yes", "1", "-", "Q\"'"]);
    if chance(rng, 4) {
        let path = pick(rng, &["metadata.name", "metadata.labels['a.b/C']", "status.podIPs"]);
        let source = match rng.u8(..4) {
            0 => json!({"fieldRef": {"fieldPath": path}}),
            1 => json!({"resourceFieldRef": {"resource": "limits.cpu"}}),
            2 => json!({"configMapKeyRef": {"name": "c", "key": "a.b", "optional": rng.bool()}}),
            _ => json!({"secretKeyRef": {"name": "c", "key": "a-b"}}),
        };
        return json!({"name": name, "valueFrom": source});
    }
    if chance(rng, 6) { json!({"name": name}) } else { json!({"name": name, "value": nasty(rng)}) }
}

fn probe(rng: &mut Rng) -> Value {
    let mut probe = match rng.u8(..4) {
        0 => json!({"exec": {"command": ["/bin/check", nasty(rng)]}}),
        1 => json!({"tcpSocket": {"port": 80, "host": "localhost"}}),
        2 => json!({"grpc": {"port": 9000, "service": "a.b"}}),
        _ => {
            json!({"httpGet": {"port": 8080, "path": "/a?b=c", "httpHeaders": [{"name": "Host", "value": "a.b"}]}})
        }
    };
    if chance(rng, 2) {
        probe["periodSeconds"] = json!(rng.i32(1..100));
        probe["failureThreshold"] = json!(3);
    }
    probe
}

/// Moves what annotations say of containers into the containers, as TOML has it.
fn settings_as_keys(top: &mut Map<String, Value>) {
    let annotations = top["annotations"].as_object().unwrap().clone();
    let layer = |(key, value): (&String, &Value)| {
        let name = key.strip_prefix("podinit.dev/")?.strip_suffix(".rootfsLayer")?;
        Some((name.to_owned(), value.clone()))
    };
    let layers: Map<String, Value> = annotations.iter().filter_map(layer).collect();
    for (key, value) in annotations {
        let setting = key.strip_prefix("podinit.dev/").and_then(|setting| setting.split_once('.'));
        let Some((name, setting)) = setting.filter(|(name, _)| *name != "crashLoopBackOff") else { continue };
        top["annotations"].as_object_mut().unwrap().remove(&key);
        let text = value.as_str().unwrap();
        let value = match setting {
            "keystone" | "reaper" => json!(text == "true"),
            // With its layer it is a table.
            "rootfs" => match layers.get(name) {
                Some(layer) => json!({"path": text, "layer": layer}),
                None => json!(text),
            },
            "rootfsLayer" => continue,
            "startAfter" | "envFile" => text.split(',').collect(),
            "envFromFiles" => text.split(',').filter_map(|pair| pair.split_once('=')).collect(),
            "notify" => json!(text),
            _ => json!(text.parse::<f64>().unwrap()),
        };
        for (list, containers) in top.iter_mut() {
            let containers = containers.as_array_mut().filter(|_| list.ends_with("ontainers"));
            for container in containers.into_iter().flatten().filter(|container| container["name"] == name) {
                *setting.split('.').fold(&mut *container, |place, key| &mut place[key]) = value.clone();
            }
        }
    }
}

/// A text with a comment here and there, each with a number of its own.
pub struct Text<'r> {
    pub out: String,
    pub comments: usize,
    rng: &'r mut Rng,
}

impl<'r> Text<'r> {
    pub fn yaml(rng: &'r mut Rng, pod: &Value) -> Self {
        let mut text = Self { out: String::new(), comments: 0, rng };
        text.entries(pod, 0);
        text.above(0);
        text
    }

    /// The object as a TOML file.
    pub fn toml(rng: &'r mut Rng, pod: &Value) -> Self {
        let mut text = Self { out: String::new(), comments: 0, rng };
        let mut top = Map::new();
        top.extend(pod["metadata"].as_object().unwrap().clone());
        top.extend(pod["spec"].as_object().unwrap().clone());
        settings_as_keys(&mut top);
        let annotations = top["annotations"].as_object_mut().unwrap();
        let profile = annotations.remove("podinit.dev/profile");
        let network = annotations.remove("podinit.dev/network");
        let mut delays = Map::new();
        for name in ["initialDelaySeconds", "maxDelaySeconds"] {
            if let Some(delay) = annotations.remove(&format!("podinit.dev/crashLoopBackOff.{name}")) {
                let delay: f64 = delay.as_str().unwrap().parse().unwrap();
                delays.insert(name.to_owned(), json!(delay));
            }
        }
        top.extend(profile.map(|profile| ("profile".to_owned(), profile)));
        top.extend(network.map(|network| ("network".to_owned(), network)));
        if !delays.is_empty() {
            top.insert("crashLoopBackOff".to_owned(), Value::Object(delays));
        }
        let (lists, values): (Vec<_>, Vec<_>) = top
            .into_iter()
            .partition(|(key, _)| ["containers", "initContainers", "volumes"].contains(&key.as_str()));
        for (key, value) in values {
            text.assign(&key, &value);
        }
        for (key, list) in lists {
            for item in list.as_array().unwrap() {
                text.above(0);
                text.out.push_str(&format!("[[{key}]]"));
                text.end();
                for (key, value) in item.as_object().unwrap() {
                    text.assign(key, value);
                }
            }
        }
        text.above(0);
        text
    }

    fn comment(&mut self) {
        self.comments += 1;
        self.out.push_str(&format!("# comment {}.", self.comments));
    }

    fn above(&mut self, indent: usize) {
        while chance(self.rng, 8) {
            self.out.push_str(&" ".repeat(indent));
            self.comment();
            self.out.push('\n');
        }
    }

    fn end(&mut self) {
        if chance(self.rng, 8) {
            self.out.push(' ');
            self.comment();
        }
        self.out.push('\n');
    }

    fn entries(&mut self, value: &Value, indent: usize) {
        for (position, (key, value)) in value.as_object().unwrap().iter().enumerate() {
            // Behind a dash the first has no line above it.
            if position > 0 || indent == 0 || !self.out.ends_with("- ") {
                self.above(indent);
                self.out.push_str(&" ".repeat(indent));
            }
            self.out.push_str(&format!("{}:", json!(key)));
            self.value(value, indent + 2);
        }
    }

    fn value(&mut self, value: &Value, indent: usize) {
        let flow = chance(self.rng, 5);
        match value {
            Value::Object(parts) if !parts.is_empty() && !flow => {
                self.end();
                self.entries(value, indent);
            }
            Value::Array(items) if !items.is_empty() && !flow => {
                self.end();
                for item in items {
                    self.above(indent);
                    self.out.push_str(&format!("{}-", " ".repeat(indent)));
                    if item.as_object().is_some_and(|parts| !parts.is_empty()) {
                        self.out.push(' ');
                        self.entries(item, indent + 2);
                    } else {
                        self.value(item, indent + 2);
                    }
                }
            }
            value => {
                self.out.push_str(&format!(" {value}"));
                self.end();
            }
        }
    }

    fn assign(&mut self, key: &str, value: &Value) {
        self.above(0);
        self.out.push_str(&format!("{} = ", toml_string(key)));
        match value {
            Value::Array(items) if chance(self.rng, 2) => {
                self.out.push('[');
                self.end();
                for item in items {
                    self.above(1);
                    self.out.push_str(&format!(" {},", toml_value(item)));
                    self.end();
                }
                self.out.push(']');
            }
            value => self.out.push_str(&toml_value(value)),
        }
        self.end();
    }
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::String(text) => toml_string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(",")),
        Value::Object(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|(key, value)| format!("{}={}", toml_string(key), toml_value(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn toml_string(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}
