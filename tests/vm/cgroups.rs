//! Limits, and who is in which control group: what needs cgroup v2 with all controllers. A podinit of its own
//! runs each pod, inside a shell that is the machine's only container.

use crate::harness::{Finished, Vm, has_machines};

/// Boots a machine in which this is done; `run NAME` is `podinit run` of the manifest of that name.
fn within(manifests: &[(&str, &str)], script: &str) -> Finished {
    let head = "echo begins\nrun() { /init run --status-file /status /pods/$1.toml; echo \"$1 ended with $?\"; }\n\
        cd /sys/fs/cgroup\nuntil_() { until eval \"$1\"; do usleep 20000; done; }\n";
    let mut vm = Vm::new().file("/etc/passwd", "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0o644);
    for (name, manifest) in manifests {
        vm = vm.file(&format!("/pods/{name}.toml"), format!("name = \"{name}\"\n{manifest}"), 0o644);
    }
    let finished = vm.script(&format!("{head}{script}\ntrue\n")).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    finished
}

/// Fails unless these lines are on the console of the shell, in this order.
fn expect(finished: &Finished, lines: &[&str]) {
    let mut said = finished.lines("main").into_iter();
    for line in lines {
        assert!(said.any(|said| said == *line), "no line {line:?} in its place: {finished:#?}");
    }
}

fn container(name: &str, script: &str, rest: &str) -> String {
    format!("[[containers]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{rest}\n")
}

/// Rules 166 to 168 and 171: what the kernel is told, of the pod and of the container.
#[test]
fn limits_are_written() {
    if !has_machines() {
        return;
    }
    let script = "cd /sys/fs/cgroup/podinit/limits; for f in cpu.max cpu.weight memory.max; do echo pod $f $(cat $f); done; \
        cd web.0; for f in cpu.max cpu.weight memory.max memory.oom.group; do echo $f $(cat $f); done; cat /proc/self/cgroup";
    let limits =
        "resources = { requests = { cpu = \"500m\" }, limits = { cpu = \"1500m\", memory = \"64Mi\" } }";
    let finished =
        within(&[("limits", &container("web", script, limits))], "run limits; ls /sys/fs/cgroup/podinit");
    expect(
        &finished,
        &[
            "web | pod cpu.max 150000 100000",
            "web | pod cpu.weight 20",
            "web | pod memory.max 67108864",
            "web | cpu.max 150000 100000",
            "web | cpu.weight 59",
            "web | memory.max 67108864",
            "web | memory.oom.group 1",
            "web | 0::/podinit/limits/web.0",
            "limits ended with 0",
            // Nothing is left of it.
            "ls: /sys/fs/cgroup/podinit: No such file or directory",
        ],
    );
    assert!(!finished.console.iter().any(|line| line.contains("cannot")), "{finished:#?}");
}

/// RES-01 and RES-02: the container is killed as a whole, and says why; its sibling lives. RES-03: who is
/// killed by a signal has not run out of memory.
#[test]
fn who_wants_too_much_memory_is_oom_killed() {
    if !has_machines() {
        return;
    }
    let limit = "resources = { limits = { memory = \"16Mi\" } }";
    let hog = container("hog", "sleep 1000 & tail /dev/zero", limit);
    let shot = container("shot", "sh -c 'kill -9 $PPID'; sleep 1", limit);
    let rest = "grep -o '\"reason\":\"[A-Za-z]*\"' /status | sort | uniq -c | sed 's/^ *//'; \
        ps | grep -c '[s]leep 1000'";
    let sibling = container(
        "sibling",
        &format!("until grep -q '\"reason\":\"OOMKilled\"' /status; do usleep 20000; done; {rest}; exit 0"),
        "",
    );
    let finished = within(&[("oom", &format!("{hog}{shot}{sibling}"))], "run oom");
    expect(&finished, &["sibling | 0", "oom ended with 137"]);
    for line in ["sibling | 1 \"reason\":\"OOMKilled\"", "sibling | 1 \"reason\":\"Error\""] {
        expect(&finished, &[line]);
    }
    let told = "container hog wanted more memory than there was and was killed for it";
    assert!(finished.console.iter().any(|line| line.contains(told)), "{finished:#?}");
}

/// RES-05: a fifth of a processor is a fifth.
#[test]
fn processor_time_is_limited() {
    if !has_machines() {
        return;
    }
    let script = "timeout 3 sh -c 'while :; do :; done'; \
        awk '/^usage_usec/ { print \"used\", $2 } /^nr_throttled/ { print \"throttled\", $2 }' /sys/fs/cgroup/podinit/cpu/busy.0/cpu.stat";
    let busy = container("busy", script, "resources = { limits = { cpu = \"200m\" } }");
    let finished = within(&[("cpu", &busy)], "run cpu");
    let number = |word: &str| -> u64 {
        let line =
            finished.lines("main").into_iter().find_map(|line| line.strip_prefix(&format!("busy | {word} ")));
        line.unwrap_or_else(|| panic!("{finished:#?}")).parse().unwrap()
    };
    assert!((300_000..900_000).contains(&number("used")), "{finished:#?}");
    assert!(number("throttled") > 0, "{finished:#?}");
}

/// CONT-01 and CONT-02: daemons that hide from everything but their group, and processes that never stop
/// forking, are gone when the container is; RES-09: and so are the groups.
#[test]
fn nothing_of_a_container_is_left() {
    if !has_machines() {
        return;
    }
    let limit = "resources = { limits = { memory = \"128Mi\" } }";
    let hide = "(env -i setsid sh -c \"trap '' TERM; exec < /dev/null > /dev/null 2>&1; while :; do sleep 1234; done\" &); usleep 200000; exit 3";
    let bomb = "trap '' TERM; for i in 1 2 3 4 5 6 7 8 9 10; do (while :; do /bin/true & wait; done) & done; echo forks; wait";
    let pod = format!("terminationGracePeriodSeconds = 1\n{}", container("hides", hide, limit));
    let forks = format!("terminationGracePeriodSeconds = 1\n{}", container("forks", bomb, limit));
    let script = "run hidden; ps | grep -c '[s]leep 1234'; ls podinit\n\
        /init run /pods/forks.toml & until_ '[ -e podinit/forks/forks.0 ]'; usleep 500000; kill $!; wait $!; echo forks ended with $?; ls podinit; ps | grep -c '[/]bin/true'";
    let finished = within(&[("hidden", &pod), ("forks", &forks)], script);
    expect(
        &finished,
        &[
            "hidden ended with 3",
            "0",
            "ls: podinit: No such file or directory",
            "forks ended with 137",
            "ls: podinit: No such file or directory",
            "0",
        ],
    );
}

/// DEATH-09: what somebody has frozen goes on when it is to end, and hears it.
#[test]
fn a_frozen_container_hears_that_it_is_to_stop() {
    if !has_machines() {
        return;
    }
    let limit = "resources = { limits = { memory = \"64Mi\" } }";
    let script = "trap 'echo heard; exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done";
    let pod = format!("terminationGracePeriodSeconds = 50\n{}", container("ice", script, limit));
    let script = "/init run /pods/frozen.toml & until_ '[ -e podinit/frozen/ice.0 ]'; usleep 500000; \
        echo 1 > podinit/frozen/ice.0/cgroup.freeze; until_ 'grep -q \"frozen 1\" podinit/frozen/ice.0/cgroup.events'; \
        kill $!; wait $!; echo frozen ended with $?";
    let finished = within(&[("frozen", &pod)], script);
    expect(&finished, &["ice | up", "ice | heard", "frozen ended with 0"]);
}

/// Rules 174 and 175: limits change while the container runs; one below what is used is refused, and the
/// container keeps what it has.
#[test]
fn limits_change_while_the_container_runs() {
    if !has_machines() {
        return;
    }
    let pod = container(
        "web",
        "dd if=/dev/zero of=/dev/shm/held bs=1M count=8 2> /dev/null; sleep 1000",
        "resources.limits.memory = \"64Mi\"",
    );
    let script = "/init run -v --watch /pods/resize.toml & \
        until_ '[ $(cat podinit/resize/web.0/memory.current) -gt 8388608 ]' 2> /dev/null; usleep 300000; \
        give() { sed s/64Mi/$1/ /pods/resize.toml > /pods/new; cat /pods/new > /pods/resize.toml.; mv /pods/resize.toml. /pods/resize.toml; }; \
        cp /pods/resize.toml /pods/first; \
        for to in 32Mi 96Mi; do cp /pods/first /pods/resize.toml; give $to; want=$(( ${to%Mi} << 20 )); \
        until_ '[ $(cat podinit/resize/web.0/memory.max) = $want ]'; until_ '[ $(cat podinit/resize/memory.max) = $want ]'; echo now $to; done; \
        cp /pods/first /pods/resize.toml; give 4Mi; until_ 'grep -q \"cannot lower\" /said'; cat podinit/resize/web.0/memory.max; \
        kill $!; wait";
    let finished = within(
        &[("resize", &pod)],
        &script.replace("--watch /pods/resize.toml &", "--watch /pods/resize.toml 2> /said &"),
    );
    expect(&finished, &["now 32Mi", "now 96Mi", "100663296"]);
}

/// RES-08: what a podinit has left that was killed is removed by the next one; two pods of the same name
/// are two.
#[test]
fn what_a_killed_podinit_has_left_is_removed() {
    if !has_machines() {
        return;
    }
    let limit = "resources = { limits = { memory = \"64Mi\" } }";
    let hide = "setsid sh -c 'exec < /dev/null > /dev/null 2>&1; while :; do sleep 1234; done' & sleep 1000";
    let first = container("web", hide, limit);
    let script = "for i in 1 2 3 4 5; do /init run /pods/left.toml & \
        until_ 'grep -q . podinit/left/web.0/cgroup.procs' 2> /dev/null; until_ 'ps | grep -q \"[s]leep 1234\"'; kill -9 $!; wait $!; done; \
        ls podinit/left | grep -c web; pidof sleep | wc -w; \
        sed -i 's/setsid.*1000/ls \\/sys\\/fs\\/cgroup\\/podinit\\/left/' /pods/left.toml; \
        run left; pidof sleep | wc -w; ls podinit; \
        /init run /pods/same.toml & until_ '[ -e podinit/same/web.0 ]'; run other; kill $!; wait; ls podinit";
    let same = container("web", "sleep 1000", limit);
    let other = format!("{}", container("web", "cat /proc/self/cgroup", limit));
    let finished = within(
        &[("left", &first), ("same", &same), ("other", &other)],
        &script.replace("run other", "sed -i 's/\"other\"/\"same\"/' /pods/other.toml; run other"),
    );
    expect(
        &finished,
        &[
            "1",
            "1",
            "web | web.0",
            "left ended with 0",
            "0",
            "ls: podinit: No such file or directory",
            "web | 0::/podinit/same:2/web.0",
            "other ended with 0",
            "ls: podinit: No such file or directory",
        ],
    );
}

/// ROOTLESS-11 and RES-07: an ordinary user has limits below a group that is his, as long as nobody else is
/// in it; RES-06: otherwise he is told what to do.
#[test]
fn an_ordinary_user_has_limits_where_they_were_delegated() {
    if !has_machines() {
        return;
    }
    let files = "for f in /sys/fs/cgroup/his/podinit/mine/web.0 ; do cat $f/memory.max $f/cpu.max; done; cat /proc/self/cgroup; id -u";
    let pod = container("web", files, "resources.limits = { cpu = \"500m\", memory = \"64Mi\" }");
    let script = "echo '+cpu +memory' > cgroup.subtree_control; mkdir his; chown 1000 his his/cgroup.procs his/cgroup.subtree_control his/cgroup.threads; \
        as() { sh -c 'echo $PPID > /dev/null; echo 0 > /sys/fs/cgroup/$0/cgroup.procs; exec su user -c \"exec /init run /pods/mine.toml\"' $1; echo as $1 $?; }; \
        chmod 644 /pods/mine.toml; as his; cat his/cgroup.subtree_control; ls -d his/*/; \
        mkdir ours; as ours; sleep 1000 & echo $! > his/cgroup.procs; as his; kill %1";
    let finished = within(&[("mine", &pod)], script);
    println!("{finished:#?}");
    expect(
        &finished,
        &[
            "web | 67108864",
            "web | 50000 100000",
            "web | 0::/his/podinit/mine/web.0",
            "web | 1000",
            "as his 0",
        ],
    );
}
