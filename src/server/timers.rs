//! The deadlines of one connection's calls: a heap and one timer.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::Sleep;

use super::call::WeakCall;

/// Calls by deadline. A call that is over stays until it is in the way: taking it out at its end
/// would cost every call a search.
#[derive(Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Where the heap is swept for calls that are over: at twice what was alive the last time.
    sweep_at: usize,
    timer: Option<Pin<Box<Sleep>>>,
    set_to: Option<Instant>,
}

struct Entry {
    at: Instant,
    call: WeakCall,
}

/// The heap is not swept below this.
const SMALL: usize = 64;

impl Deadlines {
    pub(super) fn add(&mut self, at: Instant, call: WeakCall) {
        if self.heap.len() >= self.sweep_at.max(SMALL) {
            self.heap.retain(|Reverse(entry)| entry.call.is_open());
            self.sweep_at = self.heap.len() * 2;
        }
        self.heap.push(Reverse(Entry { at, call }));
    }

    /// Ends the calls whose time is over, and asks to be polled at the next deadline.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            let next = match self.heap.peek() {
                None => return,
                Some(Reverse(entry)) => entry.at,
            };
            // The timer stands: nothing to do until it fires, and then the clock is read.
            if self.set_to.is_none_or(|set| next < set) {
                match &mut self.timer {
                    Some(timer) => timer.as_mut().reset(next.into()),
                    none => *none = Some(Box::pin(tokio::time::sleep_until(next.into()))),
                }
                self.set_to = Some(next);
            }
            if let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_pending()
            {
                return;
            }
            self.set_to = None;
            let now = Instant::now();
            while let Some(Reverse(entry)) = self.heap.peek() {
                if entry.at > now && entry.call.is_open() {
                    break;
                }
                if let Some(Reverse(entry)) = self.heap.pop()
                    && entry.at <= now
                {
                    entry.call.expire();
                }
            }
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
