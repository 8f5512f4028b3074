//! What PHP's thread does while a proxy runs: the traffic is on threads of the proxy's own; here signals are heard, and
//! tasks go on.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use viaduct::proxy::Proxy;
use viaduct::reactor::fork::abandon;

use crate::errors::{self, Thrown};
use crate::scheduler::{Job, Scheduler, Source};
use crate::signals::{StopSignals, Told};

/// A proxy that is waited for.
struct Forwarding {
    proxy: Rc<Proxy>,
    ended: RefCell<Pin<Box<dyn Future<Output = ()>>>>,
    signals: StopSignals,
}

/// Waits until the proxy has ended. SIGTERM and SIGINT drain it; a second one, a second later or more, cuts what is left.
pub(crate) fn run(scheduler: &Rc<Scheduler>, proxy: &Rc<Proxy>) -> Result<(), Thrown> {
    let signals = StopSignals::catch()?;
    let ended = RefCell::new(Box::pin(proxy.ended()) as _);
    let source: Rc<dyn Source> = Rc::new(Forwarding { proxy: Rc::clone(proxy), ended, signals });
    let exit = Cell::new(false);
    let outcome = loop {
        let outcome = scheduler.serve(&source, true);
        // A task or a signal's handler called `exit()`: what runs is finished before.
        if !matches!(outcome, Err(Thrown::Pending)) || !errors::take_exit() {
            break outcome;
        }
        exit.set(true);
        proxy.drain();
    };
    if scheduler.reactor.is_stale() {
        // A forked child that came back here: the proxy is its parent's.
        abandon(source);
    }
    match outcome {
        Ok(()) if exit.get() => Err(errors::exit()),
        outcome => outcome,
    }
}

impl Source for Forwarding {
    fn next(&self) -> Option<Job> {
        None
    }

    fn has_next(&self) -> bool {
        false
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn flush(&self) {}

    fn poll_told(&self, cx: &mut Context<'_>) {
        match self.signals.poll_told(cx) {
            None => {}
            Some(Told::Stop) => drop(self.proxy.drain()),
            Some(Told::Again) => self.proxy.abort(),
        }
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_told(cx);
        self.ended.borrow_mut().as_mut().poll(cx)
    }
}
