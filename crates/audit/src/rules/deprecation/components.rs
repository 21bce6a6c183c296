//! Programs that nobody mends any more.

use crate::{object::Container, out::Out};

struct Component {
    /// Registry and repository.
    images: &'static [(&'static str, &'static str)],
    name: &'static str,
    /// What happened to it: a clause that follows its name.
    end: &'static str,
    replacement: &'static str,
}

/// Sources: the announcements of each project.
static COMPONENTS: &[Component] = &[
    Component {
        images: &[
            ("registry.k8s.io", "ingress-nginx/controller"),
            ("registry.k8s.io", "ingress-nginx/controller-chroot"),
            ("k8s.gcr.io", "ingress-nginx/controller"),
            ("k8s.gcr.io", "ingress-nginx/controller-chroot"),
            ("quay.io", "kubernetes-ingress-controller/nginx-ingress-controller"),
        ],
        name: "Ingress NGINX",
        end: "was retired in March 2026",
        replacement: "an implementation of the Gateway API or another ingress controller",
    },
    Component {
        images: &[("gcr.io", "kubernetes-helm/tiller"), ("ghcr.io", "helm/tiller")],
        name: "Tiller",
        end: "had its last release with Helm 2 in November 2020",
        replacement: "Helm 3 or newer, which has nothing in the cluster",
    },
    Component {
        images: &[
            ("k8s.gcr.io", "heapster"),
            ("k8s.gcr.io", "heapster-amd64"),
            ("gcr.io", "google_containers/heapster"),
            ("gcr.io", "google_containers/heapster-amd64"),
        ],
        name: "Heapster",
        end: "was retired in 2018",
        replacement: "metrics-server",
    },
    Component {
        images: &[("docker.io", "weaveworks/weave-kube"), ("docker.io", "weaveworks/weave-npc")],
        name: "Weave Net",
        end: "was archived in June 2024",
        replacement: "a network plugin that is maintained",
    },
    Component {
        images: &[
            ("docker.io", "kubernetesui/dashboard"),
            ("docker.io", "kubernetesui/dashboard-api"),
            ("docker.io", "kubernetesui/dashboard-auth"),
            ("docker.io", "kubernetesui/dashboard-web"),
            ("docker.io", "kubernetesui/metrics-scraper"),
        ],
        name: "Kubernetes Dashboard",
        end: "was archived in 2026",
        replacement: "Headlamp",
    },
    Component {
        images: &[("gcr.io", "kubebuilder/kube-rbac-proxy")],
        name: "kube-rbac-proxy of gcr.io/kubebuilder",
        end: "is not served by that registry since 2025",
        replacement: "the authentication of controller-runtime, or quay.io/brancz/kube-rbac-proxy",
    },
    Component {
        images: &[("docker.io", "fluxcd/flux"), ("docker.io", "fluxcd/helm-operator")],
        name: "Flux 1",
        end: "was archived in November 2022",
        replacement: "Flux 2",
    },
    Component {
        images: &[("docker.io", "grafana/agent"), ("docker.io", "grafana/agent-operator")],
        name: "Grafana Agent",
        end: "reached its end of life in November 2025",
        replacement: "Grafana Alloy",
    },
    Component {
        images: &[("docker.io", "grafana/promtail")],
        name: "Promtail",
        end: "reached its end of life in March 2026",
        replacement: "Grafana Alloy",
    },
    Component {
        images: &[("docker.io", "jetstack/kube-lego")],
        name: "kube-lego",
        end: "was given up in 2018",
        replacement: "cert-manager",
    },
];

pub(super) fn end_of_life<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = out.looked(container).image else { return };
    let is_of = |one: &(&str, &str)| one.0 == image.registry && one.1 == image.repository;
    let Some(component) = COMPONENTS.iter().find(|component| component.images.iter().any(is_of)) else { return };
    let Component { name, end, replacement, .. } = component;
    let title = container.title();
    out.fail(container.spot("image"), format!("{name}, which {title} runs, {end}; use {replacement}."));
}
