//! The janitor: it drives the runtime while the owner does not.
//!
//! The owner's part is one counter, the epoch: odd while the owner drives, even while it is away. The
//! janitor looks at it every [`TICK`]:
//!
//! - it has changed: the owner is busy, look again in a tick;
//! - odd and unchanged: the owner is inside one long wait. The janitor sleeps without a tick until the
//!   owner leaves the wait and wakes it;
//! - even and unchanged: the owner has been away for a tick. The janitor drives the runtime, without a
//!   tick, until the owner comes back and asks for it.
//!
//! So a process that waits and a process that computes have no wake-ups of ours. Both sides write
//! their word and then read the other's, sequentially consistent, so that at least one of them sees
//! the other; when both do, the janitor steps back.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// How long the owner must have been away. The takeover follows after one to two ticks.
const TICK: Duration = Duration::from_millis(5);

/// How long [`Takeover::stop`] waits for the janitor.
const STOP_WITHIN: Duration = Duration::from_millis(100);

/// What the janitor does.
const WATCHING: u8 = 0;
const ASLEEP: u8 = 1;
const DRIVING: u8 = 2;

#[derive(Debug)]
struct Shared {
    /// Odd: the owner drives. Written by the owner only.
    epoch: AtomicU64,
    janitor: AtomicU8,
    stop: AtomicBool,
    /// Tells a driving janitor to hand the runtime back.
    hand_back: Notify,
    wakeups: AtomicU64,
    takeovers: AtomicU64,
    /// Since when the owner has been away, while the janitor drives for it.
    away: Mutex<Option<Instant>>,
}

/// The agreement between the owner and the janitor.
#[derive(Debug)]
pub(super) struct Takeover {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The same thread, where the owner finds it without a detour.
    janitor: Thread,
    inline: bool,
}

/// What the janitor has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times it has woken up, for whatever reason.
    pub wakeups: u64,
    /// Times it has taken the runtime over.
    pub takeovers: u64,
}

/// What can be said of a reactor's owner from elsewhere.
#[derive(Debug, Clone)]
pub struct Owner(Arc<Shared>);

impl Owner {
    /// For how long it has neither driven the runtime nor waited, to a few milliseconds; `None` where it has of late, and
    /// where a thread of its own drives the runtime.
    pub fn away(&self) -> Option<Duration> {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }
}

impl Takeover {
    pub(super) fn start(runtime: Arc<Runtime>, inline: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            epoch: AtomicU64::new(0),
            janitor: AtomicU8::new(WATCHING),
            stop: AtomicBool::new(false),
            hand_back: Notify::new(),
            wakeups: AtomicU64::new(0),
            takeovers: AtomicU64::new(0),
            away: Mutex::new(None),
        });
        let theirs = Arc::clone(&shared);
        let work = move || if inline { theirs.watch(&runtime) } else { theirs.drive_always(&runtime) };
        let thread = super::fork::without_signals(|| start_janitor(work))?;
        Ok(Self { shared, janitor: thread.thread().clone(), thread: Some(thread), inline })
    }

    /// The owner comes to drive. It drives until the guard is dropped.
    #[inline]
    pub(super) fn enter(&self) -> Driving<'_> {
        if self.inline {
            self.shared.epoch.fetch_add(1, SeqCst);
            if self.shared.janitor.load(SeqCst) == DRIVING {
                self.shared.hand_back.notify_one();
            }
        }
        Driving(self)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { wakeups: self.shared.wakeups.load(Relaxed), takeovers: self.shared.takeovers.load(Relaxed) }
    }

    pub(super) fn owner(&self) -> Owner {
        Owner(Arc::clone(&self.shared))
    }

    /// Ends the janitor and waits for it, but not for long: a task that hangs must not hang the process.
    pub(super) fn stop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.shared.hand_back.notify_one();
        self.janitor.unpark();
        let Some(thread) = self.thread.take() else { return };
        let give_up = Instant::now() + STOP_WITHIN;
        while !thread.is_finished() {
            if Instant::now() >= give_up {
                return;
            }
            thread::sleep(Duration::from_micros(50));
        }
        // A panic in the janitor has been printed by then; there is nobody else to tell.
        drop(thread.join());
    }
}

/// The thread, in a frame of its own, by which valgrind knows what it holds: tests-php/valgrind.supp.
#[inline(never)]
fn start_janitor(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("viaduct-janitor".into()).spawn(work)
}

/// The owner drives while this lives.
pub(super) struct Driving<'a>(&'a Takeover);

impl Drop for Driving<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.inline {
            let shared = &self.0.shared;
            shared.epoch.fetch_add(1, SeqCst);
            if shared.janitor.load(SeqCst) == ASLEEP {
                shared.janitor.store(WATCHING, SeqCst);
                self.0.janitor.unpark();
            }
        }
    }
}

impl Shared {
    fn drive_always(&self, runtime: &Runtime) {
        while !self.stop.load(SeqCst) {
            self.takeovers.fetch_add(1, Relaxed);
            runtime.block_on(self.hand_back.notified());
        }
    }

    fn watch(&self, runtime: &Runtime) {
        while !self.stop.load(SeqCst) {
            let before = self.epoch.load(SeqCst);
            thread::park_timeout(TICK);
            self.wakeups.fetch_add(1, Relaxed);
            if self.epoch.load(SeqCst) != before {
                continue;
            }
            if before % 2 == 1 {
                self.sleep(before);
            } else {
                self.drive(runtime, before);
            }
        }
    }

