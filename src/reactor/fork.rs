//! What `fork` does to a reactor.
//!
//! The child of a fork has the parent's memory but none of its threads, and its sockets are the
//! parent's sockets. Whatever the child did with them (a GOAWAY, a removal from the shared epoll
//! instance) would hit the parent; whatever lock the janitor held would be held for ever. So the child
//! touches nothing of it:
//!
//! - [`Tracked`] descriptors are closed in the child as soon as it is born, without a word to the peer;
//! - a [`Bound`] value made before the fork is out of reach in the child and is never dropped there;
//! - the first use in the child makes a reactor of its own.
//!
//! The parent notices nothing.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Mutex, Once};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The number of the process' generation: it is another in every forked child.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Acquire)
}

/// Makes forks noticed. Called by every reactor before it starts.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler calls nothing but `close` and atomics, which are safe at that point.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, AcqRel);
    close_tracked();
}

/// A value that belongs to the process in which it was made.
#[derive(Debug)]
pub struct Bound<T> {
    generation: u32,
    value: ManuallyDrop<T>,
}

impl<T> Bound<T> {
    /// Binds `value` to this process.
    pub fn new(value: T) -> Self {
        Self { generation: generation(), value: ManuallyDrop::new(value) }
    }

    /// The value; `None` in a forked child.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        (self.generation == generation()).then_some(&*self.value)
    }

    /// The value; `None` in a forked child.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        (self.generation == generation()).then_some(&mut *self.value)
    }
}

impl<T> Drop for Bound<T> {
    fn drop(&mut self) {
        if self.generation == generation() {
            // SAFETY: the value is dropped here and nowhere else, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        } else {
            // SAFETY: the value is taken here and nowhere else, and not used after.
            abandon(unsafe { ManuallyDrop::take(&mut self.value) });
        }
    }
}

/// Lets go of what belongs to the parent of a forked child, without dropping it.
///
/// It stays in a list, where a memory checker sees that it is not lost but left.
pub fn abandon<T>(value: T) {
    static LEFT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let left = Box::into_raw(Box::new(value));
    // Another thread may have held it at the fork: the list is not worth waiting for.
    if let Ok(mut list) = LEFT.try_lock() {
        list.push(left as usize);
    }
}

/// Descriptors that a forked child closes. A slot holds −1 while it is free.
struct Table {
    slots: [AtomicI32; 256],
    next: AtomicPtr<Table>,
}

impl Table {
    const fn new() -> Self {
        Self { slots: [const { AtomicI32::new(-1) }; 256], next: AtomicPtr::new(std::ptr::null_mut()) }
    }
}

static FIRST: Table = Table::new();

/// Walks the tables. They are only ever added, and live as long as the process.
fn tables() -> impl Iterator<Item = &'static Table> {
    std::iter::successors(Some(&FIRST), |table| {
        // SAFETY: `next` is null or came from `Box::leak` below.
        unsafe { table.next.load(Acquire).as_ref() }
    })
}

fn close_tracked() {
    for slot in tables().flat_map(|t| &t.slots) {
        let fd = slot.swap(-1, AcqRel);
        if fd >= 0 {
            // SAFETY: the child's copy of a descriptor whose owner is bound to the parent and will
            // never use or close it here.
            unsafe {
                libc::close(fd);
            }
        }
    }
}

/// While this lives, a forked child closes its copy of the descriptor at birth.
///
/// It must be dropped before the descriptor is closed: put it before the socket in a struct.
#[derive(Debug)]
pub struct Tracked {
    slot: &'static AtomicI32,
    fd: RawFd,
}

impl Tracked {
    /// Tracks the descriptor of `of`.
    pub fn new(of: &impl AsRawFd) -> Self {
        let fd = of.as_raw_fd();
        let mut last = &FIRST;
        loop {
            for table in tables() {
                last = table;
                for slot in &table.slots {
                    if slot.compare_exchange(-1, fd, AcqRel, Acquire).is_ok() {
                        return Self { slot, fd };
                    }
                }
            }
            let fresh: *mut Table = Box::leak(Box::new(Table::new()));
            if last.next.compare_exchange(std::ptr::null_mut(), fresh, AcqRel, Acquire).is_err() {
                // SAFETY: somebody else added a table first; ours was never shared.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // In a forked child the slot is free already, or another's.
        let _ = self.slot.compare_exchange(self.fd, -1, AcqRel, Acquire);
    }
}

/// Runs `start` with all signals blocked: a thread that it starts inherits that, and signals reach the
/// host's threads only.
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: the calls read and write two local sets and this thread's mask.
    let before = unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    };
    let result = start();
    // SAFETY: restores the mask read above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::rc::Rc;

    /// Runs `child` in a forked child; whether it said yes.
    fn in_fork(child: impl FnOnce() -> bool) -> bool {
        install();
        // SAFETY: the child runs only the closure and leaves by `_exit`.
        unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(!child())),
                pid => {
                    let mut status = 0;
                    assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
                    status == 0
                }
            }
        }
    }

    #[test]
    fn a_bound_value_stays_with_the_parent() {
        let counted = Rc::new(());
        let bound = Bound::new(Rc::clone(&counted));
        assert!(in_fork(|| {
            let gone = bound.get().is_none();
            drop(bound);
            gone && Rc::strong_count(&counted) == 2
        }));
        let bound = Bound::new(Rc::clone(&counted));
        assert!(bound.get().is_some());
        drop(bound);
    }

    #[test]
    fn the_child_closes_tracked_descriptors_and_the_parent_keeps_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // More than one table's worth.
        let sockets: Vec<_> = (0..300)
            .map(|_| {
                let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (peer, _) = listener.accept().unwrap();
                (Tracked::new(&socket), socket, peer)
            })
            .collect();
        assert!(in_fork(|| {
            sockets.iter().all(|(_, socket, _)| {
                // SAFETY: asks for a flag of a number that may or may not be a descriptor.
                unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFD) == -1 }
            })
        }));
        for (_, socket, peer) in &sockets {
            peer.set_nonblocking(true).unwrap();
            let mut byte = [0];
            let kind = (&mut &*peer).read(&mut byte).unwrap_err().kind();
            assert_eq!(kind, std::io::ErrorKind::WouldBlock, "{socket:?} was closed");
        }
    }
}
