//! The expressions of a kit's `read`, over one variant of summary.json. They are written as in Python:
//! `requests.by_error.refused / requests.sent`, `servers['s-1'].share`, `max(s.share for s in servers)`.

use serde_json::Value;

/// A parsed expression.
#[derive(Debug)]
enum Expr {
    Number(f64),
    Text(String),
    /// A key of the variant, or the variable of a generator.
    Name(String),
    Member(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Negative(Box<Expr>),
    Binary(Box<Expr>, String, Box<Expr>),
    Call(String, Vec<Expr>),
    /// `of for variable in list if condition`
    Each {
        of: Box<Expr>,
        variable: String,
        list: Box<Expr>,
        condition: Option<Box<Expr>>,
    },
}

/// What an expression comes to. A figure that is averaged over replications is an object with its `value`.
#[derive(Clone, Debug)]
enum Found {
    Number(f64),
    Text(String),
    Json(Value),
    List(Vec<Found>),
}

/// The number that `text` reads from a variant.
pub fn evaluate(text: &str, variant: &Value) -> Result<f64, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        None => expr.evaluate(&Scope { variant, variables: Vec::new() })?.number(),
        Some(token) => Err(format!("`{token}` is not expected")),
    }
}

/// The number that a figure stands for, with or without an interval.
pub fn number(figure: &Value) -> Result<f64, String> {
    let value = figure.get("value").unwrap_or(figure);
    value.as_f64().ok_or_else(|| format!("{value} is not a number"))
}

