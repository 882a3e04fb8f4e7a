//! Which system calls a container's processes may make, as programs for seccomp(2): Docker's default profile,
//! or one from a file. Pure: nothing is installed here, and no file read.
//!
//! A program counts for this machine's architecture. A process that makes a call of another one (`int 0x80` on
//! x86_64) is killed, and the calls of x32 fail with EPERM whatever the profile says (PRIV-06): their numbers
//! are not those that its names stand for.

mod docker;
mod profile;
mod ranges;
mod syscalls;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::spec::Capability;

pub use profile::localhost;

/// An instruction of BPF, as `struct sock_filter` of the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// So many instructions are left out where a comparison holds.
    pub jump_true: u8,
    /// Likewise where it does not.
    pub jump_false: u8,
    /// The operand.
    pub operand: u32,
}

/// What a container's processes may call: all programs together, of which the strictest counts for each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    programs: Vec<Vec<Instruction>>,
}

impl Filter {
    /// To be installed in this order with seccomp(2). Each has at most 4096 instructions.
    pub fn programs(&self) -> &[Vec<Instruction>] {
        &self.programs
    }
}

/// What is done with some calls.
#[derive(Clone, Debug)]
struct Rule {
    /// Of the call.
    number: i64,
    action: SeccompAction,
    /// All of them hold; none: always.
    conditions: Vec<SeccompCondition>,
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Numbers from here on are x32's.
const X32: u32 = 0x4000_0000;

/// The filter of `RuntimeDefault` for a container that can have these capabilities, as bits (PRIV-05). What
/// is not allowed fails with EPERM; clone3(2), whose flags no filter can see, with ENOSYS, so that the C
/// library takes clone(2).
///
/// # Errors
/// Where podinit has no filter for this machine's architecture.
pub fn runtime_default(capabilities: u64) -> Result<Filter, String> {
    let has = |name| holds(capabilities, name);
    let mut rules: Vec<Rule> = Vec::with_capacity(2 * docker::ALWAYS_HERE.len());
    let always = docker::ALWAYS_HERE.iter().filter_map(|number| syscalls::is_here(*number));
    rules.extend(always.map(|number| Rule { number, action: SeccompAction::Allow, conditions: Vec::new() }));
    let mut add = |name, action, conditions| {
        if let Some(number) = syscalls::number(name) {
            rules.push(Rule { number, action, conditions });
        }
    };
    for (capability, names) in docker::ALLOWED {
        if has(capability) {
            names.split_whitespace().for_each(|name| add(name, SeccompAction::Allow, Vec::new()));
        }
    }
    // Both calls take 32 bits: the kernel looks at no more of what a program gives.
    for (first, last) in docker::FAMILIES {
        let at_least = condition_of(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ge, first)?;
        let at_most = condition_of(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Le, last)?;
        add("socket", SeccompAction::Allow, vec![at_least, at_most]);
    }
    for personality in docker::PERSONALITIES {
        let is_it = condition_of(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, personality)?;
        add("personality", SeccompAction::Allow, vec![is_it]);
    }
    if !has("SYS_ADMIN") {
        let no_namespaces = condition(0, SeccompCmpOp::MaskedEq(docker::NAMESPACES), 0)?;
        add("clone", SeccompAction::Allow, vec![no_namespaces]);
        add("clone3", SeccompAction::Errno(ENOSYS), Vec::new());
    }
    filter(&SeccompAction::Errno(EPERM), &rules)
}

/// Whether a capability, named without `CAP_`, is among these bits.
fn holds(capabilities: u64, name: &str) -> bool {
    Capability::named(name).is_some_and(|capability| capabilities >> capability.number() & 1 == 1)
}

/// A comparison of a whole argument.
fn condition(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompCondition, String> {
    condition_of(argument, SeccompCmpArgLen::Qword, operation, value)
}

fn condition_of(
    argument: u8,
    length: SeccompCmpArgLen,
    operation: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, String> {
    let made = SeccompCondition::new(argument, length, operation, value);
    made.map_err(|_| format!("a call has no argument {argument}: they are numbered from 0 to 5"))
}

/// One program lets through what any rule is about and does `default` with everything else; one for each
/// action does that action. Where rules contradict each other the strictest counts, which is the kernel's
/// rule for several programs. Each program is compiled by the kernel for each container: what a single rule
/// says of a call, whatever its arguments are, the first one does as well.
fn filter(default: &SeccompAction, rules: &[Rule]) -> Result<Filter, String> {
    let (seccomp, mut programs) = (syscalls::number("seccomp"), Vec::new());
    let is_about_seccomp = |rule: &Rule| Some(rule.number) == seccomp;
    let mut done = BTreeMap::new();
    if *default != SeccompAction::Allow {
        let settled = settled(rules);
        let made = program(rules.iter(), default.clone(), SeccompAction::Allow, &settled)?;
        let lets_seccomp = rules.iter().any(is_about_seccomp)
            && !seccomp.is_some_and(|seccomp| settled.contains_key(&seccomp));
        programs.push((!lets_seccomp, made.instructions));
        if made.has_settled {
            done = settled;
        }
    }
    let rest = || rules.iter().filter(|rule| !done.contains_key(&rule.number));
    let mut actions: Vec<&SeccompAction> = Vec::new();
    for Rule { action, .. } in rest() {
        if *action != SeccompAction::Allow && !actions.contains(&action) {
            actions.push(action);
        }
    }
    for action in actions {
        let of_action = || rest().filter(|rule| rule.action == *action);
        let made = program(of_action(), SeccompAction::Allow, action.clone(), &BTreeMap::new())?.instructions;
        programs.push((of_action().any(is_about_seccomp), made));
    }
    // After the one that refuses seccomp(2) no other can be installed.
    programs.sort_by_key(|(refuses_seccomp, _)| *refuses_seccomp);
    let mut programs: Vec<_> = programs.into_iter().map(|(_, program)| program).collect();
    if programs.is_empty() {
        // Even what allows everything keeps other architectures out.
        let made = program(std::iter::empty(), SeccompAction::Allow, SeccompAction::Trap, &BTreeMap::new())?;
        programs.push(made.instructions);
    }
    Ok(Filter { programs })
}

/// Calls that a single rule is about, which does something else with them than to allow them whatever their
/// arguments are: the rule's action.
fn settled(rules: &[Rule]) -> BTreeMap<i64, SeccompAction> {
    let settled =
        rules.iter().filter(|rule| rule.conditions.is_empty() && rule.action != SeccompAction::Allow);
    let mut settled: BTreeMap<_, _> = settled.map(|rule| (rule.number, (rule.action.clone(), 0))).collect();
    for rule in rules {
        if let Some((_, rules)) = settled.get_mut(&rule.number) {
            *rules += 1;
        }
    }
    settled
        .into_iter()
        .filter_map(|(number, (action, rules))| (rules == 1).then_some((number, action)))
        .collect()
}

struct Program {
    instructions: Vec<Instruction>,
    /// It does what is settled.
    has_settled: bool,
}

/// Does `action` with the calls that the rules are about, what is `settled` with those, if there is room, and
/// `otherwise` with all others.
fn program<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    otherwise: SeccompAction,
    action: SeccompAction,
    settled: &BTreeMap<i64, SeccompAction>,
) -> Result<Program, String> {
    let failed = |cause: seccompiler::Error| format!("cannot make a seccomp filter: {cause}");
    // Whatever the arguments are, and by the arguments.
    let (mut alike, mut chains) = (Vec::new(), BTreeMap::<i64, Vec<SeccompRule>>::new());
    for Rule { number, conditions, .. } in rules {
        if conditions.is_empty() {
            alike.push(*number);
        } else {
            let rule = SeccompRule::new(conditions.clone()).map_err(|cause| failed(cause.into()))?;
            chains.entry(*number).or_default().push(rule);
        }
    }
    alike.sort_unstable();
    alike.dedup();
    chains.retain(|number, _| alike.binary_search(number).is_err());
    let answer = |number: &i64| settled.get(number).unwrap_or(&action).clone().into();
    let answers: Vec<_> =
        alike.iter().filter_map(|number| Some((u32::try_from(*number).ok()?, answer(number)))).collect();
    let prefix = ranges::prefix(&answers);
    let has_settled = !prefix.is_empty();
    if !has_settled {
        chains.extend(alike.into_iter().map(|number| (number, Vec::new())));
    }
    let made = SeccompFilter::new(chains, otherwise, action, architecture()?);
    let made = made.and_then(BpfProgram::try_from).map_err(|cause| failed(cause.into()))?;
    let instructions: Vec<_> =
        prefix.into_iter().chain(without_x32()).chain(made.iter().map(Instruction::from)).collect();
    if instructions.len() > MOST_INSTRUCTIONS {
        return Err("cannot make a seccomp filter: it has more than 4096 instructions".to_owned());
    }
    Ok(Program { instructions, has_settled })
}

/// The kernel's BPF_MAXINSNS.
const MOST_INSTRUCTIONS: usize = 4096;

fn architecture() -> Result<TargetArch, String> {
    if cfg!(target_arch = "x86_64") {
        Ok(TargetArch::x86_64)
    } else if cfg!(target_arch = "aarch64") {
        Ok(TargetArch::aarch64)
    } else {
        Err("cannot make a seccomp filter for this machine's architecture: \
             set seccompProfile to `type: Unconfined`"
            .to_owned())
    }
}

/// What stands before each program: load the number, and if it is one of x32's, fail with EPERM.
fn without_x32() -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let step = |code, jump_false, operand| Instruction { code, jump_true: 0, jump_false, operand };
    vec![step(LOAD, 0, 0), step(JUMP_IF_AT_LEAST, 1, X32), step(RETURN, 0, ERRNO | EPERM)]
}

impl From<&sock_filter> for Instruction {
    fn from(made: &sock_filter) -> Self {
        Self { code: made.code, jump_true: made.jt, jump_false: made.jf, operand: made.k }
    }
}

#[cfg(test)]
mod tests;
