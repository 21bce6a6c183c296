//! Requests, limits, and what nodes are promised.

mod cluster;
mod resources;

use crate::{
    object::Kind,
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The first version: the rule is for all.
const ALWAYS: KubernetesVersion = KubernetesVersion::new(1, 0);

/// The rules.
pub static RULES: &[Rule] = &[
    Rule {
        id: "cpu-request-missing",
        title: "Container without a CPU request",
        why: "The scheduler counts the container as needing no processor time and puts it on a node that is full; \
              when all are busy, it gets next to nothing.",
        fix: "Set resources.requests.cpu to what the container uses in its usual work.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::cpu_request),
    },
    Rule {
        id: "memory-request-missing",
        title: "Container without a memory request",
        why: "The scheduler counts the container as needing no memory and puts it on a node that is full; when memory \
              runs short there, its pod is among the first to be evicted; one that requests nothing at all (of the class \
              BestEffort) is the very first.",
        fix: "Set resources.requests.memory to what the container uses at its peak.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
            "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
        ],
        check: Check::Container(resources::memory_request),
    },
    Rule {
        id: "memory-limit-missing",
        title: "Container without a memory limit",
        why: "A leak or an attack on this container takes all memory of the node, and the kernel ends processes of \
              other pods, or the kubelet has to evict them.",
        fix: "Set resources.limits.memory; the same as the request is the safest.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[(Framework::Nsa, "Resource policies"), (Framework::Mitre, "T1499")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::memory_limit),
    },
    Rule {
        id: "cpu-limit-missing",
        title: "Container without a CPU limit",
        why: "Without a limit the container uses whatever the node has to spare, which mostly is wanted: requests \
              alone keep its neighbours' shares. With one, its time is the same on every node, and it is slowed down \
              even where the node is idle. A limit is right where tenants pay for what they use or have to be kept \
              apart.",
        fix: "Decide which is wanted; keep CPU requests in any case.",
        patch: Patch::None,
        severity: Severity::Info,
        categories: &[Category::Efficiency],
        controls: &[(Framework::Nsa, "Resource policies")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::cpu_limit),
    },
    Rule {
        id: "request-above-limit",
        title: "Request is above the limit",
        why: "The API server refuses a pod that asks for more than it may use: it is never made.",
        fix: "Raise the limit or lower the request.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::request_above_limit),
    },
    Rule {
        id: "limit-far-above-request",
        title: "Limit is many times the request",
        why: "The scheduler fills nodes by requests. When containers use what their limits let them, the node has \
              promised the same memory or processor time many times over.",
        fix: "Set the request nearer to what the container uses at its peak.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::limit_far_above),
    },
    Rule {
        id: "memory-limit-differs-from-request",
        title: "Memory limit differs from the request",
        why: "What a container uses above its request is not kept for it: when the node runs short of memory, pods \
              that use more than they asked for are evicted first.",
        fix: "Set the memory limit and request to the same amount where the workload must not be evicted.",
        patch: Patch::None,
        severity: Severity::Info,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
            "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
        ],
        check: Check::Container(resources::memory_differs),
    },
    Rule {
        id: "resource-quantity-invalid",
        title: "Request or limit is no quantity",
        why: "The API server refuses the manifest: quantities are written as 500m, 128Mi or 1.5, never as 128MB and \
              never below zero.",
        fix: "Write it with one of the suffixes m, k, M, G, T, Ki, Mi, Gi, Ti, or without one.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
            "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/",
        ],
        check: Check::Container(resources::not_a_quantity),
    },
    Rule {
        id: "memory-amount-too-small",
        title: "Memory request or limit is too small for any program",
        why: "Such an amount mostly is a wrong unit: m means thousandths of a byte, and no suffix means bytes. As a \
              limit it keeps the container from starting; as a request it is no request.",
        fix: "Write mebibytes as Mi and gibibytes as Gi.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::memory_too_small),
    },
    Rule {
        id: "resource-amount-very-large",
        title: "Request or limit is larger than most nodes",
        why: "An amount beyond what nodes have mostly is a wrong unit, such as cpu: 500 for 500m. As a request it \
              keeps the pod pending; as a limit it is none.",
        fix: "Check the unit: processors are counted in whole ones, or in thousandths with m.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Efficiency],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"],
        check: Check::Container(resources::very_large),
    },
    Rule {
        id: "ephemeral-storage-limit-missing",
        title: "Container without a limit of ephemeral storage",
        why: "Logs and files that the container writes may fill the node's disk; then the kubelet evicts pods, not \
              only this one.",
        fix: "Set resources.limits.ephemeral-storage.",
        patch: Patch::None,
        severity: Severity::Info,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[(Framework::Nsa, "Resource policies")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/storage/ephemeral-storage/"],
        check: Check::Container(resources::storage_limit),
    },
    Rule {
        id: "empty-dir-without-limit",
        title: "Volume emptyDir without a size limit",
        why: "What the pod writes into the volume may fill the node's disk; then the kubelet evicts pods, not only \
              this one.",
        fix: "Set emptyDir.sizeLimit, or limits.ephemeral-storage of the containers.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/storage/volumes/#emptydir"],
        check: Check::Pod(resources::empty_dir),
    },
    Rule {
        id: "empty-dir-memory-without-limit",
        title: "Volume in memory without any limit",
        why: "Files in such a volume are in the node's memory and count for the container that wrote them. Where that \
              has no limit and the volume has none, it may take most of the node's memory.",
        fix: "Set emptyDir.sizeLimit and a memory limit of the containers that write there.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[(Framework::Nsa, "Resource policies")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/storage/volumes/#emptydir"],
        check: Check::Pod(resources::empty_dir_memory),
    },
    Rule {
        id: "namespace-without-resource-quota",
        title: "Namespace without a resource quota",
        why: "Nothing keeps workloads of this namespace from asking for all that the cluster has, by a mistake in a \
              number of replicas or on purpose.",
        fix: "Make a ResourceQuota for the namespace.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[(Framework::Nsa, "Resource policies")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/policy/resource-quotas/"],
        check: Check::Object(&[Kind::Namespace], cluster::without_quota),
    },
    Rule {
        id: "namespace-without-limit-range",
        title: "Namespace without a limit range",
        why: "Containers that say nothing of requests and limits get none. A LimitRange gives them some, and bounds \
              what they may ask for.",
        fix: "Make a LimitRange with defaults for the namespace.",
        patch: Patch::None,
        severity: Severity::Info,
        categories: &[Category::Efficiency],
        controls: &[(Framework::Nsa, "Resource policies")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/policy/limit-range/"],
        check: Check::Object(&[Kind::Namespace], cluster::without_limit_range),
    },
    Rule {
        id: "node-over-allocated",
        title: "Node is promised to more than it has",
        why: "Pods on this node request more than it has, which happens when the scheduler is passed over or the node \
              shrinks. When they use it, some are evicted or slow.",
        fix: "Move pods to other nodes, and remove nodeName from those that name their node.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/",
            "https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/",
        ],
        check: Check::Inventory(&[Kind::Node], cluster::over_allocated),
    },
    Rule {
        id: "node-under-used",
        title: "Node is requested by nearly nobody",
        why: "Less than a fifth of the node's processors and memory are requested: it costs as much as a full one.",
        fix: "Let an autoscaler remove nodes, or take smaller ones.",
        patch: Patch::None,
        severity: Severity::Info,
        categories: &[Category::Efficiency],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/cluster-administration/node-autoscaling/"],
        check: Check::Inventory(&[Kind::Node], cluster::under_used),
    },
    Rule {
        id: "autoscaler-without-request",
        title: "Autoscaler needs a request that is missing",
        why: "Utilization is the share that is used of what is requested. Where a container requests nothing, the \
              autoscaler cannot tell it and does not scale, whatever the load.",
        fix: "Set the request on every container of the pods, or scale by AverageValue.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Efficiency, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#how-does-a-horizontalpodautoscaler-work",
        ],
        check: Check::Object(&[Kind::HorizontalPodAutoscaler], cluster::autoscaler),
    },
];
