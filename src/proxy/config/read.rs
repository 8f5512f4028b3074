//! A TOML text whose values know where they stand, and the list of what is wrong in it.
//!
//! A [`Table`] learns which keys there are by being asked for them; [`Table::finish`] reports all others. A value that
//! cannot be used is reported and left out, so that one reading finds everything that is wrong.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::hint;
use super::units;
use super::{ConfigError, Problem};
use crate::error::quote;

/// Where a text that becomes settings comes from, and what was found in it.
#[derive(Debug)]
pub(super) struct File<'f> {
    text: &'f str,
    base: &'f Path,
    problems: RefCell<Vec<(usize, String)>>,
    files: RefCell<Vec<PathBuf>>,
}

impl<'f> File<'f> {
    pub(super) fn new(text: &'f str, base: &'f Path) -> Self {
        Self { text, base, problems: RefCell::default(), files: RefCell::default() }
    }

    /// Something is wrong with what begins at `at`.
    pub(super) fn wrong(&self, at: usize, why: impl Into<String>) {
        self.problems.borrow_mut().push((at, why.into()));
    }

    /// `path` as the file means it: relative to where the file is.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// The files that were read, and where there was something wrong, what.
    pub(super) fn end(self, name: &str) -> (Vec<PathBuf>, Result<(), ConfigError>) {
        let (mut problems, files) = (self.problems.into_inner(), self.files.into_inner());
        problems.sort();
        problems.dedup();
        let line = |at: usize| {
            self.text
                .as_bytes()
                .get(..at)
                .unwrap_or(self.text.as_bytes())
                .iter()
                .filter(|b| **b == b'\n')
                .count()
                + 1
        };
        let problems: Vec<Problem> =
            problems.into_iter().map(|(at, text)| Problem { line: line(at), text }).collect();
        let result = match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError { name: name.to_owned(), problems, files: files.clone() }),
        };
        (files, result)
    }
}

/// A value and its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'f> {
    pub(super) file: &'f File<'f>,
    value: &'f Spanned<DeValue<'f>>,
    /// `"timeout" in [[route]]`.
    table: &'f str,
    key: &'f str,
}

impl<'f> Value<'f> {
    /// Reports that it is not what was expected.
    pub(super) fn expected<T>(&self, what: &str) -> Option<T> {
        let shown = self.file.text.get(self.value.span()).unwrap_or_default();
        let shown = match self.value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::String(text) => quote(text),
            _ => shown.chars().take(80).collect(),
        };
        self.wrong(format!("{} is {shown}; expected {what}", self.name()))
    }

    /// Reports that it cannot be used, in a sentence that names it.
    pub(super) fn wrong<T>(&self, why: impl Into<String>) -> Option<T> {
        self.file.wrong(self.at(), why);
        None
    }

    /// `"timeout" in [[route]]`.
    pub(super) fn name(&self) -> String {
        format!("\"{}\" in {}", self.key, self.table)
    }

    pub(super) fn at(&self) -> usize {
        self.value.span().start
    }

    pub(super) fn as_text(&self) -> Option<&'f str> {
        self.value.get_ref().as_str()
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(super) fn text(&self, what: &str) -> Option<&'f str> {
        self.as_text().or_else(|| self.expected(what))
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.as_flag().or_else(|| self.expected("true or false"))
    }

    fn number(&self) -> Option<f64> {
        match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(_) => self.integer().map(|n| n as f64),
            _ => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        let integer = self.value.get_ref().as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A duration that may be nothing.
    pub(super) fn duration_or_zero(&self) -> Option<Duration> {
        let read = match self.as_text() {
            Some(text) => units::duration(text),
            None => self.number().and_then(units::seconds_to_duration),
        };
        read.or_else(|| self.expected(units::DURATION))
    }

    /// A duration.
    pub(super) fn duration(&self) -> Option<Duration> {
        match self.duration_or_zero()? {
            Duration::ZERO => self.expected("a duration that is longer than 0"),
            duration => Some(duration),
        }
    }

    /// A duration, or `false` for never.
    pub(super) fn duration_or_never(&self) -> Option<Option<Duration>> {
        match self.as_flag() {
            Some(false) => Some(None),
            Some(true) => self.expected(&format!("{}, or false", units::DURATION)),
            None => self.duration().map(Some),
        }
    }

    /// A size in bytes.
    pub(super) fn size(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let read = match self.as_text() {
            Some(text) => units::size(text),
            None => self.integer().and_then(|n| u64::try_from(n).ok()),
        };
        let Some(size) = read else { return self.expected(units::SIZE) };
        let fits = u32::try_from(size).ok().filter(|size| range.contains(size));
        fits.or_else(|| self.expected(&format!("a size from {} to {} bytes", range.start(), range.end())))
    }

    /// A whole number.
    pub(super) fn count(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let fits = self.integer().and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n));
        fits.or_else(|| self.expected(&format!("a whole number from {} to {}", range.start(), range.end())))
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self) -> Option<f64> {
        self.number()
            .filter(|share| (0.0..=1.0).contains(share))
            .or_else(|| self.expected("a share, a number from 0 to 1"))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let names = || words.iter().map(|(name, _)| *name);
        let list = || one_of(names());
        let text = self.as_text().or_else(|| self.expected(&list()))?;
        let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.or_else(|| self.expected(&format!("{}{}", list(), hint(text, names()))))
    }

    /// The values of a list.
    pub(super) fn list(&self, what: &str) -> Option<Vec<Value<'f>>> {
        let Some(values) = self.value.get_ref().as_array() else { return self.expected(what) };
        Some(values.iter().map(|value| Value { value, ..*self }).collect())
    }

    /// The texts of a list.
    pub(super) fn texts(&self, what: &str) -> Option<Vec<Value<'f>>> {
        self.list(what)?.into_iter().map(|value| value.text(what).map(|_| value)).collect()
    }

    /// The values of a list, or the one that stands without brackets.
    pub(super) fn one_or_more(&self) -> Vec<Value<'f>> {
        match self.value.get_ref().as_array() {
            Some(values) => values.iter().map(|value| Value { value, ..*self }).collect(),
            None => vec![*self],
        }
    }

    /// The table that it is, called `name` from now on.
    pub(super) fn table(&self, name: &'f str, what: &str) -> Option<Table<'f>> {
        let Some(entries) = self.value.get_ref().as_table() else { return self.expected(what) };
        Some(Table { file: self.file, entries, at: self.at(), name, known: RefCell::default() })
    }

    /// The content of the file that it names.
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let path = self.file.resolve(self.text("the path of a PEM file")?);
        self.file.files.borrow_mut().push(path.clone());
        match std::fs::read(&path) {
            Ok(content) => Some(content),
            Err(error) => self.wrong(format!(
                "{} names {}, which cannot be read: {error}",
                self.name(),
                quote(&path.to_string_lossy())
            )),
        }
    }
}

