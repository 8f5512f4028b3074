//! The page. What does not move is written here, from the same values that its script reads each second; so it says
//! something without a script, too.

use serde_json::Value;

pub(super) const CSS: &[u8] = include_bytes!("page.css");
pub(super) const JS: &[u8] = include_bytes!("page.js");

const FRAME: &str = include_str!("page.html");

/// The page for this status.
pub(super) fn html(status: &Value) -> String {
    let mut out = String::with_capacity(16 << 10);
    // What is put in is not searched for marks again.
    for (number, part) in FRAME.split("<!--*-->").enumerate() {
        match number {
            0 => {}
            1 => routes(&mut out, status),
            _ => groups(&mut out, status),
        }
        out.push_str(part);
    }
    out
}

fn routes(out: &mut String, status: &Value) {
    for route in list(status, "routes") {
        let matches: Vec<&str> = list(route, "matches").iter().filter_map(Value::as_str).collect();
        let matches = if matches.is_empty() { "everything".to_owned() } else { matches.join(" and ") };
        row(out, &[text(route, "name"), &matches, text(route, "group")]);
    }
}

fn groups(out: &mut String, status: &Value) {
    for group in list(status, "groups") {
        for member in list(group, "members") {
            let services: Vec<&str> = list(member, "services").iter().filter_map(Value::as_str).collect();
            let services = if services.is_empty() { "everything".to_owned() } else { services.join(", ") };
            row(out, &[text(group, "name"), text(member, "name"), text(member, "state"), &services]);
        }
    }
}

fn row(out: &mut String, cells: &[&str]) {
    out.push_str("<tr>");
    for cell in cells {
        out.push_str("<td>");
        escape(out, cell);
        out.push_str("</td>");
    }
    out.push_str("</tr>\n");
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Names come from backends and clients: they stay text.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_stay_text() {
        let evil = "<script>alert('&\"')</script><!--*-->";
        let status = json!({
            "routes": [{ "name": evil, "matches": [evil, "b"], "group": evil }],
            "groups": [{ "name": evil, "members": [
                { "name": evil, "state": "well", "services": [evil] },
                { "name": "quiet", "state": "ill", "services": null },
            ] }],
        });
        let page = html(&status);
        assert!(!page.contains("<script>") && !page.contains("alert('"), "{page}");
        let safe = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;&lt;!--*--&gt;";
        assert_eq!(page.matches(safe).count(), 7);
        assert!(page.contains(&format!("<td>{safe} and b</td>")));
        assert!(page.contains("<td>quiet</td><td>ill</td><td>everything</td>"));
        assert_eq!(html(&json!({})).matches("<td>").count(), 0);
    }
}
