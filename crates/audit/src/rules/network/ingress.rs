//! Ingresses: TLS, hosts, classes and where they lead.

use std::collections::{HashMap, hash_map::Entry};

use crate::{
    node::Node,
    object::{Kind, Object},
    out::Out,
};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Annotations by which controllers are given certificates, or told to use TLS.
const TLS_ANNOTATIONS: &[&str] = &[
    "alb.ingress.kubernetes.io/certificate-arn",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "networking.gke.io/managed-certificates",
];

/// The class that an Ingress names; empty for none.
fn class(ingress: &Object) -> &str {
    let named = ingress.spec().get("ingressClassName").str();
    if named.is_empty() { ingress.annotation(CLASS_ANNOTATION) } else { named }
}

/// What answers the challenge of a certificate authority (cert-manager), which asks for it without TLS.
fn is_challenge(ingress: &Object) -> bool {
    ingress.labels().get("acme.cert-manager.io/http01-solver").is_present()
}

pub(super) fn without_tls(ingress: &Object, out: &mut Out<'_>) {
    if !ingress.spec().get("tls").is_empty() || is_challenge(ingress) {
        return;
    }
    if TLS_ANNOTATIONS.iter().any(|name| !ingress.annotation(name).is_empty())
        || ingress.annotation("traefik.ingress.kubernetes.io/router.tls") == "true"
        || ingress.annotation("alb.ingress.kubernetes.io/listen-ports").contains("HTTPS")
        || ingress.annotation("traefik.ingress.kubernetes.io/router.entrypoints").contains("websecure")
    {
        return;
    }
    let inventory = out.inventory();
    if !inventory.is_manifests() {
        let class = class(ingress);
        let controller =
            inventory.find(Kind::IngressClass, "", class).map(|class| class.spec().get("controller").str());
        if !controller.unwrap_or(class).contains("nginx") {
            out.cannot("the controller may be given certificates by annotations that are not known");
            return;
        }
    }
    out.fail(ingress.spot("spec"), format!("{} takes requests without TLS.", ingress.title()));
}

pub(super) fn host_without_tls(ingress: &Object, out: &mut Out<'_>) {
    let tls = ingress.spec().get("tls").items();
    // Without hosts, an entry is for all of them.
    if tls.is_empty() || tls.iter().any(|entry| entry.get("hosts").is_empty()) {
        return;
    }
    for (index, rule) in ingress.spec().get("rules").items().iter().enumerate() {
        let host = rule.get("host").str();
        let mut covered = tls.iter().flat_map(|entry| entry.get("hosts").strings());
        if !host.is_empty() && !covered.any(|pattern| covers(pattern, host)) {
            let path = format!("spec.rules[{index}].host");
            out.fail(ingress.spot(&path), format!("No entry of `tls` is for host \"{host}\"."));
        }
    }
}

/// `*.example.com` is for all names with one label before it.
fn covers(pattern: &str, host: &str) -> bool {
    let parent = |name: &str| name.split_once('.').map(|(_, parent)| parent.to_ascii_lowercase());
    pattern.eq_ignore_ascii_case(host) || (pattern.starts_with("*.") && parent(pattern) == parent(host))
}

pub(super) fn wildcard_host(ingress: &Object, out: &mut Out<'_>) {
    for (index, rule) in ingress.spec().get("rules").items().iter().enumerate() {
        let host = rule.get("host").str();
        if host.starts_with('*') {
            let path = format!("spec.rules[{index}].host");
            out.fail(ingress.spot(&path), format!("{} takes every name of \"{host}\".", ingress.title()));
        }
    }
}

pub(super) fn without_host(ingress: &Object, out: &mut Out<'_>) {
    for (index, rule) in ingress.spec().get("rules").items().iter().enumerate() {
        if rule.get("host").str().is_empty() && !is_challenge(ingress) {
            let message = format!("A rule of {} has no host, and so takes requests for any.", ingress.title());
            out.fail(ingress.spot(&format!("spec.rules[{index}]")), message);
        }
    }
}

pub(super) fn snippet(ingress: &Object, out: &mut Out<'_>) {
    for (key, _) in ingress.metadata().get("annotations").entries() {
        let is_one = key.strip_prefix("nginx.ingress.kubernetes.io/").is_some_and(|name| name.ends_with("-snippet"))
            || key.strip_prefix("nginx.org/").is_some_and(|name| name.ends_with("-snippets"));
        if is_one {
            let path = format!("metadata.annotations[\"{key}\"]");
            out.fail(ingress.spot(&path), format!("{} writes configuration of nginx ({key}).", ingress.title()));
        }
    }
}

/// A Service that an Ingress leads to.
struct Backend<'a> {
    path: String,
    service: &'a str,
    /// Number or name.
    port: &'a Node,
}

