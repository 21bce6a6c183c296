//! Gateway API: what gateways let in, and where routes lead.

use crate::{
    object::{Kind, Object},
    out::Out,
};

pub(super) fn listener_without_tls(gateway: &Object, out: &mut Out<'_>) {
    let listeners = gateway.spec().get("listeners").items();
    for (index, listener) in listeners.iter().enumerate() {
        // Beside one with TLS for the same names, it is there to send people to that.
        let has_twin = || {
            listeners.iter().any(|other| {
                matches!(other.get("protocol").str(), "HTTPS" | "TLS")
                    && (other.get("hostname").str() == listener.get("hostname").str()
                        || !listener.get("hostname").is_present())
            })
        };
        if listener.get("protocol").str() == "HTTP" && !has_twin() {
            let name = listener.get("name").str();
            let message = format!("Listener \"{name}\" of {} takes requests without TLS.", gateway.title());
            out.fail(gateway.spot(&format!("spec.listeners[{index}]")).for_each(name), message);
        }
    }
}

pub(super) fn routes_from_all(gateway: &Object, out: &mut Out<'_>) {
    for (index, listener) in gateway.spec().get("listeners").items().iter().enumerate() {
        if listener.at(&["allowedRoutes", "namespaces", "from"]).str() == "All" {
            let path = format!("spec.listeners[{index}].allowedRoutes.namespaces.from");
            let name = listener.get("name").str();
            let message = format!("Listener \"{name}\" of {} takes routes of every namespace.", gateway.title());
            out.fail(gateway.spot(&path), message);
        }
    }
}

pub(super) fn tls_passthrough(gateway: &Object, out: &mut Out<'_>) {
    for (index, listener) in gateway.spec().get("listeners").items().iter().enumerate() {
        if listener.at(&["tls", "mode"]).str() == "Passthrough" {
            let name = listener.get("name").str();
            let message = format!("Listener \"{name}\" of {} passes TLS through unread.", gateway.title());
            out.fail(gateway.spot(&format!("spec.listeners[{index}].tls.mode")), message);
        }
    }
}

pub(super) fn parent_missing(route: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for (index, parent) in route.spec().get("parentRefs").items().iter().enumerate() {
        let is_gateway = matches!(parent.get("kind").str(), "" | "Gateway")
            && matches!(parent.get("group").as_str(), None | Some("gateway.networking.k8s.io"));
        let namespace = parent.get("namespace").as_str().unwrap_or(&route.namespace);
        let name = parent.get("name").str();
        if !is_gateway || inventory.find(Kind::Gateway, namespace, name).is_some() {
            continue;
        }
        if inventory.is_whole(Kind::Gateway) {
            let message = format!("{} belongs to Gateway \"{name}\", which there is not.", route.title());
            out.fail(route.spot(&format!("spec.parentRefs[{index}]")).for_each(name), message);
        } else {
            out.cannot("the Gateways of the cluster are not known");
        }
    }
}

pub(super) fn backend_missing(route: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for (index, rule) in route.spec().get("rules").items().iter().enumerate() {
        for (at, backend) in rule.get("backendRefs").items().iter().enumerate() {
            let is_service =
                matches!(backend.get("kind").str(), "" | "Service") && backend.get("group").str().is_empty();
            let namespace = backend.get("namespace").as_str().unwrap_or(&route.namespace);
            let name = backend.get("name").str();
            if !is_service || inventory.find(Kind::Service, namespace, name).is_some() {
                continue;
            }
            if inventory.would_have(Kind::Service, namespace) {
                let message = format!("{} leads to Service \"{name}\", which there is not.", route.title());
                out.fail(route.spot(&format!("spec.rules[{index}].backendRefs[{at}]")).for_each(name), message);
            } else {
                out.cannot("the Services of the namespace are not known");
            }
        }
    }
}
