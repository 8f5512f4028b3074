//! A name server whose zone is the test's.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, CNAME, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord, TYPE};

/// A record.
#[derive(Debug, Clone, Copy)]
pub enum Is {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Alias(&'static str),
    Srv(u16, u16, u16, &'static str),
}

#[derive(Debug, Default)]
struct Zone {
    records: HashMap<&'static str, Vec<(u32, Is)>>,
    /// Every answer is "server failure".
    fails: bool,
    /// Over UDP every answer is cut.
    cuts: bool,
}

/// A name server.
pub struct Names {
    pub addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    pub over_tcp: Arc<AtomicUsize>,
    pub failures: Arc<AtomicUsize>,
    stop: Arc<AtomicUsize>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Names {
    pub fn start() -> Self {
        // The port must be free for both.
        let (udp, tcp) = std::iter::repeat_with(|| {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
            Some((udp, tcp))
        })
        .flatten()
        .next()
        .unwrap();
        let addr = udp.local_addr().unwrap();
        let zone = Arc::<Mutex<Zone>>::default();
        let (over_tcp, failures, stop) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let mut threads = Vec::new();
        let (ours, count, ends) = (Arc::clone(&zone), Arc::clone(&failures), Arc::clone(&stop));
        udp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        threads.push(std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while ends.load(Ordering::SeqCst) == 0 {
                let Ok((length, peer)) = udp.recv_from(&mut buffer) else { continue };
                let answer = answer(&ours.lock().unwrap(), &buffer[..length], true, &count);
                udp.send_to(&answer, peer).unwrap();
            }
        }));
        let (ours, count, ends) = (Arc::clone(&zone), Arc::clone(&failures), Arc::clone(&stop));
        let taken = Arc::clone(&over_tcp);
        tcp.set_nonblocking(true).unwrap();
        threads.push(std::thread::spawn(move || {
            while ends.load(Ordering::SeqCst) == 0 {
                let Ok((mut stream, _)) = tcp.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut question).unwrap();
                let answer = answer(&ours.lock().unwrap(), &question, false, &count);
                stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        }));
        Self { addr, zone, over_tcp, failures, stop, threads }
    }

    /// What a name has from now on, each with its time to live.
    pub fn set(&self, name: &'static str, records: &[(u32, Is)]) {
        self.zone.lock().unwrap().records.insert(name, records.to_vec());
    }

    pub fn fail(&self, fails: bool) {
        self.zone.lock().unwrap().fails = fails;
    }

    pub fn cut(&self) {
        self.zone.lock().unwrap().cuts = true;
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(1, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn answer(zone: &Zone, question: &[u8], may_cut: bool, failures: &AtomicUsize) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let (name, kind) = (asked.questions[0].qname.to_string(), asked.questions[0].qtype);
    let mut reply = asked.into_reply();
    if zone.fails {
        failures.fetch_add(1, Ordering::SeqCst);
        *reply.rcode_mut() = RCODE::ServerFailure;
        return reply.build_bytes_vec().unwrap();
    }
    if zone.cuts && may_cut {
        reply.set_flags(PacketFlag::TRUNCATION);
        return reply.build_bytes_vec().unwrap();
    }
    let Some(records) = zone.records.get(name.as_str()) else {
        *reply.rcode_mut() = RCODE::NameError;
        return reply.build_bytes_vec().unwrap();
    };
    for (ttl, is) in records {
        let (of, rdata) = match *is {
            Is::V4(ip) => (TYPE::A, RData::A(A { address: ip.into() })),
            Is::V6(ip) => (TYPE::AAAA, RData::AAAA(AAAA { address: ip.into() })),
            Is::Alias(to) => (TYPE::CNAME, RData::CNAME(CNAME(Name::new_unchecked(to)))),
            Is::Srv(priority, weight, port, target) => {
                let target = Name::new_unchecked(target);
                (TYPE::SRV, RData::SRV(SRV { priority, weight, port, target }))
            }
        };
        if kind == of.into() || of == TYPE::CNAME {
            let owner = Name::new(&name).unwrap().into_owned();
            reply.answers.push(ResourceRecord::new(owner, CLASS::IN, *ttl, rdata));
        }
    }
    reply.build_bytes_vec_compressed().unwrap()
}
