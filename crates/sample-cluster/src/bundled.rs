//! The cluster that comes with this crate.

mod kinds;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(crate) use kinds::builtin as builtin_kinds;

use crate::{
    controllers::{KUBERNETES_VERSION, Scene},
    object,
    resource_type::ResourceType,
    store::Store,
};

/// The manifests, by file.
const MANIFESTS: &[(&str, &str)] = &[
    ("cluster.yaml", include_str!("../manifests/cluster.yaml")),
    ("rbac.yaml", include_str!("../manifests/rbac.yaml")),
    ("definitions.yaml", include_str!("../manifests/definitions.yaml")),
    ("kube-system.yaml", include_str!("../manifests/kube-system.yaml")),
    ("ingress.yaml", include_str!("../manifests/ingress.yaml")),
    ("cert-manager.yaml", include_str!("../manifests/cert-manager.yaml")),
    ("argocd.yaml", include_str!("../manifests/argocd.yaml")),
    ("monitoring.yaml", include_str!("../manifests/monitoring.yaml")),
    ("shop.yaml", include_str!("../manifests/shop.yaml")),
    ("shop-backend.yaml", include_str!("../manifests/shop-backend.yaml")),
    ("shop-network.yaml", include_str!("../manifests/shop-network.yaml")),
    ("payments.yaml", include_str!("../manifests/payments.yaml")),
    ("data.yaml", include_str!("../manifests/data.yaml")),
    ("ci.yaml", include_str!("../manifests/ci.yaml")),
    ("legacy.yaml", include_str!("../manifests/legacy.yaml")),
    ("sandbox.yaml", include_str!("../manifests/sandbox.yaml")),
    ("trivy.yaml", include_str!("../manifests/trivy.yaml")),
];

/// Every manifest.
pub(crate) fn manifests() -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for (file, text) in MANIFESTS {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).with_context(|| format!("manifests/{file} is not YAML"))?;
        all.extend(documents.into_iter().filter(|document| !document.is_null()));
    }
    Ok(all)
}

/// The bundled cluster.
pub(crate) fn store() -> Result<Store> {
    let manifests = manifests()?;
    let mut kinds = builtin_kinds();
    for definition in manifests.iter().filter(|m| object::kind(m) == "CustomResourceDefinition") {
        kinds.extend(ResourceType::of_definition(definition));
    }
    let scene = Scene::of("eu-prod", &manifests);
    let mut store = Store::new(version(), &kinds);
    store.unavailable_groups = vec!["metrics.k8s.io".to_owned()];
    for object in scene.expand(manifests, &kinds) {
        let collection = store.find_of(&object)?;
        store.load(collection, object)?;
    }
    store.begin(0);
    Ok(store)
}

/// The answer to `/version`.
pub(crate) fn version() -> Value {
    let mut parts = KUBERNETES_VERSION.split('.');
    json!({
        "major": parts.next(), "minor": parts.next(), "gitVersion": format!("v{KUBERNETES_VERSION}"),
        "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
        "buildDate": "2026-06-18T09:12:05Z", "goVersion": "go1.25.9", "compiler": "gc", "platform": "linux/amd64",
    })
}
