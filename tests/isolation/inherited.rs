//! What a process has from its parent beside descriptors: variables, signals, limits, and other settings.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::Running;
use crate::pod::{Pod, Who, printed};

/// LEAK-07, CVE-2010-1646: a container, its hooks and its probes have the variables of the manifest and those that Kubernetes
/// sets, and none of podinit's own.
#[test]
fn variables_are_the_manifest_s_only() {
    for who in Who::among(&Who::ALL) {
        let keys = "env = [{ name = \"GIVEN\", value = \"two\\nlines\" }]\n\
                    volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]\n\
                    lifecycle.postStart.exec.command = [\"cp\", \"/proc/self/environ\", \"/shared/hook\"]\n\
                    readinessProbe.exec.command = [\"cp\", \"/proc/self/environ\", \"/shared/probe\"]";
        let script = "until [ -s /shared/hook ] && [ -s /shared/probe ]; do sleep 0.02; done
                      for of in $$/environ; do tr '\\0' '|' < /proc/$of; echo; done
                      for of in hook probe; do tr '\\0' '|' < /shared/$of; echo; done";
        let pod = Pod::new(who).volume("shared", "emptyDir.medium = \"Memory\"").main("main", script, keys);
        let mut command = pod.command();
        for name in
            ["LD_PRELOAD", "LD_LIBRARY_PATH", "RUST_LOG", "NOTIFY_SOCKET", "LISTEN_FDS", "TOKEN", "IFS"]
        {
            // Empty where a program that comes before podinit would mind.
            command.env(name, if name.starts_with("LD_") { "" } else { "canary" });
        }
        let output = printed(&Running::start(&mut command).end()).join("\n");
        let all: Vec<&str> = output.split("|\n").map(|line| line.trim_end_matches('|')).collect();
        assert_eq!(all.len(), 3, "{who:?}: {output}");
        for one in all {
            let set: BTreeSet<&str> = one.split('|').collect();
            let hostname = format!("HOSTNAME={}", pod.name);
            let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            assert_eq!(set, ["GIVEN=two\nlines", "HOME=/root", &hostname, path].into(), "{who:?}");
        }
    }
}

/// LEAK-08: no signal is blocked or ignored, with any that podinit was started with.
#[test]
fn signals_are_as_they_are_by_default() {
    for who in Who::among(&Who::ALL) {
        let tell = "[\"grep\", \"-E\", \"^Sig(Blk|Ign|Cgt)\", \"/proc/self/status\"]";
        for before in ["", "trap '' TERM CHLD INT QUIT USR1 PIPE RTMIN\n"] {
            let pod = Pod::new(who).words("containers", "main", tell, "").before(before);
            let none = "0000000000000000";
            let expected = ["SigBlk", "SigIgn", "SigCgt"].map(|name| format!("{name}:\t{none}"));
            assert_eq!(pod.output(), expected, "{who:?}: {before}");
        }
        let pod = Pod::new(who).words("containers", "main", tell, "");
        let mut command = std::process::Command::new("env");
        let inner = pod.command();
        command.args(["--block-signal=TERM", "--block-signal=CHLD", "--block-signal=USR2"]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir(pod.directory.path("."));
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = Running::start(&mut command).end();
        assert!(printed(&ended).iter().all(|line| line.ends_with("0000000000000000")), "{who:?}: {ended:#?}");
        assert_eq!(ended.code(), 0);
    }
}

/// LEAK-09: whatever podinit was started with, a container has the file mode mask 022, no core dumps and the score of
/// its class when memory runs out; what was set for podinit to go on to what it starts (niceness, limits, processors,
/// personality) does, as with a container runtime.
#[test]
fn settings_are_a_node_s() {
    for who in Who::among(&Who::ALL) {
        // An ordinary user's podinit gives the score from outside, right after the program began.
        let given = match who {
            Who::Root | Who::OwnUsers => "",
            Who::User | Who::Ranged => "until grep -qx 1000 /proc/self/oom_score_adj; do :; done;",
        };
        let script = format!(
            "{given} umask; ulimit -c; ulimit -n; cut -d' ' -f 19 /proc/self/stat
            grep Cpus_allowed_list /proc/self/status; cat /proc/self/personality; cat /proc/self/oom_score_adj"
        );
        let script = script.as_str();
        let plain = Pod::script(who, script).output();
        assert_eq!(plain[..2], ["0022", "0"], "{who:?}: {plain:?}");
        assert_eq!(plain[3], "0", "{who:?}: {plain:?}");
        let odd = "umask 0477; ulimit -c unlimited; ulimit -n 99; renice -n 5 $$ >/dev/null; \
                   taskset -p -c 0 $$ >/dev/null; set -- setarch -R \"$@\"\n";
        let output = Pod::script(who, script).before(odd).output();
        assert_eq!(output, ["0022", "0", "99", "5", "Cpus_allowed_list:\t0", "00040000", "1000"], "{who:?}");
    }
}

/// LEAK-10: values of variables and of volumes that are secret are in nothing that podinit says, in no command
/// line, and in no status.
#[test]
fn secrets_are_said_nowhere() {
    let canary = "c4n4ry-of-a-s3cret";
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who);
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: token}}\nstringData: {{value: {canary}}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec:\n  restartPolicy: Never\n  \
             terminationGracePeriodSeconds: 1\n  volumes:\n  - name: secret\n    secret: {{secretName: token}}\n  \
             containers:\n  - name: main\n    image: files\n    command: [sh, -c, 'sha256sum < /secret/value; \
             [ \"$TOKEN\" = \"$(cat /secret/value)\" ] && echo same; stat -c %a -L /secret/value; exec sleep 1000']\n    \
             env:\n    - name: TOKEN\n      valueFrom: {{secretKeyRef: {{name: token, key: value}}}}\n    \
             volumeMounts:\n    - {{name: secret, mountPath: /secret}}\n",
            pod.name
        );
        let path = pod.directory.file("pod.yaml", &manifest);
        let pod = pod.options(&["--status-file", "status.json", "--event-file", "events.json"]);
        for name in ["status.json", "events.json"] {
            pod.give(&pod.directory.file(name, ""));
        }
        pod.give(&pod.directory.path("."));
        let mut command = pod.command();
        command.env("RUST_LOG", "trace").env("PODINIT_LOG", "trace");
        // The manifest is its last word.
        let line: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let mut with_yaml = std::process::Command::new(command.get_program());
        with_yaml.args(&line[..line.len() - 1]).arg(&path).current_dir(pod.directory.path("."));
        with_yaml.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let running = Running::start(&mut with_yaml);
        running.wait_for("main | same");
        running.wait_for("main | 644");
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&words).contains(canary), "{who:?}: a command line has it");
        }
        running.signal(nix::sys::signal::Signal::SIGTERM);
        let ended = running.end();
        let said = ended.stdout.iter().chain(&ended.stderr).any(|line| line.contains(canary));
        assert!(!said, "{who:?}: {ended:#?}");
        for name in ["status.json", "events.json"] {
            let text = fs::read_to_string(pod.directory.path(name)).unwrap();
            assert!(text.contains("main") && !text.contains(canary), "{who:?}: {name}: {text}");
        }
    }
}
