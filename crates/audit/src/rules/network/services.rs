//! Services that are reached from outside of the cluster.

use std::net::IpAddr;

use crate::{node::Node, object::Object, out::Out};

use super::policies::is_everywhere;

/// Annotations that make a load balancer internal, with the value that does; `*` for any value. Sources: the
/// documentation of Kubernetes ("Internal load balancer") and of the cloud providers' controllers.
const INTERNAL: &[(&str, &str)] = &[
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "true"),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "0.0.0.0/0"),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
    ("networking.gke.io/load-balancer-type", "internal"),
    ("cloud.google.com/load-balancer-type", "internal"),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", "true"),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", "true"),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", "intranet"),
    ("service.beta.kubernetes.io/alicloud-loadbalancer-address-type", "intranet"),
    ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", "private"),
    ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", "*"),
];

/// Ports on which machines are administered or data is kept, and what listens there (IANA's registry, and the
/// defaults of the programs).
const SENSITIVE: &[(i64, &str)] = &[
    (22, "SSH"),
    (23, "Telnet"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2375, "Docker without TLS"),
    (2376, "Docker"),
    (2379, "etcd"),
    (2380, "etcd"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (5432, "PostgreSQL"),
    (5900, "VNC"),
    (5984, "CouchDB"),
    (6379, "Redis"),
    (9042, "Cassandra"),
    (9200, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// Whether a Service asks for a load balancer that anybody reaches.
fn is_public(service: &Object) -> bool {
    if service.spec().get("type").str() != "LoadBalancer"
        || service.spec().get("loadBalancerClass").str() == "tailscale"
    {
        return false;
    }
    let is_internal = INTERNAL.iter().any(|(name, expected)| {
        let value = service.annotation(name);
        !value.is_empty() && (*expected == "*" || value.eq_ignore_ascii_case(expected))
    });
    // What a controller made of it says more than what it was asked for.
    let given = service.status().get("loadBalancer").get("ingress").items();
    !is_internal && (given.is_empty() || given.iter().any(|address| !is_private(address)))
}

/// Whether an address of a load balancer is one of a private network (RFC 1918, RFC 4193, RFC 6598); AWS begins the
/// names of internal ones with `internal-`.
fn is_private(address: &Node) -> bool {
    match address.get("ip").str().parse() {
        Ok(IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => address.get("hostname").str().starts_with("internal-"),
    }
}

/// Where it says that everybody may reach its load balancer; none when only some may.
fn open_to_all(service: &Object) -> Option<&'static str> {
    let ranges = service.spec().get("loadBalancerSourceRanges");
    if !ranges.is_empty() {
        return ranges.strings().any(is_everywhere).then_some("spec.loadBalancerSourceRanges");
    }
    let annotated = service.annotation("service.beta.kubernetes.io/load-balancer-source-ranges");
    (annotated.is_empty() || annotated.split(',').any(|range| is_everywhere(range.trim()))).then_some("spec.type")
}

pub(super) fn load_balancer_open(service: &Object, out: &mut Out<'_>) {
    if let (true, Some(path)) = (is_public(service), open_to_all(service)) {
        let message = format!("{} has a public load balancer that takes requests from any address.", service.title());
        out.fail(service.spot(path), message);
    }
}

pub(super) fn sensitive_port_public(service: &Object, out: &mut Out<'_>) {
    if is_public(service) && open_to_all(service).is_some() {
        sensitive_ports(service, "a public load balancer", out);
    }
}

pub(super) fn sensitive_port_on_nodes(service: &Object, out: &mut Out<'_>) {
    if service.spec().get("type").str() == "NodePort" {
        sensitive_ports(service, "a port of every node", out);
    }
}

fn sensitive_ports(service: &Object, where_: &str, out: &mut Out<'_>) {
    for (index, port) in service.spec().get("ports").items().iter().enumerate() {
        let (number, target) = (port.get("port").as_i64(), port.get("targetPort").as_i64());
        let is_it = |sensitive: i64| number == Some(sensitive) || target == Some(sensitive);
        if let Some((sensitive, what)) = SENSITIVE.iter().find(|(sensitive, _)| is_it(*sensitive)) {
            let message = format!("{} offers port {sensitive} ({what}) on {where_}.", service.title());
            out.fail(service.spot(&format!("spec.ports[{index}]")).for_each(&sensitive.to_string()), message);
        }
    }
}

pub(super) fn node_port(service: &Object, out: &mut Out<'_>) {
    if service.spec().get("type").str() == "NodePort" {
        out.fail(
            service.spot("spec.type"),
            format!("{} opens a port on every node (type: NodePort).", service.title()),
        );
    }
}

pub(super) fn external_ips(service: &Object, out: &mut Out<'_>) {
    let addresses = service.spec().get("externalIPs");
    if !addresses.is_empty() {
        let listed = addresses.strings().collect::<Vec<_>>().join(", ");
        let message = format!("{} takes traffic to external addresses ({listed}).", service.title());
        out.fail(service.spot("spec.externalIPs"), message);
    }
}

pub(super) fn external_name(service: &Object, out: &mut Out<'_>) {
    if service.spec().get("type").str() == "ExternalName" {
        let name = service.spec().get("externalName").str();
        let message = format!("{} is an alias of \"{name}\", outside of what network policies see.", service.title());
        out.fail(service.spot("spec.externalName"), message);
    }
}