/// All of them; `networking.k8s.io/v1` and what was before it spell them differently.
fn backends(ingress: &Object) -> impl Iterator<Item = Backend<'_>> {
    let spec = ingress.spec();
    let whole = ["defaultBackend", "backend"].map(|field| (format!("spec.{field}"), spec.get(field)));
    let rules = spec.get("rules").items().iter().enumerate().flat_map(|(index, rule)| {
        let paths = rule.at(&["http", "paths"]).items().iter().enumerate();
        paths.map(move |(at, path)| (format!("spec.rules[{index}].http.paths[{at}].backend"), path.get("backend")))
    });
    whole.into_iter().chain(rules).filter_map(|(path, backend)| {
        let service = backend.get("service");
        let (name, port, path) = if service.is_present() {
            let port = service.get("port");
            let port = if port.get("name").is_present() { port.get("name") } else { port.get("number") };
            (service.get("name").str(), port, path + ".service")
        } else {
            (backend.get("serviceName").str(), backend.get("servicePort"), path)
        };
        // The name of an action of AWS' controller, not of a Service.
        (!name.is_empty() && port.str() != "use-annotation").then_some(Backend { path, service: name, port })
    })
}

pub(super) fn backend_missing(ingress: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for backend in backends(ingress) {
        if inventory.find(Kind::Service, &ingress.namespace, backend.service).is_some() {
            continue;
        }
        if inventory.would_have(Kind::Service, &ingress.namespace) {
            let message = format!("{} leads to Service \"{}\", which there is not.", ingress.title(), backend.service);
            out.fail(ingress.spot(&backend.path), message);
        } else {
            out.cannot("the Services of the namespace are not known");
        }
    }
}

pub(super) fn backend_port_missing(ingress: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for backend in backends(ingress) {
        let Some(service) = inventory.find(Kind::Service, &ingress.namespace, backend.service) else {
            continue;
        };
        if service.spec().get("type").str() == "ExternalName" || !backend.port.is_present() {
            continue;
        }
        let mut ports = service.spec().get("ports").items().iter();
        let wanted = backend.port.text().unwrap_or_default();
        let has =
            ports.any(|port| port.get("name").str() == wanted || port.get("port").text().as_ref() == Some(&wanted));
        if !has {
            let message = format!("Service \"{}\" has no port {wanted}.", backend.service);
            out.fail(ingress.spot(&backend.path), message);
        }
    }
}

pub(super) fn path_conflict(out: &mut Out<'_>) {
    let mut seen: HashMap<(&str, &str, &str, &str), &Object> = HashMap::new();
    for ingress in out.inventory().of(Kind::Ingress) {
        if ingress.annotation("nginx.ingress.kubernetes.io/canary") == "true" {
            continue;
        }
        for (index, rule) in ingress.spec().get("rules").items().iter().enumerate() {
            let host = rule.get("host").str();
            for (at, path) in rule.at(&["http", "paths"]).items().iter().enumerate() {
                let (text, kind) = (path.get("path").str(), path.get("pathType").str());
                let other = match seen.entry((class(ingress), host, text, kind)) {
                    Entry::Vacant(entry) => {
                        entry.insert(ingress);
                        continue;
                    }
                    Entry::Occupied(entry) => *entry.get(),
                };
                // In manifests, the same object for several environments.
                let is_same =
                    other.name == ingress.name && other.index() != ingress.index() && out.inventory().is_manifests();
                if !is_same {
                    let place = format!("spec.rules[{index}].http.paths[{at}]");
                    let message = format!("{} has the path \"{text}\" of host \"{host}\" too.", other.title());
                    out.fail(ingress.spot(&place), message);
                }
            }
        }
    }
}

pub(super) fn class_missing(ingress: &Object, out: &mut Out<'_>) {
    if !class(ingress).is_empty() {
        return;
    }
    let inventory = out.inventory();
    let mut classes = inventory.of(Kind::IngressClass);
    let is_known = classes.len() > 0 && inventory.is_whole(Kind::IngressClass);
    if classes.any(|class| class.annotation("ingressclass.kubernetes.io/is-default-class") == "true") {
        return;
    }
    if is_known {
        out.fail(ingress.spot("spec"), format!("{} names no class, and no class is the default.", ingress.title()));
    } else {
        out.cannot("whether the cluster has a default class of Ingresses is not known");
    }
}

pub(super) fn class_not_found(ingress: &Object, out: &mut Out<'_>) {
    let class = ingress.spec().get("ingressClassName").str();
    let inventory = out.inventory();
    if class.is_empty() || inventory.find(Kind::IngressClass, "", class).is_some() {
        return;
    }
    if inventory.is_whole(Kind::IngressClass) {
        out.fail(ingress.spot("spec.ingressClassName"), format!("There is no IngressClass \"{class}\"."));
    } else {
        out.cannot("the cluster's classes of Ingresses are not known");
    }
}
