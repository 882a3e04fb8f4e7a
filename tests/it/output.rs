//! What the containers of a pod print, as it comes out of podinit: whole lines with their container's
//! name, as text for people, as JSON, or as it is (LOG-01, LOG-04, LOG-05).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Directory, Ended, Fifo, PODINIT, Running, run};
use crate::pty::Pty;

/// Container runtimes pass on longer lines in pieces of this length (rule 177).
const LONGEST: usize = 16 * 1024;

/// A container entry of a manifest.
fn entry(list: &str, name: &str, script: &str) -> String {
    format!("[[{list}]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n")
}

fn main(name: &str, script: &str) -> String {
    entry("containers", name, script)
}

/// Runs to the end, with more options.
fn lines(manifest: &str, options: &[&str]) -> Ended {
    let directory = Directory::new();
    let ended = Running::start(run(&directory, manifest).args(options)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    ended
}

/// Runs to the end with stdout and stderr in one file, and gives its bytes.
fn bytes(manifest: &str, options: &[&str]) -> Vec<u8> {
    let directory = Directory::new();
    let path = directory.path("out");
    let file = File::create(&path).unwrap();
    let mut command = run(&directory, manifest);
    command.args(options).stdout(file.try_clone().unwrap()).stderr(file);
    let ended = Running::start_as_is(&mut command).end();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(ended.code(), 0, "{}", String::from_utf8_lossy(&bytes));
    bytes
}

/// Runs to the end and gives what a terminal shows until then.
fn shown(manifest: &str, options: &[&str], no_color: bool) -> String {
    let directory = Directory::new();
    let mut terminal = Pty::new();
    let mut command = run(&directory, manifest);
    command.args(options).stdout(terminal.slave()).stderr(terminal.slave()).env_remove("NO_COLOR");
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let ended = Running::start_as_is(&mut command).end();
    // What comes last shows that everything before it is there.
    terminal.type_in("\n");
    let mut last = Command::new("echo");
    last.arg("the end").stdout(terminal.slave());
    assert!(last.status().unwrap().success());
    let shown = terminal.wait_for("the end\r\n");
    assert_eq!(ended.code(), 0, "{shown}");
    shown
}

#[test]
fn on_a_pipe_a_line_has_its_container_s_name_and_is_as_it_was() {
    let script = r"printf '\033[31mred\033[0m\r\n\n\ttab\n'";
    let manifest = entry("initContainers", "first", "echo one") + &main("a-longer-name", script);
    let expected =
        ["first | one", "a-longer-name | \x1b[31mred\x1b[0m\r", "a-longer-name | ", "a-longer-name | \ttab"];
    let ended = lines(&manifest, &[]);
    assert_eq!(ended.stdout, expected);
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn stdout_and_stderr_come_out_each_on_its_own() {
    let ended = lines(&main("main", "echo out; echo err >&2; echo again"), &[]);
    assert_eq!(ended.stdout, ["main | out", "main | again"]);
    assert_eq!(ended.stderr, ["main | err"]);
}

#[test]
fn on_a_terminal_names_are_aligned_and_coloured() {
    let manifest =
        entry("initContainers", "first", "echo one; echo err >&2") + &main("second-one", "echo two");
    let expected = "\x1b[36mfirst      |\x1b[0m one\r\n\
                    \x1b[36mfirst      |\x1b[0m err\r\n\
                    \x1b[33msecond-one |\x1b[0m two\r\n";
    assert_eq!(shown(&manifest, &[], false), expected);
}

#[test]
fn with_no_color_there_is_none_on_a_terminal_not_even_the_containers_own() {
    let script = r"printf '\033[1;31mred\033[0m\n'";
    let manifest = entry("initContainers", "first", "echo one") + &main("second-one", script);
    assert_eq!(shown(&manifest, &[], true), "first      | one\r\nsecond-one | red\r\n");
}

#[test]
fn containers_cannot_command_the_terminal() {
    // LOG-05: clears the screen, sets the clipboard and the title, in 7 and 8 bits, overwrites a line.
    let script = r"printf '\033[2J\033]52;c;ZXZpbA==\a\033]0;t\033\\\302\2332J\2332J\rover\n'";
    let shown = shown(&main("main", script), &[], true);
    assert_eq!(shown, "main | ^[[2J^[]52;c;ZXZpbA==^G^[]0;t^[\\<U+009B>2J\u{fffd}2J^Mover\r\n");
}

#[test]
fn a_colour_that_a_container_leaves_on_ends_with_its_line() {
    let shown = shown(&main("main", r"printf '\033[31mred\nplain\n'"), &[], false);
    let name = "\x1b[36mmain |\x1b[0m ";
    assert_eq!(shown, format!("{name}\x1b[31mred\x1b[0m\r\n{name}plain\r\n"));
}

#[test]
fn what_a_probe_prints_cannot_command_the_terminal_through_a_message() {
    let manifest = r#"
        [[initContainers]]
        name = "side"
        restartPolicy = "Always"
        command = ["sleep", "1000"]
        startupProbe.exec.command = ["sh", "-c", '''
            if [ -e probed ]; then exit 0; fi; : > probed
            printf '\033]0;title\a\033[2J\rover'; exit 1
        ''']
        startupProbe.periodSeconds = 1
        [[containers]]
        name = "main"
        command = ["true"]
    "#;
    let directory = Directory::new();
    let mut terminal = Pty::new();
    let mut command = run(&directory, manifest);
    command.arg("-v").current_dir(directory.path(".")).env("NO_COLOR", "1");
    command.stdout(terminal.slave()).stderr(terminal.slave());
    let podinit = Running::start_as_is(&mut command);
    let shown = terminal.wait_for("container main exited with code 0");
    assert!(shown.contains("^[]0;title^G^[[2J^Mover"), "{shown:?}");
    assert!(!shown.contains('\x1b'), "{shown:?}");
    assert_eq!(podinit.end().code(), 0);
}

#[test]
fn json_lines_say_when_who_where_and_what() {
    let script = r#"printf 'a "quoted" \\ \033[31m line\n\377\nno end'; echo err >&2"#;
    let manifest = entry("initContainers", "first", "echo one") + &main("main", script);
    let ended = lines(&manifest, &["--log-format", "json"]);
    let mut seen = Vec::new();
    for line in ended.stdout.iter().chain(&ended.stderr) {
        let value: Value = serde_json::from_str(line).unwrap();
        let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["container", "line", "stream", "time"], "{line}");
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        seen.push((text("container"), text("stream"), text("line")));
        // LOG-08: RFC 3339 in UTC with nanoseconds.
        let time = text("time");
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00T00:00:00.000000000Z");
    }
    let expected = [
        ("first", "stdout", "one"),
        ("main", "stdout", "a \"quoted\" \\ \x1b[31m line"),
        ("main", "stdout", "\u{fffd}"),
        ("main", "stdout", "no end"),
        ("main", "stderr", "err"),
    ];
    assert_eq!(seen, expected.map(|(name, kind, line)| (name.to_owned(), kind.to_owned(), line.to_owned())));
}

#[test]
fn json_of_a_very_long_line_gives_it_back_whole() {
    // Letters of two and more bytes, on which a piece may not end in the middle.
    let directory = Directory::new();
    let long: String = (0..20_000).map(|n| ['x', 'ž', '漢', '🦀'][n % 4]).collect();
    let path = directory.file("long", &format!("{long}\nshort\n"));
    let script = format!("cat {}", path.display());
    let ended = lines(&main("main", &script), &["--log-format", "json"]);
    let (mut whole, mut pieces) = (String::new(), 0);
    let mut values = ended.stdout.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for value in values.by_ref() {
        let piece = value["line"].as_str().unwrap();
        assert!(piece.len() <= LONGEST, "a piece of {} bytes", piece.len());
        whole.push_str(piece);
        pieces += 1;
        if value.get("partial").is_none() {
            break;
        }
        assert_eq!(value["partial"], true);
        assert!(piece.len() > LONGEST - 4, "a piece of {} bytes", piece.len());
    }
    assert!(whole == long, "the pieces do not make the line");
    assert_eq!(pieces, long.len().div_ceil(LONGEST - 4));
    assert_eq!(values.next().unwrap()["line"], "short");
}

#[test]
fn a_long_line_is_cut_at_the_same_places_however_it_is_written() {
    // In one go, and in bits of which the last has the end.
    for write in ["cat a b c", "cat a; sleep 0.05; cat b; sleep 0.05; cat c"] {
        let directory = Directory::new();
        for (name, length) in [("a", 10_000), ("b", 15_000), ("c", 12_000)] {
            let end = if name == "c" { "\n" } else { "" };
            directory.file(name, &format!("{}{end}", "x".repeat(length)));
        }
        let manifest = main("main", write) + &format!("workingDir = \"{}\"\n", directory.path(".").display());
        let ended = lines(&manifest, &[]);
        let lengths: Vec<_> = ended.stdout.iter().map(|line| line.len() - "main | ".len()).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, 37_000 - 2 * LONGEST], "{write}");
    }
}

