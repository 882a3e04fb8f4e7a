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
    assert!(text.contains(&format!("#[test]\nfn {test}()")), "{row}: {file} has no test {test}");
    let folder = path.parent().unwrap();
    if !folder.ends_with("tests") {
        let main = fs::read_to_string(folder.join("main.rs")).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        assert!(main.contains(&format!("\nmod {module};\n")), "{row}: {file} is not compiled");
    }
}
