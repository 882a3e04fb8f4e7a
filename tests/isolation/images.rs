//! Volumes that are the files of an image: of a directory that the command line gives for its name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::pod::{Pod, Who, printed};

const IMAGE: &str = "image.reference = \"models:1\"";

fn mount(more: &str) -> String {
    format!("volumeMounts = [{{ name = \"models\", mountPath = \"/models\"{more} }}]")
}

/// A pod with a directory for the image.
fn with_image(who: Who) -> Pod {
    let pod = Pod::new(who);
    let image = pod.host_directory("image");
    fs::create_dir(image.join("part")).unwrap();
    for (name, mode) in [("weights", 0o666), ("part/weights", 0o666), ("tool", 0o777)] {
        fs::write(image.join(name), "#!/bin/sh\necho executed\n").unwrap();
        fs::set_permissions(image.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let given = format!("models:1={}", image.display());
    pod.options(&["--image", &given])
}

/// FS-07: an image's files can be read, and neither written to nor executed (KEP-4639), as a whole or a part of them,
/// whatever the mount says, in both profiles and by whoever runs the pod; a group does not get them.
#[test]
fn an_image_is_a_volume_to_be_read() {
    for who in Who::among(&Who::ALL) {
        for (profile, more, part) in
            [("pod", "", ""), ("pod", ", subPath = \"part\"", "part"), ("process", "", "")]
        {
            let script = "cd /models; tail -n 1 weights
                (echo > new) 2>/dev/null || echo not made; (echo > weights) 2>/dev/null || echo not written
                [ -e tool ] || exit 0
                ./tool 2>/dev/null || echo not executed; touch tool 2>/dev/null || echo not touched";
            let group = if who == Who::User { "" } else { "securityContext.fsGroup = 2000" };
            let pod = with_image(who).with(group).volume("models", IMAGE).main("main", script, &mount(more));
            let before = fs::metadata(pod.directory.path("image/weights")).unwrap();
            let options: &[&str] = &["--profile", profile];
            let pod = pod.options(options);
            let mut expected = vec!["echo executed", "not made", "not written"];
            if part.is_empty() {
                expected.extend(["not executed", "not touched"]);
            }
            assert_eq!(pod.output(), expected, "{who:?}: {profile}: {more}");
            let after = fs::metadata(pod.directory.path("image/weights")).unwrap();
            assert_eq!((before.permissions(), before.len()), (after.permissions(), after.len()), "{who:?}");
        }
    }
}

/// FS-12: a part of an image that is a link leads nowhere outside of it.
#[test]
fn a_part_of_an_image_stays_in_the_image() {
    for who in Who::among(&Who::ALL) {
        for target in ["/etc", "../canary"] {
            let pod = with_image(who);
            fs::write(pod.host_directory("canary").join("file"), "host").unwrap();
            symlink(target, pod.directory.path("image/link")).unwrap();
            let pod = pod.volume("models", IMAGE).main("main", "ls /models", &mount(", subPath = \"link\""));
            let ended = pod.run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {target}: {ended:#?}");
        }
    }
}

/// podinit pulls nothing: without a directory for the image the pod is refused before anything is done, with the
/// option that gives it; so is one whose directory is not there.
#[test]
fn an_image_without_a_directory_is_refused() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who).volume("models", IMAGE).main("main", "echo ran", &mount(""));
        let ended = pod.run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {ended:#?}");
        let said = "cannot make volume \"models\": image \"models:1\" is not available, as podinit pulls none; give its \
                    files with `--image models:1=DIRECTORY`";
        assert!(ended.stderr.iter().any(|line| line.contains(said)), "{ended:#?}");
        let pod = pod.options(&["--image", "models:1=/no/where"]);
        let ended = pod.run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {ended:#?}");
        assert!(ended.stderr.iter().any(|line| line.contains("/no/where")), "{ended:#?}");
    }
}
