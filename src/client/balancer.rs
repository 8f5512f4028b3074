//! Which subchannel takes the next call.
//!
//! pick_first is one subchannel to all addresses; round_robin is one for each, in turn. So a balancer
//! is a list of subchannels, and picks rotate over those that are ready.

use std::collections::HashSet;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::time::Instant;

use super::backoff::entropy;
use super::channel::Connectivity;
use super::options::{ChannelOptions, LoadBalancing};
use super::subchannel::{Endpoint, Subchannel};
use super::want::Wanted;
use crate::transport::connection::Connection;
use crate::transport::dial::Address;

/// How many addresses a status names. More would say no more.
const NAMED: usize = 8;

#[derive(Debug)]
pub(super) struct Balancer {
    members: Vec<Subchannel>,
    turn: usize,
    next_id: u64,
}

/// An attempt to connect that is due.
pub(super) struct Due {
    /// The subchannel's.
    pub(super) id: u64,
    pub(super) endpoint: Endpoint,
    pub(super) wanted: Wanted,
}

impl Balancer {
    pub(super) fn new(options: &ChannelOptions) -> Self {
        // Many clients that start together must not all begin with the same server.
        #[allow(clippy::cast_possible_truncation)] // any bits will do
        let mut balancer = Self { members: Vec::new(), turn: entropy() as usize, next_id: 0 };
        if options.load_balancing == LoadBalancing::PickFirst {
            balancer.add(Endpoint::Any, options);
        }
        balancer
    }

    fn add(&mut self, endpoint: Endpoint, options: &ChannelOptions) {
        self.members.push(Subchannel::new(self.next_id, endpoint, options));
        self.next_id += 1;
    }

    /// The connection for the next call, and whether there is nothing else to do: all are ready.
    pub(super) fn pick(&mut self) -> (Option<(Connection, SendRequest<Bytes>)>, bool) {
        if let [only] = &mut *self.members {
            let picked = only.sender();
            let all = picked.is_some();
            return (picked, all);
        }
        loop {
            let ready = self.members.iter().filter(|m| m.is_ready()).count();
            if ready == 0 {
                return (None, false);
            }
            self.turn = self.turn.wrapping_add(1);
            let chosen = self.members.iter_mut().filter(|m| m.is_ready()).nth(self.turn % ready);
            // One that turns out to be dead is not ready any more.
            if let Some(picked) = chosen.and_then(Subchannel::sender) {
                return (Some(picked), ready == self.members.len());
            }
        }
    }

    /// What is to be connected for a call that began at `began` (none: it waits for ready).
    pub(super) fn connect(&mut self, began: Option<Instant>) -> Vec<Due> {
        let now = Instant::now();
        let mut due = Vec::new();
        for member in self.members.iter_mut().filter(|m| m.may_connect(now, began)) {
            let wanted = member.connecting();
            due.push(Due { id: member.id, endpoint: member.endpoint.clone(), wanted });
        }
        due
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether a call that began at `began` has nothing to expect from any.
    pub(super) fn is_hopeless(&self, began: Option<Instant>) -> bool {
        self.members.iter().all(|m| m.is_hopeless(began))
    }

    /// When the first pause ends.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.members.iter().filter_map(Subchannel::retry_at).min()
    }

    /// When the last attempt failed.
    pub(super) fn failed_at(&self) -> Option<Instant> {
        self.members.iter().filter_map(Subchannel::failed_at).max()
    }

    /// Whether a connection was lost or could not be made, so that the addresses may be out of date.
    pub(super) fn is_short(&self) -> bool {
        let lost = [Connectivity::Idle, Connectivity::TransientFailure];
        self.members.iter().any(|m| lost.contains(&m.connectivity()))
    }

    /// READY if any is, else CONNECTING if any is, else IDLE if any is, else TRANSIENT_FAILURE (gRPC,
    /// "Connectivity Semantics and API"). None without subchannels.
    pub(super) fn connectivity(&mut self) -> Option<Connectivity> {
        self.members.iter_mut().for_each(Subchannel::forget_dead);
        let order = [Connectivity::Ready, Connectivity::Connecting, Connectivity::Idle];
        let has = |state: &Connectivity| self.members.iter().any(|m| m.connectivity() == *state);
        let none_of_these = (!self.members.is_empty()).then_some(Connectivity::TransientFailure);
        order.into_iter().find(has).or(none_of_these)
    }

