//! Rules of an Application Load Balancer's listener: which one a request meets.
//!
//! Rules are tried from the lowest priority number; the default rule is last. A rule holds where every condition holds, and a condition
//! where any of its values matches. Patterns know `*` (any characters, also none, also `/`) and `?` (exactly one).
//! Paths are compared with regard to case, hosts, headers and queries without, methods exactly.
//! Source: AWS, Application Load Balancers user guide, Listeners (rule condition types).

use std::net::IpAddr;
use std::str::FromStr;

/// A pattern with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
    ignores_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Is(char),
}

impl Pattern {
    /// For paths.
    pub fn exact_case(text: &str) -> Pattern {
        Pattern::new(text, false)
    }

    /// For hosts, headers and queries.
    pub fn any_case(text: &str) -> Pattern {
        Pattern::new(text, true)
    }

    fn new(text: &str, ignores_case: bool) -> Pattern {
        let token = |c: char| match c {
            '*' => Token::Any,
            '?' => Token::One,
            c if ignores_case => Token::Is(c.to_ascii_lowercase()),
            c => Token::Is(c),
        };
        Pattern { tokens: text.chars().map(token).collect(), ignores_case }
    }

    /// Whether the pattern covers the whole text. Takes at most the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let fold = |c: char| if self.ignores_case { c.to_ascii_lowercase() } else { c };
        let text: Vec<char> = text.chars().map(fold).collect();
        let (mut t, mut p) = (0, 0);
        // Where the last `*` stood, and how much of the text it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match self.tokens.get(p) {
                Some(Token::Any) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Token::One) => (t, p) = (t + 1, p + 1),
                Some(Token::Is(c)) if *c == text[t] => (t, p) = (t + 1, p + 1),
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (t, p) = (taken + 1, at + 1);
                }
            }
        }
        self.tokens[p..].iter().all(|token| *token == Token::Any)
    }
}

/// A block of addresses, such as `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u32,
}

impl Cidr {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(one)) => same_prefix(u32::from(block).into(), u32::from(one).into(), self.bits, 32),
            (IpAddr::V6(block), IpAddr::V6(one)) => same_prefix(block.into(), one.into(), self.bits, 128),
            _ => false,
        }
    }
}

/// Whether the first `bits` of two addresses of `width` bits are the same.
fn same_prefix(a: u128, b: u128, bits: u32, width: u32) -> bool {
    bits == 0 || (a ^ b) >> (width - bits) == 0
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Cidr, String> {
        let wrong = || format!("`{text}` is not a block of addresses; write it like `192.0.2.0/24`");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits: u32 = bits.trim().parse().map_err(|_| wrong())?;
        if bits > if address.is_ipv4() { 32 } else { 128 } { Err(wrong()) } else { Ok(Cidr { address, bits }) }
    }
}

/// A value of a query condition: `key=value`, or the value of any key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPattern {
    pub key: Option<Pattern>,
    pub value: Pattern,
}

/// What a rule asks of a request: any of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Path(Vec<Pattern>),
    Host(Vec<Pattern>),
    /// A header's name, without regard to case, and its values.
    Header(String, Vec<Pattern>),
    Method(Vec<String>),
    Query(Vec<QueryPattern>),
    /// The address that the connection comes from, not what headers say.
    Source(Vec<Cidr>),
}

/// A request as the listener sees it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// With or without a port, which is left out of account.
    pub host: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Without the question mark.
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub source: IpAddr,
}

impl Condition {
    pub fn holds(&self, request: &Request) -> bool {
        match self {
            Condition::Path(patterns) => any(patterns, request.path),
            Condition::Host(patterns) => any(patterns, without_port(request.host)),
            Condition::Header(name, patterns) => {
                request.headers.iter().any(|(header, value)| header.eq_ignore_ascii_case(name) && any(patterns, value))
            }
            Condition::Method(methods) => methods.iter().any(|method| method == request.method),
            Condition::Query(patterns) => pairs(request.query).any(|(key, value)| {
                let is =
                    |pattern: &QueryPattern| pattern.key.as_ref().is_none_or(|wanted| wanted.matches(key)) && pattern.value.matches(value);
                patterns.iter().any(is)
            }),
            Condition::Source(blocks) => blocks.iter().any(|block| block.contains(request.source)),
        }
    }

    /// How many values it has; a rule may have five over all its conditions.
    pub fn values(&self) -> usize {
        match self {
            Condition::Path(patterns) | Condition::Host(patterns) | Condition::Header(_, patterns) => patterns.len(),
            Condition::Method(methods) => methods.len(),
            Condition::Query(patterns) => patterns.len(),
            Condition::Source(blocks) => blocks.len(),
        }
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// A host name without its port. An IPv6 address keeps its brackets.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Keys and values of a query, as they stand there.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A rule: where all conditions hold, its actions are for the request. Without conditions it holds always, as the default rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub priority: u32,
    pub conditions: Vec<Condition>,
}

impl Rule {
    pub fn holds(&self, request: &Request) -> bool {
        self.conditions.iter().all(|condition| condition.holds(request))
    }
}

/// The rules of a listener in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// With their place in the list that they were given in.
    rules: Vec<(usize, Rule)>,
}

