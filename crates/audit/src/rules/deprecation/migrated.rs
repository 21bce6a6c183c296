//! Manifests whose API version was changed and nothing else: the API server refuses them, or ignores what it no longer
//! knows. What is in a cluster was accepted, and what was read of it may be less than there is.

use crate::{node::Node, object::Object, out::Out};

fn is_manifest(object: &Object, version: &str, out: &Out<'_>) -> bool {
    out.inventory().is_manifests() && &*object.api_version == version
}

pub(super) fn ingress(ingress: &Object, out: &mut Out<'_>) {
    if !is_manifest(ingress, "networking.k8s.io/v1", out) {
        return;
    }
    let spec = ingress.spec();
    if spec.get("backend").is_present() {
        out.fail(
            ingress.spot("spec.backend"),
            "The field spec.backend is spec.defaultBackend in networking.k8s.io/v1.",
        );
    }
    for (index, rule) in spec.get("rules").items().iter().enumerate() {
        for (inner, path) in rule.at(&["http", "paths"]).items().iter().enumerate() {
            let place = format_args!("spec.rules[{index}].http.paths[{inner}]");
            let written = path.get("path").str();
            for field in ["serviceName", "servicePort"] {
                if path.get("backend").get(field).is_present() {
                    let message = format!("The backend of path \"{written}\" has the field {field} of v1beta1.");
                    out.fail(ingress.spot(&format!("{place}.backend.{field}")), message);
                }
            }
            if !path.get("pathType").is_present() {
                let message = format!("Path \"{written}\" has no pathType, which networking.k8s.io/v1 demands.");
                out.fail(ingress.spot(&format!("{place}")), message);
            }
        }
    }
}

pub(super) fn custom_resource_definition(definition: &Object, out: &mut Out<'_>) {
    if !is_manifest(definition, "apiextensions.k8s.io/v1", out) {
        return;
    }
    let spec = definition.spec();
    for field in ["additionalPrinterColumns", "subresources", "validation", "version"] {
        if spec.get(field).is_present() {
            let message = format!("The field spec.{field} of v1beta1 is in spec.versions in apiextensions.k8s.io/v1.");
            out.fail(definition.spot(&format!("spec.{field}")), message);
        }
    }
    if spec.get("preserveUnknownFields").is_true() {
        let message = "The field spec.preserveUnknownFields cannot be true in apiextensions.k8s.io/v1.";
        out.fail(definition.spot("spec.preserveUnknownFields"), message);
    }
    for (index, version) in spec.get("versions").items().iter().enumerate() {
        if !version.at(&["schema", "openAPIV3Schema"]).is_present() {
            let name = version.get("name").str();
            let message =
                format!("Version {name} has no schema.openAPIV3Schema, which apiextensions.k8s.io/v1 demands.");
            out.fail(definition.spot(&format!("spec.versions[{index}]")), message);
        }
    }
}

pub(super) fn autoscaler(autoscaler: &Object, out: &mut Out<'_>) {
    if !is_manifest(autoscaler, "autoscaling/v2", out) {
        return;
    }
    let spec = autoscaler.spec();
    if spec.get("targetCPUUtilizationPercentage").is_present() {
        let message = "The field targetCPUUtilizationPercentage is of autoscaling/v1; v2 has metrics.";
        out.fail(autoscaler.spot("spec.targetCPUUtilizationPercentage"), message);
    }
    for (index, metric) in spec.get("metrics").items().iter().enumerate() {
        for source in ["containerResource", "external", "object", "pods", "resource"] {
            let old = |node: &Node| {
                let names = ["metricName", "targetAverageUtilization", "targetAverageValue", "targetValue"];
                names.into_iter().find(|name| node.get(name).is_present())
            };
            if let Some(field) = old(metric.get(source)) {
                let message = format!("The metric has the field {field} of v2beta1; v2 has metric and target.");
                out.fail(autoscaler.spot(&format!("spec.metrics[{index}].{source}.{field}")), message);
            }
        }
    }
}

pub(super) fn webhooks(configuration: &Object, out: &mut Out<'_>) {
    if !is_manifest(configuration, "admissionregistration.k8s.io/v1", out) {
        return;
    }
    for (index, webhook) in configuration.root.get("webhooks").items().iter().enumerate() {
        let (name, place) = (webhook.get("name").str(), format!("webhooks[{index}]"));
        let effects = webhook.get("sideEffects");
        if !matches!(effects.str(), "None" | "NoneOnDryRun") {
            let written = if effects.is_present() { effects.str() } else { "none" };
            let message = format!("Webhook \"{name}\" needs sideEffects None or NoneOnDryRun and has {written}.");
            let path = if effects.is_present() { format!("{place}.sideEffects") } else { place.clone() };
            out.fail(configuration.spot(&path), message);
        }
        if webhook.get("admissionReviewVersions").is_empty() {
            let message = format!("Webhook \"{name}\" has no admissionReviewVersions, which v1 demands.");
            out.fail(configuration.spot(&place).for_each("admissionReviewVersions"), message);
        }
    }
}
