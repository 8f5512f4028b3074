//! What a `Grpc\Channel` and a `Viaduct\Channel` refer to.

use std::cell::Cell;
use std::rc::Rc;

use viaduct::client::Channel;
use viaduct::reactor::fork::generation;

use super::channel_credentials::Material;

thread_local! {
    static OPEN: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// Whose channel it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace {
    Grpc,
    Viaduct,
}

/// A channel of the core. Several PHP objects share it where it comes from the pool.
pub(crate) struct Link {
    core: Channel,
    /// As it was given.
    pub(crate) target: String,
    /// Of a `Grpc\Channel`; `None` where the connection is plaintext.
    tls: Option<Tls>,
    namespace: Namespace,
}

/// What TLS credentials are made of when the channel is first used.
pub(crate) struct Tls {
    pub(crate) material: Rc<Material>,
    /// The name in the server's certificate, where it is not the target's.
    pub(crate) name: Option<String>,
    /// The process that has provided the channel with them.
    provided: Cell<Option<u32>>,
}

impl Tls {
    pub(crate) fn new(material: Rc<Material>, name: Option<String>) -> Self {
        Self { material, name, provided: Cell::new(None) }
    }
}

impl Link {
    pub(crate) fn new(namespace: Namespace, core: Channel, target: String, tls: Option<Tls>) -> Rc<Self> {
        count(namespace, 1);
        Rc::new(Self { core, target, tls, namespace })
    }

    /// The channel, to be used now: credentials that it needs are made, as long as they cannot be.
    pub(crate) fn core(&self) -> &Channel {
        if let Some(tls) = &self.tls
            && tls.provided.get() != Some(generation())
        {
            let made = tls.material.tls(tls.name.as_deref());
            if made.is_ok() {
                tls.provided.set(Some(generation()));
            }
            self.core.provide_tls(made);
        }
        &self.core
    }

    /// The channel, to be asked.
    pub(crate) fn peek(&self) -> &Channel {
        &self.core
    }

    /// Whether the connection is TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// How many there are in this thread.
    pub(crate) fn open(namespace: Namespace) -> usize {
        OPEN.get().get(namespace as usize).copied().unwrap_or(0)
    }
}

fn count(namespace: Namespace, more: isize) {
    // The end of the thread takes the pool, and the numbers before it maybe.
    let _ = OPEN.try_with(|open| {
        let mut numbers = open.get();
        if let Some(number) = numbers.get_mut(namespace as usize) {
            *number = number.saturating_add_signed(more);
        }
        open.set(numbers);
    });
}

impl Drop for Link {
    fn drop(&mut self) {
        count(self.namespace, -1);
    }
}
