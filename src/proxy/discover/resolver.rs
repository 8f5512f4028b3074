//! How names are looked up: `/etc/hosts`, then the name servers, then whatever else the system knows.
//!
//! The system's own way (getaddrinfo) does not tell how long an answer holds, and knows no SRV records. So name servers
//! are asked here: over UDP, and over TCP where an answer was cut. `message` has what is asked and understood; here is
//! whom to ask, and in which order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::message::{Asked, Record, Said, Service, absolute};
use crate::transport::lookup::{lookup, without_network};

/// How long one name server may take, and how often all of them are asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

/// How long the system may take where it is asked last. Its lookup may have to wait for its turn.
const SYSTEM: Duration = Duration::from_secs(20);

/// How long an answer holds that does not say it: of `/etc/hosts`, and of the system.
const UNTOLD: Duration = Duration::from_secs(30);

/// How many names may stand for one another (CNAME).
const MAX_ALIASES: usize = 8;

/// The port of name servers.
const PORT: u16 = 53;

/// The addresses of a host.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) v4: Family,
    pub(super) v6: Family,
    pub(super) ttl: Duration,
}

/// The addresses of one family.
#[derive(Debug)]
pub(super) enum Family {
    /// All there are; perhaps none.
    Found(Vec<IpAddr>),
    /// Nobody knows: a sentence.
    Failed(String),
}

impl Lookup {
    fn new(addresses: impl IntoIterator<Item = IpAddr>, ttl: Duration) -> Self {
        let (v4, v6) = addresses.into_iter().partition(IpAddr::is_ipv4);
        Self { v4: Family::Found(v4), v6: Family::Found(v6), ttl }
    }
}

/// Looks names up.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver {
    /// The name servers of the configuration.
    given: Vec<SocketAddr>,
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// There is no such name, or nothing of that kind.
    Nothing,
    /// Nobody could say.
    Broken(String),
}

impl Resolver {
    pub(super) fn new(given: Vec<SocketAddr>) -> Self {
        Self { given }
    }

    /// The addresses of `host`.
    ///
    /// # Errors
    ///
    /// There are none, or nobody could say: a sentence.
    pub(super) async fn addresses(&self, host: &str) -> Result<Lookup, String> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Lookup::new([ip], Duration::MAX));
        }
        if let Some(found) = without_network(host) {
            return Ok(Lookup::new(found, UNTOLD));
        }
        let why = match self.ways(host).ask_for_addresses().await {
            Ok(found) => return Ok(found),
            Err(Failure::Nothing) => "no name server knows an address of it".to_owned(),
            Err(Failure::Broken(why)) => why,
        };
        if !self.given.is_empty() {
            return Err(why);
        }
        match tokio::time::timeout(SYSTEM, lookup(host, 0)).await {
            Ok(Ok(found)) => Ok(Lookup::new(found.into_iter().map(|address| address.ip()), UNTOLD)),
            Ok(Err(error)) => Err(format!("{why}; the system says: {error}")),
            Err(_) => Err(format!("{why}; the system did not answer within {SYSTEM:?}")),
        }
    }

    /// The services that are called `name`, and how long the answer holds.
    ///
    /// # Errors
    ///
    /// There are none, or nobody could say: a sentence.
    pub(super) async fn services(&self, name: &str) -> Result<(Vec<Service>, Duration), String> {
        let ways = self.ways(name);
        let mut broken = None;
        for name in &ways.names {
            match ways.ask(name, TYPE::SRV).await {
                Ok((records, ttl)) => {
                    let services = records.into_iter().filter_map(|record| match record {
                        // A root as the target says that there is no such service.
                        Record::Service(service) if !service.target.is_empty() => Some(service),
                        _ => None,
                    });
                    return Ok((services.collect(), ttl));
                }
                Err(Failure::Nothing) => {}
                Err(Failure::Broken(why)) => broken = Some(why),
            }
        }
        Err(broken.unwrap_or_else(|| "no name server knows an SRV record of it".to_owned()))
    }

    /// Whom to ask, and for which names.
    fn ways(&self, name: &str) -> Ways {
        if !self.given.is_empty() {
            // The system's domains are its name servers' matter.
            return Ways { names: vec![absolute(name)], servers: self.given.clone() };
        }
        // It is read each time: it is small, and changes. A system without it has nothing to say in it.
        let text = std::fs::read("/etc/resolv.conf").unwrap_or_default();
        let conf = Conf::parse(&String::from_utf8_lossy(&text));
        Ways { names: conf.names(name), servers: conf.servers }
    }
}

/// Whom to ask, and for which names.
#[derive(Debug)]
struct Ways {
    names: Vec<String>,
    servers: Vec<SocketAddr>,
}

