//! The flags of programs of the control plane, as far as their pods can be seen.

use crate::{
    object::{Container, Kind},
    out::Out,
};

/// A program of the control plane.
#[derive(Clone, Copy)]
pub(super) struct Program {
    /// What its container and its executable are called.
    name: &'static str,
    /// Said when no pod of it is seen, as in clusters that a provider runs.
    unseen: &'static str,
}

pub(super) const API_SERVER: Program =
    Program { name: "kube-apiserver", unseen: "No pod of kube-apiserver is seen: its flags are not known." };
pub(super) const CONTROLLER_MANAGER: Program = Program {
    name: "kube-controller-manager",
    unseen: "No pod of kube-controller-manager is seen: its flags are not known.",
};
pub(super) const ETCD: Program = Program { name: "etcd", unseen: "No pod of etcd is seen: its flags are not known." };
pub(super) const SCHEDULER: Program =
    Program { name: "kube-scheduler", unseen: "No pod of kube-scheduler is seen: its flags are not known." };

/// What a program is started with.
#[derive(Clone, Copy)]
pub(super) struct Flags<'a> {
    container: Container<'a>,
}

impl<'a> Flags<'a> {
    /// Words of the command and its arguments; of a shell's script too.
    fn words(self) -> impl Iterator<Item = &'a str> {
        let lists = ["command", "args"].into_iter().flat_map(move |field| self.container.get(field).strings());
        lists.flat_map(str::split_whitespace).map(|word| word.trim_matches(['"', '\'']))
    }

    /// The value of a flag; empty for one without a value. The last one counts.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        let mut value = None;
        let mut words = self.words().peekable();
        while let Some(word) = words.next() {
            // etcd takes one dash or two, the others two.
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
            match flag.split_once('=') {
                Some((flag, written)) if flag == name => value = Some(written.trim_matches(['"', '\''])),
                None if flag == name => value = Some(words.next_if(|next| !next.starts_with('-')).unwrap_or_default()),
                _ => {}
            }
        }
        value
    }

    /// Whether a flag is there.
    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a switch is on: it is there, and not false.
    pub(super) fn is_on(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "" | "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// Whether a list of a flag has an item.
    pub(super) fn lists(self, name: &str, item: &str) -> bool {
        self.get(name).is_some_and(|list| list.split(',').any(|one| one.trim() == item))
    }

    /// Whether etcd is told by a file or by variables, whose values are not known.
    pub(super) fn is_set_elsewhere(self) -> bool {
        let mut names = self.container.get("env").items().iter().map(|variable| variable.get("name").str());
        self.has("config-file") || names.any(|name| name.starts_with("ETCD_") && name != "ETCD_UNSUPPORTED_ARCH")
    }

    /// Whether it has flags at all: a command that is the image's own shows none.
    fn is_seen(self) -> bool {
        self.words().any(|word| word.starts_with('-'))
    }
}

/// What a rule says of a program.
pub(super) enum Said {
    Right,
    Wrong(String),
    Unknown(&'static str),
}

/// Wrong when there is something to say.
pub(super) fn wrong_if(is_wrong: bool, message: &str) -> Said {
    if is_wrong { Said::Wrong(message.to_owned()) } else { Said::Right }
}

/// Judges the pods of programs by their flags. Manifests without any of them are not judged at all.
pub(super) fn judge(out: &mut Out<'_>, programs: &[Program], check: impl Fn(Flags<'_>) -> Said) {
    let mut is_any_seen = false;
    for program in programs {
        let mut is_seen = false;
        for object in out.inventory().of(Kind::Pod) {
            // Static pods are named as the program and the node.
            if &*object.namespace != "kube-system" || !object.name.starts_with(program.name) {
                continue;
            }
            let Some(pod) = object.pod() else { continue };
            for container in pod.running().filter(|container| container.name() == program.name) {
                let flags = Flags { container };
                if !flags.is_seen() {
                    continue;
                }
                is_seen = true;
                match check(flags) {
                    Said::Right => {}
                    Said::Wrong(message) => {
                        let field = if container.get("command").len() > 1 { "command" } else { "args" };
                        out.fail(container.spot(field), message);
                    }
                    Said::Unknown(reason) => out.cannot(reason),
                }
            }
        }
        is_any_seen |= is_seen;
        // A cluster has a control plane somewhere; most manifests are of something else.
        if !is_seen && !out.inventory().is_manifests() {
            out.cannot(program.unseen);
        }
    }
    if !is_any_seen && out.inventory().is_manifests() {
        out.skip();
    }
}
