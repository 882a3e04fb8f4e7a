//! A container's variables and where they come from, and `$(VAR)` in command and arguments (rules 133 to 140):
//! what is executed.

use podinit::plan::{self, AttemptInputs, CommandPlan, FilesRead, Surroundings, VolumeFilesRead};
use podinit::spec::{Container, EnvValue, EnvVar, Options, Pod, Profile, Source, Syntax, load, render_all};

/// What is executed for these variables and words.
fn plan(env: &[(&str, &str)], command: &[&str], args: &[&str]) -> CommandPlan {
    let variable = |(name, value): &(&str, &str)| EnvVar {
        name: (*name).into(),
        value: EnvValue::Literal((*value).into()),
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let env = env.iter().map(variable).collect();
    let container = Container { env, command: words(command), args: words(args), ..Container::named("main") };
    planned(&Pod { containers: vec![container], ..Pod::named("pod") }).unwrap()
}

/// What is executed for the first main container, or why it cannot be.
fn planned(pod: &Pod) -> Result<CommandPlan, String> {
    let surroundings = Surroundings {
        uid: "5ad2f9c4-1c8e-4f4e-8a47-0a1f4c2b9e61".to_owned(),
        node_name: "node-1".to_owned(),
        addresses: vec!["192.168.1.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        pod_addresses: vec!["192.168.1.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        processors: 8,
        memory: Some(16 << 30),
    };
    let (surroundings, files) = (Some(&surroundings), &FilesRead::new());
    let volume_files = &VolumeFilesRead::new();
    let inputs =
        AttemptInputs { environment: &[], marker: None, surroundings, files, volume_files, node: None };
    plan::container(pod, &pod.containers[0], inputs)
}

/// The variables of a pod's main container with these fields, beside these objects; `rest` stands in the
/// pod's spec.
fn variables(fields: &str, rest: &str, objects: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: pod, namespace: ns}}\n\
         spec: {{{rest} containers: [{{name: main, command: [env], {fields}}}]}}\n{objects}"
    );
    let source = Source { name: "pod.yaml".to_owned(), text, syntax: Syntax::Yaml };
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    let loaded = load(std::slice::from_ref(&source), &options);
    let shown = render_all(&loaded.problems, &[source], false);
    let plan = planned(&loaded.pod.unwrap_or_else(|| panic!("{shown}"))).unwrap();
    plan.environment.iter().map(|variable| variable.to_str().unwrap().to_owned()).collect()
}

/// Variables whose values come from these sources.
fn from(sources: &[(&str, &str)], fields: &str, rest: &str, objects: &str) -> Vec<String> {
    let variables_of =
        sources.iter().map(|(name, source)| format!("{{name: {name}, valueFrom: {{{source}}}}}"));
    let env = format!("env: [{}], {fields}", variables_of.collect::<Vec<_>>().join(", "));
    variables(&env, rest, objects)
}

fn field(path: &str) -> String {
    from(&[("V", &format!("fieldRef: {{fieldPath: {path}}}"))], "", "", "").concat()
}

fn arguments(plan: &CommandPlan) -> Vec<&str> {
    plan.arguments.iter().map(|argument| argument.to_str().unwrap()).collect()
}

#[test]
fn env_001_a_variable_is_made_of_those_before_it() {
    let env = [("FOO", "foo-value"), ("BAR", "bar-value"), ("FOOBAR", "$(FOO);;$(BAR)")];
    let plan = plan(&env, &["env"], &[]);
    let environment: Vec<&str> = plan.environment.iter().map(|variable| variable.to_str().unwrap()).collect();
    assert_eq!(environment, ["FOO=foo-value", "BAR=bar-value", "FOOBAR=foo-value;;bar-value"]);
}

const SCRIPT: &str = "TEST_VAR=wrong echo \"$(TEST_VAR)\"";
const EXPANDED: &str = "TEST_VAR=wrong echo \"test-value\"";

#[test]
fn env_002_a_command_is_expanded_before_the_shell_runs() {
    let plan = plan(&[("TEST_VAR", "test-value")], &["sh", "-c", SCRIPT], &[]);
    assert_eq!(arguments(&plan), ["sh", "-c", EXPANDED]);
}

#[test]
fn env_003_arguments_are_expanded_before_the_shell_runs() {
    let plan = plan(&[("TEST_VAR", "test-value")], &["sh", "-c"], &[SCRIPT]);
    assert_eq!(arguments(&plan), ["sh", "-c", EXPANDED]);
}

#[test]
fn env_010_name_namespace_and_address_of_the_pod() {
    assert_eq!(field("metadata.name"), "V=pod");
    assert_eq!(field("metadata.namespace"), "V=ns");
    assert_eq!(field("status.podIP"), "V=192.168.1.7");
}

#[test]
fn env_011_the_host_s_address_is_one() {
    let address = field("status.hostIP");
    assert!(address.strip_prefix("V=").unwrap().parse::<std::net::IpAddr>().is_ok(), "{address}");
}

#[test]
fn env_012_the_host_s_addresses_are_some() {
    let addresses = field("status.hostIPs");
    let addresses: Vec<_> = addresses.strip_prefix("V=").unwrap().split(',').collect();
    assert!(addresses.len() > 1 && addresses.iter().all(|one| one.parse::<std::net::IpAddr>().is_ok()));
}