    /// What went wrong last, at each address.
    pub(super) fn failures(&self) -> Option<String> {
        let all: Vec<&str> = self.members.iter().filter_map(Subchannel::failure).collect();
        let mut text = all.get(..NAMED).unwrap_or(&all).join("; ");
        if let Some(more) = all.len().checked_sub(NAMED).filter(|n| *n > 0) {
            text.push_str(&format!("; and {more} more"));
        }
        (!all.is_empty()).then_some(text)
    }

    /// The subchannel with this id, unless its address has gone.
    pub(super) fn find(&mut self, id: u64) -> Option<&mut Subchannel> {
        self.members.iter_mut().find(|m| m.id == id)
    }

    /// Keeps what is in `addresses`, adds what is new, and gives back the connections to the others.
    pub(super) fn update(&mut self, addresses: &[Address], options: &ChannelOptions) -> Vec<Connection> {
        let mut wanted: HashSet<&Address> = addresses.iter().collect();
        let mut gone = Vec::new();
        self.members.retain_mut(|member| {
            let stays = matches!(&member.endpoint, Endpoint::One(address) if wanted.remove(address));
            if !stays {
                gone.extend(member.take());
            }
            stays
        });
        for address in addresses {
            if wanted.remove(address) {
                self.add(Endpoint::One(address.clone()), options);
            }
        }
        gone
    }

    /// Gives all connections away. Attempts end.
    pub(super) fn take_all(&mut self) -> Vec<Connection> {
        self.members.iter_mut().filter_map(Subchannel::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn addresses(ports: &[u16]) -> Vec<Address> {
        ports.iter().map(|p| Address::Tcp(([127, 0, 0, 1], *p).into())).collect()
    }

    fn fail(balancer: &mut Balancer, id: u64, why: &str, options: &ChannelOptions) {
        balancer.find(id).unwrap().failed(Instant::now(), why.into(), options);
    }

    #[test]
    fn states_failures_and_updates() {
        let options = ChannelOptions { load_balancing: LoadBalancing::RoundRobin, ..Default::default() };
        let mut all = Balancer::new(&options);
        assert_eq!((all.connectivity(), all.failures()), (None, None));
        assert!(all.update(&addresses(&[1, 2, 1]), &options).is_empty());
        assert_eq!(all.connectivity(), Some(Connectivity::Idle));
        let began = Some(Instant::now());
        assert_eq!(all.connect(began).iter().map(|due| due.id).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(all.connectivity(), Some(Connectivity::Connecting));
        assert!(all.connect(began).is_empty() && !all.is_hopeless(began));
        fail(&mut all, 0, "one", &options);
        assert_eq!(all.connectivity(), Some(Connectivity::Connecting));
        fail(&mut all, 1, "two", &options);
        assert_eq!(all.connectivity(), Some(Connectivity::TransientFailure));
        assert_eq!(all.failures().as_deref(), Some("one; two"));
        assert!(all.is_hopeless(began) && all.is_hopeless(None));
        // The new list keeps what was there, with its pause.
        assert!(all.update(&addresses(&[3, 2]), &options).is_empty());
        assert_eq!(all.failures().as_deref(), Some("two"));
        assert_eq!(all.connectivity(), Some(Connectivity::Idle));
        assert_eq!(all.connect(began).iter().map(|due| due.id).collect::<Vec<_>>(), [2]);
        // A status names so many and no more.
        let many: Vec<u16> = (10..30).collect();
        all.update(&addresses(&many), &options);
        for due in all.connect(began) {
            fail(&mut all, due.id, "no", &options);
        }
        assert!(all.failures().unwrap().ends_with("no; and 12 more"));
    }

    #[test]
    fn an_attempt_that_outlasts_its_pause_still_fails_the_call() {
        let options = ChannelOptions { initial_backoff: Duration::from_millis(1), ..Default::default() };
        let mut first = Balancer::new(&options);
        let began = Instant::now();
        assert_eq!(first.connect(Some(began)).len(), 1);
        // It began so long ago that the pause is over.
        first.find(0).unwrap().failed(began - Duration::from_secs(1), "late".into(), &options);
        assert!(first.connect(Some(began)).is_empty() && first.is_hopeless(Some(began)));
        // The next call, and one that waits, try again; the first one does not wait for them.
        assert_eq!(first.connect(Some(Instant::now() + Duration::from_secs(1))).len(), 1);
        assert!(first.is_hopeless(Some(began)) && !first.is_hopeless(None));
    }
}