/// Numbers, names, texts (with their opening quote) and signs.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if first == '\'' || first == '"' {
            1 + rest[1..].find(first).ok_or("a text does not end")?
        } else if first.is_ascii_digit() {
            let exponent = |(i, c): (usize, char)| matches!(c, '-' | '+') && rest[..i].ends_with('e');
            let is_number = |(i, c): (usize, char)| c.is_ascii_digit() || matches!(c, '.' | 'e') || exponent((i, c));
            rest.char_indices().find(|&place| !is_number(place)).map_or(rest.len(), |(i, _)| i)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if ["==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..length].to_owned());
        let quote = usize::from(first == '\'' || first == '"');
        rest = rest[length + quote..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

/// Binary signs, loosest first.
const LEVELS: [&[&str]; 4] = [&["and", "or"], &["==", "!=", "<", "<=", ">", ">="], &["+", "-"], &["*", "/"]];

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<String, String> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().ok_or_else(|| "it ends too early".to_owned())
    }

    fn skip(&mut self, token: &str) -> bool {
        let is_there = self.peek() == Some(token);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.skip(token) { Ok(()) } else { Err(format!("`{token}` is missing before `{}`", self.peek().unwrap_or("the end"))) }
    }

    fn expr(&mut self) -> Result<Expr, String> {
        self.binary(0)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, String> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = self.peek().filter(|token| signs.contains(token)).map(str::to_owned) {
            self.at += 1;
            left = Expr::Binary(Box::new(left), sign, Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.skip("-") { Ok(Expr::Negative(Box::new(self.unary()?))) } else { self.postfix() }
    }

    fn postfix(&mut self) -> Result<Expr, String> {
        let mut expr = self.atom()?;
        loop {
            if self.skip(".") {
                expr = Expr::Member(Box::new(expr), self.next()?);
            } else if self.skip("[") {
                expr = Expr::Item(Box::new(expr), Box::new(self.expr()?));
                self.expect("]")?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn atom(&mut self) -> Result<Expr, String> {
        let token = self.next()?;
        let first = token.chars().next().unwrap_or(' ');
        match first {
            '(' | '[' => {
                let inner = self.generator()?;
                self.expect(if first == '(' { ")" } else { "]" })?;
                Ok(inner)
            }
            '\'' | '"' => Ok(Expr::Text(token[1..].to_owned())),
            _ if first.is_ascii_digit() => token.parse().map(Expr::Number).map_err(|_| format!("`{token}` is not a number")),
            _ if first.is_alphabetic() && self.skip("(") => self.call(token),
            _ if first.is_alphabetic() => Ok(Expr::Name(token)),
            _ => Err(format!("`{token}` is not expected")),
        }
    }

    fn call(&mut self, name: String) -> Result<Expr, String> {
        let mut arguments = vec![self.generator()?];
        while self.skip(",") {
            arguments.push(self.expr()?);
        }
        self.expect(")")?;
        Ok(Expr::Call(name, arguments))
    }

    fn generator(&mut self) -> Result<Expr, String> {
        let of = self.expr()?;
        if !self.skip("for") {
            return Ok(of);
        }
        let variable = self.next()?;
        self.expect("in")?;
        let list = Box::new(self.expr()?);
        let condition = if self.skip("if") { Some(Box::new(self.expr()?)) } else { None };
        Ok(Expr::Each { of: Box::new(of), variable, list, condition })
    }
}

/// The variant, and the variables of the generators around.
#[derive(Clone)]
struct Scope<'a> {
    variant: &'a Value,
    variables: Vec<(String, Found)>,
}

impl Expr {
    fn evaluate(&self, scope: &Scope) -> Result<Found, String> {
        match self {
            Expr::Number(number) => Ok(Found::Number(*number)),
            Expr::Text(text) => Ok(Found::Text(text.clone())),
            Expr::Name(name) => match scope.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, found)) => Ok(found.clone()),
                None => scope.variant.get(name).cloned().map(Found::Json).ok_or_else(|| format!("there is no {name}")),
            },
            Expr::Member(of, key) => of.evaluate(scope)?.member(key, of.is_by_error()),
            Expr::Item(of, key) => match key.evaluate(scope)? {
                Found::Text(name) => of.evaluate(scope)?.item(&name, of.is_by_error()),
                place => of.evaluate(scope)?.place(place.number()?),
            },
            Expr::Negative(of) => Ok(Found::Number(-of.evaluate(scope)?.number()?)),
            Expr::Binary(left, sign, right) => combine(left.evaluate(scope)?, sign, right.evaluate(scope)?),
            Expr::Call(name, arguments) => {
                let found: Result<Vec<Found>, String> = arguments.iter().map(|argument| argument.evaluate(scope)).collect();
                call(name, found?).map(Found::Number)
            }
            Expr::Each { of, variable, list, condition } => {
                let mut results = Vec::new();
                for item in list.evaluate(scope)?.items()? {
                    let mut inner = scope.clone();
                    inner.variables.push((variable.clone(), item));
                    if condition.as_ref().map_or(Ok(1.0), |condition| condition.evaluate(&inner)?.number())? != 0.0 {
                        results.push(of.evaluate(&inner)?);
                    }
                }
                Ok(Found::List(results))
            }
        }
    }

    /// Kinds of errors that did not happen are absent and read as 0.
    fn is_by_error(&self) -> bool {
        matches!(self, Expr::Member(_, key) if key == "by_error")
    }
}

impl Found {
    fn number(&self) -> Result<f64, String> {
        match self {
            Found::Number(number) => Ok(*number),
            Found::Json(value) => number(value),
            Found::Text(text) => Err(format!("'{text}' is not a number")),
            Found::List(_) => Err("a list is not a number".to_owned()),
        }
    }

    fn member(self, key: &str, is_absent_zero: bool) -> Result<Found, String> {
        match self {
            Found::Json(Value::Object(mut object)) => match object.remove(key) {
                Some(value) => Ok(Found::Json(value)),
                None if is_absent_zero => Ok(Found::Number(0.0)),
                None => Err(format!("there is no {key}")),
            },
            _ => Err(format!("there is no {key}")),
        }
    }

    /// A row by what it is called, or a member in another spelling.
    fn item(self, name: &str, is_absent_zero: bool) -> Result<Found, String> {
        let Found::Json(Value::Array(rows)) = self else { return self.member(name, is_absent_zero) };
        let is_called = |row: &Value| ["name", "path", "fault"].iter().any(|key| row.get(key).and_then(Value::as_str) == Some(name));
        rows.into_iter().find(is_called).map(Found::Json).ok_or_else(|| format!("no row is called {name}"))
    }

    fn place(self, place: f64) -> Result<Found, String> {
        let mut items = self.items()?;
        let place = if place < 0.0 { items.len() as f64 + place } else { place };
        if place >= 0.0 && (place as usize) < items.len() {
            Ok(items.swap_remove(place as usize))
        } else {
            Err(format!("there are only {} rows", items.len()))
        }
    }

    fn items(self) -> Result<Vec<Found>, String> {
        match self {
            Found::List(items) => Ok(items),
            Found::Json(Value::Array(rows)) => Ok(rows.into_iter().map(Found::Json).collect()),
            Found::Json(Value::Object(object)) => Ok(object.into_iter().map(|(key, _)| Found::Text(key)).collect()),
            _ => Err("it is not a list".to_owned()),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Found::Text(text) => Some(text),
            Found::Json(value) => value.as_str(),
            _ => None,
        }
    }
}

fn combine(left: Found, sign: &str, right: Found) -> Result<Found, String> {
    let truth = |is_true: bool| Ok(Found::Number(f64::from(u8::from(is_true))));
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        return match sign {
            "==" => truth(left == right),
            "!=" => truth(left != right),
            _ => Err(format!("texts have no `{sign}`")),
        };
    }
    let (left, right) = (left.number()?, right.number()?);
    match sign {
        "+" => Ok(Found::Number(left + right)),
        "-" => Ok(Found::Number(left - right)),
        "*" => Ok(Found::Number(left * right)),
        "/" if right == 0.0 => Err("division by zero".to_owned()),
        "/" => Ok(Found::Number(left / right)),
        "==" => truth(left == right),
        "!=" => truth(left != right),
        "<" => truth(left < right),
        "<=" => truth(left <= right),
        ">" => truth(left > right),
        ">=" => truth(left >= right),
        "and" => truth(left != 0.0 && right != 0.0),
        _ => truth(left != 0.0 || right != 0.0),
    }
}

/// `min(a, b)` and `min(list)` alike.
fn call(name: &str, mut arguments: Vec<Found>) -> Result<f64, String> {
    let is_one = arguments.len() == 1;
    if name == "abs" && is_one {
        return Ok(arguments.remove(0).number()?.abs());
    }
    let items = if is_one { arguments.remove(0).items()? } else { arguments };
    if name == "len" {
        return Ok(items.len() as f64);
    }
    let numbers: Vec<f64> = items.iter().map(Found::number).collect::<Result<_, _>>()?;
    match name {
        "sum" => Ok(numbers.iter().sum()),
        "min" => numbers.into_iter().reduce(f64::min).ok_or_else(|| "min of nothing".to_owned()),
        "max" => numbers.into_iter().reduce(f64::max).ok_or_else(|| "max of nothing".to_owned()),
        _ => Err(format!("{name} is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variant() -> Value {
        json!({
            "requests": { "sent": { "value": 8.0, "ci95": [7.0, 9.0] }, "failed": 2, "by_error": { "5xx": { "value": 2.0, "ci95": null } } },
            "servers": [{ "name": "s-1", "share": { "value": 0.25, "ci95": null } }, { "name": "s-2", "share": 0.75 }],
            "classes": [{ "name": "small", "path": "/", "response_ms": { "mean": { "value": 5.0, "ci95": null } } }],
            "failover": [{ "fault": "crash s-1", "detected_after_s": { "value": 12.5, "ci95": [12.0, 13.0], "min": 10.0, "max": 15.0 },
                           "restored_after_s": null }],
        })
    }

    #[test]
    fn figures_are_read_by_path_place_and_name() {
        for (text, value) in [
            ("requests.sent", 8.0),
            ("requests.sent.ci95[1]", 9.0),
            ("servers['s-1'].share", 0.25),
            ("servers[1].share", 0.75),
            ("servers[-1].share", 0.75),
            ("classes[\"/\"].response_ms.mean", 5.0),
            ("failover[0].detected_after_s", 12.5),
            ("failover['crash s-1'].detected_after_s.max", 15.0),
            ("requests.by_error['5xx'] / requests.sent", 0.25),
            ("requests.by_error.timeout + requests.by_error['reset']", 0.0),
        ] {
            assert_eq!(evaluate(text, &variant()), Ok(value), "{text}");
        }
    }

    #[test]
    fn arithmetic_and_generators_are_those_of_python() {
        for (text, value) in [
            ("1 + 2 * 3 - 8 / 4 / 2", 6.0),
            ("-(1.5e-1 - 1) * 2", 1.7),
            ("servers['s-1'].share+servers['s-2'].share", 1.0),
            ("max(s.share for s in servers)", 0.75),
            ("max(s.share for s in servers) / min(s.share for s in servers)", 3.0),
            ("sum([abs(s.share - 1 / len(servers)) for s in servers])", 0.5),
            ("sum(s.share for s in servers if s.name == 's-2' and s.share > 0.5)", 0.75),
            ("max(requests.failed, 1, 0.5)", 2.0),
        ] {
            let found = evaluate(text, &variant()).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert!((found - value).abs() < 1e-12, "{text} is {found}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, why) in [
            ("requests.lost", "there is no lost"),
            ("latency_ms.mean", "there is no latency_ms"),
            ("servers['s-3'].share", "no row is called s-3"),
            ("servers[2].share", "there are only 2 rows"),
            ("failover[0].restored_after_s", "null is not a number"),
            ("requests.sent / requests.by_error.reset", "division by zero"),
            ("requests.sent requests.failed", "`requests` is not expected"),
            ("(requests.sent", "`)` is missing before `the end`"),
            ("servers['s-1", "a text does not end"),
            ("requests.sent +", "it ends too early"),
            ("exp(1, 2)", "exp is not known"),
        ] {
            assert_eq!(evaluate(text, &variant()), Err(why.to_owned()), "{text}");
        }
    }
}
