//! Limits, and who is in which control group: what needs cgroup v2 with all its controllers. The machine's only
//! container is a shell, in which podinit runs the pods that are looked at.

use crate::harness::{Finished, Vm, has_machines};

/// Waits, without end: the machine has a deadline.
const HEAD: &str = r#"
    until_so() { until eval "$1" 2> /dev/null; do usleep 20000; done; }
    run() { /init run --status-file /status "$@"; echo "ended with $?"; }
    cd /sys/fs/cgroup
    echo
"#;

/// Boots a machine with these manifests as /NAME.toml, in which this is done in /sys/fs/cgroup.
fn within(manifests: &[(&str, String)], script: &str) -> Finished {
    let users = "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n";
    let mut vm = Vm::new().file("/etc/passwd", users, 0o644);
    for (name, manifest) in manifests {
        vm = vm.file(&format!("/{name}.toml"), format!("name = \"{name}\"\n{manifest}"), 0o644);
    }
    let finished = vm.script(&format!("{HEAD}{script}\ntrue\n")).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    finished
}

/// A container of a manifest; `rest` is what else its table has.
fn container(name: &str, script: &str, rest: &str) -> String {
    format!("[[containers]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{rest}\n")
}

/// Fails unless these lines are on the shell's console, in this order.
fn expect(finished: &Finished, lines: &[&str]) {
    let mut said = finished.lines("main").into_iter();
    for line in lines {
        assert!(said.any(|said| said == *line), "no line {line:?} in its place: {finished:#?}");
    }
}

fn expect_message(finished: &Finished, message: &str) {
    let said = finished.lines("main").into_iter().any(|line| line == format!("podinit: {message}"));
    assert!(said, "no message {message:?}: {finished:#?}");
}

const NO_GROUPS: &str = "ls: podinit: No such file or directory";

/// Rules 166 to 169 and 171: what the kernel is told, of the pod and of the container. CONT-04: what is executed in a
/// container is in its group from the start, hooks and probes too. Nothing is left of the groups.
#[test]
fn limits_are_written() {
    if !has_machines() {
        return;
    }
    let script = r#"
        cat /proc/self/cgroup
        cd /sys/fs/cgroup/podinit/limits
        for file in cpu.max cpu.weight memory.max; do echo "pod $file $(cat $file)"; done
        cd web.0
        for file in cpu.max cpu.weight memory.max memory.swap.max memory.oom.group memory.high memory.low memory.min
        do echo "$file $(cat $file)"; done
        until [ -s /hook ]; do usleep 20000; done
        until [ -s /probe ]; do usleep 20000; done
        echo "hook $(cat /hook) probe $(cat /probe)"
    "#;
    let rest = r#"
        resources = { requests = { cpu = "500m" }, limits = { cpu = "1500m", memory = "64Mi" } }
        lifecycle.postStart.exec.command = ["sh", "-c", "cat /proc/self/cgroup > /hook"]
        readinessProbe.exec.command = ["sh", "-c", "cat /proc/self/cgroup > /probe"]
    "#;
    let finished = within(&[("limits", container("web", script, rest))], "run /limits.toml; ls podinit");
    expect(
        &finished,
        &[
            "web | 0::/podinit/limits/web.0",
            "web | pod cpu.max 150000 100000",
            "web | pod cpu.weight 20",
            "web | pod memory.max 67108864",
            "web | cpu.max 150000 100000",
            "web | cpu.weight 59",
            "web | memory.max 67108864",
            "web | memory.swap.max 0",
            "web | memory.oom.group 1",
            "web | memory.high max",
            "web | memory.low 0",
            "web | memory.min 0",
            "web | hook 0::/podinit/limits/web.0 probe 0::/podinit/limits/web.0",
            "ended with 0",
            NO_GROUPS,
        ],
    );
    assert!(!finished.console.iter().any(|line| line.contains("cannot")), "{finished:#?}");
}

