//! Objects that have the template of a pod: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob.
//! One pod of it is run, and that of a Job is tried again; what a cluster would do beyond that is told or
//! refused. Knows what is around a template, and of the pod only what has to agree with it.

use super::decode::{Fields, Item, Purpose};
use super::fields::Place;
use super::job::job;
use super::kind::Workload;
use super::manifest::Form;
use super::metadata::{annotations, labels};
use super::object::{ObjectMetadata, object_metadata};
use super::pod::Pod;
use super::problem::Problem;
use super::selector::Template;
use super::tree::{Entry, cut};

/// The mappings around the pod of a workload, with their paths.
pub(super) fn homes(workload: Workload) -> &'static [(Place, &'static str)] {
    use Place::{CronJobSpec, DaemonSetSpec, DeploymentSpec, JobSpec, JobTemplate, PodTemplate};
    use Place::{ReplicaSetSpec, Spec, StatefulSetSpec};
    const TEMPLATE: (Place, &str) = (PodTemplate, "spec.template");
    const SPEC: (Place, &str) = (Spec, "spec.template.spec");
    match workload {
        Workload::Pod => &[],
        Workload::Deployment => &[(DeploymentSpec, "spec"), TEMPLATE, SPEC],
        Workload::StatefulSet => &[(StatefulSetSpec, "spec"), TEMPLATE, SPEC],
        Workload::DaemonSet => &[(DaemonSetSpec, "spec"), TEMPLATE, SPEC],
        Workload::ReplicaSet | Workload::ReplicationController => &[(ReplicaSetSpec, "spec"), TEMPLATE, SPEC],
        Workload::Job => &[(JobSpec, "spec"), TEMPLATE, SPEC],
        Workload::CronJob => &[
            (CronJobSpec, "spec"),
            (JobTemplate, "spec.jobTemplate"),
            (JobSpec, "spec.jobTemplate.spec"),
            (PodTemplate, "spec.jobTemplate.spec.template"),
            (Spec, "spec.jobTemplate.spec.template.spec"),
        ],
    }
}

/// The one pod of an object; kind and version have been taken.
pub(super) fn pod(form: &Form<'_>, fields: &mut Fields<'_>) -> Option<Pod> {
    let kind = form.head.kind.name;
    let needs_name = form.option_name.is_none();
    let owner = object_metadata(fields, form.workload.template(), needs_name);
    fields.belong_to(&match owner.name {
        Some(name) => format!("{kind} \"{}\"", cut(name)),
        None => format!("this {kind}"),
    });
    let Some(spec) = fields.take("spec") else {
        let below = if form.workload == Workload::CronJob { "jobTemplate" } else { "template" };
        fields.missing("spec", format!("write `spec:` with `{below}:` below it"));
        return None;
    };
    match form.workload {
        // A Pod has no template and does not come here.
        Workload::CronJob => spec.fields(&[Place::CronJobSpec], |fields| cron_job(form, fields, &owner))?,
        Workload::Deployment | Workload::Pod => around(form, &spec, &[Place::DeploymentSpec], &owner),
        Workload::StatefulSet => around(form, &spec, &[Place::StatefulSetSpec], &owner),
        Workload::DaemonSet => around(form, &spec, &[Place::DaemonSetSpec], &owner),
        Workload::ReplicaSet | Workload::ReplicationController => {
            around(form, &spec, &[Place::ReplicaSetSpec], &owner)
        }
        Workload::Job => around(form, &spec, &[Place::JobSpec], &owner),
    }
}

