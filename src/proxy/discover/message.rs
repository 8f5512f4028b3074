//! One question to a name server, and what its answer says.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};

use crate::error::quote;

/// One line of an SRV answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// A record of an answer that is of use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Service(Service),
}

/// What one message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Records(Vec<Record>, Duration),
    /// Nothing here, but the name stands for another one.
    Alias(String, Duration),
    Nothing,
}

/// A question as it was sent.
#[derive(Debug)]
pub(super) struct Asked {
    id: u16,
    name: String,
    kind: TYPE,
    pub(super) message: Vec<u8>,
}

impl Asked {
    pub(super) fn new(name: &str, kind: TYPE) -> Result<Self, String> {
        let id = number();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let qname = Name::new(name).map_err(|_| format!("{} cannot be asked for", quote(name)))?;
        packet.questions.push(Question::new(qname, kind.into(), CLASS::IN.into(), false));
        let message = packet.build_bytes_vec().map_err(|error| error.to_string())?;
        Ok(Self { id, name: name.to_ascii_lowercase(), kind, message })
    }

    /// Whether a message has this question's number and is an answer. The rest is looked at by [`read`](Self::read).
    pub(super) fn is_answered_by(&self, message: &[u8]) -> bool {
        message.get(..2) == Some(&self.id.to_be_bytes())
            && message.get(2).is_some_and(|flags| flags & 0x80 != 0)
    }

    /// What an answer says, or why it cannot be used.
    pub(super) fn read(&self, message: &[u8]) -> Result<Said, String> {
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

/// Without the dot at the end.
pub(super) fn absolute(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
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
}
