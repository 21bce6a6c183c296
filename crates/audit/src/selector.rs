//! Label selectors.

use crate::node::Node;

/// Whether labels fulfil a `LabelSelector` (`matchLabels` and `matchExpressions`). An empty one selects everything; an
/// absent one is the caller's to decide. An operator that Kubernetes does not know selects nothing.
pub fn selects(selector: &Node, labels: &Node) -> bool {
    selects_map(selector.get("matchLabels"), labels)
        && selector.get("matchExpressions").items().iter().all(|expression| {
            let value = labels.get(expression.get("key").str());
            let listed = || value.as_str().is_some_and(|value| expression.get("values").has(value));
            match expression.get("operator").str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_present(),
                "DoesNotExist" => !value.is_present(),
                _ => false,
            }
        })
}

/// Whether labels have every pair of a map, as the selectors of Services and `matchLabels` say it.
pub fn selects_map(pairs: &Node, labels: &Node) -> bool {
    pairs.entries().all(|(key, value)| {
        let label = labels.get(key);
        match (label.as_str(), value.as_str()) {
            (Some(label), Some(value)) => label == value,
            _ => label.text() == value.text() && value.is_present(),
        }
    })
}

/// Whether a `LabelSelector` says nothing, and so selects everything.
pub fn is_empty(selector: &Node) -> bool {
    selector.get("matchLabels").is_empty() && selector.get("matchExpressions").is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn as_kubernetes_selects() {
        let labels = node(r#"{"app": "web", "tier": "front"}"#);
        for (selector, expected) in [
            ("{}", true),
            (r#"{"matchLabels": {"app": "web"}}"#, true),
            (r#"{"matchLabels": {"app": "web", "x": "y"}}"#, false),
            (r#"{"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}"#, true),
            (r#"{"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}"#, false),
            (r#"{"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}"#, true),
            (r#"{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}"#, true),
            (r#"{"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}"#, false),
            (r#"{"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}"#, false),
        ] {
            assert_eq!(selects(&node(selector), &labels), expected, "{selector}");
        }
        assert!(!selects(&node(r#"{"matchLabels": {"app": "web"}}"#), Node::absent()));
    }
}
