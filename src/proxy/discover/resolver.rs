//! How names are looked up: `/etc/hosts`, then the name servers, then whatever else the system knows.
//!
//! The system's own way (getaddrinfo) does not tell how long an answer holds, and knows no SRV records. So name servers
//! are asked here: over UDP, and over TCP where an answer was cut. The format of the messages is simple-dns'; what is
//! here is whom to ask, in which order, and what an answer means.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::error::quote;

/// How long one name server may take, and how often all of them are asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

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

/// One line of an SRV answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
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
        let (hosts, ways) = self.ways(host).await?;
        if !hosts.is_empty() {
            return Ok(Lookup::new(hosts, UNTOLD));
        }
        let why = match ways.ask_for_addresses().await {
            Ok(found) => return Ok(found),
            Err(Failure::Nothing) => "no name server knows an address of it".to_owned(),
            Err(Failure::Broken(why)) => why,
        };
        if !self.given.is_empty() {
            return Err(why);
        }
        match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => Ok(Lookup::new(found.map(|address| address.ip()), UNTOLD)),
            Err(error) => Err(format!("{why}; the system says: {error}")),
        }
    }

    /// The services that are called `name`, and how long the answer holds.
    ///
    /// # Errors
    ///
    /// There are none, or nobody could say: a sentence.
    pub(super) async fn services(&self, name: &str) -> Result<(Vec<Service>, Duration), String> {
        let (_, ways) = self.ways(name).await?;
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

    /// What the system says of where to look. Its files are read each time: they are small, and change.
    async fn ways(&self, name: &str) -> Result<(Vec<IpAddr>, Ways), String> {
        let (given, name) = (self.given.clone(), name.to_owned());
        let read = move || {
            // A system without these files has nothing to say in them.
            let text = |path: &str| std::fs::read(path).unwrap_or_default();
            let hosts = in_hosts(&String::from_utf8_lossy(&text("/etc/hosts")), &name);
            let conf = Conf::parse(&String::from_utf8_lossy(&text("/etc/resolv.conf")));
            let (names, servers) = match given.is_empty() {
                true => (conf.names(&name), conf.servers),
                // The system's domains are its name servers' matter.
                false => (vec![absolute(&name)], given),
            };
            (hosts, Ways { names, servers })
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())
    }
}

/// Whom to ask, and for which names.
#[derive(Debug)]
struct Ways {
    names: Vec<String>,
    servers: Vec<SocketAddr>,
}

/// A record of an answer that is of use.
#[derive(Debug, PartialEq, Eq)]
enum Record {
    Address(IpAddr),
    Service(Service),
}

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Records(Vec<Record>, Duration),
    /// Nothing here, but the name stands for another one.
    Alias(String, Duration),
    Nothing,
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

/// A question as it was sent.
#[derive(Debug)]
struct Asked {
    id: u16,
    name: String,
    kind: TYPE,
    message: Vec<u8>,
}

impl Asked {
    fn new(name: &str, kind: TYPE) -> Result<Self, String> {
        let id = number();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let qname = Name::new(name).map_err(|_| format!("{} cannot be asked for", quote(name)))?;
        packet.questions.push(Question::new(qname, kind.into(), CLASS::IN.into(), false));
        let message = packet.build_bytes_vec().map_err(|error| error.to_string())?;
        Ok(Self { id, name: name.to_ascii_lowercase(), kind, message })
    }

    /// Whether a message has this question's number and is an answer. The rest is read once.
    fn is_answered_by(&self, message: &[u8]) -> bool {
        message.get(..2) == Some(&self.id.to_be_bytes())
            && message.get(2).is_some_and(|flags| flags & 0x80 != 0)
    }

    /// What an answer says, or why it cannot be used.
    fn read(&self, message: &[u8]) -> Result<Said, String> {
        if !self.is_answered_by(message) {
            return Err("it answered another question".to_owned());
        }
        let packet = Packet::parse(message).map_err(|error| format!("its answer cannot be read: {error}"))?;
        match packet.rcode() {
            RCODE::NoError | RCODE::NameError => {}
            code => return Err(format!("it answered {code:?}")),
        }
        let asked =
            packet.questions.iter().any(|q| name_of(&q.qname) == self.name && q.qtype == self.kind.into());
        if !asked {
            return Err("it answered another question".to_owned());
        }
        // The name may stand for another, and that for a third: what counts is what the last one has.
        let (mut owner, mut ttl) = (self.name.clone(), u32::MAX);
        let mut seen = HashSet::new();
        while seen.insert(owner.clone()) {
            let alias = packet.answers.iter().find_map(|record| match &record.rdata {
                RData::CNAME(to) if name_of(&record.name) == owner => Some((name_of(&to.0), record.ttl)),
                _ => None,
            });
            let Some((to, time)) = alias else { break };
            (owner, ttl) = (to, ttl.min(time));
        }
        let mut records = Vec::new();
        for record in packet.answers.iter().filter(|record| name_of(&record.name) == owner) {
            let found = match (&record.rdata, self.kind) {
                (RData::A(a), TYPE::A) => Record::Address(Ipv4Addr::from(a.address).into()),
                (RData::AAAA(a), TYPE::AAAA) => Record::Address(Ipv6Addr::from(a.address).into()),
                (RData::SRV(srv), TYPE::SRV) => Record::Service(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: name_of(&srv.target),
                }),
                _ => continue,
            };
            ttl = ttl.min(record.ttl);
            records.push(found);
        }
        let ttl = Duration::from_secs(ttl.into());
        Ok(match records.is_empty() {
            false => Said::Records(records, ttl),
            true if owner != self.name && packet.rcode() == RCODE::NoError => Said::Alias(owner, ttl),
            true => Said::Nothing,
        })
    }
}

