//! The client that sends to addresses which people typed. It finds out itself which machine a name means, and connects to
//! what it has looked at: a name that means another one a moment later gains nothing.

use std::{
    error::Error as StdError,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use kubewise_contract::{Field, FieldError, Problem};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect,
};

use super::AllowedNetworks;

const CONNECT: Duration = Duration::from_secs(5);
/// For all of it. Standard Webhooks has receivers answer first and work then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read, and thrown away: what it says is its status.
const ANSWER: usize = 4 << 10;
/// Longest address, in characters.
const LONGEST: usize = 2_000;

/// Sends to where people say.
#[derive(Clone)]
pub(crate) struct Outbound {
    allowed: AllowedNetworks,
    // Made when something is sent first: most installations send nothing.
    clients: Arc<OnceLock<Option<Clients>>>,
}

struct Clients {
    /// By TLS alone.
    encrypted: Client,
    /// Without, to allowed networks.
    open: Client,
}

/// Why nothing was taken. Says nothing of what is in a network, nor what a receiver wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    #[error("its address leads to a network that this installation sends nothing to")]
    Refused,
    #[error("no connection: its name is not known, nothing listens, or its certificate is not accepted")]
    Connect,
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Timeout,
    #[error("the exchange broke off")]
    Broken,
}

/// Where the name leads is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("leads where nothing is sent")]
struct NotAllowed;

/// Looks at where names lead.
struct Guard {
    allowed: AllowedNetworks,
    openly: bool,
}

impl Guard {
    /// All of them, or none: which one is connected to is chosen later.
    fn check(&self, found: &[SocketAddr]) -> Result<(), NotAllowed> {
        if found.iter().all(|at| self.allowed.may_reach(at.ip(), self.openly)) { Ok(()) } else { Err(NotAllowed) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Self { allowed: self.allowed.clone(), openly: self.openly };
        Box::pin(async move {
            // The port is that of the address, whatever stands here.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            guard.check(&found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Reads an address that something is sent to. Any port but 0: receivers of one's own listen where they like, and what
/// protects is where they are.
pub(crate) fn address(text: &str, allowed: &AllowedNetworks) -> Result<Url, FieldError> {
    let wrong = |problem| FieldError { field: Field::Url, problem };
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong(Problem::Missing));
    }
    if text.chars().count() > LONGEST {
        return Err(wrong(Problem::TooLong { max: LONGEST }));
    }
    let mut url = Url::parse(text).map_err(|_| wrong(Problem::NotAWebhook))?;
    let openly = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(wrong(Problem::NotAWebhook)),
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || url.port() == Some(0) || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(Problem::NotAWebhook));
    }
    if openly && allowed.is_empty() {
        return Err(wrong(Problem::NotEncrypted));
    }
    // Numbers are looked at here, since nobody looks them up.
    if literal(&url).is_some_and(|ip| !allowed.may_reach(ip, openly)) {
        return Err(wrong(Problem::NotReachable));
    }
    url.set_fragment(None);
    Ok(url)
}

/// The number that stands in place of a name. However it is written (`0x7f.1`, `2130706433`), the parser made it plain.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

impl Outbound {
    pub(crate) fn new(allowed: AllowedNetworks) -> Self {
        Self { allowed, clients: Arc::default() }
    }

