//! How often the pod of a Job is tried, and for how long. Knows what a Job says beside its template, not
//! how a pod is tried again.

use super::decode::Fields;
use super::pod::Job;
use std::time::Duration;

/// Failures that Kubernetes forgives where nothing is written.
const USUAL_BACKOFF_LIMIT: u32 = 6;

/// Reads the fields of a Job's spec. A deadline of 0 has passed at once, as in Kubernetes.
pub(super) fn job(fields: &mut Fields<'_>) -> Job {
    let limit = fields.take("backoffLimit").and_then(|item| item.integer(0, i32::MAX.into()));
    let deadline = fields.take("activeDeadlineSeconds").and_then(|item| item.integer(0, i64::MAX));
    Job {
        backoff_limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(USUAL_BACKOFF_LIMIT),
        active_deadline: deadline.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
    }
}
