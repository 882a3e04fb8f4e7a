//! A profile of seccomp from a file, in the JSON form that Docker, containerd and Podman read. Knows the form
//! and what is strict about it, not how a filter is made.

use seccompiler::{SeccompAction, SeccompCmpOp, SeccompCondition};
use serde_json::{Map, Value};

use super::{EPERM, Filter, Rule, condition, filter, holds, syscalls};

/// The filter of a profile of one's own, and warnings: of names that are no system calls of this machine
/// (they are left out, PRIV-08) or no capabilities. `capabilities` are those that the container can have, as
/// bits; `kernel` the running one's version, for `minKernel`.
///
/// Where rules contradict each other the strictest counts. A rule with several conditions on one argument
/// counts where any of its conditions holds, as container runtimes read it. `architectures` is not needed:
/// the filter counts for this machine's, and processes of others are killed.
///
/// # Errors
/// All that is wrong with it, in words for people: what is not understood is never left out.
pub fn localhost(
    text: &[u8],
    capabilities: u64,
    kernel: (u32, u32),
) -> Result<(Filter, Vec<String>), String> {
    let wrong = |cause: String| format!("cannot use seccomp profile: {cause}");
    let value: Value = serde_json::from_slice(text).map_err(|cause| wrong(cause.to_string()))?;
    let mut reader = Reader { capabilities, kernel, problems: Vec::new(), warnings: Vec::new() };
    let (default, rules) = reader.profile(&value);
    if !reader.problems.is_empty() {
        return Err(wrong(reader.problems.join("; ")));
    }
    let made = filter(&default, &rules).map_err(wrong)?;
    Ok((made, reader.warnings))
}

struct Reader {
    capabilities: u64,
    kernel: (u32, u32),
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// So much of a text is shown.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

impl Reader {
    fn problem(&mut self, at: &str, what: impl std::fmt::Display) {
        self.problems.push(if at.is_empty() { what.to_string() } else { format!("{at}: {what}") });
    }

    fn warning(&mut self, what: String) {
        if !self.warnings.contains(&what) {
            self.warnings.push(what);
        }
    }

    fn profile(&mut self, value: &Value) -> (SeccompAction, Vec<Rule>) {
        const KNOWN: [&str; 7] = [
            "defaultAction",
            "defaultErrnoRet",
            "defaultErrno",
            "architectures",
            "archMap",
            "flags",
            "syscalls",
        ];
        let fields = self.object("", value, &KNOWN);
        let default = self.action("", &fields, ["defaultAction", "defaultErrnoRet", "defaultErrno"]);
        self.architectures(&fields);
        for flag in self.texts("", &fields, "flags") {
            // None of them makes a filter weaker or stricter.
            const FLAGS: [&str; 4] = ["LOG", "SPEC_ALLOW", "TSYNC", "WAIT_KILLABLE_RECV"];
            let name = flag.strip_prefix("SECCOMP_FILTER_FLAG_");
            if !name.is_some_and(|name| FLAGS.contains(&name)) {
                self.problem("flags", format_args!("unknown flag {flag:?}"));
            }
        }
        let mut rules = Vec::new();
        for (position, entry) in self.list("", &fields, "syscalls").iter().enumerate() {
            self.entry(&format!("syscalls[{position}]"), entry, &mut rules);
        }
        (default, rules)
    }

    /// They change nothing, but must be ones that there are.
    fn architectures(&mut self, fields: &Map<String, Value>) {
        let mut names = self.texts("", fields, "architectures");
        for (position, entry) in self.list("", fields, "archMap").iter().enumerate() {
            let at = format!("archMap[{position}]");
            let entry = self.object(&at, entry, &["architecture", "subArchitectures"]);
            names.extend(self.text(&at, &entry, "architecture"));
            names.extend(self.texts(&at, &entry, "subArchitectures"));
        }
        for name in names {
            if !name.starts_with("SCMP_ARCH_") {
                self.problem("architectures", format_args!("unknown architecture {name:?}"));
            }
        }
    }