impl Ways {
    /// The addresses of the first name that has any.
    async fn ask_for_addresses(&self) -> Result<Lookup, Failure> {
        let mut broken = None;
        for name in &self.names {
            let (v4, v6) = tokio::join!(self.ask(name, TYPE::A), self.ask(name, TYPE::AAAA));
            let mut ttl = Duration::MAX;
            let mut family = |answer| match answer {
                Ok((records, time)) => {
                    ttl = ttl.min(time);
                    let addresses = Vec::into_iter(records).filter_map(|record| match record {
                        Record::Address(ip) => Some(ip),
                        Record::Service(_) => None,
                    });
                    Family::Found(addresses.collect())
                }
                Err(Failure::Nothing) => Family::Found(Vec::new()),
                Err(Failure::Broken(why)) => Family::Failed(why),
            };
            let (v4, v6) = (family(v4), family(v6));
            match (&v4, &v6) {
                (Family::Failed(why), Family::Failed(_)) => broken = Some(why.clone()),
                (Family::Found(none), Family::Failed(why)) | (Family::Failed(why), Family::Found(none))
                    if none.is_empty() =>
                {
                    broken = Some(why.clone());
                }
                (Family::Found(a), Family::Found(b)) if a.is_empty() && b.is_empty() => {}
                _ => return Ok(Lookup { v4, v6, ttl }),
            }
        }
        Err(broken.map_or(Failure::Nothing, Failure::Broken))
    }

    /// The records of a name, and how long they hold.
    async fn ask(&self, name: &str, kind: TYPE) -> Result<(Vec<Record>, Duration), Failure> {
        let mut name = name.to_owned();
        let mut ttl = Duration::MAX;
        for _ in 0..MAX_ALIASES {
            match self.ask_all(&name, kind).await? {
                Said::Records(records, time) => return Ok((records, ttl.min(time))),
                Said::Alias(other, time) => (name, ttl) = (other, ttl.min(time)),
                Said::Nothing => return Err(Failure::Nothing),
            }
        }
        Err(Failure::Broken(format!("more than {MAX_ALIASES} names stand for one another")))
    }

    /// Asks one name server after the other until one can say.
    async fn ask_all(&self, name: &str, kind: TYPE) -> Result<Said, Failure> {
        let mut why = "there is no name server to ask".to_owned();
        for server in self.servers.iter().cycle().take(self.servers.len() * ROUNDS) {
            match tokio::time::timeout(PATIENCE, ask_one(*server, name, kind)).await {
                Ok(Ok(said)) => return Ok(said),
                Ok(Err(error)) => why = format!("the name server {server}: {error}"),
                Err(_) => why = format!("the name server {server} did not answer within {PATIENCE:?}"),
            }
        }
        Err(Failure::Broken(why))
    }
}

async fn ask_one(server: SocketAddr, name: &str, kind: TYPE) -> Result<Said, String> {
    let question = Asked::new(name, kind)?;
    match over_udp(server, &question).await.map_err(|error| error.to_string())? {
        Some(answer) => question.read(&answer),
        None => question.read(&over_tcp(server, &question).await.map_err(|error| error.to_string())?),
    }
}

/// The answer; none where it was cut.
async fn over_udp(server: SocketAddr, question: &Asked) -> std::io::Result<Option<Vec<u8>>> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A port of its own for each question: with the number it is what a forger would have to guess.
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(&question.message).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        if question.is_answered_by(answer) {
            let cut = answer.get(2).is_some_and(|flags| flags & 0x02 != 0);
            return Ok((!cut).then(|| answer.to_vec()));
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Asked) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.message.len()).map_err(std::io::Error::other)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&question.message);
    stream.write_all(&message).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// `/etc/resolv.conf`.
#[derive(Debug, PartialEq, Eq)]
struct Conf {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl Conf {
    fn parse(text: &str) -> Self {
        let mut conf = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let ip = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    conf.servers.extend(ip.map(|ip| SocketAddr::new(ip, PORT)));
                }
                // The last line of either holds.
                Some("search" | "domain") => {
                    conf.search = words.map(absolute).filter(|domain| !domain.is_empty()).collect();
                }
                Some("options") => {
                    let given = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok());
                    conf.ndots = given.max().map_or(conf.ndots, |dots| dots.min(15));
                }
                _ => {}
            }
        }
        conf
    }

    /// The names to ask for, in their order (resolv.conf(5), "ndots").
    fn names(&self, name: &str) -> Vec<String> {
        let bare = absolute(name);
        if name.ends_with('.') {
            return vec![bare];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{bare}.{domain}")).collect();
        let dots = bare.bytes().filter(|b| *b == b'.').count();
        names.insert(if dots >= self.ndots { 0 } else { names.len() }, bare);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_file_is_read() {
        let conf = Conf::parse(
            "# c\nnameserver 10.0.0.10\nnameserver fd00::1\nnameserver bad\ndomain x\nsearch ns.svc.local svc.local.\n\
             options timeout:1 ndots:5\n",
        );
        assert_eq!(conf.servers, ["10.0.0.10:53".parse().unwrap(), "[fd00::1]:53".parse().unwrap()]);
        assert_eq!(conf.names("greeter"), ["greeter.ns.svc.local", "greeter.svc.local", "greeter"]);
        assert_eq!(conf.names("greeter."), ["greeter"]);
        assert_eq!(Conf::parse("search x\n").names("a.b"), ["a.b", "a.b.x"]);
    }
}