impl Listener {
    /// Of rules in any order. Equal priorities, which the product refuses, keep theirs.
    pub fn new(rules: Vec<Rule>) -> Listener {
        let mut rules: Vec<(usize, Rule)> = rules.into_iter().enumerate().collect();
        rules.sort_by_key(|(_, rule)| rule.priority);
        Listener { rules }
    }

    /// The place of the first rule that holds in the list that was given; `None`: the default rule.
    pub fn matching(&self, request: &Request) -> Option<usize> {
        self.rules.iter().find(|(_, rule)| rule.holds(request)).map(|(place, _)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(host: &'a str, path: &'a str) -> Request<'a> {
        Request { method: "GET", host, path, query: "", headers: &[], source: IpAddr::from([192, 0, 2, 7]) }
    }

    fn paths(patterns: &[&str]) -> Condition {
        Condition::Path(patterns.iter().map(|text| Pattern::exact_case(text)).collect())
    }

    fn hosts(patterns: &[&str]) -> Condition {
        Condition::Host(patterns.iter().map(|text| Pattern::any_case(text)).collect())
    }

    fn rule(priority: u32, conditions: Vec<Condition>) -> Rule {
        Rule { priority, conditions }
    }

    #[test]
    fn wildcards_cover_what_the_guide_says() {
        for (pattern, text, matches) in [
            ("/img/*", "/img/picture.jpg", true),
            ("/img/*", "/img/", true),
            ("/img/*", "/img", false),
            ("/img/*", "/IMG/a", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*.jpg", "/a/b.jpg", true),
            ("/*/x/*/y", "/1/x/2/x/3/y", true),
            ("/*/x/*/y", "/1/x/2/z", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c*", "aXbXc", true),
            ("/äöü/?", "/äöü/é", true),
        ] {
            assert_eq!(Pattern::exact_case(pattern).matches(text), matches, "{pattern} {text}");
        }
        let host = Pattern::any_case("*.example.com");
        assert!(host.matches("TEST.Example.com") && !host.matches("example.com"));
    }

    #[test]
    fn a_long_text_against_many_wildcards_takes_no_time() {
        assert!(!Pattern::exact_case(&"*a".repeat(40)).matches(&"a".repeat(39)));
        assert!(!Pattern::exact_case(&format!("{}b", "*a".repeat(40))).matches(&"a".repeat(5_000)));
    }

    #[test]
    fn the_lowest_priority_that_holds_wins_and_the_default_is_last() {
        let listener = Listener::new(vec![
            rule(20, vec![paths(&["/api/*"])]),
            rule(10, vec![paths(&["/api/v1/*"]), hosts(&["shop.example.com"])]),
            rule(30, vec![hosts(&["*.example.com", "example.org"])]),
        ]);
        let matching = |host, path| listener.matching(&request(host, path));
        assert_eq!(matching("Shop.example.com:443", "/api/v1/x"), Some(1));
        assert_eq!(matching("other.net", "/api/v1/x"), Some(0));
        assert_eq!(matching("example.org", "/"), Some(2));
        assert_eq!(matching("example.com", "/"), None);
    }

    #[test]
    fn every_kind_of_condition_reads_its_part_of_the_request() {
        let headers = [("user-agent", "Mozilla Chrome/9"), ("x-beta", "Yes")];
        let request = Request { query: "version=V1&example&x=example2", headers: &headers, ..request("a.b", "/") };
        let header = |name: &str, value| Condition::Header(name.to_owned(), vec![Pattern::any_case(value)]);
        assert!(header("User-Agent", "*chrome*").holds(&request) && !header("X-Beta", "no").holds(&request));
        assert!(!header("x-gamma", "*").holds(&request));
        let query = |key: Option<&str>, value| {
            Condition::Query(vec![QueryPattern { key: key.map(Pattern::any_case), value: Pattern::any_case(value) }]).holds(&request)
        };
        assert!(query(Some("version"), "v1") && query(None, "example?") && query(Some("example"), ""));
        assert!(!query(Some("version"), "v2") && !query(None, "example"));
        let method = |name: &str| Condition::Method(vec![name.to_owned()]).holds(&request);
        assert!(method("GET") && !method("get"));
        let source = |block: &str| Condition::Source(vec![block.parse().expect("a block")]).holds(&request);
        assert!(source("192.0.2.0/24") && source("192.0.2.7/32") && source("0.0.0.0/0"));
        assert!(!source("192.0.2.8/29") && !source("::/0"));
    }

    #[test]
    fn blocks_of_addresses_are_read_or_refused() {
        let six: Cidr = "2001:db8::/33".parse().expect("a block");
        assert!(six.contains("2001:db8:7fff::1".parse().unwrap()) && !six.contains("2001:db8:8000::1".parse().unwrap()));
        assert!("::/0".parse::<Cidr>().expect("a block").contains("2001:db8::1".parse().unwrap()));
        for text in ["192.0.2.0", "192.0.2.0/33", "x/8", "::/129", "192.0.2.0/-1"] {
            assert!(text.parse::<Cidr>().unwrap_err().contains("is not a block"), "{text}");
        }
    }

    #[test]
    fn ports_are_left_out_of_hosts() {
        for (host, name) in [("a.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:", "a:")] {
            assert_eq!(without_port(host), name);
        }
    }
}
