// Reads status.json each second and draws it. Whatever comes from there becomes text, never markup.
'use strict';

const SECONDS = 60;
const SVG = 'http://www.w3.org/2000/svg';
const STATES = {
  well: ['●', 'well'],
  ill: ['▲', 'ill'],
  ejected: ['■', 'left out'],
  unreachable: ['✕', 'unreachable'],
  loop: ['↺', 'loop'],
};

/** An element: make('td', { class: 'number' }, 'text', child, …). */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Makes `old` like `now`, and keeps what is the same: the focus, a selection, what is unfolded. */
function patch(old, now) {
  if (old.nodeName !== now.nodeName) return old.replaceWith(now);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== now.data) old.data = now.data;
    return;
  }
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!now.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  contents(old, [...now.childNodes]);
}

function contents(old, now) {
  const there = [...old.childNodes];
  now.forEach((child, at) => (at < there.length ? patch(there[at], child) : old.append(child)));
  there.slice(now.length).forEach((child) => child.remove());
}

function show(id, ...children) {
  const section = document.getElementById(id);
  section.hidden = false;
  contents(section, children.flat());
}

function rate(value = 0) {
  if (value >= 10000) return (value / 1000).toFixed(1) + ' k';
  return value >= 100 || value === 0 ? value.toFixed(0) : value.toFixed(1);
}

function count(value = 0) {
  return value.toLocaleString('en');
}

function time(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds >= 1) return seconds.toFixed(seconds < 10 ? 1 : 0) + ' s';
  const millis = seconds * 1000;
  return millis.toFixed(millis < 1 ? 2 : millis < 10 ? 1 : 0) + ' ms';
}

function span(seconds) {
  const whole = Math.floor(seconds);
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const said = parts.map(([size, unit], n) => {
    const value = Math.floor((n ? whole % parts[n - 1][0] : whole) / size);
    return value ? `${value} ${unit}` : '';
  });
  return said.filter(Boolean).slice(0, 2).join(' ') || '0 s';
}

