//! The rows that tests elsewhere prove: tests of the real program, for what the machine does not do itself.

use std::fs;
use std::path::Path;

/// A row, the file of its test, and the test.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("HOOK-001", "tests/it/cases.rs", "hook_001_main_post_start_exec"),
    ("HOOK-004", "tests/it/cases.rs", "hook_004_main_pre_stop_exec"),
    ("HOOK-005", "tests/it/cases.rs", "hook_005_main_pre_stop_http"),
    ("HOOK-006", "tests/it/cases.rs", "hook_006_main_pre_stop_https"),
    ("HOOK-007", "tests/it/cases.rs", "hook_007_sidecar_post_start_exec"),
    ("HOOK-008", "tests/it/cases.rs", "hook_008_sidecar_post_start_http_by_a_redirect"),
    ("HOOK-010", "tests/it/cases.rs", "hook_010_sidecar_pre_stop_exec"),
    ("HOOK-011", "tests/it/cases.rs", "hook_011_sidecar_pre_stop_http"),
    ("PROBE-011", "tests/it/cases.rs", "probe_011_main_failing_exec_with_a_child_left_behind"),
    ("PROBE-034", "tests/it/cases.rs", "probe_034_sidecar_failing_exec_with_a_child_left_behind"),
    ("PROBE-012", "tests/it/cases.rs", "probe_012_main_local_redirect"),
    ("PROBE-035", "tests/it/cases.rs", "probe_035_sidecar_local_redirect"),
    ("PROBE-013", "tests/it/cases.rs", "probe_013_main_foreign_redirect"),
    ("PROBE-036", "tests/it/cases.rs", "probe_036_sidecar_foreign_redirect"),
    ("PROBE-020", "tests/it/cases.rs", "probe_020_main_grpc_ok"),
    ("PROBE-044", "tests/it/cases.rs", "probe_044_sidecar_grpc_wrong_port"),
    ("OOM-001", "tests/vm/cgroups.rs", "who_wants_more_memory_than_the_machine_has_is_oom_killed"),
    ("OOM-002", "tests/vm/cgroups.rs", "who_wants_too_much_memory_is_oom_killed"),
    ("OOM-003", "tests/vm/cgroups.rs", "an_init_container_that_is_oom_killed_fails_the_pod"),
    ("OOM-004", "tests/vm/cgroups.rs", "who_wants_too_much_memory_is_oom_killed"),
    ("OOM-006", "tests/vm/cgroups.rs", "who_wants_too_much_memory_is_oom_killed"),
    ("MEMQOS-012", "tests/vm/cgroups.rs", "limits_are_written"),
    ("MEMQOS-014", "tests/vm/cgroups.rs", "limits_are_written"),
    ("MEMQOS-019", "tests/vm/cgroups.rs", "who_wants_too_much_memory_is_oom_killed"),
    ("SWAP-003", "tests/vm/cgroups.rs", "limits_are_written"),
    ("SEC-001", "tests/isolation/cases.rs", "processes_are_each_container_s_or_the_pod_s"),
    ("SEC-002", "tests/isolation/cases.rs", "processes_are_each_container_s_or_the_pod_s"),
    ("SEC-003", "tests/isolation/namespaces.rs", "host_namespaces_are_shared_exactly_as_they_are_asked_for"),
    ("SEC-005", "tests/isolation/namespaces.rs", "host_namespaces_are_shared_exactly_as_they_are_asked_for"),
    ("SEC-007", "tests/isolation/namespaces.rs", "host_namespaces_are_shared_exactly_as_they_are_asked_for"),
    ("SEC-004", "tests/isolation/namespaces.rs", "a_pod_shares_what_a_pod_shares_and_nothing_with_the_host"),
    ("SEC-006", "tests/isolation/namespaces.rs", "a_pod_shares_what_a_pod_shares_and_nothing_with_the_host"),
    ("SEC-011", "tests/isolation/namespaces.rs", "a_pod_shares_what_a_pod_shares_and_nothing_with_the_host"),
    ("SEC-015", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-016", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-017", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-029", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-030", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-032", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-033", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-034", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-035", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-037", "tests/isolation/cases.rs", "containers_run_as_who_the_manifest_says"),
    ("SEC-018", "tests/isolation/cases.rs", "who_must_not_be_root_does_not_run_as_root"),
    ("SEC-020", "tests/isolation/cases.rs", "who_must_not_be_root_does_not_run_as_root"),
    ("SEC-021", "tests/isolation/cases.rs", "a_root_is_written_to_unless_it_is_read_only"),
    ("SEC-022", "tests/isolation/cases.rs", "a_root_is_written_to_unless_it_is_read_only"),
    ("RUNTIME-019", "tests/isolation/cases.rs", "a_root_is_written_to_unless_it_is_read_only"),
    ("SEC-025", "tests/isolation/rights.rs", "set_user_id_programs_gain_nothing_unless_allowed"),
    ("SEC-026", "tests/isolation/rights.rs", "set_user_id_programs_gain_nothing_unless_allowed"),
    ("SEC-041", "tests/isolation/cases.rs", "system_calls_are_filtered_unless_the_manifest_says_otherwise"),
    ("SEC-042", "tests/isolation/cases.rs", "system_calls_are_filtered_unless_the_manifest_says_otherwise"),
    ("SEC-043", "tests/isolation/cases.rs", "system_calls_are_filtered_unless_the_manifest_says_otherwise"),
    ("SEC-044", "tests/isolation/cases.rs", "system_calls_are_filtered_unless_the_manifest_says_otherwise"),
    ("SEC-045", "tests/isolation/cases.rs", "system_calls_are_filtered_unless_the_manifest_says_otherwise"),
    ("SEC-046", "tests/isolation/cases.rs", "proc_is_covered_unless_the_manifest_says_otherwise"),
    ("SEC-048", "tests/isolation/cases.rs", "proc_is_covered_unless_the_manifest_says_otherwise"),
    ("SEC-049", "tests/isolation/cases.rs", "what_is_read_only_with_what_is_below_it_says_so"),
    ("SEC-053", "tests/isolation/cases.rs", "a_sysctl_has_its_value_in_the_pod"),
    ("SEC-056", "tests/isolation/cases.rs", "a_sysctl_has_its_value_in_the_pod"),
    ("ENV-005", "tests/isolation/cases.rs", "an_expression_that_leads_out_of_its_volume_starts_nothing"),
    ("ENV-006", "tests/isolation/cases.rs", "an_expression_that_leads_out_of_its_volume_starts_nothing"),
    ("ENV-008", "tests/isolation/cases.rs", "what_is_written_to_a_part_is_in_the_volume"),
    ("HOST-001", "tests/isolation/cases.rs", "names_of_hosts_are_as_the_manifest_says"),
    ("HOST-003", "tests/isolation/cases.rs", "names_of_hosts_are_as_the_manifest_says"),
    ("HOST-004", "tests/isolation/cases.rs", "names_of_hosts_are_as_the_manifest_says"),
    ("HOST-007", "tests/isolation/cases.rs", "names_of_hosts_are_as_the_manifest_says"),
    ("HOST-008", "tests/isolation/cases.rs", "names_of_hosts_are_as_the_manifest_says"),
    ("HOST-011", "tests/isolation/cases.rs", "names_of_hosts_that_cannot_be_are_refused"),
    ("HOST-012", "tests/isolation/cases.rs", "names_of_hosts_that_cannot_be_are_refused"),
    ("HOST-013", "tests/isolation/cases.rs", "etc_hosts_is_the_pod_s_unless_a_container_has_its_own"),
    ("RUNTIME-020", "tests/isolation/cases.rs", "etc_hosts_is_the_pod_s_unless_a_container_has_its_own"),
    ("RUNTIME-005", "tests/isolation/cases.rs", "last_messages_are_in_the_status"),
    ("RUNTIME-006", "tests/isolation/cases.rs", "last_messages_are_in_the_status"),
    ("RUNTIME-007", "tests/isolation/cases.rs", "last_messages_are_in_the_status"),
    ("RUNTIME-008", "tests/isolation/cases.rs", "last_messages_are_in_the_status"),
    ("RUNTIME-015", "tests/it/output.rs", "many_short_lines_come_out_all_whatever_is_added_to_them"),
    ("OOM-005", "tests/vm/cgroups.rs", "a_pod_is_limited_as_a_kubelet_would_be_configured_to"),
    ("PIDS-001", "tests/vm/cgroups.rs", "a_pod_is_limited_as_a_kubelet_would_be_configured_to"),
    ("MEMQOS-006", "tests/vm/cgroups.rs", "a_pod_is_limited_as_a_kubelet_would_be_configured_to"),
    ("MEMQOS-016", "tests/vm/cgroups.rs", "a_pod_is_limited_as_a_kubelet_would_be_configured_to"),
    ("MEMQOS-022", "tests/vm/cgroups.rs", "a_pod_is_limited_as_a_kubelet_would_be_configured_to"),
    ("SWAP-005", "tests/vm/cgroups.rs", "limits_are_written"),
    ("MEMQOS-007", "src/plan/cgroup.rs", "rule_169_memory_is_throttled_between_request_and_limit"),
    ("MEMQOS-009", "src/plan/cgroup.rs", "rule_169_memory_is_throttled_between_request_and_limit"),
    ("MEMQOS-010", "src/plan/cgroup.rs", "rule_169_memory_is_throttled_between_request_and_limit"),
    ("MEMQOS-013", "src/plan/cgroup.rs", "rule_169_memory_is_throttled_between_request_and_limit"),
    ("MEMQOS-002", "src/plan/cgroup.rs", "rule_169_requested_memory_is_kept_by_class"),
    ("MEMQOS-004", "src/plan/cgroup.rs", "rule_169_requested_memory_is_kept_by_class"),
    ("MEMQOS-020", "src/plan/cgroup.rs", "rule_169_requested_memory_is_kept_by_class"),
    ("SEC-009", "tests/isolation/own_users.rs", "no_other_pod_and_no_user_of_the_host_has_its_ids"),
    ("SEC-010", "tests/isolation/own_users.rs", "a_range_is_a_pod_s_until_its_podinit_ends"),
    ("PROBE-029", "tests/it/cases.rs", "probe_029_sidecar_tcp_ok"),
    ("VOL-001", "tests/isolation/groups.rs", "what_is_made_in_volumes_of_the_pod_is_the_group_s"),
    ("VOL-002", "tests/isolation/groups.rs", "what_is_made_in_volumes_of_the_pod_is_the_group_s"),
    ("VOL-003", "tests/isolation/groups.rs", "what_is_made_in_volumes_of_the_pod_is_the_group_s"),
    ("VOL-004", "tests/isolation/groups.rs", "what_is_made_in_volumes_of_the_pod_is_the_group_s"),
    ("VOL-006", "tests/isolation/groups.rs", "what_is_made_in_volumes_of_the_pod_is_the_group_s"),
    (
        "VOL-008",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-009",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-010",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-013",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-015",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-016",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-019",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-020",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    (
        "VOL-021",
        "tests/isolation/volumes.rs",
        "files_in_an_empty_directory_have_the_mode_that_they_are_given",
    ),
    ("FILEKEY-001", "tests/isolation/file_keys.rs", "a_file_of_a_volume_says_what_variables_are"),
    ("FILEKEY-003", "tests/isolation/file_keys.rs", "a_file_of_a_volume_says_what_variables_are"),
    ("FILEKEY-010", "tests/isolation/file_keys.rs", "a_file_of_a_volume_says_what_variables_are"),
    (
        "FILEKEY-008",
        "tests/isolation/file_keys.rs",
        "what_cannot_be_used_keeps_the_container_waiting_and_is_not_shown",
    ),
    ("FILEKEY-006", "tests/manifests.rs", "each_bad_manifest_is_refused_as_recorded"),
    ("FILEKEY-007", "tests/manifests.rs", "each_bad_manifest_is_refused_as_recorded"),
];

/// Fails where the test does not exist or would not be run.
pub fn check((row, file, test): (&str, &str, &str)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{row}: {file}: {error}"));
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let name = format!("fn {test}()");
    let is_test = |pair: &[&str]| pair[0] == "#[test]" && pair[1].starts_with(&name);
    assert!(lines.windows(2).any(is_test), "{row}: {file} has no test {test}");
    let folder = path.parent().unwrap();
    // Of the library every file is compiled.
    if !folder.ends_with("tests") && !file.starts_with("src/") {
        let main = fs::read_to_string(folder.join("main.rs")).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        assert!(main.contains(&format!("\nmod {module};\n")), "{row}: {file} is not compiled");
    }
}
