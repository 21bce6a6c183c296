//! Which releases of well-known add-ons serve which of their APIs.

/// Kinds in one version of an add-on's API group.
///
/// Sources: the release notes and upgrade guides of each add-on.
#[derive(Debug)]
pub struct AddonApi {
    /// `cert-manager.io/v1alpha2`
    pub version: &'static str,
    /// The kinds that it holds for; none: for all.
    pub kinds: &'static [&'static str],
    /// The add-on, as its project writes it.
    pub addon: &'static str,
    /// The release that no longer serves it.
    pub removed: &'static str,
    /// The release that deprecates it.
    pub deprecated: &'static str,
    /// What to use instead.
    pub replacement: &'static str,
}

/// Of an object's `apiVersion` and `kind`.
pub fn find(version: &str, kind: &str) -> Option<&'static AddonApi> {
    // The groups of add-ons have a domain; those of most objects have none.
    if !version.contains('.') {
        return None;
    }
    ADDONS.iter().find(|api| api.version == version && (api.kinds.is_empty() || api.kinds.contains(&kind)))
}

const SECRETS: &[&str] = &["ClusterExternalSecret", "ClusterSecretStore", "ExternalSecret", "SecretStore"];
const SERVING: &[&str] = &["Configuration", "Revision", "Route", "Service"];
const SNAPSHOTS: &[&str] = &["VolumeSnapshot", "VolumeSnapshotClass", "VolumeSnapshotContent"];
const SOURCES: &[&str] = &["Bucket", "GitRepository", "HelmChart", "HelmRepository", "OCIRepository"];

const fn gone(
    version: &'static str,
    kinds: &'static [&'static str],
    addon: &'static str,
    [deprecated, removed]: [&'static str; 2],
    replacement: &'static str,
) -> AddonApi {
    AddonApi { version, kinds, addon, removed, deprecated, replacement }
}