    /// Posts a body; answers the status.
    pub(crate) async fn post(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<u16, Failed> {
        // Looked at again: what is allowed may be less than when it was typed.
        let url = address(url, &self.allowed).map_err(|_| Failed::Refused)?;
        let clients = self.clients.get_or_init(|| Clients::new(&self.allowed)).as_ref().ok_or(Failed::Broken)?;
        let client = if url.scheme() == "https" { &clients.encrypted } else { &clients.open };
        let mut answer = client.post(url).headers(headers).body(body).send().await.map_err(|e| failed(&e))?;
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > ANSWER {
                break;
            }
        }
        Ok(answer.status().as_u16())
    }
}

fn failed(error: &reqwest::Error) -> Failed {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    if causes.any(|cause| cause.downcast_ref::<NotAllowed>().is_some()) {
        Failed::Refused
    } else if error.is_timeout() {
        Failed::Timeout
    } else if error.is_connect() {
        Failed::Connect
    } else {
        Failed::Broken
    }
}

impl Clients {
    fn new(allowed: &AllowedNetworks) -> Option<Self> {
        let client = |openly: bool| {
            Client::builder()
                .user_agent(concat!("kubewise/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .timeout(PATIENCE)
                .https_only(!openly)
                .redirect(redirect::Policy::none())
                // A proxy would look up names itself, and connect from another place.
                .no_proxy()
                // A connection that stayed open would be to where the name led before.
                .pool_max_idle_per_host(0)
                .dns_resolver(Arc::new(Guard { allowed: allowed.clone(), openly }))
                .build()
        };
        match (client(false), client(true)) {
            (Ok(encrypted), Ok(open)) => Some(Self { encrypted, open }),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "nothing can be sent to webhooks");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, allowed: &str) -> Option<Problem> {
        address(text, &allowed.parse().unwrap()).err().map(|error| error.problem)
    }

    #[test]
    fn only_addresses_that_are_safe_to_send_to_are_taken() {
        for good in
            ["https://hooks.example.com/a?b=c", "https://hooks.example.com:8443/", "https://1.1.1.1/x", "HTTPS://A.B/"]
        {
            assert_eq!(problem(good, ""), None, "{good}");
        }
        for (bad, why) in [
            ("", Problem::Missing),
            ("hooks.example.com", Problem::NotAWebhook),
            ("ftp://hooks.example.com", Problem::NotAWebhook),
            ("file:///etc/passwd", Problem::NotAWebhook),
            ("gopher://hooks.example.com", Problem::NotAWebhook),
            ("https://", Problem::NotAWebhook),
            ("https://user@hooks.example.com", Problem::NotAWebhook),
            ("https://user:password@hooks.example.com", Problem::NotAWebhook),
            ("https://hooks.example.com:0/", Problem::NotAWebhook),
            ("http://hooks.example.com", Problem::NotEncrypted),
            ("https://127.0.0.1/", Problem::NotReachable),
            ("https://127.1/", Problem::NotReachable),
            ("https://0x7f.0.0.1/", Problem::NotReachable),
            ("https://0177.0.0.1/", Problem::NotReachable),
            ("https://2130706433/", Problem::NotReachable),
            ("https://169.254.169.254/latest/meta-data", Problem::NotReachable),
            ("https://[::1]/", Problem::NotReachable),
            ("https://[::ffff:169.254.169.254]/", Problem::NotReachable),
            ("https://[fd00:ec2::254]/", Problem::NotReachable),
            ("https://10.0.0.1:6443/", Problem::NotReachable),
        ] {
            assert_eq!(problem(bad, ""), Some(why), "{bad}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_sent_to_in_the_open_and_nothing_else() {
        assert_eq!(problem("http://127.0.0.1:8080/x", "127.0.0.1/32"), None);
        assert_eq!(problem("http://receiver.internal/x", "10.0.0.0/8"), None);
        assert_eq!(problem("http://127.0.0.2/", "127.0.0.1/32"), Some(Problem::NotReachable));
        assert_eq!(problem("http://1.1.1.1/", "127.0.0.1/32"), Some(Problem::NotReachable));
        assert_eq!(problem("https://127.0.0.2/", "127.0.0.1/32"), Some(Problem::NotReachable));
    }

    #[test]
    fn a_name_with_one_address_that_is_not_allowed_is_refused_as_a_whole() {
        let guard = Guard { allowed: AllowedNetworks::NONE, openly: false };
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        assert!(guard.check(&[at("1.1.1.1"), at("2606:4700::1111")]).is_ok());
        assert!(guard.check(&[at("1.1.1.1"), at("127.0.0.1")]).is_err());
        assert!(guard.check(&[at("::ffff:10.0.0.1")]).is_err());
    }
}
