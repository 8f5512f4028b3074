//! Names of ports: services(5).

/// The TCP port of a service: as the system's file has it, else one of the two that every gRPC library knows.
pub(super) fn port(name: &str) -> Option<u16> {
    // A name that is looked for once per channel is not worth a copy of the file.
    let file = std::fs::read_to_string("/etc/services").unwrap_or_default();
    find(&file, name).or(match name {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

/// Lines are `name port/protocol alias…`, with comments behind `#`.
fn find(file: &str, name: &str) -> Option<u16> {
    file.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let official = words.next()?;
        let (port, protocol) = words.next()?.split_once('/')?;
        let named = official == name || words.any(|alias| alias == name);
        if named && protocol == "tcp" { port.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_of_tcp_are_found() {
        let file = "# services\nhttp\t\t80/tcp\t\twww # WorldWideWeb\nntp 123/udp\nhttps 443/tcp\nhttps 443/udp\nbad\n";
        assert_eq!(find(file, "http"), Some(80));
        assert_eq!(find(file, "www"), Some(80));
        assert_eq!(find(file, "https"), Some(443));
        for unknown in ["ntp", "WorldWideWeb", "bad", "services", ""] {
            assert_eq!(find(file, unknown), None, "{unknown}");
        }
        assert_eq!((port("http"), port("https"), port("no-such-service")), (Some(80), Some(443), None));
    }
}