    fn entry(&mut self, at: &str, value: &Value, rules: &mut Vec<Rule>) {
        const KNOWN: [&str; 9] =
            ["names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes"];
        let fields = self.object(at, value, &KNOWN);
        let action = self.action(at, &fields, ["action", "errnoRet", "errno"]);
        let mut names = self.texts(at, &fields, "names");
        names.extend(self.text(at, &fields, "name"));
        if names.is_empty() {
            self.problem(at, "it names no system call");
        }
        let alternatives = self.conditions(at, &fields);
        // Each of a list must hold to be included, and any excludes.
        let included = self.clauses(&format!("{at}.includes"), fields.get("includes"));
        let excluded = self.clauses(&format!("{at}.excludes"), fields.get("excludes"));
        if included.contains(&false) || excluded.contains(&true) {
            return;
        }
        for name in names {
            let Some(number) = syscalls::number(&name) else {
                self.warning(format!("seccomp profile: left out {name:?}, no system call of this machine"));
                continue;
            };
            let rule = |conditions: &Vec<SeccompCondition>| Rule {
                number,
                action: action.clone(),
                conditions: conditions.clone(),
            };
            rules.extend(alternatives.iter().map(rule));
        }
    }

    /// Conditions that hold together, as alternatives.
    fn conditions(&mut self, at: &str, fields: &Map<String, Value>) -> Vec<Vec<SeccompCondition>> {
        let mut conditions = Vec::new();
        let mut arguments = Vec::new();
        for (position, entry) in self.list(at, fields, "args").iter().enumerate() {
            let at = format!("{at}.args[{position}]");
            let fields = self.object(&at, entry, &["index", "value", "valueTwo", "op"]);
            let index = self.number(&at, &fields, "index").unwrap_or(0);
            let value = self.number(&at, &fields, "value").unwrap_or(0);
            let second = self.number(&at, &fields, "valueTwo").unwrap_or(0);
            let (operation, value) = match self.text(&at, &fields, "op").as_deref() {
                Some("SCMP_CMP_NE") => (SeccompCmpOp::Ne, value),
                Some("SCMP_CMP_LT") => (SeccompCmpOp::Lt, value),
                Some("SCMP_CMP_LE") => (SeccompCmpOp::Le, value),
                Some("SCMP_CMP_EQ") => (SeccompCmpOp::Eq, value),
                Some("SCMP_CMP_GE") => (SeccompCmpOp::Ge, value),
                Some("SCMP_CMP_GT") => (SeccompCmpOp::Gt, value),
                Some("SCMP_CMP_MASKED_EQ") => (SeccompCmpOp::MaskedEq(value), second),
                Some(other) => {
                    self.problem(&at, format_args!("unknown op {other:?}"));
                    continue;
                }
                None => {
                    self.problem(&at, "it has no op");
                    continue;
                }
            };
            let made = u8::try_from(index).map_err(|_| "index is from 0 to 5".to_owned());
            match made.and_then(|index| condition(index, operation, value)) {
                Ok(condition) => conditions.push(condition),
                Err(why) => self.problem(&at, why),
            }
            arguments.push(index);
        }
        arguments.sort_unstable();
        if arguments.windows(2).any(|pair| pair.first() == pair.last()) {
            return conditions.into_iter().map(|condition| vec![condition]).collect();
        }
        vec![conditions]
    }

