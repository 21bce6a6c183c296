//! Jobs, and the jobs of `CronJobs`.

use serde_json::{Value, json};

use super::{cron, defaults, directives::PodState, names::suffix, pod::PodRequest, scene::Scene, workload::Expanded};
use crate::{
    clock::{MINUTE, START, rfc3339},
    object::{self, default, owner_reference},
};

impl Scene {
    /// A `CronJob` from a manifest, with the jobs of its last runs.
    pub(crate) fn cron_job(&self, mut cron_job: Value) -> Expanded {
        let (directives, _, applied) = self.begin(&mut cron_job);
        let spec = &mut cron_job["spec"];
        default(spec, "concurrencyPolicy", json!("Allow"));
        default(spec, "suspend", json!(false));
        default(spec, "successfulJobsHistoryLimit", json!(3));
        default(spec, "failedJobsHistoryLimit", json!(1));
        defaults::pod_template(&mut spec["jobTemplate"]["spec"]["template"]);
        let suspended = spec["suspend"] == true;
        let schedule = spec["schedule"].as_str().unwrap_or_default().to_owned();
        cron_job["metadata"]["generation"] = json!(1);
        let runs = directives.runs.unwrap_or_else(|| vec![PodState::Succeeded; 3]);
        let times = if suspended { Vec::new() } else { cron::last_runs(&schedule, START, runs.len()) };
        let mut dependents = Vec::new();
        let mut status = json!({});
        for (&at, &run) in times.iter().zip(&runs) {
            // The controller names a job after its minute.
            let name = format!("{}-{}", object::name(&cron_job), at / MINUTE);
            let mut job = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "name": name, "namespace": object::namespace(&cron_job),
                    "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": rfc3339(at)},
                    "ownerReferences": [owner_reference(&cron_job)],
                },
                "spec": cron_job["spec"]["jobTemplate"]["spec"],
            });
            if let Some(labels) = cron_job["spec"]["jobTemplate"]["metadata"].get("labels") {
                job["metadata"]["labels"] = labels.clone();
            }
            self.identify(&mut job, at);
            let mut made = self.complete_job(&mut job, run, at);
            self.finish_made(&mut job, "kube-controller-manager", Some("kube-controller-manager"));
            status["lastScheduleTime"] = json!(rfc3339(at));
            if run == PodState::Succeeded {
                status["lastSuccessfulTime"] = json!(rfc3339(at + 90));
            }
            dependents.push(job);
            dependents.append(&mut made);
        }
        cron_job["status"] = status;
        self.finish(&mut cron_job, Some(&applied), Some("kube-controller-manager"));
        Expanded { workload: cron_job, dependents }
    }

    /// A Job from a manifest.
    pub(crate) fn job(&self, mut job: Value) -> Expanded {
        let (directives, created, applied) = self.begin(&mut job);
        let state = match directives.state {
            PodState::Running => PodState::Succeeded,
            other => other,
        };
        let dependents = self.complete_job(&mut job, state, created);
        self.finish(&mut job, Some(&applied), Some("kube-controller-manager"));
        Expanded { workload: job, dependents }
    }

    /// What the job controller writes into a job that has its UID; its pods.
    fn complete_job(&self, job: &mut Value, state: PodState, at: i64) -> Vec<Value> {
        let (namespace, name) = (object::namespace(job).to_owned(), object::name(job).to_owned());
        let uid = job["metadata"]["uid"].clone();
        let labels = json!({
            "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
            "controller-uid": uid, "job-name": name,
        });
        job["metadata"]["generation"] = json!(1);
        let job_labels = object::map(&mut job["metadata"], "labels");
        job_labels.extend(labels.as_object().cloned().unwrap_or_default());
        let spec = &mut job["spec"];
        for (field, value) in [
            ("backoffLimit", json!(6)),
            ("completionMode", json!("NonIndexed")),
            ("completions", json!(1)),
            ("parallelism", json!(1)),
            ("podReplacementPolicy", json!("TerminatingOrFailed")),
            ("suspend", json!(false)),
        ] {
            default(spec, field, value);
        }
        spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
        defaults::pod_template(&mut spec["template"]);
        let template_labels = object::map(&mut spec["template"]["metadata"], "labels");
        template_labels.extend(labels.as_object().cloned().unwrap_or_default());
        let ended = rfc3339(at + 90);
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastProbeTime": ended, "lastTransitionTime": ended,
            })
        };
        let failed = state == PodState::Failed;
        job["status"] = if failed {
            let message = "Job has reached the specified backoff limit";
            json!({
                "startTime": rfc3339(at), "failed": 1, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {},
                "conditions": [
                    condition("FailureTarget", "BackoffLimitExceeded", message),
                    condition("Failed", "BackoffLimitExceeded", message),
                ],
            })
        } else {
            let message = "Reached expected number of succeeded pods";
            json!({
                "startTime": rfc3339(at), "completionTime": ended, "succeeded": 1, "ready": 0, "terminating": 0,
                "uncountedTerminatedPods": {},
                "conditions": [
                    condition("SuccessCriteriaMet", "CompletionsReached", message),
                    condition("Complete", "CompletionsReached", message),
                ],
            })
        };
        vec![self.pod(&PodRequest {
            namespace: &namespace,
            name: format!("{name}-{}", suffix(&format!("{}/{namespace}/{name}", self.seed), 5)),
            generate_name: Some(format!("{name}-")),
            owner: Some(job),
            template: &job["spec"]["template"],
            created: at,
            node: None,
            state: if failed { PodState::Failed } else { PodState::Succeeded },
            restarts: 0,
        })]
    }
}
