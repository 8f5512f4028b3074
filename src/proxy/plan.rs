//! From settings to what runs, all of it or nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::accept::{ListenPlan, Listening, accept};
use super::discover::Ready;
use super::log::Log;
use super::route::{Route, Routes};
use super::settings::Settings;
use super::upstream::Group;
use super::worker::Worker;
use super::{Shared, StartError, admin};
use crate::error::{InvalidArgument, quote};
use crate::server::Listener;
use crate::server::lifecycle::Phase;

/// What holds for requests that come from now on.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) routes: Routes,
    pub(super) groups: Vec<Arc<Group>>,
    /// Opened anew with each configuration, so that a file that was moved away is left.
    pub(super) log: Option<Log>,
}

/// Builds a plan and its listeners, and puts them into the place of those before.
pub(super) fn apply(shared: &Arc<Shared>, workers: &[Worker], settings: Settings) -> Result<(), StartError> {
    let before = shared.plan.load_full();
    let mut groups = Vec::with_capacity(settings.groups.len());
    for group in &settings.groups {
        match before.groups.iter().find(|known| known.settings == *group) {
            Some(known) => groups.push((Arc::clone(known), false)),
            None => groups
                .push((Arc::new(Group::new(group.clone(), workers.len(), Arc::clone(&shared.own))?), true)),
        }
    }
    let by_name: HashMap<&str, &Arc<Group>> = groups.iter().map(|(group, _)| (group.name(), group)).collect();
    let find = |name: &str, whose: &str| {
        by_name.get(name).copied().cloned().ok_or_else(|| {
            InvalidArgument::new(format!("{whose} leads to the group {}, which is not there", quote(name)))
        })
    };
    let mut routes = Vec::with_capacity(settings.routes.len());
    for route in &settings.routes {
        let group = find(&route.group, &format!("the route {}", quote(&route.name)))?;
        routes.push(Arc::new(Route { settings: route.clone(), group }));
    }

    let known = shared.listening.load_full();
    let mut listening = Vec::with_capacity(settings.listeners.len());
    let mut changed = Vec::new();
    let mut bound = Vec::new();
    for listen in &settings.listeners {
        let plan = ListenPlan::new(listen.clone())?;
        match known.iter().find(|one| one.address == listen.address) {
            Some(one) => {
                listening.push(Arc::clone(one));
                changed.push((Arc::clone(one), plan));
            }
            None => {
                let sockets = bind(listen, workers.len())?;
                let target = sockets.first().map(|s| s.target().to_owned()).unwrap_or_default();
                let one = Arc::new(Listening::new(target, plan));
                listening.push(Arc::clone(&one));
                bound.push((one, sockets));
            }
        }
    }
    let log = match &settings.access_log {
        None => None,
        Some(wanted) => Some(Log::open(wanted, &shared.logged).map_err(|source| {
            let path =
                wanted.path.as_ref().map_or("(standard output)".into(), |path| path.display().to_string());
            StartError::Log { path, source }
        })?),
    };
    let port = admin::prepare(shared, settings.admin.as_ref())?;
    // Registering a socket with a runtime is the last thing that can fail.
    let mut acceptors = Vec::new();
    for (one, sockets) in bound {
        for ((number, worker), socket) in workers.iter().enumerate().zip(sockets) {
            let _inside = worker.handle().enter();
            let (acceptor, _) = socket
                .activate()
                .map_err(|source| crate::server::ListenError::Io { address: one.target.clone(), source })?;
            acceptors.push((number, worker, Arc::clone(&one), acceptor));
        }
    }

    // From here on nothing fails.
    let ready = Ready::new();
    let other_names = settings.dns != before.settings.dns;
    if let Some(worker) = workers.first() {
        for (group, new) in &groups {
            if *new || other_names {
                ready.tend(group, &before.groups, shared, &settings.dns, worker);
            }
        }
    }
    ready.wait();
    let groups: Vec<Arc<Group>> = groups.into_iter().map(|(group, _)| group).collect();
    shared.trace.store(settings.trace, Relaxed);
    shared.plan.store(Arc::new(Plan { settings, routes: Routes::new(routes), groups: groups.clone(), log }));
    admin::put(shared, port);
    for (one, plan) in changed {
        one.plan.store(Arc::new(plan));
    }
    for (number, worker, one, acceptor) in acceptors {
        let member = one.lifecycle.join();
        worker.handle().spawn(accept(member, acceptor, number, one, Arc::clone(shared)));
    }
    let grace = shared.plan.load().settings.drain.grace;
    for gone in known.iter().filter(|old| !listening.iter().any(|one| Arc::ptr_eq(one, old))) {
        end(gone, grace, workers);
    }
    for gone in before.groups.iter().filter(|old| !groups.iter().any(|one| Arc::ptr_eq(one, old))) {
        gone.retire();
    }
    shared.listening.store(Arc::new(listening));
    shared.findings.compare(&shared.plan.load());
    Ok(())
}

/// One socket for each worker, on the same address.
fn bind(listen: &super::settings::Listen, workers: usize) -> Result<Vec<Listener>, StartError> {
    let (first, share) = match Listener::inherited(&listen.address)? {
        Some(inherited) => (inherited, false),
        None => {
            let share = !listen.address.starts_with("unix");
            (Listener::bind_bare(&listen.address, share)?, share)
        }
    };
    let mut all = vec![first];
    while all.len() < workers {
        let next = match all.first() {
            // The port that the first was given.
            Some(first) if share => Listener::bind_bare(first.target(), true)?,
            Some(first) => first.twin()?,
            None => break,
        };
        all.push(next);
    }
    Ok(all)
}

/// Ends one listener: no new connections, GOAWAY, and a cut after `grace`.
fn end(listening: &Arc<Listening>, grace: Duration, workers: &[Worker]) {
    listening.lifecycle.advance(Phase::Draining);
    let Some(worker) = workers.first() else { return };
    let lifecycle = Arc::clone(&listening.lifecycle);
    worker.handle().spawn(async move {
        if tokio::time::timeout(grace, lifecycle.ended()).await.is_err() {
            lifecycle.advance(Phase::Aborted);
        }
    });
}

/// Begins to end everything, in two steps. `grace` stands above the settings'. Whether this was the first time.
pub(super) fn drain(shared: &Arc<Shared>, workers: &[Worker], grace: Option<Duration>) -> bool {
    let first = shared.phase.send_if_modified(|phase| {
        let serving = *phase == Phase::Serving;
        if serving {
            *phase = Phase::Draining;
        }
        serving
    });
    let Some(worker) = workers.first().filter(|_| first) else { return false };
    let shared = Arc::clone(shared);
    let mut drain = shared.plan.load().settings.drain;
    drain.grace = grace.unwrap_or(drain.grace);
    worker.handle().spawn(async move {
        tokio::time::sleep(drain.notice).await;
        let all = shared.listening.load_full();
        for one in all.iter() {
            one.lifecycle.advance(Phase::Draining);
        }
        let ended = async {
            for one in all.iter() {
                one.lifecycle.ended().await;
            }
        };
        // Late or not, it is over.
        let _ = tokio::time::timeout(drain.grace, ended).await;
        abort(&shared);
    });
    true
}

/// Cuts everything.
pub(super) fn abort(shared: &Shared) {
    for one in shared.listening.load().iter() {
        one.lifecycle.advance(Phase::Aborted);
    }
    shared.phase.send_replace(Phase::Aborted);
}