    /// Whether each clause of `includes` or `excludes` holds here.
    fn clauses(&mut self, at: &str, value: Option<&Value>) -> Vec<bool> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let fields = self.object(at, value, &["caps", "arches", "minKernel"]);
        let mut clauses = Vec::new();
        for name in self.texts(at, &fields, "caps") {
            let short = name.strip_prefix("CAP_").unwrap_or(&name);
            if crate::spec::Capability::named(short).is_none() {
                self.warning(format!("seccomp profile: {at}: no capability is called {name:?}"));
            }
            clauses.push(holds(self.capabilities, short));
        }
        let arches = self.texts(at, &fields, "arches");
        if !arches.is_empty() {
            // As Go calls it; for another architecture there is no filter.
            let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
            clauses.push(arches.iter().any(|arch| arch == own));
        }
        if let Some(least) = self.text(at, &fields, "minKernel") {
            let parts = least.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
            match parts {
                Some((Ok(major), Ok(minor))) => clauses.push(self.kernel >= (major, minor)),
                Some(_) | None => {
                    self.problem(at, format_args!("minKernel is written as 4.8, not as {least:?}"));
                }
            }
        }
        clauses
    }

    /// An action by the names of its field, of the field with its number, and of the one with the number's
    /// name, which must not stand alone.
    fn action(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        [key, errno, word]: [&str; 3],
    ) -> SeccompAction {
        let written = self.number(at, fields, errno);
        if written.is_none() && fields.get(word).and_then(Value::as_str).is_some_and(|word| !word.is_empty())
        {
            self.problem(at, format_args!("write {errno}, the number, beside {word}"));
        }
        // The kernel cuts what is larger off.
        const MOST_ERRNO: u64 = 4095;
        let number = u32::try_from(written.unwrap_or(u64::from(EPERM)).min(MOST_ERRNO + 1)).unwrap_or(EPERM);
        if u64::from(number) > MOST_ERRNO {
            self.problem(at, format_args!("{errno} is at most {MOST_ERRNO}"));
        }
        match self.text(at, fields, key).as_deref() {
            Some("SCMP_ACT_ALLOW") => SeccompAction::Allow,
            Some("SCMP_ACT_ERRNO") => SeccompAction::Errno(number),
            Some("SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD") => SeccompAction::KillThread,
            Some("SCMP_ACT_KILL_PROCESS") => SeccompAction::KillProcess,
            Some("SCMP_ACT_TRAP") => SeccompAction::Trap,
            Some("SCMP_ACT_TRACE") => SeccompAction::Trace(number),
            Some("SCMP_ACT_LOG") => SeccompAction::Log,
            Some("SCMP_ACT_NOTIFY") => {
                self.problem(at, format_args!("{key} SCMP_ACT_NOTIFY asks a program that podinit has not"));
                SeccompAction::KillProcess
            }
            Some(other) => {
                self.problem(at, format_args!("unknown {key} {other:?}"));
                SeccompAction::KillProcess
            }
            None => {
                self.problem(at, format_args!("it has no {key}"));
                SeccompAction::KillProcess
            }
        }
    }

    /// The fields of an object, none of which is unknown: a word that is misspelt could be a restriction.
    fn object(&mut self, at: &str, value: &Value, known: &[&str]) -> Map<String, Value> {
        let Value::Object(fields) = value else {
            self.problem(at, format_args!("{} is no object", shown(value)));
            return Map::new();
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            self.problem(at, format_args!("unknown field {key:?}"));
        }
        fields.clone()
    }

    fn list(&mut self, at: &str, fields: &Map<String, Value>, key: &str) -> Vec<Value> {
        match fields.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(other) => {
                self.problem(at, format_args!("{key} {} is no list", shown(other)));
                Vec::new()
            }
        }
    }

    fn texts(&mut self, at: &str, fields: &Map<String, Value>, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(at, fields, key) {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.problem(at, format_args!("{key}: {} is no text", shown(&item))),
            }
        }
        texts
    }

    fn text(&mut self, at: &str, fields: &Map<String, Value>, key: &str) -> Option<String> {
        match fields.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                self.problem(at, format_args!("{key} {} is no text", shown(other)));
                None
            }
        }
    }

    fn number(&mut self, at: &str, fields: &Map<String, Value>, key: &str) -> Option<u64> {
        let value = fields.get(key).filter(|value| !value.is_null())?;
        let number = value.as_u64();
        if number.is_none() {
            self.problem(at, format_args!("{key} {} is no whole number", shown(value)));
        }
        number
    }
}