/// A number that nobody can guess, from the standard library's random keys.
fn number() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0u8) as u16
}

/// As it is compared: small letters, no dot at the end.
fn name_of(name: &Name<'_>) -> String {
    absolute(&name.to_string()).to_ascii_lowercase()
}

fn absolute(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// The addresses that `/etc/hosts` has for a name.
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
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
                    conf.ndots =
                        given.fold(None, |_, dots| Some(dots)).map_or(conf.ndots, |dots| dots.min(15));
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
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, CNAME, SRV};

    fn answer(asked: &Asked, records: &[(&'static str, u32, RData<'static>)]) -> Vec<u8> {
        let mut packet = Packet::parse(&asked.message).unwrap().into_reply();
        for (name, ttl, rdata) in records {
            let name = Name::new_unchecked(name);
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, *ttl, rdata.clone()));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn a(ip: [u8; 4]) -> RData<'static> {
        RData::A(A { address: u32::from_be_bytes(ip) })
    }

    fn alias(to: &'static str) -> RData<'static> {
        RData::CNAME(CNAME(Name::new_unchecked(to)))
    }

    #[test]
    fn aliases_are_followed_and_the_shortest_time_holds() {
        let asked = Asked::new("Www.example", TYPE::A).unwrap();
        let said = asked.read(&answer(
            &asked,
            &[
                ("www.example", 9, alias("B.example")),
                ("b.example", 60, a([1, 2, 3, 4])),
                ("c.example", 1, a([9; 4])),
            ],
        ));
        let records = vec![Record::Address([1, 2, 3, 4].into())];
        assert_eq!(said.unwrap(), Said::Records(records, Duration::from_secs(9)));

        let said = asked.read(&answer(&asked, &[("www.example", 9, alias("far.example"))]));
        assert_eq!(said.unwrap(), Said::Alias("far.example".into(), Duration::from_secs(9)));
        let said = asked.read(&answer(&asked, &[]));
        assert_eq!(said.unwrap(), Said::Nothing);
        let circle = [("www.example", 9, alias("b.example")), ("b.example", 9, alias("www.example"))];
        assert!(matches!(asked.read(&answer(&asked, &circle)).unwrap(), Said::Nothing | Said::Alias(..)));
    }

    #[test]
    fn services_have_priority_weight_port_and_target() {
        let asked = Asked::new("_grpc._tcp.example", TYPE::SRV).unwrap();
        let srv =
            RData::SRV(SRV { priority: 1, weight: 2, port: 3, target: Name::new_unchecked("A.example") });
        let said = asked.read(&answer(&asked, &[("_grpc._tcp.example", 5, srv)])).unwrap();
        let service = Service { priority: 1, weight: 2, port: 3, target: "a.example".into() };
        assert_eq!(said, Said::Records(vec![Record::Service(service)], Duration::from_secs(5)));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_refused() {
        let asked = Asked::new("a.example", TYPE::A).unwrap();
        let other = Asked { id: asked.id, ..Asked::new("b.example", TYPE::A).unwrap() };
        let good = answer(&asked, &[("a.example", 5, a([1, 2, 3, 4]))]);
        assert!(asked.read(&asked.message).is_err(), "a question is no answer");
        assert!(other.read(&good).is_err());
        for cut in 0..good.len() {
            assert!(asked.read(&good[..cut]).is_err(), "{cut}");
        }
        let mut refused = good.clone();
        refused[3] = refused[3] & 0xf0 | 2;
        assert!(asked.read(&refused).unwrap_err().contains("ServerFailure"));
        // Whatever a byte is changed to, it is read or refused.
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bent = good.clone();
                bent[at] ^= 1 << bit;
                let _ = asked.read(&bent);
            }
        }
        assert!(Asked::new(&"x".repeat(64), TYPE::A).is_err());
    }

    #[test]
    fn the_files_of_the_system_are_read() {
        let hosts =
            "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # local\n10.0.0.1 a.b A\nbad a\n#10.0.0.2 a\n";
        let text = |name| in_hosts(hosts, name).iter().map(IpAddr::to_string).collect::<Vec<_>>();
        assert_eq!(text("localhost"), ["127.0.0.1", "::1"]);
        assert_eq!(text("a"), ["10.0.0.1"]);
        assert_eq!(text("A.B."), ["10.0.0.1"]);
        assert!(text("local").is_empty());
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
