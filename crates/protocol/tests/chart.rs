//! The agent's `ClusterRole` allows exactly what the agent reads. (`deploy/test_chart.py` sees to it that the manifest
//! is what the Helm chart renders.)

use std::collections::BTreeSet;

use kubewise_protocol::KINDS;
use serde::Deserialize;
use serde_json::Value;

const MANIFEST: &str = include_str!("../../../deploy/manifest/agent.yaml");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

#[test]
fn the_cluster_role_allows_to_list_and_watch_what_the_agent_reads_and_nothing_else() {
    let objects: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).unwrap();
    let roles: Vec<&Value> = objects.iter().filter(|o| o["kind"] == "ClusterRole" || o["kind"] == "Role").collect();
    assert_eq!(roles.len(), 1);
    let rules: Vec<Rule> = serde_json::from_value(roles[0]["rules"].clone()).unwrap();
    let mut allowed = BTreeSet::new();
    for rule in &rules {
        assert_eq!(rule.verbs, ["list", "watch"]);
        for group in &rule.api_groups {
            for resource in &rule.resources {
                assert!(allowed.insert((group.as_str(), resource.as_str())), "{resource} is named once");
            }
        }
    }
    let read: BTreeSet<(&str, &str)> = KINDS.iter().map(|kind| (kind.group, kind.plural)).collect();
    assert_eq!(allowed, read);
}
