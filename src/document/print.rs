//! Nodes as YAML text that reads back as the same nodes: quoted where it must be.

use super::{Node, Value};

impl Node {
    /// On one line: `{ power_of_d: { d: 2 } }`. Unlike `to_line` it can be read again.
    pub fn to_yaml(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Scalar { text, is_plain: true } => scalar(text),
            Value::Scalar { text, is_plain: false } => in_quotes(text),
            Value::List(items) => format!("[{}]", items.iter().map(Node::to_yaml).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Value::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(key, node)| format!("{}: {}", scalar(&key.text), node.to_yaml())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// As the value of `key` on lines of their own: lists and maps of the outer two levels take a line for each item.
    pub fn to_section(&self, key: &str) -> String {
        let key = scalar(key);
        match &self.value {
            Value::List(items) if !items.is_empty() => {
                items.iter().fold(format!("{key}:\n"), |text, item| text + &format!("  - {}\n", item.to_yaml()))
            }
            Value::Map(entries) if !entries.is_empty() => entries
                .iter()
                .fold(format!("{key}:\n"), |text, (inner, node)| text + &format!("  {}: {}\n", scalar(&inner.text), node.to_yaml())),
            _ => format!("{key}: {}\n", self.to_yaml()),
        }
    }

    /// Whether it says the same, wherever it stands.
    pub fn is_same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Scalar { text: one, is_plain: plain_one }, Value::Scalar { text: two, is_plain: plain_two }) => {
                one == two && plain_one == plain_two
            }
            (Value::List(one), Value::List(two)) => one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.is_same(two)),
            (Value::Map(one), Value::Map(two)) => {
                let is_same =
                    |((key, one), (other, two)): (&(super::Key, Node), &(super::Key, Node))| key.text == other.text && one.is_same(two);
                one.len() == two.len() && one.iter().zip(two).all(is_same)
            }
            _ => false,
        }
    }
}

/// A word as YAML: plain where it reads back as itself everywhere, else in quotes.
pub fn scalar(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_./@:%+-#*?=<>()$;~ ".contains(c);
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_./+(".contains(c))
        || text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let breaks = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let is_null = matches!(text, "null" | "Null" | "NULL" | "~");
    let is_plain = begins_well && text.chars().all(is_safe) && !breaks && !is_null;
    if is_plain { text.to_owned() } else { in_quotes(text) }
}

fn in_quotes(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{20}'..='\u{7e}' => out.push(c),
            _ if c.is_alphanumeric() => out.push(c),
            _ => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::error::Source;
    use std::sync::Arc;

    fn read(text: &str) -> Node {
        parse(&Arc::new(Source { name: "a.yaml".to_owned(), text: text.to_owned() })).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let hard = "a: [1, '1', \"\", null, ~, 'null', true, 'yes: no', 'x #y', '#', '- a', -5, '[', '{}', '*', '&x', '\"', '\\', 'é', ' a ', 'a:', '@', '`', '%', '!t', '|', '>', \
                    '?', '? a', ':', 'a,b', '\u{2028}', 'a  b', '---', '...', '=', '~', '/x/*', 'web@worker-1', 'shop:8443@a#2']\n'k: v': { b: {}, c: [], 'null': 1, '': 2 }\nt: |\n  two\n  lines\n\n";
        let node = read(hard);
        let again = read(&format!("all: {}", node.to_yaml()));
        assert!(again.get("all").unwrap().is_same(&node), "{}", node.to_yaml());
        let sections: String = node.entries().iter().map(|(key, node)| node.to_section(&key.text)).collect();
        assert!(read(&sections).is_same(&node), "{sections}");
    }

    #[test]
    fn words_stay_plain_and_what_yaml_would_misread_is_quoted() {
        for plain in ["web@worker-1", "/cart/*", "10.0.0.0/8", "shop:8443@a#2", "-5", "25%", "k=v"] {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in
            [("*", "\"*\""), ("a: b", "\"a: b\""), ("", "\"\""), ("null", "\"null\""), ("@a", "\"@a\""), ("a,b", "\"a,b\"")]
        {
            assert_eq!(scalar(text), quoted);
        }
    }

    #[test]
    fn what_differs_is_not_the_same() {
        for (one, two) in [("a: 1", "a: '1'"), ("a: [1]", "a: [1, 2]"), ("a: {}", "a: []"), ("a: 1", "b: 1"), ("a: ~", "a: ''")] {
            assert!(!read(one).is_same(&read(two)), "{one} {two}");
        }
    }
}