/// All that are known.
pub static ADDONS: &[AddonApi] = &[
    gone("acme.cert-manager.io/v1alpha2", &[], "cert-manager", ["1.4", "1.6"], "acme.cert-manager.io/v1"),
    gone("acme.cert-manager.io/v1alpha3", &[], "cert-manager", ["1.4", "1.6"], "acme.cert-manager.io/v1"),
    gone("acme.cert-manager.io/v1beta1", &[], "cert-manager", ["1.4", "1.6"], "acme.cert-manager.io/v1"),
    gone("cert-manager.io/v1alpha2", &[], "cert-manager", ["1.4", "1.6"], "cert-manager.io/v1"),
    gone("cert-manager.io/v1alpha3", &[], "cert-manager", ["1.4", "1.6"], "cert-manager.io/v1"),
    gone("cert-manager.io/v1beta1", &[], "cert-manager", ["1.4", "1.6"], "cert-manager.io/v1"),
    gone("certmanager.k8s.io/v1alpha1", &[], "cert-manager", ["0.11", "0.11"], "cert-manager.io/v1"),
    gone(
        "authentication.istio.io/v1alpha1",
        &["MeshPolicy", "Policy"],
        "Istio",
        ["1.4", "1.6"],
        "PeerAuthentication and RequestAuthentication of security.istio.io/v1",
    ),
    gone(
        "rbac.istio.io/v1alpha1",
        &["ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding"],
        "Istio",
        ["1.4", "1.6"],
        "AuthorizationPolicy of security.istio.io/v1",
    ),
    gone(
        "external-secrets.io/v1alpha1",
        SECRETS,
        "External Secrets Operator",
        ["0.5", "0.16"],
        "external-secrets.io/v1",
    ),
    gone(
        "external-secrets.io/v1beta1",
        SECRETS,
        "External Secrets Operator",
        ["0.16", "0.17"],
        "external-secrets.io/v1",
    ),
    gone(
        "gateway.networking.k8s.io/v1alpha2",
        &["GRPCRoute"],
        "the Gateway API",
        ["1.1", "1.2"],
        "gateway.networking.k8s.io/v1",
    ),
    gone(
        "gateway.networking.k8s.io/v1alpha2",
        &["ReferenceGrant"],
        "the Gateway API",
        ["0.6", "1.2"],
        "gateway.networking.k8s.io/v1beta1",
    ),
    gone(
        "gateway.networking.k8s.io/v1alpha2",
        &["ReferencePolicy"],
        "the Gateway API",
        ["0.5", "0.6"],
        "ReferenceGrant of gateway.networking.k8s.io/v1beta1",
    ),
    gone(
        "gateway.networking.k8s.io/v1alpha2",
        &["Gateway", "GatewayClass", "HTTPRoute"],
        "the Gateway API",
        ["0.5", "1.0"],
        "gateway.networking.k8s.io/v1",
    ),
    gone("serving.knative.dev/v1alpha1", SERVING, "Knative Serving", ["0.13", "0.19"], "serving.knative.dev/v1"),
    gone("serving.knative.dev/v1beta1", SERVING, "Knative Serving", ["0.13", "0.19"], "serving.knative.dev/v1"),
    gone(
        "eventing.knative.dev/v1beta1",
        &["Broker", "Trigger"],
        "Knative Eventing",
        ["0.18", "0.23"],
        "eventing.knative.dev/v1",
    ),
    gone(
        "messaging.knative.dev/v1beta1",
        &["Channel", "InMemoryChannel", "Subscription"],
        "Knative Eventing",
        ["0.18", "0.23"],
        "messaging.knative.dev/v1",
    ),
    gone(
        "flows.knative.dev/v1beta1",
        &["Parallel", "Sequence"],
        "Knative Eventing",
        ["0.18", "0.23"],
        "flows.knative.dev/v1",
    ),
    gone("karpenter.sh/v1alpha5", &["Provisioner"], "Karpenter", ["0.32", "0.33"], "NodePool of karpenter.sh/v1"),
    gone("karpenter.sh/v1alpha5", &["Machine"], "Karpenter", ["0.32", "0.33"], "NodeClaim of karpenter.sh/v1"),
    gone(
        "karpenter.k8s.aws/v1alpha1",
        &["AWSNodeTemplate"],
        "Karpenter",
        ["0.32", "0.33"],
        "EC2NodeClass of karpenter.k8s.aws/v1",
    ),
    gone("karpenter.sh/v1beta1", &["NodeClaim", "NodePool"], "Karpenter", ["1.0", "1.1"], "karpenter.sh/v1"),
    gone("karpenter.k8s.aws/v1beta1", &["EC2NodeClass"], "Karpenter", ["1.0", "1.1"], "karpenter.k8s.aws/v1"),
    gone("longhorn.io/v1beta1", &[], "Longhorn", ["1.9", "1.10"], "longhorn.io/v1beta2"),
    gone(
        "snapshot.storage.k8s.io/v1alpha1",
        SNAPSHOTS,
        "external-snapshotter",
        ["2.0", "2.0"],
        "snapshot.storage.k8s.io/v1",
    ),
    gone(
        "snapshot.storage.k8s.io/v1beta1",
        SNAPSHOTS,
        "external-snapshotter",
        ["4.1", "6.0"],
        "snapshot.storage.k8s.io/v1",
    ),
    gone("source.toolkit.fluxcd.io/v1beta1", SOURCES, "Flux", ["2.0", "2.7"], "source.toolkit.fluxcd.io/v1"),
    gone("source.toolkit.fluxcd.io/v1beta2", SOURCES, "Flux", ["2.3", "2.8"], "source.toolkit.fluxcd.io/v1"),
    gone("kustomize.toolkit.fluxcd.io/v1beta1", &[], "Flux", ["2.0", "2.7"], "kustomize.toolkit.fluxcd.io/v1"),
    gone("kustomize.toolkit.fluxcd.io/v1beta2", &[], "Flux", ["2.0", "2.8"], "kustomize.toolkit.fluxcd.io/v1"),
    gone("helm.toolkit.fluxcd.io/v2beta1", &[], "Flux", ["2.2", "2.7"], "helm.toolkit.fluxcd.io/v2"),
    gone("helm.toolkit.fluxcd.io/v2beta2", &[], "Flux", ["2.3", "2.8"], "helm.toolkit.fluxcd.io/v2"),
    gone("traefik.containo.us/v1alpha1", &[], "Traefik", ["2.10", "3.0"], "traefik.io/v1alpha1"),
];
