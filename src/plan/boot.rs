//! What podinit is told as the first process of a machine: the kernel's command line and the arguments that
//! the kernel made of it. Nothing of it is an error: who would read it, when the machine does not start?

use std::ffi::OsString;

/// What the words `podinit.NAME=VALUE` of the kernel's command line ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Manifest of the pod; `None` where the usual places are to be looked at.
    pub pod: Option<String>,
    /// Port to which the exit code is written at the end, for a machine that has QEMU's isa-debug-exit.
    pub exit_port: Option<u16>,
    /// What happens to the machine when the pod has ended.
    pub at_end: AtEnd,
    /// The machine's name.
    pub hostname: Option<String>,
    /// Kernel modules to load before anything else: names, or paths of files.
    pub modules: Vec<String>,
    /// What of it makes no sense and is ignored, in words.
    pub warnings: Vec<String>,
}

/// What happens to a machine whose pod has ended. There is no halting: a machine that is neither off nor
/// starts again is waited for in vain (VM-07).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// It goes off.
    #[default]
    PowerOff,
    /// It starts again, or ends where its owner does not let it: QEMU's `-no-reboot`.
    Reboot,
}

/// The port of QEMU's isa-debug-exit where its `iobase` is not given.
const EXIT_PORT: u16 = 0x501;

impl Boot {
    /// Reads the kernel's command line, as it is in /proc/cmdline. The last word of a name counts, but every
    /// list of modules.
    pub fn read(command_line: &str) -> Self {
        let mut boot = Self::default();
        for word in words(command_line) {
            if let Some(parameter) = word.strip_prefix("podinit.") {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                if let Err(why) = boot.set(name, value) {
                    boot.warnings.push(format!("ignored {word:?} of the kernel's command line: {why}"));
                }
            }
        }
        boot
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        const NAMES: &str = "podinit knows podinit.pod, .exit, .end, .hostname and .modules";
        match name {
            "pod" if value.starts_with('/') => self.pod = Some(value.to_owned()),
            "pod" => return Err("it takes the whole path of a manifest"),
            "exit" => self.exit_port = Some(exit_port(value).ok_or("it takes isa-debug-exit[:PORT]")?),
            "end" => self.at_end = at_end(value).ok_or("it takes poweroff or reboot")?,
            "hostname" if value.is_empty() => return Err("it takes a name"),
            "hostname" => self.hostname = Some(value.to_owned()),
            "modules" => self.modules.extend(list(value)),
            _ => return Err(NAMES),
        }
        Ok(())
    }
}

fn list(value: &str) -> impl Iterator<Item = String> {
    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned)
}

fn at_end(value: &str) -> Option<AtEnd> {
    match value {
        "poweroff" => Some(AtEnd::PowerOff),
        "reboot" => Some(AtEnd::Reboot),
        _ => None,
    }
}

fn exit_port(value: &str) -> Option<u16> {
    match value.strip_prefix("isa-debug-exit")? {
        "" => Some(EXIT_PORT),
        port => {
            let port = port.strip_prefix(':')?;
            match port.strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16).ok(),
                None => port.parse().ok(),
            }
        }
    }
}

/// The kernel's words up to `--`: separated by blanks, but for those between quotation marks, which are left
/// out where they enclose a value or a whole word (lib/cmdline.c, next_arg).
fn words(command_line: &str) -> impl Iterator<Item = String> {
    let mut quoted = false;
    let words = command_line.split(move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    let words: Vec<_> = words.filter(|word| !word.is_empty()).map(|word| word.replace('"', "")).collect();
    words.into_iter().take_while(|word| word != "--")
}

/// The arguments that the first process of a machine was started with, as it understands them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// Words that were meant for somebody else.
    pub strays: Vec<OsString>,
    /// From `run` or `--` on: a command line of podinit's. Empty where neither is among the arguments.
    pub command: Vec<OsString>,
}

/// Tells the words that the kernel did not know and passed on (VM-02) from a command line: what `init=/podinit
/// run FILE` or a script's `exec podinit run FILE` says.
pub fn typed(mut arguments: Vec<OsString>) -> Typed {
    let is_command = |word: &OsString| word == "run" || word == "--";
    let start = arguments.iter().position(is_command).unwrap_or(arguments.len());
    let command = arguments.split_off(start);
    Typed { strays: arguments, command }
}

