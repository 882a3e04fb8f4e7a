//! What a change of a container's resources means while it runs. Knows what a manifest may say of that
//! (rule 174), not how resources change.

use super::decode::{Fields, Item};
use super::fields::Place;
use super::pod::{ResizePolicy, RestartPolicy};

/// Reads `resizePolicy`, which has at most one entry for each resource. Nothing may ask for a restart where
/// the pod restarts nothing, or of an init container that runs to its end.
pub(super) fn resize_policy(fields: &mut Fields<'_>, plain_init: bool, pod: RestartPolicy) -> ResizePolicy {
    let mut policy = ResizePolicy::default();
    let mut seen = Vec::new();
    for item in fields.take("resizePolicy").and_then(|item| item.list()).unwrap_or_default() {
        let read = item.fields(&[Place::ResizePolicy], |fields| {
            fields.belong_to_part("a resizePolicy");
            let resource = word(fields, "resourceName", &[("cpu", true), ("memory", false)]);
            let restarts =
                word(fields, "restartPolicy", &[("NotRequired", false), ("RestartContainer", true)]);
            if let Some((item, true)) = &restarts {
                may_restart(item, plain_init, pod);
            }
            Some((resource?, restarts?.1))
        });
        let Some(Some(((resource, is_cpu), restarts))) = read else { continue };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == is_cpu) {
            let problem = resource.wrong().label("the second entry for this resource");
            let problem = problem.note("the first is", item.scope.source, *first);
            item.scope.report(problem.help("remove one of the two"));
        }
        seen.push((is_cpu, resource.node.span));
        match is_cpu {
            true => policy.cpu_restarts = restarts,
            false => policy.memory_restarts = restarts,
        }
    }
    policy
}

/// One of two words, which has to be there.
fn word<'a>(
    fields: &mut Fields<'a>,
    name: &'static str,
    words: &[(&'static str, bool); 2],
) -> Option<(Item<'a>, bool)> {
    let [(first, _), (second, _)] = words;
    let Some(item) = fields.take(name) else {
        fields.missing(name, format!("write {}", fields.item.scope.word(name, first)));
        return None;
    };
    let value = item.choice(words, &format!("one of {first}, {second}"))?;
    Some((item, value))
}

fn may_restart(item: &Item<'_>, plain_init: bool, pod: RestartPolicy) {
    let help = format!("write {}", item.scope.word("restartPolicy", "NotRequired"));
    match pod {
        _ if plain_init => item.refuse("an init container that runs to its end is not restarted", help),
        RestartPolicy::Never => item.refuse("the pod's restartPolicy is Never", help),
        RestartPolicy::Always | RestartPolicy::OnFailure => {}
    }
}
