//! Full-text search over tools, for agents that would be given more tools than they can read.
//!
//! BM25 over five fields (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3.6: one score
//! over weighted fields), words in a light stem, beginnings of words and common synonyms for less. The same tools and the
//! same query give the same order, always.

mod words;

use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use words::{is_filler, synonyms, tokens};

/// Characters of a query that are read.
pub const QUERY_CHARACTERS: usize = 256;
/// The most results of one search.
pub const MOST_RESULTS: usize = 50;

/// Words of a query that count.
const QUERY_WORDS: usize = 24;
/// Known words that one beginning of a word may stand for.
const EXPANSIONS: usize = 48;
/// A beginning of a word is at least so long.
const BEGINNING: usize = 3;
/// Bytes of one text that are read.
const TEXT_BYTES: usize = 8 * 1024;
/// Schemas within one tool's schema that are read.
const SCHEMAS: usize = 200;
/// Levels of them.
const DEEPEST: usize = 5;

/// How fast more of the same word counts less.
const SATURATION: f32 = 1.2;
/// How far a long field counts less.
const LENGTH: f32 = 0.6;
/// What a word counts that only begins like the one that was asked for.
const OF_BEGINNING: f32 = 0.4;
/// What a word counts that only means about the same.
const OF_SYNONYM: f32 = 0.5;
/// For a query that is exactly a tool's name: above every sum of words.
const EXACT: f32 = 1000.0;
/// For a query of the same words as a tool's name.
const SAME_WORDS: f32 = 100.0;

/// Fields of a tool.
#[derive(Debug, Clone, Copy)]
enum Field {
    Name,
    Title,
    Description,
    Parameter,
    ParameterWords,
}

const FIELDS: usize = 5;

impl Field {
    const fn weight(self) -> f32 {
        match self {
            Self::Name => 4.0,
            Self::Title => 3.0,
            Self::Description => 1.5,
            Self::Parameter => 1.0,
            Self::ParameterWords => 0.5,
        }
    }

    const fn at(self) -> usize {
        self as usize
    }

    const ALL: [Self; FIELDS] =
        [Self::Name, Self::Title, Self::Description, Self::Parameter, Self::ParameterWords];
}

/// What is searched of one tool.
#[derive(Debug, Clone, Copy)]
pub struct Searched<'a, Id> {
    /// What a result gives back.
    pub id: Id,
    /// The name by which it is called.
    pub name: &'a str,
    /// For people.
    pub title: Option<&'a str>,
    /// For models.
    pub description: &'a str,
    /// Of its arguments.
    pub schema: Option<&'a Value>,
}

/// Tools, ready to be searched.
#[derive(Debug, Clone)]
pub struct Index<Id> {
    tools: Vec<Tool<Id>>,
    /// Which tools have a word, and how much it says of them.
    words: BTreeMap<Box<str>, Vec<Posting>>,
}

#[derive(Debug, Clone)]
struct Tool<Id> {
    id: Id,
    name: Box<str>,
    /// The words of its name, without those of its source.
    own: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Posting {
    tool: u32,
    /// Between 0 and 1: how much of the most that one word can say.
    says: f32,
}

/// How often a word is in each field of one tool.
type Counts = [u16; FIELDS];

impl<Id: Clone> Index<Id> {
    /// Reads all of them. Texts and schemas are somebody else's: what is too long is read to a bound.
    #[must_use]
    pub fn of<'a>(searched: impl IntoIterator<Item = Searched<'a, Id>>) -> Self
    where
        Id: 'a,
    {
        let mut tools = Vec::new();
        let mut counted: Vec<(HashMap<String, Counts>, Counts)> = Vec::new();
        for one in searched {
            counted.push(count(&one));
            let own = own_name(one.name);
            tools.push(Tool { id: one.id, name: one.name.into(), own: tokens(own) });
        }
        let average = averages(&counted);
        let mut words: BTreeMap<Box<str>, Vec<Posting>> = BTreeMap::new();
        for (at, (counts, lengths)) in counted.into_iter().enumerate() {
            let Ok(tool) = u32::try_from(at) else { break };
            for (word, counts) in counts {
                let says = says(counts, lengths, average);
                words.entry(word.into()).or_default().push(Posting { tool, says });
            }
        }
        Self { tools, words }
    }

