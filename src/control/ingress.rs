//! Rules of a Kubernetes Ingress: which backend a request meets.
//!
//! First the host: an exact name before a wildcard, a wildcard before rules without a host. Then among that host's paths the longest that
//! matches, `Exact` before `Prefix` where both are as long. Nothing matches: the default backend. Unlike an Application Load Balancer's
//! rules, the order in which they are written decides nothing but between equals.
//! Source: Kubernetes documentation, concepts/services-networking/ingress (path types, hostname wildcards). That a host whose paths do not
//! match does not fall through to a wildcard's is what nginx's server blocks do; the documentation leaves it open.

use super::listener_rule::without_port;

/// How a path is compared. `ImplementationSpecific` is treated as `Prefix`, as ingress-nginx does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathType {
    /// The whole path, with regard to case and to a slash at the end.
    Exact,
    /// Element by element between slashes: `/foo` covers `/foo/bar` and `/foo/`, not `/foobar`.
    #[default]
    Prefix,
}

/// One path of an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// `None` or empty: any. `*.example.com` covers exactly one more label.
    pub host: Option<String>,
    pub path: String,
    pub kind: PathType,
}

/// How closely a host is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Any,
    Wildcard,
    Exact,
}

impl Path {
    /// `None`: not this host.
    fn closeness(&self, host: &str) -> Option<Closeness> {
        let Some(pattern) = self.host.as_deref().filter(|pattern| !pattern.is_empty()) else { return Some(Closeness::Any) };
        match pattern.strip_prefix("*.") {
            Some(parent) => {
                let (label, rest) = host.split_once('.')?;
                (!label.is_empty() && rest.eq_ignore_ascii_case(parent)).then_some(Closeness::Wildcard)
            }
            None => host.eq_ignore_ascii_case(pattern).then_some(Closeness::Exact),
        }
    }

    fn covers(&self, path: &str) -> bool {
        match self.kind {
            PathType::Exact => path == self.path,
            PathType::Prefix => {
                let prefix = self.path.trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// The place of the path that takes a request; `None`: the default backend.
pub fn matching(paths: &[Path], host: &str, path: &str) -> Option<usize> {
    let host = without_port(host);
    let closest = paths.iter().filter_map(|rule| rule.closeness(host)).max()?;
    let rank = |rule: &Path| (rule.path.trim_end_matches('/').len(), rule.kind == PathType::Exact);
    let of_host = paths.iter().enumerate().filter(|(_, rule)| rule.closeness(host) == Some(closest) && rule.covers(path));
    of_host.rev().max_by_key(|(_, rule)| rank(rule)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str, path: &str, kind: PathType) -> Path {
        Path { host: (!host.is_empty()).then(|| host.to_owned()), path: path.to_owned(), kind }
    }

    /// The table of examples in the documentation, "Path types".
    #[test]
    fn paths_match_as_in_the_documentations_table() {
        use PathType::{Exact, Prefix};
        for (kind, path, request, matches) in [
            (Prefix, "/", "/anything", true),
            (Exact, "/foo", "/foo", true),
            (Exact, "/foo", "/bar", false),
            (Exact, "/foo", "/foo/", false),
            (Exact, "/foo/", "/foo", false),
            (Prefix, "/foo", "/foo", true),
            (Prefix, "/foo", "/foo/", true),
            (Prefix, "/foo/", "/foo", true),
            (Prefix, "/foo/", "/foo/", true),
            (Prefix, "/aaa/bb", "/aaa/bbb", false),
            (Prefix, "/aaa/bbb", "/aaa/bbb", true),
            (Prefix, "/aaa/bbb/", "/aaa/bbb", true),
            (Prefix, "/aaa/bbb", "/aaa/bbb/ccc", true),
            (Prefix, "/aaa/bbb", "/aaa/bbbxyz", false),
            (Prefix, "/foo", "/FOO", false),
        ] {
            assert_eq!(matching(&[rule("", path, kind)], "a.b", request), matches.then_some(0), "{kind:?} {path} {request}");
        }
    }

    #[test]
    fn the_longest_path_wins_and_exact_before_prefix() {
        use PathType::{Exact, Prefix};
        let rules = [rule("", "/", Prefix), rule("", "/aaa", Prefix), rule("", "/aaa/bbb", Prefix), rule("", "/aaa/bbb", Exact)];
        let place = |path| matching(&rules, "a.b", path);
        assert_eq!([place("/x"), place("/aaa/c"), place("/aaa/bbb/c"), place("/aaa/bbb")], [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(matching(&[rule("", "/a", Prefix), rule("", "/a", Prefix)], "h", "/a"), Some(0), "equals: the first");
        assert_eq!(matching(&rules[1..], "a.b", "/x"), None);
    }

    /// The table "Hostname wildcards".
    #[test]
    fn a_wildcard_covers_one_label() {
        let rules = [rule("*.foo.com", "/", PathType::Prefix)];
        let place = |host| matching(&rules, host, "/");
        assert_eq!([place("bar.foo.com"), place("baz.bar.foo.com"), place("foo.com")], [Some(0), None, None]);
        assert_eq!(place(".foo.com"), None);
    }

    #[test]
    fn the_closest_host_decides_before_the_path() {
        let prefix = |host, path| rule(host, path, PathType::Prefix);
        let rules = [prefix("", "/"), prefix("*.foo.com", "/"), prefix("bar.foo.com", "/app")];
        let place = |host, path| matching(&rules, host, path);
        assert_eq!(place("Bar.foo.com:8080", "/app/x"), Some(2));
        assert_eq!(place("bar.foo.com", "/other"), None);
        assert_eq!([place("x.foo.com", "/app"), place("y.com", "/app")], [Some(1), Some(0)]);
    }
}