/** The last minute, a bar for each second: as high as its requests, red as far as they failed. */
function bars(minute, most, what) {
  const { requests, errors, states = [] } = minute || { requests: [], errors: [] };
  const start = SECONDS - requests.length;
  const peak = Math.max(0, ...requests);
  const failed = errors.reduce((sum, n) => sum + n, 0);
  const high = Math.max(most, 1);
  const shapes = [draw('rect', { class: 'base', x: 0, y: 19, width: SECONDS, height: 1 })];
  const box = (name, at, y, height) =>
    shapes.push(draw('rect', { class: name, x: start + at + 0.1, y: y.toFixed(2), width: 0.8, height: height.toFixed(2) }));
  requests.forEach((n, at) => {
    if (states[at] && states[at] !== 'well') {
      shapes.push(draw('rect', { class: 'off', x: start + at, y: 0, width: 1, height: 20 }));
      box('mark', at, 18, 2);
    }
    if (!n) return;
    const height = Math.max(1.5, (n / high) * 19);
    const red = errors[at] ? Math.max(1.5, (errors[at] / n) * height) : 0;
    box('good', at, 20 - height, height - red);
    if (red) box('error', at, 20 - red, red);
  });
  const label = `${what}, the last minute: at most ${count(peak)} requests in a second, ${count(failed)} errors in all`;
  return draw('svg', { viewBox: `0 0 ${SECONDS} 20`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    draw('title', {}, label), shapes);
}

function peak(things) {
  return Math.max(0, ...things.flatMap((thing) => (thing.last_minute ? thing.last_minute.requests : [])));
}

function head(...names) {
  return make('thead', {}, make('tr', {}, names.map((name) =>
    make('th', { scope: 'col', class: name.startsWith('#') ? 'number' : undefined }, name.replace('#', '')))));
}

function number(text, bad = false) {
  return make('td', { class: bad ? 'number bad' : 'number' }, text);
}

function figures(thing) {
  return [
    number(rate(thing.requests_per_second)),
    number(rate(thing.errors_per_second), thing.errors_per_second > 0),
    number(time(thing.p50_seconds)),
    number(time(thing.p99_seconds)),
  ];
}

function total(status) {
  const { total } = status;
  const tile = (value, name, bad) =>
    make('div', { class: 'tile' }, make('b', { class: bad ? 'bad' : undefined }, value), make('span', {}, name));
  return make('div', { class: 'tiles' },
    make('div', { class: 'tile wide' },
      make('div', {}, make('b', {}, rate(total.requests_per_second)), make('span', {}, 'requests/s')),
      bars(total.last_minute, peak([total]), 'All requests')),
    tile(rate(total.errors_per_second), 'errors/s', total.errors_per_second > 0),
    tile(time(total.p50_seconds), 'half within (p50)'),
    tile(time(total.p99_seconds), '99 % within (p99)'),
    tile(count(total.requests_open), 'requests now'),
    tile(count(total.connections_open), 'client connections'));
}

function route(route) {
  const more = [
    route.timeout_seconds !== null ? `at most ${time(route.timeout_seconds)}` : null,
    route.authority !== null ? `as ${route.authority}` : null,
    route.retry !== null ? `${route.retry.attempts} attempts for ${route.retry.codes.join(', ')}` : null,
  ].filter(Boolean);
  return make('tr', {},
    make('td', {}, route.name),
    make('td', { class: 'name' }, route.matches.join(' and ') || 'everything'),
    make('td', {}, make('a', { href: '#group-' + encodeURIComponent(route.group) }, route.group),
      more.length ? make('span', { class: 'quiet' }, ' · ' + more.join(' · ')) : null));
}

function services(member) {
  if (member.services === null) return make('span', { class: 'quiet' }, 'takes everything');
  const list = make('ul', { class: 'services' }, member.services.map((name) => make('li', {}, name)));
  if (member.services.length < 4) return list;
  return make('details', {}, make('summary', {}, `${member.services.length} services`), list);
}

function member(member, most) {
  const [sign, word] = STATES[member.state] || ['?', member.state];
  const left = member.ejected_for_seconds;
  // Its name stands there already.
  const why = (member.last_error || '').replace(member.name + ': ', '');
  return make('tr', {},
    make('td', { class: `state ${member.state}` }, make('i', { 'aria-hidden': 'true' }, sign),
      word, left !== null ? make('small', {}, `for ${span(left)}`) : null),
    make('td', { class: 'name' }, make('b', {}, member.name),
      why ? make('span', { class: 'why' }, why) : null),
    make('td', { class: 'strip' }, bars(member.last_minute, most, member.name)),
    figures(member),
    number(count(member.requests_open)),
    number(count(member.connections_open)),
    make('td', {}, services(member)));
}

function group(group) {
  const well = group.members.filter((one) => one.state === 'well').length;
  const most = peak(group.members);
  // An address that is a member as it stands says nothing new.
  const found = group.sources.filter((source) => !group.members.some((one) => one.name === source));
  return make('div', { class: 'card', id: 'group-' + encodeURIComponent(group.name) },
    make('div', { class: 'head' },
      make('h3', {}, group.name),
      make('span', { class: well < group.members.length ? 'ill' : 'quiet' }, `${well} of ${group.members.length} well`),
      make('span', { class: 'quiet' }, group.balance),
      group.tls ? make('span', { class: 'quiet' }, 'TLS') : null,
      found.length ? make('span', { class: 'quiet' }, 'from ' + found.join(', ')) : null),
    group.members.length
      ? make('table', {},
        head('state', 'backend', 'the last minute', '#req/s', '#err/s', '#p50', '#p99', '#now', '#connections', 'serves'),
        make('tbody', {}, group.members.map((one) => member(one, most))))
      : make('p', { class: 'bad' }, 'It has no members now.'));
}

function methods(status) {
  const by = (a, b) => (a.service + '/' + a.method < b.service + '/' + b.method ? -1 : 1);
  const all = [...status.methods].sort(by);
  const most = peak(all);
  const row = (one) => make('tr', {},
    make('td', { class: 'name' }, one.service ? one.service + '/' : '', make('b', {}, one.method)),
    make('td', { class: 'strip' }, bars(one.last_minute, most, one.method)),
    figures(one),
    number(count(one.requests_total)),
    make('td', { class: 'quiet' }, Object.entries(one.codes).filter(([code]) => code !== 'OK')
      .map(([code, n]) => `${code} ${count(n)}`).join(', ')));
  return [
    make('h2', {}, 'Methods'),
    make('div', { class: 'card' }, all.length
      ? make('table', {},
        head('method', 'the last minute', '#req/s', '#err/s', '#p50', '#p99', '#in all', 'other than OK'),
        make('tbody', {}, all.map(row)))
      : make('p', { class: 'quiet' }, 'Nothing has been asked for yet.'),
    status.methods_left_off ? make('p', { class: 'quiet' }, `and ${count(status.methods_left_off)} with less to do`) : null),
  ];
}

function findings(status) {
  return make('ul', { class: 'card' }, status.findings.map((text) => make('li', {}, text)));
}

function notes(status) {
  const row = (note) => make('tr', {},
    make('td', { class: 'quiet' }, make('time', { datetime: note.time }, new Date(note.time).toLocaleTimeString())),
    make('td', { class: 'quiet' }, note.kind),
    make('td', {}, note.text + (note.times > 1 ? ` (${count(note.times)} times)` : '')));
  return [
    ...(status.findings.length ? [
      make('h2', {}, 'To look at'),
      make('div', { class: 'card' }, make('ul', {}, status.findings.map((text) => make('li', {}, text)))),
    ] : []),
    make('h2', {}, 'Lately'),
    make('div', { class: 'card' }, status.notes.length
      ? make('table', {}, make('tbody', {}, status.notes.slice(0, 30).map(row)))
      : make('p', { class: 'quiet' }, 'Nothing has changed since the start.')),
  ];
}

function legend() {
  const one = (name, text) => make('span', {},
    draw('svg', { viewBox: '0 0 1 1', 'aria-hidden': 'true' }, draw('rect', { class: name, width: 1, height: 1 })), text);
  return make('p', { class: 'legend' },
    'Each bar is a second.', one('good', 'answered'), one('error', 'failed'), one('mark', 'ill, left out or unreachable'));
}

function phase(name, text) {
  const place = document.getElementById('phase');
  place.className = 'state ' + name;
  place.textContent = text;
}

function redraw(status) {
  phase(status.phase === 'serving' ? 'well' : 'draining', (status.phase === 'serving' ? '● ' : '▲ ') + status.phase);
  const where = status.listeners.map((one) => one.target).join(', ');
  document.getElementById('about').textContent = `${status.version} · up ${span(status.uptime_seconds)} · ${where}`;
  show('total', total(status));
  show('routes', status.routes.map(route));
  show('findings', status.findings.length ? findings(status) : []);
  show('groups', legend(), status.groups.map(group));
  show('methods', methods(status));
  show('notes', notes(status));
}

async function tick() {
  if (!document.hidden) {
    try {
      const response = await fetch('status.json', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
      if (!response.ok) throw new Error(`it answers ${response.status}`);
      redraw(await response.json());
    } catch (error) {
      phase('lost', '✕ no contact: ' + error.message);
    }
  }
  setTimeout(tick, 1000);
}

document.addEventListener('DOMContentLoaded', tick);