    /// How many tools there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The best of them, the best first; where two are as good, by name. At most `limit`, and at most [`MOST_RESULTS`].
    #[must_use]
    pub fn search(&self, query: &str, limit: usize) -> Vec<(Id, f32)> {
        let query: String = query.chars().take(QUERY_CHARACTERS).collect();
        let asked = asked(&query);
        let mut scores = vec![0.0_f32; self.tools.len()];
        let mut matched = vec![0_u8; self.tools.len()];
        let mut worth = vec![0.0_f32; self.tools.len()];
        for word in &asked {
            self.value(word, &mut worth);
            for ((worth, score), matched) in worth.iter_mut().zip(&mut scores).zip(&mut matched) {
                *score += *worth;
                *matched = matched.saturating_add(u8::from(*worth > 0.0));
                *worth = 0.0;
            }
        }
        let exact = query.trim();
        let mut found: Vec<(usize, f32)> = Vec::new();
        for (at, ((tool, score), matched)) in self.tools.iter().zip(&scores).zip(&matched).enumerate() {
            let score = whole(tool, *score, *matched, &asked, exact);
            if score > 0.0 {
                found.push((at, score));
            }
        }
        let name = |at: usize| self.tools.get(at).map(|tool| tool.name.as_ref());
        let better = |one: &(usize, f32), other: &(usize, f32)| -> Ordering {
            other.1.total_cmp(&one.1).then_with(|| name(one.0).cmp(&name(other.0))).then(one.0.cmp(&other.0))
        };
        let limit = limit.min(MOST_RESULTS);
        if found.len() > limit && limit > 0 {
            found.select_nth_unstable_by(limit - 1, better);
        }
        found.truncate(limit);
        found.sort_by(better);
        found.into_iter().filter_map(|(at, score)| Some((self.tools.get(at)?.id.clone(), score))).collect()
    }

    /// What one word of the query is worth to each tool: as it is, as a beginning, as a synonym; the most counts.
    fn value(&self, word: &str, worth: &mut [f32]) {
        let mut meet = |postings: &[Posting], share: f32| {
            let rare = self.rarity(postings.len()) * share;
            for posting in postings {
                let place = usize::try_from(posting.tool).ok().and_then(|at| worth.get_mut(at));
                if let Some(best) = place {
                    *best = best.max(posting.says * rare);
                }
            }
        };
        if let Some(postings) = self.words.get(word) {
            meet(postings, 1.0);
        }
        if word.len() >= BEGINNING {
            let after = (std::ops::Bound::Excluded(word), std::ops::Bound::Unbounded);
            let begins = self.words.range::<str, _>(after).take_while(|(known, _)| known.starts_with(word));
            for (_, postings) in begins.take(EXPANSIONS) {
                meet(postings, OF_BEGINNING);
            }
        }
        for synonym in synonyms(word) {
            if let Some(postings) = self.words.get(*synonym) {
                meet(postings, OF_SYNONYM);
            }
        }
    }

    /// What fewer tools have says more.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^23 tools")]
    fn rarity(&self, with: usize) -> f32 {
        let (all, with) = (self.tools.len() as f32, with as f32);
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }
}

/// The score of one tool: the sum of the words, less where words are missing, and more for its very name.
fn whole<Id>(tool: &Tool<Id>, sum: f32, matched: u8, asked: &[String], exact: &str) -> f32 {
    let of = f32::from(u8::try_from(asked.len()).unwrap_or(u8::MAX)).max(1.0);
    let mut score = sum * (0.4 + 0.6 * f32::from(matched) / of);
    let is_named = |name: &str| !exact.is_empty() && name.eq_ignore_ascii_case(exact);
    if is_named(&tool.name) {
        score += 2.0 * EXACT;
    } else if is_named(own_name(&tool.name)) {
        score += EXACT;
    } else if !asked.is_empty() && tool.own == asked {
        score += SAME_WORDS;
    }
    score
}

