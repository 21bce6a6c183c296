//! What containers run: by their images and their command lines.

use crate::{object::Container, out::Out};

use super::mounts::capitalised;

/// Between commands of a script. Not a parser of any shell: it reads what stands where a command begins.
const SEPARATORS: [char; 7] = [';', '\n', '|', '&', '(', ')', '`'];

const SHELLS: &[&str] = &["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Programs that run what comes after them, and words that scripts have before a command.
const BEFORE: &[&str] =
    &["sudo", "exec", "env", "time", "nohup", "tini", "dumb-init", "then", "do", "else", "if", "while", "until", "!"];

/// Programs that mine crypto currencies, and that nothing else is called: each has `miner` or `xmr` in its name.
const MINERS: &[&str] = &[
    "xmrig",
    "xmr-stak",
    "minerd",
    "cpuminer",
    "cpuminer-multi",
    "ethminer",
    "cgminer",
    "bfgminer",
    "ccminer",
    "nbminer",
    "phoenixminer",
    "lolminer",
    "nanominer",
    "nheqminer",
];

/// How pools of miners are written.
const POOLS: &[&str] = &["stratum+tcp://", "stratum+ssl://", "stratum+tls://", "stratum2+tcp://"];

/// The strings of `command` and `args`, with their places.
fn lines(container: Container<'_>) -> impl Iterator<Item = (&'static str, usize, &str)> {
    ["command", "args"].into_iter().flat_map(move |field| {
        let items = container.get(field).items().iter().enumerate();
        items.filter_map(move |(index, item)| Some((field, index, item.as_str()?)))
    })
}

/// A command, where its first word stands, and its words.
struct Command<'a> {
    place: String,
    words: Vec<&'a str>,
}

impl Command<'_> {
    fn program(&self) -> &str {
        self.words.first().map_or("", |word| base(word))
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }
}

/// The last part of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// What the rules below look for in command lines: nearly every container has none of it, and is done with for all of them.
const WORDS: [&str; 13] = [
    "install",
    "add",
    "nsenter",
    "chroot",
    "kubectl",
    "miner",
    "xmr",
    "nc",
    "netcat",
    "curl",
    "wget",
    "stratum",
    "/dev/tcp/",
];

/// Whether a rule about command lines has something to look at.
pub(crate) fn is_of_interest(container: Container<'_>) -> bool {
    lines(container).any(|(_, _, text)| WORDS.iter().any(|word| text.contains(word)))
}

/// The strings of `command` and `args`, if they have any of [`WORDS`].
fn interesting<'a>(
    container: Container<'a>,
    out: &mut Out<'a>,
) -> impl Iterator<Item = (&'static str, usize, &'a str)> + use<'a> {
    let is_of_interest = out.looked(container).is_of_interest;
    is_of_interest.then(|| lines(container)).into_iter().flatten()
}

/// The commands of a container, when it has any of [`WORDS`].
fn commands<'a>(container: Container<'a>, out: &mut Out<'a>) -> Vec<Command<'a>> {
    let mut found: Vec<Command<'a>> = Vec::new();
    let mut is_begun = false;
    for (field, index, text) in interesting(container, out) {
        for (number, segment) in text.split(SEPARATORS).enumerate() {
            is_begun &= number == 0;
            let words = segment.split_whitespace().map(|word| word.trim_matches(['"', '\'', '$']));
            for word in words.filter(|word| !word.is_empty()) {
                if SHELLS.contains(&base(word)) {
                    // What comes after a shell is a command of its own.
                    if let Some(command) = found.last_mut().filter(|_| is_begun) {
                        command.words.push(word);
                    }
                    is_begun = false;
                } else if is_begun && let Some(command) = found.last_mut() {
                    command.words.push(word);
                } else if !BEFORE.contains(&base(word)) && !word.starts_with('-') && !word.contains('=') {
                    found.push(Command { place: format!("{field}[{index}]"), words: vec![word] });
                    is_begun = true;
                }
            }
        }
    }
    found
}

pub(super) fn installs_packages<'a>(container: Container<'a>, out: &mut Out<'a>) {
    for command in commands(container, out) {
        let program = command.program();
        let installs = match program {
            "apk" => command.has("add"),
            "apt" | "apt-get" | "yum" | "dnf" | "microdnf" | "zypper" | "pip" | "pip3" | "npm" | "gem" => {
                command.has("install")
            }
            _ => false,
        };
        if installs {
            let message = format!("{} installs packages when it starts ({program}).", capitalised(&container.title()));
            out.fail(container.spot(&command.place), message);
        }
    }
}

pub(super) fn enters_host<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let spec = container.pod.spec;
    for command in commands(container, out) {
        let enters = match command.program() {
            "nsenter" => {
                let follows = |flag: &str| command.words.windows(2).any(|pair| pair == [flag, "1"]);
                spec.get("hostPID").is_true()
                    && (command.has("-t1") || command.has("--target=1") || follows("-t") || follows("--target"))
            }
            "chroot" => command.words.get(1).is_some_and(|path| is_node_root(container, path)),
            _ => false,
        };
        if enters {
            let message = format!(
                "{} runs commands on the node itself ({}).",
                capitalised(&container.title()),
                command.program()
            );
            out.fail(container.spot(&command.place), message);
        }
    }
}

/// Whether the node's `/` is mounted here.
fn is_node_root(container: Container<'_>, path: &str) -> bool {
    let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
    container.get("volumeMounts").items().iter().any(|mount| {
        same(mount.get("mountPath").str(), path)
            && container.pod.spec.get("volumes").items().iter().any(|volume| {
                volume.get("name").str() == mount.get("name").str()
                    && volume.at(&["hostPath", "path"]).as_str() == Some("/")
            })
    })
}

