//! CSV with a header (RFC 4180; a byte order mark and blank lines are let pass), read row by row by the columns' names.

use super::source::{Metered, SinceRow, Source, unreadable};
use super::{Columns, InputError, closest, instant, shown};
use crate::scenario::Trace;
use crate::units::{SPAN_MAX, Span};
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

/// An open CSV file and its current row.
pub(super) struct Table {
    name: String,
    reader: Reader<Metered>,
    since_row: SinceRow,
    header: Vec<String>,
    header_line: u64,
    row: ByteRecord,
    rows: usize,
    rows_max: usize,
}

impl Table {
    /// Reads the header.
    pub fn open(source: Source) -> Result<Table, InputError> {
        let Source { name, limits, reader, since_row } = source;
        // Only a line feed ends a row, so that lines are counted alike with and without carriage returns; those are trimmed.
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).terminator(Terminator::Any(b'\n')).buffer_capacity(64 << 10);
        let mut reader = builder.from_reader(reader);
        let mut record = ByteRecord::new();
        while is_blank(&record) {
            if !reader.read_byte_record(&mut record).map_err(|error| csv_error(&name, error))? {
                return Err(InputError::new(&name, "is empty"));
            }
        }
        if record.iter().any(|field| field.contains(&0)) {
            return Err(InputError::new(&name, "is not a text file").help("give a CSV file with a header, plain or packed with gzip"));
        }
        let header = record.iter().map(|field| String::from_utf8_lossy(field.trim_ascii()).into_owned()).collect();
        let header_line = line_of(&record, &reader);
        since_row.reset();
        Ok(Table { name, reader, since_row, header, header_line, row: ByteRecord::new(), rows: 0, rows_max: limits.rows })
    }

    /// Where the column of that name stands.
    pub fn column(&self, name: &str) -> Result<usize, InputError> {
        let mut at = self.header.iter().enumerate().filter(|(_, title)| *title == name).map(|(at, _)| at);
        let first = at.next().ok_or_else(|| self.no_column(name))?;
        match at.next() {
            None => Ok(first),
            Some(_) => Err(InputError::new(&self.name, format!("has two columns `{name}`"))
                .at(self.header_line)
                .help("give one of them another name")),
        }
    }

    fn no_column(&self, name: &str) -> InputError {
        let error = InputError::new(&self.name, format!("has no column `{name}`")).at(self.header_line);
        if let [only] = self.header.as_slice()
            && let Some(separator) = [';', '\t', '|'].into_iter().find(|&separator| only.contains(separator))
        {
            return error.help(format!("columns are separated by commas, not by {separator:?}"));
        }
        if let Some(close) = closest(name, self.header.iter().map(String::as_str)) {
            return error.help(format!("did you mean `{}`?", shown(close.as_bytes())));
        }
        if self.header.iter().any(|title| title.parse::<f64>().is_ok()) {
            return error.help("the first line looks like values; it must name the columns");
        }
        const LISTED_MAX: usize = 20;
        let listed: Vec<String> = self.header.iter().take(LISTED_MAX).map(|title| format!("`{}`", shown(title.as_bytes()))).collect();
        let more = if self.header.len() > LISTED_MAX { ", ..." } else { "" };
        error.help(format!("its columns are {}{more}", listed.join(", ")))
    }

    /// Goes to the next row; false at the end. A file without any row is an error.
    pub fn advance(&mut self) -> Result<bool, InputError> {
        loop {
            if !self.reader.read_byte_record(&mut self.row).map_err(|error| csv_error(&self.name, error))? {
                return if self.rows > 0 { Ok(false) } else { Err(InputError::new(&self.name, "has a header and no rows")) };
            }
            if !is_blank(&self.row) {
                break;
            }
        }
        if self.row.len() != self.header.len() {
            let message = format!("the row has {} fields, the header {}", self.row.len(), self.header.len());
            return Err(InputError::new(&self.name, message).at(self.line()).help("is a comma or a quote missing or too many?"));
        }
        self.since_row.reset();
        self.rows += 1;
        if self.rows > self.rows_max {
            return Err(InputError::new(&self.name, format!("has more than {} rows", self.rows_max)).help("give a part of them"));
        }
        Ok(true)
    }

    /// The line on which the current row starts.
    fn line(&self) -> u64 {
        line_of(&self.row, &self.reader)
    }

    /// A field of the current row, without the space around it.
    pub fn field(&self, column: usize) -> &[u8] {
        self.row.get(column).unwrap_or_default().trim_ascii()
    }

    /// An error about a field of the current row.
    pub fn wrong(&self, column: usize, why: &str) -> InputError {
        let line = self.line();
        let (field, title) = (shown(self.field(column)), shown(self.header[column].as_bytes()));
        if field.is_empty() {
            return InputError::new(&self.name, format!("column `{title}` is empty")).at(line);
        }
        InputError::new(&self.name, format!("`{field}` in column `{title}` {why}")).at(line)
    }

    /// `constant` plus each column times its unit, in nanoseconds; none of them negative, a century at most.
    pub fn nanoseconds(&self, terms: &[(usize, Span)], constant: Span) -> Result<u64, InputError> {
        let mut sum = constant.0 as f64;
        for &(column, unit) in terms {
            let number = std::str::from_utf8(self.field(column)).ok().and_then(|text| text.parse::<f64>().ok());
            let number = number.filter(|number| number.is_finite()).ok_or_else(|| self.wrong(column, "is not a number"))?;
            if number < 0.0 {
                return Err(self.wrong(column, "is negative"));
            }
            sum += number * unit.0 as f64;
            if sum > SPAN_MAX.0 as f64 {
                return Err(self.wrong(column, &format!("times {unit} is longer than a century")));
            }
        }
        Ok((sum + 0.5) as u64)
    }
}