/// The files of a module and of what it needs, in the order in which they are to be loaded, as paths below
/// the directory that `dependencies`, a modules.dep(5), is in. Of the name, `-` and `_` are the same. `None`
/// where there is no such module.
pub fn modules_to_load(dependencies: &str, name: &str) -> Option<Vec<String>> {
    let line = dependencies.lines().find_map(|line| {
        let (path, needs) = line.split_once(':')?;
        is_module(path, name).then_some((path, needs))
    });
    let (path, needs) = line?;
    // What is needed first stands last.
    let needs = needs.split_ascii_whitespace().rev();
    Some(needs.chain([path]).map(str::to_owned).collect())
}

/// Whether the module is a part of the kernel itself, by its modules.builtin(5).
pub fn is_built_in(list: &str, name: &str) -> bool {
    list.lines().any(|path| is_module(path, name))
}

fn is_module(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split_once(".ko").map_or(file, |(stem, _)| stem);
    stem.replace('-', "_") == name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_among_the_kernel_s_own() {
        let line = "console=ttyS0 quiet podinit.pod=/a.yaml podinit.exit=isa-debug-exit:0xf4 \
                    podinit.end=reboot podinit.hostname=vm podinit.modules=a,b podinit.modules=/c.ko\n";
        let expected = Boot {
            pod: Some("/a.yaml".to_owned()),
            exit_port: Some(0xf4),
            at_end: AtEnd::Reboot,
            hostname: Some("vm".to_owned()),
            modules: vec!["a".to_owned(), "b".to_owned(), "/c.ko".to_owned()],
            warnings: Vec::new(),
        };
        assert_eq!(Boot::read(line), expected);
        assert_eq!(Boot::read("podinit.exit=isa-debug-exit").exit_port, Some(0x501));
        assert_eq!(Boot::read("podinit.exit=isa-debug-exit:1281").exit_port, Some(1281));
    }

    #[test]
    fn what_makes_no_sense_is_told_of_and_ignored() {
        for word in [
            "podinit.pod",
            "podinit.pod=",
            "podinit.pod=-",
            "podinit.exit",
            "podinit.exit=isa-debug-exit0x501",
            "podinit.exit=isa-debug-exit:0x10000",
            "podinit.end=halt",
            "podinit.hostname=",
            "podinit.",
            "podinit.POD=/x",
        ] {
            let boot = Boot::read(&format!("{word} podinit.end=reboot"));
            assert_eq!(boot.warnings.len(), 1, "{word}: {boot:?}");
            assert!(boot.warnings[0].contains(word), "{word}: {boot:?}");
            let warnings = Vec::new();
            let expected = Boot { at_end: AtEnd::Reboot, ..Boot::default() };
            assert_eq!(Boot { warnings, ..boot }, expected, "{word}");
        }
    }

    #[test]
    fn words_are_split_as_the_kernel_splits_them() {
        let words = |line| words(line).collect::<Vec<_>>();
        assert_eq!(words("a  b=c\td\n"), ["a", "b=c", "d"]);
        assert_eq!(words(r#"a="b c" "d e" f"#), ["a=b c", "d e", "f"]);
        assert_eq!(words("a -- podinit.end=reboot"), ["a"]);
        assert_eq!(words(r#"a "b c"#), ["a", "b c"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn a_command_line_begins_with_run_or_two_hyphens() {
        let typed = |words: &[&str]| {
            let typed = typed(words.iter().map(OsString::from).collect());
            (typed.strays.len(), typed.command.len())
        };
        assert_eq!(typed(&[]), (0, 0));
        assert_eq!(typed(&["splash", "--config", "/x"]), (3, 0));
        assert_eq!(typed(&["splash", "run", "-v", "/x"]), (1, 3));
        assert_eq!(typed(&["--", "run"]), (0, 2));
    }

    #[test]
    fn modules_are_loaded_after_what_they_need() {
        let dependencies =
            "kernel/a.ko:\nkernel/fs/over-lay.ko.xz: kernel/b.ko kernel/a.ko\nkernel/b.ko: kernel/a.ko\n";
        let load = |name| modules_to_load(dependencies, name);
        let expected = ["kernel/a.ko", "kernel/b.ko", "kernel/fs/over-lay.ko.xz"].map(str::to_owned);
        assert_eq!(load("over_lay"), Some(expected.to_vec()));
        assert_eq!(load("a"), Some(vec!["kernel/a.ko".to_owned()]));
        assert_eq!(load("lay"), None);
        assert_eq!(modules_to_load("", "a"), None);
        assert!(is_built_in("kernel/fs/ext4/ext4.ko\nkernel/lib/crc-16.ko\n", "crc_16"));
        assert!(!is_built_in("kernel/fs/ext4/ext4.ko\n", "ext"));
    }
}
