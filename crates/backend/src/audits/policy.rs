//! Policies: how an organisation has its clusters judged. Whatever is changed has them judged again.

use kubewise_audit::{KubernetesVersion, Parameters, Profile};
use kubewise_contract::{
    Action, Choice, ClusterId, ClusterPolicy, Decided, DecidedRule, Field, FieldError, ListQuery, ParametersInput,
    Permission, Policies, Problem,
};
use serde_json::json;

use super::{again, decisions, rules};
use crate::{
    Authorized, Cluster, Error, Organisation, Web,
    activity::Entry,
    inventory::cursor,
    permission::{ManagePolicies, ViewInventory},
};

/// The oldest version of Kubernetes that is offered; older ones are judged as well, and hardly run.
const OLDEST_OFFERED: u16 = 19;
/// Names in one list.
const MOST_NAMES: usize = 100;
/// Longest of them, in characters.
const LONGEST_NAME: usize = 253;

impl Web {
    /// How the organisation's clusters are judged.
    pub async fn policies(
        &self,
        org: &Authorized<Organisation, ViewInventory>,
        query: &ListQuery,
    ) -> Result<Policies, Error> {
        let [after] = cursor::decode(query.after.as_ref())?;
        let can_set = org.may(Permission::ManagePolicies);
        let mut tx = org.read(&self.pool).await?;
        let policy = sqlx::query!(
            "SELECT rules, parameters, waivers_are_asked, annotations_waive FROM audit_policies WHERE org_id = $1",
            org.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            r#"SELECT c.id, c.name, c.kubernetes_version AS runs, p.profile AS "profile?", p.kubernetes_version
               FROM clusters c LEFT JOIN cluster_policies p ON p.org_id = c.org_id AND p.cluster_id = c.id
               WHERE c.org_id = $1 AND c.deleted_at IS NULL AND c.name > $2 AND ($4::uuid[] IS NULL OR c.id = ANY ($4))
               ORDER BY c.name LIMIT $3"#,
            org.id.0,
            after,
            cursor::ONE_MORE,
            org.holder().scope.column(),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let page = cursor::page(rows, |row| vec![row.name.clone()]);
        let (mut decided, mut parameters) = (Vec::new(), Parameters::default());
        let (mut waivers_are_asked, mut annotations_waive) = (false, false);
        if let Some(policy) = policy {
            decided = decisions::decided(policy.rules)?;
            parameters = decisions::parameters(policy.parameters)?;
            (waivers_are_asked, annotations_waive) = (policy.waivers_are_asked, policy.annotations_waive);
        }
        let clusters = page.rows.into_iter().map(|row| ClusterPolicy {
            id: ClusterId(row.id),
            name: row.name,
            runs: row.runs,
            profile: row.profile.unwrap_or_else(|| Profile::All.to_string()),
            kubernetes_version: row.kubernetes_version,
        });
        Ok(Policies {
            rules: decided.into_iter().map(decided_rule).collect(),
            parameters: shown(&parameters),
            waivers_are_asked,
            annotations_waive,
            clusters: clusters.collect(),
            next: page.next,
            catalogue: if can_set { catalogue() } else { Vec::new() },
            profiles: profiles(),
            versions: (OLDEST_OFFERED..=KubernetesVersion::NEWEST.minor)
                .rev()
                .map(|minor| KubernetesVersion::new(1, minor).to_string())
                .collect(),
            can_set,
        })
    }

    /// Decides about a rule; none: it is as the catalogue says.
    pub async fn decide_rule(
        &self,
        org: &Authorized<Organisation, ManagePolicies>,
        rule: &str,
        decided: Option<Decided>,
    ) -> Result<(), Error> {
        let rule = rule.trim();
        // What was decided about a rule that is gone can be taken back.
        if decided.is_some() && kubewise_audit::rules::find(rule).is_none() {
            return Err(FieldError { field: Field::Rule, problem: Problem::NoSuchRule }.into());
        }
        let mut tx = org.write_alone(self).await?;
        let before =
            sqlx::query_scalar!("SELECT rules -> $2 AS rule FROM audit_policies WHERE org_id = $1", org.id.0, rule)
                .fetch_optional(&mut *tx)
                .await?
                .flatten();
        let after = decided.map(|decided| json!(decided.as_str()));
        if before == after {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO audit_policies (org_id, rules, set_at)
             VALUES ($1, CASE WHEN $3::jsonb IS NULL THEN '{}' ELSE jsonb_build_object($2::text, $3::jsonb) END, $4)
             ON CONFLICT (org_id) DO UPDATE
             SET rules = (audit_policies.rules - $2::text) || excluded.rules, set_at = excluded.set_at",
            org.id.0,
            rule,
            after,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        again::enqueue(&mut tx, org.id, None).await?;
        let mut entry = Entry::of(Action::PolicyRule).called(rule);
        if let Some(before) = before {
            entry = entry.before(json!({ "decided": before }));
        }
        if let Some(after) = after {
            entry = entry.after(json!({ "decided": after }));
        }
        tx.commit(entry).await
    }

    /// Sets what rules leave open.
    pub async fn set_parameters(
        &self,
        org: &Authorized<Organisation, ManagePolicies>,
        input: &ParametersInput,
    ) -> Result<(), Error> {
        let wanted = json!(parsed(input)?);
        let mut tx = org.write_alone(self).await?;
        let before = sqlx::query_scalar!("SELECT parameters FROM audit_policies WHERE org_id = $1", org.id.0)
            .fetch_optional(&mut *tx)
            .await?;
        if before.as_ref() == Some(&wanted) {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO audit_policies (org_id, parameters, set_at) VALUES ($1, $2, $3)
             ON CONFLICT (org_id) DO UPDATE SET parameters = excluded.parameters, set_at = excluded.set_at",
            org.id.0,
            wanted,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        again::enqueue(&mut tx, org.id, None).await?;
        let entry = Entry::of(Action::PolicySet).before(before.unwrap_or_else(|| json!({})));
        tx.commit(entry.after(wanted)).await
    }

    /// Sets who decides about waivers: whether they wait until they are allowed, and whether annotations of objects waive.
    pub async fn set_waiver_policy(
        &self,
        org: &Authorized<Organisation, ManagePolicies>,
        are_asked: bool,
        annotations_waive: bool,
    ) -> Result<(), Error> {
        let described = |asked: bool, annotations: bool| json!({ "asked": asked, "annotations": annotations });
        let mut tx = org.write_alone(self).await?;
        let before = sqlx::query!(
            "SELECT waivers_are_asked, annotations_waive FROM audit_policies WHERE org_id = $1",
            org.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .map_or((false, false), |row| (row.waivers_are_asked, row.annotations_waive));
        if before == (are_asked, annotations_waive) {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO audit_policies (org_id, waivers_are_asked, annotations_waive, set_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (org_id) DO UPDATE SET waivers_are_asked = excluded.waivers_are_asked,
               annotations_waive = excluded.annotations_waive, set_at = excluded.set_at",
            org.id.0,
            are_asked,
            annotations_waive,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        if before.1 != annotations_waive {
            again::enqueue(&mut tx, org.id, None).await?;
        }
        let entry = Entry::of(Action::PolicySet).before(described(before.0, before.1));
        tx.commit(entry.after(described(are_asked, annotations_waive))).await
    }

    /// Sets by which rules a cluster is judged, and for which version; none: for the one that it runs.
    pub async fn set_cluster_policy(
        &self,
        cluster: &Authorized<Cluster, ManagePolicies>,
        profile: &str,
        version: Option<&str>,
    ) -> Result<(), Error> {
        let not_understood = || Error::from(FieldError { field: Field::Query, problem: Problem::NotUnderstood });
        let profile: Profile = profile.parse().map_err(|_| not_understood())?;
        let version: Option<KubernetesVersion> = version.map(str::parse).transpose().map_err(|_| not_understood())?;
        if version.is_some_and(|version| version.major != 1 || version > KubernetesVersion::NEWEST) {
            return Err(not_understood());
        }
        let (profile, version) = (profile.to_string(), version.map(|version| version.to_string()));
        let described = |profile: &str, version: Option<&str>| json!({ "profile": profile, "version": version });
        let mut tx = cluster.write(self).await?;
        let before = sqlx::query!(
            "SELECT profile, kubernetes_version FROM cluster_policies WHERE org_id = $1 AND cluster_id = $2 FOR UPDATE",
            cluster.org.0,
            cluster.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?
        .map_or_else(|| (Profile::All.to_string(), None), |row| (row.profile, row.kubernetes_version));
        if (&before.0, &before.1) == (&profile, &version) {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO cluster_policies (org_id, cluster_id, profile, kubernetes_version, set_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (org_id, cluster_id) DO UPDATE SET profile = excluded.profile,
               kubernetes_version = excluded.kubernetes_version, set_at = excluded.set_at",
            cluster.org.0,
            cluster.id.0,
            profile,
            version,
            self.world.now(),
        )
        .execute(&mut *tx)
        .await?;
        again::enqueue(&mut tx, cluster.org, Some(cluster.id)).await?;
        let entry = Entry::cluster(Action::PolicyCluster, cluster.id, &cluster.name);
        let entry = entry.before(described(&before.0, before.1.as_deref()));
        tx.commit(entry.after(described(&profile, version.as_deref()))).await
    }
}

fn decided_rule((rule, decided): (String, Decided)) -> DecidedRule {
    let usual = kubewise_audit::rules::find(&rule).map(|rule| rules::severity(rule.severity));
    DecidedRule { title: rules::title(&rule), rule, usual, decided }
}

fn catalogue() -> Vec<Choice> {
    let mut choices: Vec<Choice> = kubewise_audit::rules::all()
        .map(|rule| Choice { value: rule.id.to_owned(), title: rule.title.to_owned() })
        .collect();
    choices.sort_by(|a, b| a.value.cmp(&b.value));
    choices
}

fn profiles() -> Vec<Choice> {
    let frameworks = kubewise_audit::Framework::ALL.iter().map(|one| (one.as_str(), one.title()));
    let categories = kubewise_audit::Category::ALL.iter().map(|one| (one.as_str(), one.title()));
    std::iter::once(("all", "All rules"))
        .chain(frameworks)
        .chain(categories)
        .map(|(value, title)| Choice { value: value.to_owned(), title: title.to_owned() })
        .collect()
}

fn shown(parameters: &Parameters) -> ParametersInput {
    ParametersInput {
        allowed_registries: parameters.allowed_registries.join(", "),
        minimum_replicas: parameters.minimum_replicas.to_string(),
        maximum_limit_ratio_percent: parameters.maximum_limit_ratio_percent.to_string(),
        required_labels: parameters.required_labels.join(", "),
        system_namespaces: parameters.system_namespaces.join(", "),
        maximum_grace_seconds: parameters.maximum_grace_seconds.to_string(),
    }
}

fn parsed(input: &ParametersInput) -> Result<Parameters, FieldError> {
    let number = |field, text: &str, min: u32, max: u32| {
        let number = text.trim().parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or(FieldError { field, problem: Problem::NotBetween { min, max } })
    };
    let names = |field, text: &str| {
        let names: Vec<String> =
            text.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let fits = |name: &String| {
            name.len() <= LONGEST_NAME && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._/:@".contains(c))
        };
        let all_fit = names.len() <= MOST_NAMES && names.iter().all(fits);
        if all_fit { Ok(names) } else { Err(FieldError { field, problem: Problem::NotNames }) }
    };
    Ok(Parameters {
        allowed_registries: names(Field::Registries, &input.allowed_registries)?,
        minimum_replicas: number(Field::Replicas, &input.minimum_replicas, 1, 100)?,
        maximum_limit_ratio_percent: number(Field::LimitRatio, &input.maximum_limit_ratio_percent, 100, 100_000)?,
        required_labels: names(Field::RequiredLabels, &input.required_labels)?,
        system_namespaces: names(Field::SystemNamespaces, &input.system_namespaces)?,
        maximum_grace_seconds: number(Field::Grace, &input.maximum_grace_seconds, 0, 86_400)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_is_set() {
        let parameters = Parameters {
            allowed_registries: vec!["ghcr.io/acme".to_owned(), "registry.example.com:5000".to_owned()],
            required_labels: vec!["example.com/team".to_owned()],
            ..Parameters::default()
        };
        assert_eq!(parsed(&shown(&parameters)), Ok(parameters));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let usual = || shown(&Parameters::default());
        for (input, field) in [
            (ParametersInput { minimum_replicas: "0".to_owned(), ..usual() }, Field::Replicas),
            (ParametersInput { minimum_replicas: "two".to_owned(), ..usual() }, Field::Replicas),
            (ParametersInput { maximum_limit_ratio_percent: "99".to_owned(), ..usual() }, Field::LimitRatio),
            (ParametersInput { maximum_grace_seconds: "-1".to_owned(), ..usual() }, Field::Grace),
            (ParametersInput { allowed_registries: "ghcr.io acme".to_owned(), ..usual() }, Field::Registries),
            (ParametersInput { required_labels: "a,".repeat(101), ..usual() }, Field::RequiredLabels),
            (ParametersInput { system_namespaces: "x".repeat(300), ..usual() }, Field::SystemNamespaces),
        ] {
            assert_eq!(parsed(&input).map_err(|error| error.field), Err(field), "{input:?}");
        }
    }

    #[test]
    fn what_is_stored_is_read() {
        let rules = json!({"pss-host-ports": "off", "container-image-tag": "high"});
        let read = decisions::decided(rules).unwrap();
        assert!(read.contains(&("pss-host-ports".to_owned(), Decided::Off)));
        assert_eq!(read.len(), 2);
        for broken in [json!({"a": "worse"}), json!({"a": 1}), serde_json::Value::Null] {
            assert!(decisions::decided(broken).is_err());
        }
    }
}