/// Reads the columns that the trace names.
pub(super) fn read_trace(trace: &Trace, mut table: Table) -> Result<Columns, InputError> {
    let Some(time) = &trace.time else {
        let help = "write time: { column: arrival_s, unit: 1s }";
        return Err(InputError::new(&table.name, "is a CSV file and the trace does not name the column with the time").help(help));
    };
    let at = table.column(&time.column)?;
    let constant = trace.work.as_ref().map_or(Span::ZERO, |work| work.constant);
    let mut terms = Vec::new();
    for (name, unit) in trace.work.iter().flat_map(|work| &work.columns) {
        terms.push((table.column(name)?, *unit));
    }
    let client = trace.client.as_ref().map(|name| table.column(name)).transpose()?;
    let path = trace.path.as_ref().map(|name| table.column(name)).transpose()?;

    let mut columns = Columns { is_absolute: time.unit.is_none(), ..Columns::default() };
    columns.work = trace.work.as_ref().map(|_| Vec::new());
    columns.client = client.map(|_| Vec::new());
    columns.path = path.map(|_| Vec::new());
    while table.advance()? {
        columns.at.push(match time.unit {
            Some(unit) => table.nanoseconds(&[(at, unit)], Span::ZERO)? as i64,
            None => instant::date_time(table.field(at)).map_err(|why| not_a_date_time(&table, at, &why))?,
        });
        if let Some(work) = &mut columns.work {
            work.push(Span(table.nanoseconds(&terms, constant)?));
        }
        if let (Some(column), Some(of_row)) = (client, &mut columns.client) {
            of_row.push(columns.clients.index_of(table.field(column)));
        }
        if let (Some(column), Some(of_row)) = (path, &mut columns.path) {
            of_row.push(columns.paths.index_of(table.field(column)));
        }
    }
    Ok(columns)
}

fn not_a_date_time(table: &Table, column: usize, why: &str) -> InputError {
    let error = table.wrong(column, &format!("is not a date-time: {why}"));
    let is_number = std::str::from_utf8(table.field(column)).is_ok_and(|text| text.parse::<f64>().is_ok());
    if is_number { error.help("a number needs its unit: `unit: 1s` beside `column`") } else { error }
}

/// A line with nothing but space, which is no row.
fn is_blank(row: &ByteRecord) -> bool {
    row.len() <= 1 && row.as_slice().trim_ascii().is_empty()
}

/// The line on which the row starts that was read last. (The position in the record would be that of blank lines before it.)
fn line_of(row: &ByteRecord, reader: &Reader<Metered>) -> u64 {
    let inner = row.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
    reader.position().line().saturating_sub(1 + inner).max(1)
}

fn csv_error(name: &str, error: csv::Error) -> InputError {
    match error.into_kind() {
        ErrorKind::Io(error) => unreadable(name, &error),
        other => InputError::new(name, format!("is not CSV ({other:?})")),
    }
}