/// A public name without its source: what is behind the first `__`.
fn own_name(name: &str) -> &str {
    match name.split_once("__") {
        Some((_, own)) if !own.is_empty() => own,
        _ => name,
    }
}

/// The words of a query, each once, without those that say nothing (unless there is no other).
fn asked(query: &str) -> Vec<String> {
    let all = tokens(query);
    let telling = all.iter().filter(|word| !is_filler(word)).count();
    let mut asked: Vec<String> = Vec::new();
    for word in all.into_iter().filter(|word| telling == 0 || !is_filler(word)) {
        if asked.len() < QUERY_WORDS && !asked.contains(&word) {
            asked.push(word);
        }
    }
    asked
}

fn count<Id>(one: &Searched<'_, Id>) -> (HashMap<String, Counts>, Counts) {
    let mut counting = Counting::default();
    counting.read(Field::Name, one.name);
    counting.read(Field::Title, one.title.unwrap_or_default());
    counting.read(Field::Description, one.description);
    if let Some(schema) = one.schema {
        let mut left = SCHEMAS;
        counting.schema(schema, schema, 0, &mut left);
    }
    (counting.counts, counting.lengths)
}

#[derive(Default)]
struct Counting {
    counts: HashMap<String, Counts>,
    lengths: Counts,
}

impl Counting {
    fn read(&mut self, field: Field, text: &str) {
        let mut end = TEXT_BYTES.min(text.len());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        for word in tokens(text.get(..end).unwrap_or_default()) {
            if let Some(count) = self.counts.entry(word).or_default().get_mut(field.at()) {
                *count = count.saturating_add(1);
            }
            if let Some(length) = self.lengths.get_mut(field.at()) {
                *length = length.saturating_add(1);
            }
        }
    }

    /// Names and descriptions of properties, to some depth, also behind local references.
    fn schema(&mut self, root: &Value, schema: &Value, level: usize, left: &mut usize) {
        if level > DEEPEST || *left == 0 {
            return;
        }
        *left -= 1;
        if level > 0 {
            for words in ["title", "description"] {
                if let Some(text) = schema.get(words).and_then(Value::as_str) {
                    self.read(Field::ParameterWords, text);
                }
            }
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            for value in values.iter().filter_map(Value::as_str).take(20) {
                self.read(Field::ParameterWords, value);
            }
        }
        let referred =
            schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        if let Some(target) = referred.and_then(|pointer| root.pointer(pointer)) {
            self.schema(root, target, level + 1, left);
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if *left == 0 {
                return;
            }
            self.read(Field::Parameter, name);
            self.schema(root, property, level + 1, left);
        }
        if let Some(items) = schema.get("items") {
            self.schema(root, items, level + 1, left);
        }
    }
}

/// How long each field is on average.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^23 tools")]
fn averages(counted: &[(HashMap<String, Counts>, Counts)]) -> [f32; FIELDS] {
    let mut sums = [0.0_f32; FIELDS];
    for (_, lengths) in counted {
        for (sum, length) in sums.iter_mut().zip(lengths) {
            *sum += f32::from(*length);
        }
    }
    sums.map(|sum| (sum / counted.len().max(1) as f32).max(1.0))
}

/// How much a word that is there so often says of a tool.
fn says(counts: Counts, lengths: Counts, average: [f32; FIELDS]) -> f32 {
    let fields = Field::ALL.into_iter().zip(counts).zip(lengths).zip(average);
    let often: f32 = fields
        .map(|(((field, count), length), average)| {
            let long = 1.0 - LENGTH + LENGTH * f32::from(length) / average;
            field.weight() * f32::from(count) / long
        })
        .sum();
    often / (SATURATION + often)
}

#[cfg(test)]
mod tests;