    /// Sleeps until the owner has left the wait it is in.
    fn sleep(&self, epoch: u64) {
        self.janitor.store(ASLEEP, SeqCst);
        while self.epoch.load(SeqCst) == epoch
            && self.janitor.load(SeqCst) == ASLEEP
            && !self.stop.load(SeqCst)
        {
            thread::park();
            self.wakeups.fetch_add(1, Relaxed);
        }
        self.janitor.store(WATCHING, SeqCst);
    }

    /// Drives until the owner asks for the runtime.
    fn drive(&self, runtime: &Runtime, epoch: u64) {
        self.janitor.store(DRIVING, SeqCst);
        // An owner that came before it could see DRIVING has moved the epoch: then step back. A
        // `hand_back` that was given all the same makes the next takeover a short one, no more.
        if self.epoch.load(SeqCst) == epoch && !self.stop.load(SeqCst) {
            self.takeovers.fetch_add(1, Relaxed);
            let away = |since| *self.away.lock().unwrap_or_else(PoisonError::into_inner) = since;
            // It had been away for a tick when that was seen.
            away(Instant::now().checked_sub(TICK));
            runtime.block_on(self.hand_back.notified());
            away(None);
            self.wakeups.fetch_add(1, Relaxed);
        }
        self.janitor.store(WATCHING, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reactor;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    fn pause(millis: u64) {
        std::thread::sleep(Duration::from_millis(millis));
    }

    #[test]
    fn timers_run_on_while_the_owner_is_away() {
        let reactor = Reactor::inline().unwrap();
        let ticks = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&ticks);
        reactor.block_on(async move {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    theirs.fetch_add(1, SeqCst);
                }
            });
        });
        assert_eq!(reactor.owner().unwrap().away(), None);
        pause(300);
        let away = reactor.owner().unwrap().away().unwrap();
        assert!(away > Duration::from_millis(250), "{away:?}");
        assert!(ticks.load(SeqCst) > 20, "{} ticks", ticks.load(SeqCst));
        assert_eq!(reactor.janitor().takeovers, 1);
        // The owner comes back, and the janitor goes.
        assert_eq!(reactor.block_on(async { 7 }), 7);
        reactor.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
        assert_eq!(reactor.owner().unwrap().away(), None);
        reactor.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
        assert_eq!(reactor.janitor().takeovers, 1);
    }

    #[test]
    fn a_busy_owner_never_hands_over() {
        let reactor = Reactor::inline().unwrap();
        let end = std::time::Instant::now() + Duration::from_millis(300);
        while std::time::Instant::now() < end {
            reactor.turn();
        }
        // A machine that stalls the owner for whole ticks may see one; each costs nothing but itself.
        assert!(reactor.janitor().takeovers <= 3, "{:?}", reactor.janitor());
    }

    #[test]
    fn an_idle_process_has_no_wakeups() {
        // Idle while computing: the janitor holds the runtime.
        let reactor = Reactor::inline().unwrap();
        reactor.turn();
        pause(100);
        let before = reactor.janitor();
        assert_eq!(before.takeovers, 1);
        pause(400);
        assert_eq!(reactor.janitor(), before);

        // Idle while waiting: the owner holds the runtime. A machine that stalls one of the two may see a tick more; one
        // that ticks on has some in each of these windows.
        let quiet = reactor.block_on(async {
            for _ in 0..5 {
                let before = reactor.janitor().wakeups;
                tokio::time::sleep(Duration::from_millis(800)).await;
                if reactor.janitor().wakeups == before {
                    return true;
                }
            }
            false
        });
        assert!(quiet, "{:?}", reactor.janitor());
    }

    #[test]
    fn a_hand_back_loses_no_wakeup() {
        // The owner stays away for a random while around the tick, comes back, and must see a value
        // that another thread sends at a random moment; and a task must answer through a channel.
        let reactor = Reactor::inline().unwrap();
        let (ask, mut asked) =
            tokio::sync::mpsc::unbounded_channel::<(u64, tokio::sync::oneshot::Sender<u64>)>();
        reactor.block_on(async {
            tokio::spawn(async move {
                while let Some((n, answer)) = asked.recv().await {
                    tokio::task::yield_now().await;
                    let _ = answer.send(n + 1);
                }
            });
        });
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for n in 0..100_000u64 {
            // Most rounds hammer the border of enter and leave; some let the janitor take over or
            // fall asleep.
            if random(500) == 0 {
                std::thread::sleep(Duration::from_micros(4_000 + random(8_000)));
            }
            let (answer, answered) = tokio::sync::oneshot::channel();
            ask.send((n, answer)).unwrap();
            let got = reactor.block_on(async {
                if random(2_000) == 0 {
                    tokio::time::sleep(Duration::from_millis(random(12))).await;
                }
                tokio::time::timeout(Duration::from_secs(20), answered).await
            });
            assert_eq!(got.expect("the wake-up was lost").unwrap(), n + 1);
        }
        assert!(reactor.janitor().takeovers > 10, "{:?}", reactor.janitor());
    }

    #[test]
    fn a_threaded_reactor_answers_too() {
        let reactor = Reactor::threaded().unwrap();
        let doubled = reactor.block_on(async { tokio::spawn(async { 21 * 2 }).await.unwrap() });
        assert_eq!(doubled, 42);
    }

    #[test]
    fn dropping_is_quick() {
        let started = std::time::Instant::now();
        for _ in 0..20 {
            let reactor = Reactor::inline().unwrap();
            reactor.turn();
        }
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