/// `"a", "b" or "c"`.
pub(super) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    match (names.pop(), names.is_empty()) {
        (Some(last), false) => format!("{} or {last}", names.join(", ")),
        (last, _) => last.unwrap_or_default(),
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table<'f> {
    pub(super) file: &'f File<'f>,
    entries: &'f DeTable<'f>,
    /// Where it begins.
    pub(super) at: usize,
    name: &'f str,
    known: RefCell<Vec<&'static str>>,
}

impl<'f> Table<'f> {
    /// The whole file.
    pub(super) fn root(file: &'f File<'f>, entries: &'f DeTable<'f>) -> Self {
        Self { file, entries, at: 0, name: "the file", known: RefCell::default() }
    }

    /// The value of `key`, where it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'f>> {
        self.known.borrow_mut().push(key);
        let value = self.entries.get(key)?;
        Some(Value { file: self.file, value, table: self.name, key })
    }

    /// All entries, where the keys are not ours.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Value<'f>, &'f str)> + use<'f> {
        let (file, name) = (self.file, self.name);
        self.entries.iter().map(move |(key, value)| {
            let text: &str = key.get_ref();
            (key.span().start, Value { file, value, table: name, key: text }, text)
        })
    }

    /// The tables `[[key]]`.
    pub(super) fn each(&self, key: &'static str, name: &'f str) -> Vec<Table<'f>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let what = format!("tables, each under {name}");
        let values = value.list(&what).unwrap_or_default();
        values.iter().filter_map(|value| value.table(name, &what)).collect()
    }

    /// The table `[key]`.
    pub(super) fn inner(&self, key: &'static str, name: &'f str) -> Option<Table<'f>> {
        self.get(key)?.table(name, &format!("a table {name}"))
    }

    /// Reports something about it as a whole.
    pub(super) fn wrong<T>(&self, why: impl Into<String>) -> Option<T> {
        self.file.wrong(self.at, why);
        None
    }

    /// Reports what nobody has asked for. Whether there was nothing of that.
    pub(super) fn finish(self) -> bool {
        let mut clean = true;
        let known = self.known.into_inner();
        for key in self.entries.keys() {
            let text: &str = key.get_ref();
            if !known.contains(&text) {
                clean = false;
                let hint = hint(text, known.iter().copied());
                let name = self.name;
                self.file.wrong(key.span().start, format!("unknown key {} in {name}{hint}", quote(text)));
            }
        }
        clean
    }
}

/// Puts `value` into the place of a default.
pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