#[test]
fn env_013_on_the_host_s_network_the_pod_has_the_host_s_address() {
    let of = |path: &str| {
        let source = format!("fieldRef: {{fieldPath: {path}}}");
        from(&[("V", &source)], "", "hostNetwork: true,", "")
    };
    assert_eq!(of("status.hostIP"), of("status.podIP"));
}

#[test]
fn env_014_amounts_are_rounded_up_to_the_divisor() {
    let resources = "resources: {limits: {cpu: 1250m, memory: 64Mi}, requests: {cpu: 250m, memory: 32Mi}}";
    assert_eq!(amounts(resources, ""), ["2", "67108864", "1", "33554432"]);
}

const AMOUNTS: [(&str, &str); 4] = [
    ("LIMIT_CPU", "resourceFieldRef: {resource: limits.cpu}"),
    ("LIMIT_MEMORY", "resourceFieldRef: {resource: limits.memory}"),
    ("REQUEST_CPU", "resourceFieldRef: {resource: requests.cpu}"),
    ("REQUEST_MEMORY", "resourceFieldRef: {resource: requests.memory}"),
];

/// The values of [`AMOUNTS`].
fn amounts(fields: &str, rest: &str) -> Vec<String> {
    let values = from(&AMOUNTS, fields, rest, "");
    values.iter().map(|variable| variable.split_once('=').unwrap().1.to_owned()).collect()
}

#[test]
fn env_015_a_limit_that_is_not_set_is_what_the_node_has() {
    assert_eq!(amounts("", ""), ["8", "17179869184", "0", "0"]);
}

#[test]
fn env_016_the_pod_s_uid() {
    assert_eq!(field("metadata.uid"), "V=5ad2f9c4-1c8e-4f4e-8a47-0a1f4c2b9e61");
}

#[test]
fn env_019_a_container_without_limits_gets_those_of_the_pod() {
    let rest = "resources: {limits: {cpu: 3, memory: 1Gi}},";
    assert_eq!(amounts("", rest)[..2], ["3", "1073741824"]);
    let own = "resources: {limits: {cpu: 1, memory: 64Mi}}";
    assert_eq!(amounts(own, rest)[..2], ["1", "67108864"]);
}

#[test]
fn env_020_of_two_resources_the_pod_limits_one() {
    assert_eq!(amounts("", "resources: {limits: {cpu: 3}},")[..2], ["3", "17179869184"]);
    assert_eq!(amounts("", "resources: {limits: {memory: 1Gi}},")[..2], ["8", "1073741824"]);
}

const CONFIG_MAP: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ns}\n\
                          data: {data-1: value-1, data-2: value-2, data-3: value-3}\n";
const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: ns}\n\
                      data: {data-1: dmFsdWUtMQ==, data-2: dmFsdWUtMg==, data-3: dmFsdWUtMw==}\n";

#[test]
fn env_021_a_value_of_a_config_map() {
    let source = ("CONFIG_DATA_1", "configMapKeyRef: {name: c, key: data-1}");
    assert_eq!(from(&[source], "", "", CONFIG_MAP), ["CONFIG_DATA_1=value-1"]);
}

/// All values of an object, and again with a prefix.
fn all_values(field: &str, objects: &str) -> Vec<String> {
    let fields = format!("envFrom: [{{{field}: {{name: c}}}}, {{prefix: p-, {field}: {{name: c}}}}]");
    variables(&fields, "", objects)
}

const ALL_VALUES: [&str; 6] = [
    "data-1=value-1",
    "data-2=value-2",
    "data-3=value-3",
    "p-data-1=value-1",
    "p-data-2=value-2",
    "p-data-3=value-3",
];

#[test]
fn env_022_all_values_of_a_config_map_with_and_without_a_prefix() {
    assert_eq!(all_values("configMapRef", CONFIG_MAP), ALL_VALUES);
}

/// What a prefix may be, and what it makes of the first name.
fn prefixes(field: &str, objects: &str) {
    for prefix in ["", "p-", "p_", "p.", "1", "-", " ", "#%&/(", "P~", "a-._b"] {
        let fields = format!("envFrom: [{{prefix: \"{prefix}\", {field}: {{name: c}}}}]");
        assert_eq!(variables(&fields, "", objects)[0], format!("{prefix}data-1=value-1"));
    }
}

#[test]
fn env_023_a_prefix_is_any_beginning_of_a_name() {
    prefixes("configMapRef", CONFIG_MAP);
}

#[test]
fn env_024_a_value_of_a_secret() {
    let source = ("SECRET_DATA", "secretKeyRef: {name: c, key: data-1}");
    assert_eq!(from(&[source], "", "", SECRET), ["SECRET_DATA=value-1"]);
}

#[test]
fn env_025_all_values_of_a_secret_with_and_without_a_prefix() {
    assert_eq!(all_values("secretRef", SECRET), ALL_VALUES);
}

#[test]
fn env_026_a_prefix_of_a_secret_s_values_is_any_beginning_of_a_name() {
    prefixes("secretRef", SECRET);
}
