//! Commands that only answer: completion scripts and the manual page, held against each command's help.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use crate::harness::{Directory, PODINIT, has};

/// Standard output of a program that has nothing to say on standard error.
fn quiet(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn podinit(arguments: &[&str]) -> String {
    quiet(Command::new(PODINIT).args(arguments))
}

/// The commands that `podinit --help` lists.
fn commands() -> Vec<String> {
    let help = podinit(&["--help"]);
    let list = help.split_once("\nCommands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = list.lines().map(|line| line.split_whitespace().next().unwrap().to_owned());
    // clap's own, which is another way to write `--help`.
    names.filter(|name| name != "help").collect()
}

/// The long options that a command's help lists, and the short ones of those that have no other.
fn options(help: &str) -> BTreeSet<String> {
    let list = help.split_once("\nOptions:\n").unwrap().1.split("\n\n").next().unwrap();
    let lines = list.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let names = lines.map(|line| {
        let words = line.split_whitespace().take(2).map(|word| word.trim_end_matches([',', '.']));
        let names: Vec<_> = words.filter(|word| word.starts_with('-')).collect();
        names.last().unwrap().to_string()
    });
    names.collect()
}

/// The command line of each command, `podinit` itself among them, with its help.
fn helps() -> Vec<(Vec<String>, String)> {
    let commands = commands().into_iter().map(|command| vec![command]);
    [Vec::new()].into_iter().chain(commands).map(|words| (words.clone(), help(&words))).collect()
}

fn help(words: &[String]) -> String {
    quiet(Command::new(PODINIT).args(words).arg("--help"))
}

fn bash(directory: &Directory, typed: &[&str]) -> BTreeSet<String> {
    let script = directory.file("podinit.bash", &podinit(&["completion", "bash"]));
    // Outside of a completion `compopt` only complains.
    let words = "compopt() { :; }; COMP_WORDS=(podinit \"$@\"); COMP_CWORD=$#; COMPREPLY=()";
    let call = format!(
        ". {}; {words}; _podinit podinit \"${{@: -1}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let reply = quiet(Command::new("bash").args(["-c", &call, "bash"]).args(typed));
    reply.lines().map(str::to_owned).collect()
}

#[test]
fn every_command_s_help_has_an_example() {
    for (words, help) in helps() {
        let examples = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{words:?}: no example")).1;
        let wanted = format!("podinit {}", words.concat());
        assert!(examples.lines().any(|line| line.contains(wanted.trim_end())), "{words:?}:\n{examples}");
    }
}

#[test]
fn commands_that_only_answer_exit_with_2_when_they_are_misused() {
    for arguments in [
        &["schema", "json"][..],
        &["schema", "toml", "yaml"],
        &["completion"],
        &["completion", "tcsh"],
        &["man", "run"],
        &["check"],
    ] {
        let Output { status, stdout, stderr } = Command::new(PODINIT).args(arguments).output().unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
        assert!(stdout.is_empty() && !stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn kube_strict_refuses_what_would_be_ignored() {
    let directory = Directory::new();
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  NODE\n  restartPolicy: Never\n  containers: [{name: a, command: [echo, ran]}]\n";
    let ignored = directory.file("ignored.yaml", &manifest.replace("NODE", "nodeName: b"));
    let heeded = directory.file("heeded.yaml", &manifest.replace("NODE", "terminationGracePeriodSeconds: 1"));
    let cases = [
        (&["check"][..], &ignored, 0, "warning: ignoring nodeName"),
        (&["check", "--kube-strict"], &ignored, 1, "error: cannot ignore nodeName"),
        (&["check", "--kube-strict"], &heeded, 0, "pod a is fine"),
        (&["run"], &ignored, 0, "a | ran"),
        (&["run", "--kube-strict"], &ignored, 125, "error: cannot ignore nodeName"),
        (&["run", "--kube-strict"], &heeded, 0, "a | ran"),
    ];
    for (words, file, code, said) in cases {
        let mut command = Command::new(PODINIT);
        let output = command.args(words).args(["--profile", "process"]).arg(file).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        let all = String::from_utf8_lossy(&all);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {all}");
        assert!(all.contains(said), "{words:?}: {all}");
        assert_eq!(all.contains("a | ran"), words[0] == "run" && code == 0, "{words:?}: {all}");
    }
}

#[test]
fn the_schema_is_that_of_toml_where_nothing_is_said() {
    assert_eq!(podinit(&["schema"]), podinit(&["schema", "toml"]));
    assert_ne!(podinit(&["schema"]), podinit(&["schema", "yaml"]));
}

#[test]
fn completion_scripts_are_right_by_their_shells() {
    let directory = Directory::new();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if has(&[shell]) {
            let script = directory.file(shell, &podinit(&["completion", shell]));
            quiet(Command::new(shell).arg(check).arg(script));
        }
    }
}

#[test]
fn bash_completes_every_command_and_option() {
    if !has(&["bash"]) {
        return;
    }
    let directory = Directory::new();
    let first = bash(&directory, &[""]);
    for command in commands() {
        assert!(first.contains(&command), "{command} is not completed: {first:?}");
    }
    for (words, help) in helps() {
        let typed: Vec<_> = words.iter().map(String::as_str).chain(["-"]).collect();
        let completed = bash(&directory, &typed);
        let missing: Vec<_> = options(&help).into_iter().filter(|name| !completed.contains(name)).collect();
        assert!(missing.is_empty(), "{typed:?}: {missing:?} not completed: {completed:?}");
    }
}

#[test]
fn bash_completes_values_and_the_rest_of_a_word() {
    if !has(&["bash"]) {
        return;
    }
    let directory = Directory::new();
    let complete = |typed: &[&str]| bash(&directory, typed).into_iter().collect::<Vec<_>>();
    assert_eq!(complete(&["che"]), ["check"]);
    assert_eq!(complete(&["run", "--exit"]), ["--exit-code-from"]);
    assert_eq!(complete(&["run", "--profile", ""]), ["pod", "process"]);
    assert_eq!(complete(&["run", "--log-format", "j"]), ["json"]);
    assert_eq!(complete(&["completion", "f"]), ["fish"]);
    let manifest = directory.file("manifest.toml", "").display().to_string();
    let start = directory.path("man").display().to_string();
    assert_eq!(complete(&["run", "--filename", &start]), [manifest]);
    // Bash itself completes an argument that is no option.
    assert!(podinit(&["completion", "bash"]).contains("-o bashdefault -o default podinit"));
}

#[test]
fn zsh_and_fish_know_every_command_and_option() {
    for shell in ["zsh", "fish"] {
        let script = podinit(&["completion", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        for (words, help) in helps() {
            for name in options(&help) {
                // fish: `-l profile`, `-s g`.
                let fish = match name.strip_prefix("--") {
                    Some(long) => format!("-l {long}"),
                    None => format!("-s {}", &name[1..]),
                };
                let wanted = if shell == "fish" { &fish } else { &name };
                assert!(script.contains(wanted.as_str()), "{shell}: {words:?} {wanted}");
            }
        }
    }
}

#[test]
fn the_manual_page_is_set_without_a_warning_and_names_every_option() {
    if !has(&["groff"]) {
        return;
    }
    let directory = Directory::new();
    let page = directory.file("podinit.1", &podinit(&["man"]));
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Kutf8", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u"]).arg(page).stdin(Stdio::null());
    let page = quiet(&mut groff).replace(['\u{2010}', '\u{2212}'], "-");
    assert!(page.starts_with("podinit(1)"), "{page}");
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in page.lines() {
        if line.starts_with(|c: char| c.is_ascii_uppercase()) {
            sections.push(Vec::new());
        }
        sections.iter_mut().next_back().into_iter().for_each(|section| section.push(line));
    }
    let section = |heading: &str| {
        let found = sections.iter().find(|section| section[0] == heading);
        found.unwrap_or_else(|| panic!("no section {heading}:\n{page}")).join("\n")
    };
    for (words, help) in helps() {
        let heading = match words.first() {
            Some(command) => format!("PODINIT {}", command.to_uppercase()),
            None => "PODINIT -- CMD".to_owned(),
        };
        let section = section(&heading);
        for name in options(&help) {
            let is_named = section.lines().any(|line| {
                line.trim_start().starts_with('-')
                    && line.split([' ', ',', '[', '=']).any(|word| word == name)
            });
            assert!(is_named, "{heading}: {name}\n{section}");
        }
        let examples = help.split_once("\nExamples:\n").unwrap().1;
        for example in examples.lines().take_while(|line| line.starts_with("  ")) {
            let start = example.trim().split("  ").next().unwrap();
            assert!(section.contains(start), "{heading}: {start}\n{section}");
        }
    }
}