#[test]
fn bytes_that_are_no_text_come_out_as_they_went_in() {
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let directory = Directory::new();
    let path = directory.path("binary");
    fs::write(&path, &all).unwrap();
    let manifest = main("main", &format!("cat {0}; echo; cat {0}", path.display()));
    let line = [b"main | ", &all[..], b"\n"].concat();
    // Also a last line without its end.
    assert_eq!(bytes(&manifest, &[]), [&line[..], &line].concat());
}

#[test]
fn raw_output_is_the_containers_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    let directory = Directory::new();
    let path = directory.path("binary");
    fs::write(&path, &all).unwrap();
    let cat = format!("cat {}", path.display());
    // Through podinit, and then handed over to the only main container.
    let manifest = entry("initContainers", "first", &cat) + &main("main", &cat);
    assert_eq!(bytes(&manifest, &["--log-format", "raw"]), [&all[..], &all].concat());
    let two = main("main", &cat) + &main("other", "true");
    assert_eq!(bytes(&two, &["--log-format", "raw"]), all);
}

#[test]
fn the_one_container_whose_output_is_raw_writes_to_the_very_same_file() {
    let directory = Directory::new();
    let path = directory.path("out");
    let mut command = run(&directory, &main("main", "readlink /proc/self/fd/1; readlink /proc/self/fd/2"));
    command.args(["--log-format", "raw"]).stdout(File::create(&path).unwrap()).stderr(Stdio::null());
    assert_eq!(Running::start_as_is(&mut command).end().code(), 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n/dev/null\n", path.display()));
}

#[test]
fn what_a_container_printed_is_out_before_its_end_is_told() {
    // LOG-04. A last line without its end, too.
    let script = r"echo first; echo second >&2; printf last";
    let manifest: String = (0..60).map(|n| main(&format!("c{n}"), script)).collect();
    let text = String::from_utf8(bytes(&manifest, &["-v"])).unwrap();
    let place = |line: &str| {
        let at = text.lines().position(|other| other == line);
        at.unwrap_or_else(|| panic!("no line {line:?} in\n{text}"))
    };
    for n in 0..60 {
        let end = place(&format!("podinit: container c{n} exited with code 0"));
        for line in ["first", "second", "last"] {
            assert!(place(&format!("c{n} | {line}")) < end, "c{n} {line}:\n{text}");
        }
    }
}

#[test]
fn lines_of_several_containers_are_never_cut_into_one_another() {
    // Each line is written in two halves, and all of it goes into one file.
    let script = r#"
        n=0
        while [ $n -lt 500 ]; do
            n=$((n + 1)); printf "out $n of "; printf "err $n of " >&2; echo "$1"; echo "$1" >&2
        done
    "#;
    let manifest: String = (0..6)
        .map(|n| main(&format!("c{n}"), script).replace("''']", &format!("''', \"sh\", \"c{n}\"]")))
        .collect();
    let text = String::from_utf8(bytes(&manifest, &[])).unwrap();
    let mut next: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in text.lines() {
        let (name, rest) = line.split_once(" | ").unwrap();
        let words: Vec<_> = rest.split(' ').collect();
        let [kind, number, "of", owner] = words[..] else { panic!("a strange line: {line:?}") };
        assert_eq!(owner, name, "{line}");
        let number: usize = number.parse().unwrap();
        let count = next.entry((name.to_owned(), kind.to_owned())).or_default();
        *count += 1;
        assert_eq!(number, *count, "{line}");
    }
    assert_eq!(next.len(), 12);
    assert!(next.values().all(|count| *count == 500), "{next:?}");
}

#[test]
fn many_short_lines_come_out_all_whatever_is_added_to_them() {
    // What is put before a line may be a hundred times as long as the line.
    let name = "a-container-with-a-name-that-is-as-long-as-names-can-be-in-pods";
    for format in ["text", "json"] {
        let directory = Directory::new();
        let go = Fifo::new(&directory, "go");
        let manifest = main(name, "yes '' | head -n 100000; read line < go; echo end");
        let mut command = run(&directory, &manifest);
        let podinit = Running::start(command.current_dir(directory.path(".")).args(["--log-format", format]));
        for n in 0..100_000 {
            let line = podinit.line();
            assert!(line.starts_with('{') || line == format!("{name} | "), "line {n}: {line}");
        }
        go.say("on");
        assert!(podinit.line().contains("end"));
        let ended = podinit.end();
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn help_and_errors_do_not_wait_for_a_reader_that_has_gone() {
    let ended = Running::start(Command::new(PODINIT).arg("run").arg("/nonexistent.toml")).end();
    assert_eq!(ended.code(), 125);
    let (read, write) = nix::unistd::pipe().unwrap();
    drop(read);
    let mut command = Command::new(PODINIT);
    command.arg("run").arg("/nonexistent.toml").stdout(Stdio::null()).stderr(write);
    assert_eq!(Running::start_as_is(&mut command).end().code(), 125);
}
