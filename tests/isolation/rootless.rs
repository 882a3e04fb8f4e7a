//! What an ordinary user's pod has, what it cannot have, and where podinit puts its own files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;
use std::thread;

use crate::harness::Running;
use crate::pod::{FIRST_ID, Pod, USER, Who, printed};

/// ROOTLESS-02: without a range of ids there is one, root, who is the user; with one there are as many as it has;
/// what asks for an id that is not there is refused, and the message says what to do.
#[test]
fn a_user_has_the_ids_that_are_there() {
    for who in Who::among(&Who::ROOTLESS) {
        let script = "cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups; id -u";
        let output = Pod::script(who, script).output();
        let words: Vec<Vec<&str>> =
            output.iter().map(|line| line.split_ascii_whitespace().collect()).collect();
        let (user, first) = (USER.to_string(), FIRST_ID.to_string());
        let own = vec!["0", &user, "1"];
        let range = vec!["1", &first, "65535"];
        let expected = match who {
            Who::User => vec![own.clone(), own, vec!["deny"], vec!["0"]],
            Who::Root | Who::OwnUsers | Who::Ranged => {
                vec![own.clone(), range.clone(), own, range, vec!["allow"], vec!["0"]]
            }
        };
        assert_eq!(words, expected, "{who:?}");
        let id = if who == Who::User { 7 } else { 70_000 };
        let ended = Pod::new(who).main("main", "true", &format!("securityContext.runAsUser = {id}")).run();
        assert_eq!(ended.code(), 125, "{who:?}: {ended:#?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(&format!("as {id}")) && said.contains("/etc/subuid"), "{who:?}: {said}");
    }
}

/// ROOTLESS-02: with a range of ids and a newuidmap that cannot write it, podinit says so and goes on with one id.
#[test]
fn a_newuidmap_that_may_not_is_told_of() {
    for who in Who::among(&[Who::Ranged]) {
        let pod = Pod::script(who, "wc -l < /proc/self/uid_map");
        let mut command = pod.command();
        // What root gives away for good, set-user-id programs have not either.
        let inner: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let at = inner.iter().position(|word| word == "--clear-groups").unwrap();
        let mut limited = Command::new(command.get_program());
        limited.args(&inner[..at]).arg("--bounding-set=-all").args(&inner[at..]);
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = limited;
        let ended = Running::start(&mut command).end();
        assert_eq!((ended.code(), printed(&ended)), (0, vec!["1".to_owned()]), "{ended:#?}");
        assert!(ended.stderr.iter().any(|line| line.contains("newuidmap or newgidmap failed")), "{ended:#?}");
    }
}

/// ROOTLESS-03: 1000 pods, eight at a time, each with its own ids: none gets another's, or none.
#[test]
fn a_thousand_starts_at_once_each_have_their_ids() {
    for who in Who::among(&[Who::Ranged]) {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(move || {
                        let pod =
                            Pod::script(who, "echo $(cat /proc/self/uid_map) $(cat /proc/self/gid_map)");
                        let map = format!("0 {USER} 1 1 {FIRST_ID} 65535");
                        for _ in 0..125 {
                            assert_eq!(pod.output(), [format!("{map} {map}")]);
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }
}

/// ROOTLESS-12, CVE-2005-1119: without XDG_RUNTIME_DIR, or where it cannot be written to, is somebody else's, or a
/// link, the pod's files are in a directory that is the user's alone, and what others have put in its place is
/// left as it is.
#[test]
fn the_pod_s_files_are_in_a_directory_of_the_user_s_alone() {
    for who in Who::among(&[Who::User]) {
        let script = "grep -o '[^ ]*/layer/upper' /proc/self/mountinfo | sed 's/.*upperdir=//'";
        let of = |runtime: &str, prepare: &dyn Fn(&Pod, &std::path::Path)| {
            let pod = Pod::script(who, script);
            let path = pod.host_directory("runtime");
            prepare(&pod, &path);
            let mut command = pod.command();
            match runtime {
                "" => {}
                "RUNTIME" => {
                    command.env("XDG_RUNTIME_DIR", &path);
                }
                other => {
                    command.env("XDG_RUNTIME_DIR", other);
                }
            }
            let ended = Running::start(&mut command).end();
            assert_eq!(ended.code(), 0, "{runtime}: {ended:#?}");
            let found = printed(&ended)[0].clone();
            (found, path, pod)
        };
        let fallback = format!("/tmp/podinit-{USER}/sandbox/layer/upper");
        assert_eq!(of("", &|_, _| {}).0, fallback);
        assert_eq!(of("/no/such/place", &|_, _| {}).0, fallback);
        assert_eq!(of("relative", &|_, _| {}).0, fallback);
        let (found, path, _pod) = of("RUNTIME", &|_, _| {});
        assert_eq!(found, format!("{}/podinit/sandbox/layer/upper", path.display()));
        assert_eq!(fs::metadata(path.join("podinit")).unwrap().permissions().mode() & 0o777, 0o700);
        // Somebody else's directory, one that others can write to, and a link to one that is fine.
        let foreign = |_: &Pod, path: &std::path::Path| {
            fs::create_dir(path.join("podinit")).unwrap();
            chown(path.join("podinit"), Some(4242), None).unwrap();
        };
        let open = |pod: &Pod, path: &std::path::Path| {
            fs::create_dir(path.join("podinit")).unwrap();
            pod.give(&path.join("podinit"));
            fs::set_permissions(path.join("podinit"), Permissions::from_mode(0o777)).unwrap();
        };
        let link = |pod: &Pod, path: &std::path::Path| {
            let target = pod.host_directory("target");
            symlink(target, path.join("podinit")).unwrap();
        };
        for prepare in [&foreign as &dyn Fn(&Pod, &std::path::Path), &open, &link] {
            let (found, path, pod) = of("RUNTIME", prepare);
            assert_eq!(found, fallback);
            let inside = path.join("podinit");
            let inside = if inside.is_symlink() { pod.directory.path("target") } else { inside };
            assert_eq!(fs::read_dir(inside).unwrap().count(), 0, "something was made in it");
        }
    }
}

/// ROOTLESS-01: where user namespaces are forbidden the message names the setting and the way without.
#[test]
fn the_setting_that_forbids_user_namespaces_is_named() {
    for who in Who::among(&[Who::User]) {
        let pod = Pod::script(who, "echo it runs");
        let inner = pod.command();
        // The setting is each user namespace's own, so that the host's stays.
        let line = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
        let words: Vec<_> = inner.get_args().map(std::ffi::OsStr::to_owned).collect();
        let at = words.iter().position(|word| word == "--inh-caps=-all").unwrap();
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={USER}"), format!("--regid={USER}")]).args([
            "--clear-groups",
            "unshare",
            "--user",
        ]);
        command.args(["--map-root-user", "sh", "-c", line, "sh"]);
        command.args(["sh", "-c", "exec \"$@\"", "sh"]).args(&words[at + 1..]);
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = Running::start(&mut command).end();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{ended:#?}");
        let said = ended.stderr.join("\n");
        assert!(
            said.contains("user.max_user_namespaces is 0") && said.contains("--profile process"),
            "{said}"
        );
    }
}

/// A limit that an ordinary user cannot have is told of once, or refused under --strict;
/// a right that he cannot give is refused.
#[test]
fn what_a_user_cannot_have_is_not_lost_without_a_word() {
    for who in Who::among(&[Who::User]) {
        let limited = "resources.limits.memory = \"64Mi\"";
        let ended = Pod::new(who).main("main", "echo it runs", limited).run();
        assert_eq!((ended.code(), printed(&ended)), (0, vec!["it runs".to_owned()]), "{ended:#?}");
        let warned: Vec<_> = ended.stderr.iter().filter(|line| line.contains("limit")).collect();
        assert_eq!(warned.len(), 1, "{ended:#?}");
        let ended = Pod::new(who).main("main", "echo it runs", limited).options(&["--strict"]).run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{ended:#?}");
    }
}
