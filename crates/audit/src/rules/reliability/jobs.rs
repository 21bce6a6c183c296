//! Jobs, and when they run.

use crate::{
    object::{Kind, Object},
    out::Out,
};

/// What is wrong with a schedule, as `robfig/cron` reads it for Kubernetes; none when nothing is.
pub(super) fn schedule_fault(schedule: &str) -> Option<String> {
    let schedule = schedule.trim();
    if let Some(descriptor) = schedule.strip_prefix('@') {
        let is_known = match descriptor {
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => true,
            _ => descriptor.strip_prefix("every ").is_some_and(is_duration),
        };
        return (!is_known).then(|| format!("\"@{descriptor}\" is not known"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} fields and not 5", fields.len()));
    }
    let wrong = fields.iter().zip(&FIELDS).find(|(text, field)| !field.accepts_list(text));
    wrong.map(|(text, field)| format!("\"{text}\" is no {}", field.name))
}

struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of its values, from the least.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of the week", least: 0, most: 6, names: &DAYS },
];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Field {
    /// Empty parts are passed over.
    fn accepts_list(&self, text: &str) -> bool {
        text.split(',').filter(|part| !part.is_empty()).all(|part| self.accepts(part))
    }

    /// `*`, `5`, `1-5`, `*/10`, `0-30/5`, `mon`
    fn accepts(&self, part: &str) -> bool {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if step.is_some_and(|step| !step.parse::<u32>().is_ok_and(|step| step > 0)) {
            return false;
        }
        match range.split_once('-') {
            _ if matches!(range, "*" | "?") => true,
            Some((from, to)) => matches!((self.value(from), self.value(to)), (Some(from), Some(to)) if from <= to),
            None => self.value(range).is_some(),
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = (self.least..).zip(self.names).find(|(_, name)| name.eq_ignore_ascii_case(text));
        let value = named.map(|(value, _)| value).or_else(|| text.parse().ok())?;
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

/// A duration of Go, as `1h30m`.
fn is_duration(text: &str) -> bool {
    let has_unit = text.ends_with(['s', 'm', 'h']);
    has_unit
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b"numsh.".contains(&b))
}

pub(super) fn invalid_schedule(job: &Object, out: &mut Out<'_>) {
    let schedule = job.spec().get("schedule").str();
    // That a time zone does not belong here is another rule's to say.
    let is_zone = |word: &str| word.starts_with("TZ=") || word.starts_with("CRON_TZ=");
    let fields = match schedule.trim().split_once(char::is_whitespace) {
        Some((first, rest)) if is_zone(first) => rest,
        _ => schedule,
    };
    if let Some(fault) = schedule_fault(fields) {
        out.fail(job.spot("spec.schedule"), format!("The schedule \"{schedule}\" cannot be read: {fault}."));
    }
}

pub(super) fn invalid_time_zone(job: &Object, out: &mut Out<'_>) {
    let Some(zone) = job.spec().get("timeZone").as_str() else { return };
    let is_plain = zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b));
    let has_empty_part = zone.split('/').any(str::is_empty);
    if !is_plain || has_empty_part || zone.eq_ignore_ascii_case("local") {
        out.fail(job.spot("spec.timeZone"), format!("\"{zone}\" is no name of a time zone."));
    }
}

pub(super) fn deadline_too_short(job: &Object, out: &mut Out<'_>) {
    let deadline = job.spec().get("startingDeadlineSeconds").as_i64();
    // The controller looks every 10 seconds (documentation of CronJobs, "Deadline for delayed Job start").
    if let Some(deadline) = deadline.filter(|deadline| *deadline < 10) {
        let message = format!("{} has {deadline} s to start its Jobs, and is looked at every 10 s.", job.title());
        out.fail(job.spot("spec.startingDeadlineSeconds"), message);
    }
}

pub(super) fn concurrent(job: &Object, out: &mut Out<'_>) {
    let policy = job.spec().get("concurrencyPolicy").str();
    let of_job = job.spec().at(&["jobTemplate", "spec"]);
    let has_deadline = of_job.get("activeDeadlineSeconds").is_present()
        || of_job.at(&["template", "spec", "activeDeadlineSeconds"]).is_present();
    if matches!(policy, "" | "Allow") && !has_deadline {
        let message = format!("{} starts Jobs beside those that still run, which have no deadline.", job.title());
        out.fail(job.spot("spec.concurrencyPolicy"), message);
    }
}

pub(super) fn suspended(job: &Object, out: &mut Out<'_>) {
    if job.spec().get("suspend").is_true() {
        out.fail(job.spot("spec.suspend"), format!("{} is suspended.", job.title()));
    }
}

pub(super) fn without_failed_history(job: &Object, out: &mut Out<'_>) {
    if job.spec().get("failedJobsHistoryLimit").as_i64() == Some(0) {
        let message = format!("{} keeps nothing of Jobs that failed (failedJobsHistoryLimit: 0).", job.title());
        out.fail(job.spot("spec.failedJobsHistoryLimit"), message);
    }
}

pub(super) fn without_ttl(job: &Object, out: &mut Out<'_>) {
    let is_removed_by_others = job.controller().is_some()
        || !job.annotation("helm.sh/hook").is_empty()
        || !job.annotation("argocd.argoproj.io/hook").is_empty();
    if !is_removed_by_others && !job.spec().get("ttlSecondsAfterFinished").is_present() {
        out.fail(job.spot("spec"), format!("{} stays after it is done (no ttlSecondsAfterFinished).", job.title()));
    }
}

pub(super) fn restarts_always(job: &Object, out: &mut Out<'_>) {
    let Some(pod) = job.pod() else { return };
    let policy = pod.spec.get("restartPolicy").str();
    if matches!(policy, "" | "Always") {
        let kind = if job.kind == Kind::CronJob { "CronJob" } else { "Job" };
        let message = format!("A {kind} cannot have restartPolicy \"Always\", which it is when nothing is said.");
        out.fail(pod.spot("restartPolicy"), message);
    }
}

pub(super) fn failed(job: &Object, out: &mut Out<'_>) {
    if out.inventory().is_manifests() {
        out.cannot(super::status::UNKNOWN);
        return;
    }
    for condition in job.status().get("conditions").items() {
        if condition.get("type").str() == "Failed" && condition.get("status").str() == "True" {
            let reason = condition.get("reason").as_str().unwrap_or("no reason is given");
            out.fail(job.spot("status.conditions"), format!("{} failed ({reason}).", job.title()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::schedule_fault;

    #[test]
    fn schedules_as_kubernetes_reads_them() {
        for schedule in [
            "* * * * *",
            "*/5 0-6 1,15 jan-mar MON",
            "0 0 ? * 0",
            "@hourly",
            "@every 1h30m",
            " 0 0 * * * ",
            "5/15 * * * *",
            "59 23 31 12 6",
            "@yearly",
            "@annually",
            "@monthly",
            "@weekly",
            "@daily",
            "@midnight",
            "0-30/5 * * * sun-sat",
            "1,,2 * * * *",
        ] {
            assert_eq!(schedule_fault(schedule), None, "{schedule}");
        }
        for schedule in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * 0 *",
            "* * * * 7",
            "*/0 * * * *",
            "*/x * * * *",
            "5-1 * * * *",
            "a * * * *",
            "@often",
            "@every x",
            "@every 5",
            "@every h",
            "@every 1x2s",
            "-1 * * * *",
            "1- * * * *",
            "mon * * * *",
        ] {
            assert!(schedule_fault(schedule).is_some(), "{schedule}");
        }
    }
}