fn cron_job(form: &Form<'_>, fields: &mut Fields<'_>, owner: &ObjectMetadata<'_>) -> Option<Pod> {
    // Without effect here; yet without it Kubernetes takes no CronJob.
    if fields.peek("schedule").is_none() {
        fields.missing("schedule", "write `schedule: \"0 * * * *\"`, for example, or `kind: Job`");
    }
    let Some(job) = fields.take("jobTemplate") else {
        fields.missing("jobTemplate", "write `jobTemplate:` with `spec:` below it");
        return None;
    };
    job.fields(&[Place::JobTemplate], |fields| {
        if let Some(item) = fields.take("metadata") {
            item.fields(&[Place::TemplateMetadata], |fields| {
                labels(fields);
                let (_, settings) = annotations(fields);
                settings.refuse_outside(form.workload.template());
            });
        }
        let Some(spec) = fields.take("spec") else {
            fields.missing("spec", "write `spec:` with `template:` below it");
            return None;
        };
        around(form, &spec, &[Place::JobSpec], owner)
    })?
}

/// The fields beside `template`, and the pod in it.
fn around(
    form: &Form<'_>,
    spec: &Item<'_>,
    places: &'static [Place],
    owner: &ObjectMetadata<'_>,
) -> Option<Pod> {
    spec.fields(places, |fields| {
        let template = fields.take("template");
        let mut pod = match &template {
            Some(item) => form.template(item, owner),
            None => {
                fields.missing("template", "write `template:` with `metadata:` and `spec:` below it");
                None
            }
        };
        let labels = template.as_ref().and_then(|item| labels_of(item));
        let known = template.is_some();
        match form.workload {
            Workload::Deployment | Workload::StatefulSet | Workload::ReplicaSet | Workload::Pod => {
                one_of(fields, "replicas", "replica");
                selector(form, fields, labels, known);
            }
            Workload::DaemonSet => selector(form, fields, labels, known),
            Workload::ReplicationController => {
                one_of(fields, "replicas", "replica");
                // Where it is left out, Kubernetes takes the template's labels.
                if let Some(item) = fields.take("selector").filter(|_| known) {
                    about_template(form, labels).check_labels(&item);
                }
            }
            Workload::Job | Workload::CronJob => {
                one_of(fields, "parallelism", "pod of the job");
                one_of(fields, "completions", "pod of the job");
                if let Some(item) = fields.take("selector").filter(|_| known) {
                    about_template(form, labels).check(&item);
                }
                fields.take("manualSelector").and_then(|item| item.boolean());
                let job = job(fields);
                pod = pod.map(|pod| Pod { job: Some(job), ..pod });
            }
        }
        pod
    })?
}

fn labels_of<'a>(template: &Item<'a>) -> Option<&'a Entry> {
    template.node.entry("metadata")?.value.entry("labels")
}

fn about_template<'a>(form: &Form<'_>, labels: Option<&'a Entry>) -> Template<'a> {
    Template { kind: form.head.kind.name, path: form.workload.template(), labels }
}

/// A selector that has to be there. It cannot be compared with a template that is not.
fn selector(form: &Form<'_>, fields: &mut Fields<'_>, labels: Option<&Entry>, known: bool) {
    match fields.take("selector") {
        Some(item) if item.node.is_empty() => item.refuse(
            "an empty selector matches every pod, which Kubernetes refuses",
            "write `matchLabels:` with labels of the template below it",
        ),
        Some(item) if known => about_template(form, labels).check(&item),
        Some(_) => {}
        None => fields
            .missing("selector", "write `selector:` with `matchLabels:` and the template's labels below it"),
    }
}

/// A number of pods, of which there is one here.
fn one_of(fields: &mut Fields<'_>, name: &'static str, what: &str) {
    let Some(item) = fields.take(name) else { return };
    let runs = item.scope.purpose == Purpose::Run;
    let Some(count) = item.integer(0, i32::MAX.into()).filter(|count| runs && *count != 1) else { return };
    let label = if count == 0 { "a cluster would run none" } else { "a cluster would run more" };
    let problem = if item.scope.kube_strict {
        let problem =
            item.scope.error(item.node.span, format!("cannot run {name} {count}: podinit runs one pod"));
        let help = format!("write {}, or leave out `--kube-strict`", item.scope.written(name, "1"));
        problem.help(help)
    } else {
        let message = format!("running one {what}: podinit runs one pod");
        Problem::warning(item.scope.source, item.node.span, message)
    };
    item.scope.report(problem.path(item.path).label(label));
}