pub(super) fn kubectl<'a>(container: Container<'a>, out: &mut Out<'a>) {
    if repository(container, out).is_some_and(|name| base(name) == "kubectl") {
        let message = format!("The image of {} is kubectl.", container.title());
        out.fail(container.spot("image"), message);
        return;
    }
    if let Some(command) = commands(container, out).into_iter().find(|c| c.program() == "kubectl") {
        out.fail(container.spot(&command.place), format!("{} runs kubectl.", capitalised(&container.title())));
    }
}

/// The image's name, without its registry.
fn repository<'a>(container: Container<'a>, out: &mut Out<'a>) -> Option<&'a str> {
    out.looked(container).image.map(|image| image.repository)
}

pub(super) fn tiller<'a>(container: Container<'a>, out: &mut Out<'a>) {
    if repository(container, out).is_some_and(|name| base(name) == "tiller") {
        let message = format!("{} is Tiller, the server of Helm 2.", capitalised(&container.title()));
        out.fail(container.spot("image"), message);
    }
}

pub(super) fn dashboard(container: Container<'_>, out: &mut Out<'_>) {
    for (field, index, text) in lines(container) {
        if matches!(text, "--enable-skip-login" | "--enable-skip-login=true") {
            let message = format!("{} lets people in without logging in ({text}).", capitalised(&container.title()));
            out.fail(container.spot(&format!("{field}[{index}]")), message);
        }
    }
}

pub(super) fn miner<'a>(container: Container<'a>, out: &mut Out<'a>) {
    if repository(container, out).is_some_and(|name| MINERS.contains(&base(name))) {
        let message = format!("The image of {} mines crypto currency.", container.title());
        out.fail(container.spot("image"), message);
    }
    for (field, index, text) in interesting(container, out) {
        if text.contains("stratum") && POOLS.iter().any(|pool| text.contains(pool)) {
            let message = format!("{} works for a pool of miners.", capitalised(&container.title()));
            out.fail(container.spot(&format!("{field}[{index}]")), message);
        }
    }
    for command in commands(container, out) {
        if MINERS.contains(&command.program()) {
            let message =
                format!("{} runs {}, which mines crypto currency.", capitalised(&container.title()), command.program());
            out.fail(container.spot(&command.place).for_each("program"), message);
        }
    }
}

pub(super) fn downloads_and_runs<'a>(container: Container<'a>, out: &mut Out<'a>) {
    for (field, index, text) in interesting(container, out) {
        if (text.contains("curl") || text.contains("wget")) && (pipes(text) || substitutes(text)) {
            let message = format!("{} runs what it downloads, unseen.", capitalised(&container.title()));
            out.fail(container.spot(&format!("{field}[{index}]")), message);
        }
    }
}

fn is_download(word: &str) -> bool {
    matches!(base(word.trim_matches(['"', '\''])), "curl" | "wget")
}

/// `curl … | sh`
fn pipes(text: &str) -> bool {
    text.split([';', '\n']).flat_map(|part| part.split("&&")).flat_map(|part| part.split("||")).any(|pipeline| {
        let mut is_download_before = false;
        pipeline.split('|').any(|command| {
            let runs = is_download_before && runs_its_input(command);
            is_download_before |= command.split_whitespace().any(is_download);
            runs
        })
    })
}

/// A shell or an interpreter that is given nothing but its input to run.
fn runs_its_input(command: &str) -> bool {
    let mut words = command.split_whitespace().skip_while(|word| matches!(*word, "sudo" | "-E"));
    let Some(program) = words.next() else { return false };
    let next = words.next().map(|word| word.trim_matches(['"', '\'']));
    match base(program.trim_matches(['"', '\'', ')'])) {
        program if SHELLS.contains(&program) => {
            next.is_none_or(|word| word == "-" || (word.starts_with('-') && !word.contains('c')))
        }
        "python" | "python3" | "perl" | "ruby" | "node" => next.is_none_or(|word| word == "-"),
        _ => false,
    }
}

/// `sh -c "$(curl …)"`, `eval "$(curl …)"`, `bash <(curl …)`
fn substitutes(text: &str) -> bool {
    let begins = |at: usize| text[at..].split_whitespace().next().is_some_and(is_download);
    let before = |at: usize| text[..at].trim_end_matches(['"', '\'']).trim_end();
    let ends_with_word = |text: &str, words: &[&str]| {
        words.contains(&text.rsplit(|c: char| c.is_whitespace() || SEPARATORS.contains(&c)).next().map_or("", base))
    };
    text.match_indices("$(").any(|(at, _)| begins(at + 2) && ends_with_word(before(at), &["eval", "-c"]))
        || text.match_indices("<(").any(|(at, _)| {
            begins(at + 2) && (ends_with_word(before(at), SHELLS) || ends_with_word(before(at), &["source", "."]))
        })
}

pub(super) fn reverse_shell<'a>(container: Container<'a>, out: &mut Out<'a>) {
    for (field, index, text) in interesting(container, out) {
        if text.contains("/dev/tcp/") && text.contains("sh -i") {
            let message =
                format!("{} gives a shell to somebody elsewhere (/dev/tcp).", capitalised(&container.title()));
            out.fail(container.spot(&format!("{field}[{index}]")), message);
        }
    }
    for command in commands(container, out) {
        let shell = |pair: &[&str]| matches!(pair[0], "-e" | "--exec") && SHELLS.contains(&base(pair[1]));
        if matches!(command.program(), "nc" | "ncat" | "netcat") && command.words.windows(2).any(shell) {
            let message = format!("{} gives a shell to somebody elsewhere.", capitalised(&container.title()));
            out.fail(container.spot(&command.place), message);
        }
    }
}
