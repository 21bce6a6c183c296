//! The defaults that an API server writes into what was left out.

use serde_json::{Value, json};

use crate::object::{default, list_mut};

/// Everything a pod template gets.
pub(crate) fn pod_template(template: &mut Value) {
    let spec = &mut template["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        default(spec, field, value);
    }
    if let Some(account) = spec.get("serviceAccountName").filter(|a| !a.is_null()).cloned() {
        spec["serviceAccount"] = account;
    }
    for field in ["containers", "initContainers"] {
        // Without looking first, indexing would make the field.
        let Some(containers) = spec.get_mut(field) else { continue };
        for container in list_mut(containers) {
            self::container(container);
        }
    }
    if let Some(volumes) = spec.get_mut("volumes") {
        for volume in list_mut(volumes) {
            for source in ["secret", "configMap", "projected"] {
                if let Some(source) = volume.get_mut(source) {
                    default(source, "defaultMode", json!(420));
                }
            }
            if let Some(host_path) = volume.get_mut("hostPath") {
                default(host_path, "type", json!(""));
            }
        }
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let pull = if is_floating(image) { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", json!(pull));
    default(container, "resources", json!({}));
    default(container, "terminationMessagePath", json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", json!("File"));
    // A limit without a request is the request too.
    if let Some(limits) = container["resources"].get("limits").cloned() {
        let requests = &mut container["resources"]["requests"];
        for (resource, limit) in limits.as_object().into_iter().flatten() {
            if requests[resource].is_null() {
                requests[resource] = limit.clone();
            }
        }
    }
    if let Some(ports) = container.get_mut("ports") {
        for port in list_mut(ports) {
            default(port, "protocol", json!("TCP"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        if let Some(http) = probe.get_mut("httpGet") {
            default(http, "scheme", json!("HTTP"));
        }
        for (field, value) in
            [("failureThreshold", 3), ("periodSeconds", 10), ("successThreshold", 1), ("timeoutSeconds", 1)]
        {
            default(probe, field, json!(value));
        }
    }
}

/// True for an image whose tag is `latest` or missing.
fn is_floating(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"))
}

/// A `Service`.
pub(crate) fn service(service: &mut Value, cluster_ip: &str, node_port: u64) {
    let spec = &mut service["spec"];
    default(spec, "type", json!("ClusterIP"));
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        default(spec, "clusterIP", json!(cluster_ip));
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
        spec["ipFamilies"] = json!(["IPv4"]);
        spec["ipFamilyPolicy"] = json!("SingleStack");
        default(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    default(spec, "sessionAffinity", json!("None"));
    let exposed = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    if exposed {
        default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    for (i, port) in list_mut(&mut spec["ports"]).enumerate() {
        default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        default(port, "targetPort", number);
        if exposed {
            default(port, "nodePort", json!(node_port + i as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_fixed_tag_are_always_pulled() {
        for (image, floating) in [
            ("nginx", true),
            ("registry:5000/nginx", true),
            ("nginx:latest", true),
            ("nginx:1.27", false),
            ("nginx@sha256:0", false),
        ] {
            assert_eq!(is_floating(image), floating, "{image}");
        }
    }
}
