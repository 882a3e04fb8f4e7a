//! `$(VAR)` in a container's variables, command and arguments (rules 134 and 135): what is executed.

use podinit::plan::{self, AttemptInputs, CommandPlan};
use podinit::spec::{Container, EnvVar};

/// What is executed for these variables and words.
fn plan(env: &[(&str, &str)], command: &[&str], args: &[&str]) -> CommandPlan {
    let variable = |(name, value): &(&str, &str)| EnvVar { name: (*name).into(), value: (*value).into() };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let env = env.iter().map(variable).collect();
    let container = Container { env, command: words(command), args: words(args), ..Container::named("main") };
    plan::container(&container, AttemptInputs { environment: &[], marker: None })
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
