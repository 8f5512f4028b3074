//! The persistent pool: channels that outlive the PHP objects which refer to them, and the request.
//!
//! Whoever asks for the same target, the same arguments in the same order and the same credentials gets
//! the same channel. There is one pool for each thread that runs PHP, as there is one reactor. It holds
//! nothing of a request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use viaduct::client::ChannelOptions;
use viaduct::tls::ClientTls;

use super::arguments::Value;
use super::channel_credentials::Material;
use super::link::{Link, Namespace};

/// How many channels to one target are kept, where `grpc_target_persist_bound` does not say.
const PER_TARGET: usize = 1;
/// How many channels are kept in all.
const IN_ALL: usize = 256;

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// What makes two channels the same.
#[derive(PartialEq)]
pub(crate) struct Key {
    pub(crate) target: String,
    pub(crate) terms: Terms,
}

/// What beside the target.
#[derive(PartialEq)]
pub(crate) enum Terms {
    Grpc {
        arguments: Vec<(String, Value)>,
        /// `None`: no TLS. The name is one of the arguments.
        credentials: Option<Rc<Material>>,
        /// Credentials of `createXds()` are others than those they fall back to.
        xds: bool,
    },
    Viaduct {
        options: Box<ChannelOptions>,
        tls: Option<ClientTls>,
    },
}

#[derive(Default)]
struct Pool {
    /// The one that was asked for last stands last.
    entries: Vec<(Key, Rc<Link>)>,
    /// What `grpc_target_persist_bound` said last.
    bounds: HashMap<String, usize>,
}

/// How many channels of a namespace there are, in this thread.
pub(crate) struct Counts {
    /// All, those outside the pool too.
    pub(crate) open: usize,
    pub(crate) pooled: usize,
    /// Those in the pool that somebody refers to.
    pub(crate) used: usize,
}

/// The channel for `key`: the one in the pool, or the one that `make` makes, which is put there if there
/// is room. `bound` is the new bound for the target, if one was given.
pub(crate) fn get<E>(
    key: Key,
    bound: Option<usize>,
    make: impl FnOnce() -> Result<Rc<Link>, E>,
) -> Result<Rc<Link>, E> {
    if let Some(known) = POOL.with_borrow_mut(|pool| pool.find(&key)) {
        let evicted = POOL.with_borrow_mut(|pool| pool.rebound(&key.target, bound));
        drop(evicted);
        return Ok(known);
    }
    let link = make()?;
    // Dropped after the borrow: what ends with a channel is not the pool's business.
    let evicted = POOL.with_borrow_mut(|pool| pool.add(key, bound, &link));
    drop(evicted);
    Ok(link)
}

/// How many channels there are.
pub(crate) fn counts(namespace: Namespace) -> Counts {
    POOL.with_borrow(|pool| {
        let pooled = || pool.entries.iter().filter(|(_, link)| link.namespace() == namespace);
        Counts {
            open: Link::open(namespace),
            pooled: pooled().count(),
            used: pooled().filter(|(_, link)| Rc::strong_count(link) > 1).count(),
        }
    })
}

/// Whether nobody but the caller, who has so many references, refers to a channel. It is not in the pool then.
pub(crate) fn take_alone(link: &Rc<Link>, references: usize) -> bool {
    POOL.with_borrow_mut(|pool| {
        let Some(at) = pool.entries.iter().position(|(_, known)| Rc::ptr_eq(known, link)) else {
            return Rc::strong_count(link) <= references;
        };
        let alone = Rc::strong_count(link) <= references + 1;
        if alone {
            // The caller has another reference: nothing ends here.
            drop(pool.entries.remove(at));
        }
        alone
    })
}

/// Lets all go; at the end of the process.
pub(crate) fn clear() {
    drop(POOL.take());
}

impl Pool {
    fn find(&mut self, key: &Key) -> Option<Rc<Link>> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        let entry = self.entries.remove(at);
        let link = Rc::clone(&entry.1);
        self.entries.push(entry);
        Some(link)
    }

    fn add(&mut self, key: Key, bound: Option<usize>, link: &Rc<Link>) -> Vec<Rc<Link>> {
        self.set_bound(&key.target, bound);
        let bound = self.bound(&key.target);
        if bound == 0 {
            return self.evict(Some(&key.target), 0);
        }
        let mut evicted = self.evict(Some(&key.target), bound - 1);
        if self.entries.len() >= IN_ALL {
            evicted.append(&mut self.evict(None, IN_ALL - 1));
        }
        let beside = self.entries.iter().filter(|(known, _)| known.target == key.target).count();
        if beside < bound && self.entries.len() < IN_ALL {
            self.entries.push((key, Rc::clone(link)));
        }
        evicted
    }

    fn rebound(&mut self, target: &str, bound: Option<usize>) -> Vec<Rc<Link>> {
        self.set_bound(target, bound);
        if bound.is_some() { self.evict(Some(target), self.bound(target)) } else { Vec::new() }
    }

    fn set_bound(&mut self, target: &str, bound: Option<usize>) {
        match bound {
            None => {}
            Some(PER_TARGET) => drop(self.bounds.remove(target)),
            Some(bound) => drop(self.bounds.insert(target.to_owned(), bound)),
        }
    }

    fn bound(&self, target: &str) -> usize {
        self.bounds.get(target).copied().unwrap_or(PER_TARGET)
    }

    /// Takes channels out that nobody refers to, those first that were asked for longest ago, until there
    /// are at most `most` (to `target`).
    fn evict(&mut self, target: Option<&str>, most: usize) -> Vec<Rc<Link>> {
        let concerned = |key: &Key| target.is_none_or(|target| key.target == target);
        let mut over = self.entries.iter().filter(|(key, _)| concerned(key)).count().saturating_sub(most);
        let mut evicted = Vec::new();
        self.entries.retain(|(key, link)| {
            let goes = over > 0 && concerned(key) && Rc::strong_count(link) == 1;
            if goes {
                over -= 1;
                evicted.push(Rc::clone(link));
            }
            !goes
        });
        evicted
    }
}