/// RES-02, RES-04: what a kubelet's configuration would say (rules 168, 169 and 172). One process alone is killed where
/// that is asked for. Who has as many processes as the pod may have gets no more, and neither does a probe in it,
/// which fails; podinit is not among them and ends the pod.
#[test]
fn a_pod_is_limited_as_a_kubelet_would_be_configured_to() {
    if !has_machines() {
        return;
    }
    let files = r#"
        cd /sys/fs/cgroup/podinit/files
        for file in pids.max memory.low memory.min; do echo "pod $file $(cat $file)"; done
        for file in memory.oom.group memory.high memory.low memory.min; do echo "$file $(cat web.0/$file)"; done
    "#;
    let settings = r#"
        podPidsLimit = 1024
        singleProcessOOMKill = true
        memoryThrottlingFactor = 0.9
        memoryReservationPolicy = "TieredReservation"
    "#;
    let resources = r#"resources = { requests = { memory = "16Mi" }, limits = { memory = "32Mi" } }"#;
    let single =
        "sleep 1000 & tail /dev/zero; echo tail ended with $?; pidof sleep > /dev/null && echo lives";
    let bomb = r#"
        echo "podinit in $(cat /proc/$PPID/cgroup)"
        (while :; do sleep 1000 & done) 2> /dev/null
        sleep 1000 &
        echo full
        exec sleep 2000
    "#;
    let probe = r#"
        livenessProbe = { exec.command = ["true"], periodSeconds = 1, initialDelaySeconds = 2, failureThreshold = 2 }
    "#;
    let manifests = [
        ("files", format!("{settings}{}", container("web", files, resources))),
        (
            "single",
            format!(
                "singleProcessOOMKill = true\n{}",
                container("hog", single, r#"resources.limits.memory = "16Mi""#)
            ),
        ),
        (
            "bomb",
            format!(
                "podPidsLimit = 16\nterminationGracePeriodSeconds = 1\n{}",
                container("bomb", bomb, probe)
            ),
        ),
    ];
    let script = r#"
        run /files.toml; run /single.toml
        run --event-file /events /bomb.toml; grep -o 'Liveness probe [^"]*' /events | head -n 1
        pidof sleep || echo none; ls podinit
    "#;
    let finished = within(&manifests, script);
    expect(
        &finished,
        &[
            "web | pod pids.max 1024",
            "web | pod memory.low 16777216",
            "web | pod memory.min 0",
            "web | memory.oom.group 0",
            "web | memory.high 31875072",
            "web | memory.low 16777216",
            "web | memory.min 0",
            "ended with 0",
            "hog | tail ended with 137",
            "hog | lives",
            "ended with 0",
            "bomb | podinit in 0::/",
            "bomb | full",
            "ended with 143",
            "Liveness probe failed: cannot make a process: try again",
            "none",
            NO_GROUPS,
        ],
    );
    expect_message(
        &finished,
        "a process of container hog wanted more memory than there was and was killed for it",
    );
}

/// DEATH-08: podinit's memory stays small while a container prints without end and nobody reads; and when podinit is killed
/// for want of memory, its containers end with it, and the next run clears what is left.
#[test]
fn death_08_podinit_needs_little_memory_and_its_containers_end_with_it() {
    if !has_machines() {
        return;
    }
    let limit = r#"resources.limits.memory = "64Mi""#;
    let flood =
        container("web", "dd if=/dev/zero bs=64k count=1000 2> /dev/null | tr '\\0' x; echo done", limit);
    let stays = container("web", "echo up; exec sleep 4321", limit);
    let script = r#"
        in_group() { sh -c 'echo 0 > small/cgroup.procs; exec /init run "$0"' $1; }
        mkdir small; echo 12M > small/memory.max
        mkfifo /pipe; (in_group /flood.toml; echo "flood ended with $?" > /result) > /pipe 2> /dev/null &
        { usleep 1000000; wc -c; } < /pipe | sed 's/^/bytes /'; until_so '[ -s /result ]'; cat /result
        grep '^oom_kill ' small/memory.events
        (in_group /stays.toml; echo "ended with $?" > /end) > /said 2>&1 & until_so 'grep -q up /said'
        echo 0 > small/memory.max; until_so '[ -s /end ]'; cat /end
        until_so '! pidof sleep > /dev/null'; echo "sleep is gone"; ls -d podinit/stays
        echo max > small/memory.max; sed -i 's/exec sleep 4321/exit 4/' /stays.toml; run /stays.toml; ls podinit
    "#;
    let finished = within(&[("flood", flood), ("stays", stays)], script);
    expect(
        &finished,
        &[
            "flood ended with 0",
            "oom_kill 0",
            "ended with 137",
            "sleep is gone",
            "podinit/stays",
            "ended with 4",
            NO_GROUPS,
        ],
    );
    let bytes =
        finished.lines("main").into_iter().find_map(|line| line.strip_prefix("bytes ")?.parse::<u64>().ok());
    assert!(bytes.is_some_and(|bytes| bytes > 65_536_000), "{finished:#?}");
}

/// CONT-03: a number that comes round again is another process's, to which nothing is sent: not when podinit stops
/// the pod, not when it kills.
#[test]
fn cont_03_a_number_that_comes_round_again_gets_no_signal() {
    if !has_machines() {
        return;
    }
    let pod = [
        "profile = \"process\"\nterminationGracePeriodSeconds = 1\n".to_owned(),
        container("first", "echo first $$$$", ""),
        container("last", "trap '' TERM; while :; do sleep 1; done", ""),
    ];
    let script = r#"
        echo 400 > /proc/sys/kernel/pid_max
        # Numbers below 300 do not come again.
        until [ $(sh -c 'echo $$') -gt 300 ]; do :; done
        /init run /again.toml > /said 2> /errors & podinit=$!
        until_so 'grep -q "first [0-9]" /said'; number=$(sed -n 's/.*first //p' /said)
        until_so '! [ -e /proc/$number ]'
        round=0
        until [ "$other" = "$number" ]; do
            sleep 1000 & other=$!
            [ "$other" = "$number" ] || { kill $other; wait $other; round=$((round + 1)); }
        done 2> /dev/null
        [ $round -gt 20 ] && echo "came round"
        kill $podinit; wait $podinit; echo "ended with $?"
        kill -0 $number && [ "$(cat /proc/$number/comm)" = sleep ] && echo "lives"
        kill $number
    "#;
    let finished = within(&[("again", pod.concat())], script);
    expect(&finished, &["came round", "ended with 137", "lives"]);
}

/// PRIV-14 and rule 170: podinit is killed last, and containers by their class.
#[test]
fn podinit_is_killed_last() {
    if !has_machines() {
        return;
    }
    let script = "echo podinit $(cat /proc/$PPID/oom_score_adj), web $(cat /proc/self/oom_score_adj)";
    let of = |limits: &str| container("web", script, &format!("resources.limits = {{ {limits} }}"));
    let none = format!("profile = \"process\"\n{}", container("web", script, ""));
    let pods =
        [("guaranteed", of("cpu = 1, memory = \"16Mi\"")), ("burstable", of("cpu = 1")), ("none", none)];
    let finished = within(&pods, "run /guaranteed.toml; run /burstable.toml; run /none.toml");
    expect(
        &finished,
        &["web | podinit -999, web -997", "web | podinit -999, web 999", "web | podinit 0, web 0"],
    );
}

/// RES-01, OOM-002 and OOM-004: the container is killed as a whole and says why; its sibling lives. RES-03:
/// who is killed by a signal has not run out of memory.
#[test]
fn who_wants_too_much_memory_is_oom_killed() {
    if !has_machines() {
        return;
    }
    let limit = r#"resources.limits.memory = "16Mi""#;
    let sibling = r#"
        until grep -q '"reason":"OOMKilled"' /status; do usleep 20000; done
        grep -o '"exitCode":[0-9]*,[^}]*"reason":"[A-Za-z]*"' /status | sed 's/,.*,/ /' | sort
        pidof sleep || echo none
    "#;
    let pod = [
        container("hog", "sleep 1000 & tail /dev/zero", limit),
        container("shot", "sh -c 'kill -9 $PPID'; sleep 2000", limit),
        container("sibling", sibling, ""),
    ];
    let finished = within(&[("oom", pod.concat())], "run /oom.toml; cat /status");
    expect(&finished, &["sibling | none", "ended with 137"]);
    expect_message(&finished, "container hog wanted more memory than there was and was killed for it");
    let status = finished.lines("main").into_iter().find(|line| line.starts_with("{\"apiVersion")).unwrap();
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    let statuses = status["status"]["containerStatuses"].as_array().unwrap();
    let ends = ["hog", "shot", "sibling"].map(|name| {
        let of = statuses.iter().find(|status| status["name"] == name).unwrap();
        let end = &of["state"]["terminated"];
        (end["exitCode"].as_i64().unwrap(), end["reason"].as_str().unwrap())
    });
    assert_eq!(ends, [(137, "OOMKilled"), (137, "Error"), (0, "Completed")]);
}

/// OOM-001: without a limit it is the machine's memory that ends, and of all that runs the container is killed.
#[test]
fn who_wants_more_memory_than_the_machine_has_is_oom_killed() {
    if !has_machines() {
        return;
    }
    let hog = container("hog", "sleep 1000 & tail /dev/zero", r#"resources.requests.cpu = "100m""#);
    let script = r#"run /all.toml; grep -o '"reason":"OOMKilled"' /status; pidof sleep || echo none"#;
    let finished = within(&[("all", hog)], script);
    expect(&finished, &["ended with 137", "\"reason\":\"OOMKilled\"", "none"]);
}

/// OOM-003: an init container that wants too much fails the pod.
#[test]
fn an_init_container_that_is_oom_killed_fails_the_pod() {
    if !has_machines() {
        return;
    }
    let init = container("init", "tail /dev/zero", r#"resources.limits.memory = "16Mi""#);
    let pod = format!(
        "{}{}",
        init.replace("[[containers]]", "[[initContainers]]"),
        container("web", "echo web", "")
    );
    let script =
        r#"run /init.toml; grep -o '"phase":"[A-Za-z]*"' /status; grep -o '"reason":"OOMKilled"' /status"#;
    let finished = within(&[("init", pod)], script);
    expect(&finished, &["ended with 137", "\"phase\":\"Failed\"", "\"reason\":\"OOMKilled\""]);
}

/// RES-05: a fifth of a processor is a fifth.
#[test]
fn processor_time_is_limited() {
    if !has_machines() {
        return;
    }
    let script = r#"
        timeout 3 sh -c 'while :; do :; done'
        sed -n '/^usage_usec/p; /^nr_throttled/p' /sys/fs/cgroup/podinit/cpu/busy.0/cpu.stat
    "#;
    let busy = container("busy", script, r#"resources.limits.cpu = "200m""#);
    let finished = within(&[("cpu", busy)], "run /cpu.toml");
    let number = |key: &str| -> u64 {
        let start = format!("busy | {key} ");
        let number = finished.lines("main").into_iter().find_map(|line| line.strip_prefix(&*start));
        number.unwrap_or_else(|| panic!("no {key}: {finished:#?}")).parse().unwrap()
    };
    assert!((300_000..900_000).contains(&number("usage_usec")), "{finished:#?}");
    assert!(number("nr_throttled") > 0, "{finished:#?}");
}

/// CONT-01 and CONT-02: daemons that hide from everything but their group, and processes that never stop
/// forking, are gone when the container is. RES-09: and so are the groups.
#[test]
fn nothing_of_a_container_is_left() {
    if !has_machines() {
        return;
    }
    let of = |name, script| {
        let rest = r#"resources.limits.memory = "128Mi""#;
        (name, format!("terminationGracePeriodSeconds = 1\n{}", container("web", script, rest)))
    };
    let hides = r#"
        (env -i setsid sh -c "trap '' TERM; exec < /dev/null > /dev/null 2>&1; while :; do sleep 1234; done" &)
        until pidof sleep > /dev/null; do usleep 20000; done
        exit 3
    "#;
    let forks = r#"
        trap '' TERM
        for i in 1 2 3 4 5 6 7 8 9 10; do (while :; do sleep 0 & wait; done) & done
        echo forks
        wait
    "#;
    let script = r#"
        run /hides.toml; pidof sleep || echo none; ls podinit
        /init run /forks.toml > /said & until_so 'grep -q forks /said'
        kill $!; wait $!; echo "ended with $?"; pidof sleep || echo none; ls podinit
    "#;
    let finished = within(&[of("hides", hides), of("forks", forks)], script);
    expect(&finished, &["ended with 3", "none", NO_GROUPS, "ended with 137", "none", NO_GROUPS]);
}

/// DEATH-09: what somebody has frozen goes on when it is to end, and hears it.
#[test]
fn a_frozen_container_hears_that_it_is_to_stop() {
    if !has_machines() {
        return;
    }
    let ice = "trap 'echo heard; exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done";
    let pod = container("ice", ice, r#"resources.limits.memory = "64Mi""#);
    let pod = format!("terminationGracePeriodSeconds = 50\n{pod}");
    let script = r#"
        /init run /frozen.toml > /said & until_so 'grep -q up /said'
        echo 1 > podinit/frozen/ice.0/cgroup.freeze
        until_so 'grep -q "frozen 1" podinit/frozen/ice.0/cgroup.events'
        kill $!; wait $!; echo "ended with $?" >> /said; cat /said
    "#;
    let finished = within(&[("frozen", pod)], script);
    expect(&finished, &["ice | up", "ice | heard", "ended with 0"]);
}

/// Rules 174 and 175: limits change while the container runs; one below what is used is refused, and the
/// container keeps what it has.
#[test]
fn limits_change_while_the_container_runs() {
    if !has_machines() {
        return;
    }
    let holds = "dd if=/dev/zero of=/held bs=1M count=8; echo holds; sleep 1000";
    let pod = container("web", holds, r#"resources.limits.memory = "64Mi""#);
    let script = r#"
        give() { sed "s/64Mi/$1/" /first > /new; mv /new /resize.toml; }
        cp /resize.toml /first
        /init run --watch /resize.toml > /said 2> /errors & until_so 'grep -q holds /said'
        for limit in 32 96; do
            give ${limit}Mi
            until_so "[ \$(cat podinit/resize/web.0/memory.max) = $((limit << 20)) ]"
            until_so "[ \$(cat podinit/resize/memory.max) = $((limit << 20)) ]"
            echo "now $limit"
        done
        give 4Mi; until_so 'grep -q "cannot lower the memory limit to 4194304 bytes" /errors'
        cat podinit/resize/web.0/memory.max
        kill $!; wait
    "#;
    let finished = within(&[("resize", pod)], script);
    expect(&finished, &["now 32", "now 96", "100663296"]);
}

/// RES-08: what a podinit has left that was killed is removed by the next one. Two pods of the same name that
/// run at the same time are two.
#[test]
fn what_a_killed_podinit_has_left_is_removed() {
    if !has_machines() {
        return;
    }
    let limit = r#"resources.limits.memory = "64Mi""#;
    let hides = "setsid sh -c 'exec < /dev/null > /dev/null 2>&1; while :; do sleep 1234; done' & echo up; sleep 1000";
    let manifests = [
        ("left", container("web", hides, limit)),
        ("next", container("web", "ls -d /sys/fs/cgroup/podinit/*/*/; pidof sleep || echo none", limit)),
        ("same", container("web", "cat /proc/self/cgroup; echo up; sleep 1000", limit)),
    ];
    let script = r#"
        for i in 1 2 3 4 5; do
            /init run /left.toml > /said & until_so 'grep -q up /said'; until_so 'pidof sleep > /dev/null'; kill -9 $!; wait $!; echo > /said
        done
        ls -d podinit/*/; ls -d podinit/left/*/
        sed -i s/next/left/ /next.toml; run /next.toml; ls podinit
        /init run /same.toml > /first & until_so 'grep -q up /first'; first=$!
        /init run /same.toml > /second & until_so 'grep -q up /second'
        grep -h 0:: /first /second; kill $first $!; wait; ls podinit
    "#;
    let finished = within(&manifests, script);
    expect(
        &finished,
        &[
            "podinit/left/",
            "podinit/left/web.0/",
            "web | /sys/fs/cgroup/podinit/left/web.0/",
            "web | none",
            "ended with 0",
            NO_GROUPS,
            "web | 0::/podinit/same/web.0",
            "web | 0::/podinit/same:2/web.0",
            NO_GROUPS,
        ],
    );
}

/// ROOTLESS-11 and RES-07: an ordinary user has limits below a group that is his, where nobody else is in it,
/// and leaves it as it was. RES-06: otherwise he is told what to do.
#[test]
fn an_ordinary_user_has_limits_where_they_were_delegated() {
    if !has_machines() {
        return;
    }
    let limits = r#"resources.limits = { cpu = "500m", memory = "64Mi" }"#;
    let web = "cat /proc/self/cgroup /sys/fs/cgroup/his/podinit/mine/web.0/*.max; id -u";
    let script = r#"
        as_user_in() {
            sh -c "echo 0 > $1/cgroup.procs; exec su user -c 'exec /init run $2 /mine.toml'"
            echo "ended with $?"
        }
        echo '+cpu +memory' > cgroup.subtree_control
        mkdir his others
        chown 1000 his his/cgroup.procs his/cgroup.subtree_control his/cgroup.threads
        as_user_in his; ls -d his/*/; echo "enabled: $(cat his/cgroup.subtree_control)"
        as_user_in others
        sleep 1000 & echo $! > his/cgroup.procs
        as_user_in his; as_user_in his --strict
    "#;
    let finished = within(&[("mine", container("web", web, limits))], script);
    expect(
        &finished,
        &[
            "web | 0::/his/podinit/mine/web.0",
            "web | 50000 100000",
            "web | 67108864",
            "web | 1000",
            "ended with 0",
            "ls: his/*/: No such file or directory",
            "enabled: ",
            "web | 0::/others",
            "ended with 0",
            "web | 0::/his/podinit/mine/web.0",
            "ended with 0",
            "ended with 125",
        ],
    );
    let scope = "start podinit with `systemd-run --user --scope -p Delegate=yes podinit ...`";
    for (what, why) in [
        ("enforce", "cannot make /sys/fs/cgroup/others/podinit: permission denied"),
        (
            "enforce",
            "controllers cpu and memory cannot be enabled in /sys/fs/cgroup/his: other processes are in it",
        ),
    ] {
        expect_message(
            &finished,
            &format!("cannot {what} the cpu and memory limits of container web: {why}; {scope}"),
        );
    }
}
