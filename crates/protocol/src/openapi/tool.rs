//! From an operation in a document to an [`Operation`]: parameters, body, schemas, words.

use super::body::{self, Body};
use super::exchange::Method;
use super::name::Arguments;
use super::operation::Operation;
use super::parameter::{Described, Parameter, Place, is_json};
use super::path::Template;
use super::reference::Root;
use super::schema::{Dialect, Side, Translated, translate};
use super::select::{Options, Outputs};
use serde_json::{Map, Value, json};

/// Characters of a description.
const WORDS: usize = 4000;
/// Characters of a title.
const TITLE: usize = 200;
/// Parameters of one operation.
const PARAMETERS: usize = 100;

/// An operation as the document has it.
#[derive(Clone, Copy)]
pub(super) struct Found<'d> {
    pub(super) method: Method,
    pub(super) path: &'d str,
    /// The parameters of all operations of the path.
    pub(super) shared: Option<&'d Value>,
    pub(super) operation: &'d Value,
}

/// Makes the tool of it.
pub(super) fn of(
    root: Root<'_>,
    dialect: Dialect,
    options: &Options,
    name: String,
    found: Found<'_>,
) -> Result<Operation, String> {
    let Found { method, path, operation, .. } = found;
    let template = Template::parse(path)?;
    let described: Vec<_> = parameters(root, found)?
        .into_iter()
        .filter(|one| one.place != Place::Header || !options.withholds(one.name))
        .collect();
    for variable in template.variables() {
        let is_it = |one: &&Described<'_>| one.place == Place::Path && one.name == variable;
        if described.iter().filter(is_it).count() != 1 {
            return Err(format!("its path has a variable `{variable}` that is no parameter"));
        }
    }
    let is_used = |one: &Described<'_>| {
        one.place != Place::Path || template.variables().any(|variable| variable == one.name)
    };
    let described: Vec<Described<'_>> = described.into_iter().filter(is_used).collect();
    let body = match body::Described::read(root, operation)? {
        Some(body) if method.is_safe() && body.is_required => {
            return Err(format!("it requires a body, and {method} has no body that means anything"));
        }
        body => body.filter(|_| !method.is_safe()),
    };
    let mut names = Arguments::default();
    let parameters: Vec<Parameter> = described.iter().map(|one| parameter(one, &mut names)).collect();
    let argument = body.as_ref().map(|_| names.name("body", "request"));
    let input = input(root, dialect, &described, &parameters, body.as_ref().zip(argument.as_deref()))?;
    let answers = responses(root, operation);
    let output = match options.outputs {
        Outputs::Described => output(root, dialect, &answers),
        Outputs::Undescribed => None,
    };
    let body = body.zip(argument).map(|(body, argument)| Body {
        argument,
        media: body.media.to_owned(),
        format: body.format,
        is_required: body.is_required,
    });
    Ok(Operation {
        name,
        title: title(operation),
        description: description(found, input.is_cut),
        method,
        path: path.to_owned(),
        template,
        parameters,
        body,
        accept: accept(&answers),
        input: input.schema,
        output: output.map(|output| (output.schema, output.compiled)),
    })
}

/// The operation's parameters, and those of the path that it does not say anew.
fn parameters<'d>(root: Root<'d>, found: Found<'d>) -> Result<Vec<Described<'d>>, String> {
    let own = found.operation.get("parameters");
    let list = |list: Option<&'d Value>| list.and_then(Value::as_array).into_iter().flatten();
    let mut described: Vec<Described<'d>> = Vec::new();
    for (is_own, parameter) in
        list(own).map(|one| (true, one)).chain(list(found.shared).map(|one| (false, one)))
    {
        let Some(one) = Described::read(root, parameter)? else { continue };
        let same =
            |known: &Described<'_>| known.place == one.place && is_same(known.place, known.name, one.name);
        match described.iter().any(same) {
            true if is_own => return Err(format!("it has the parameter `{}` twice", one.name)),
            true => {}
            false => described.push(one),
        }
        if described.len() > PARAMETERS {
            return Err(format!("it has more than {PARAMETERS} parameters"));
        }
    }
    Ok(described)
}

/// Names of header fields do not differ by case.
fn is_same(place: Place, one: &str, other: &str) -> bool {
    if place == Place::Header { one.eq_ignore_ascii_case(other) } else { one == other }
}

fn parameter(described: &Described<'_>, names: &mut Arguments) -> Parameter {
    Parameter {
        argument: names.name(described.name, described.place.text()),
        name: described.name.to_owned(),
        place: described.place,
        writing: described.writing,
        is_required: described.is_required,
    }
}

/// The schema of the arguments: one property per parameter, and one for the body.
fn input<'d>(
    root: Root<'d>,
    dialect: Dialect,
    described: &[Described<'d>],
    parameters: &[Parameter],
    body: Option<(&body::Described<'d>, &str)>,
) -> Result<Translated, String> {
    translate(root, dialect, Side::Request, |translator| {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (one, parameter) in described.iter().zip(parameters) {
            let mut schema = match one.schema {
                Some(schema) => translator.schema(schema)?,
                None => json!({}),
            };
            say(&mut schema, one.description);
            properties.insert(parameter.argument.clone(), schema);
            if one.is_required {
                required.push(json!(parameter.argument));
            }
        }
        if let Some((body, argument)) = body {
            let mut schema = match body.schema {
                Some(schema) => translator.schema(schema)?,
                None => json!({}),
            };
            say(&mut schema, body.description);
            properties.insert(argument.to_owned(), schema);
            if body.is_required {
                required.push(json!(argument));
            }
        }
        let mut input = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if let Some(members) = input.as_object_mut().filter(|_| !required.is_empty()) {
            members.insert("required".to_owned(), Value::Array(required));
        }
        Ok(input)
    })
    .map_err(|why| format!("its arguments: {why}"))
}

/// The description of a parameter stands beside its schema, and says more than the schema's own.
fn say(schema: &mut Value, description: Option<&str>) {
    if let (Value::Object(members), Some(words)) = (schema, description) {
        members.insert("description".to_owned(), json!(shortened(words, WORDS / 4)));
    }
}

/// The answers that mean success: status, and what is in them.
fn responses<'d>(root: Root<'d>, operation: &'d Value) -> Vec<Option<&'d Map<String, Value>>> {
    let Some(responses) = operation.get("responses").and_then(Value::as_object) else { return Vec::new() };
    let of_success = responses.iter().filter(|(status, _)| status.starts_with('2') && status.len() == 3);
    of_success
        .map(|(_, response)| root.follow(response).ok()?.get("content")?.as_object())
        .map(|content| content.filter(|content| !content.is_empty()))
        .collect()
}

/// The schema of the answer, if every success answers with the same JSON object. None is no fault: then nothing is
/// promised.
fn output<'d>(
    root: Root<'d>,
    dialect: Dialect,
    answers: &[Option<&'d Map<String, Value>>],
) -> Option<Translated> {
    let schema_of = |content: &&'d Map<String, Value>| {
        let mut json = content.iter().filter(|(media, _)| is_json(media));
        json.next().and_then(|(_, described)| described.get("schema"))
    };
    let (first, others) = answers.split_first()?;
    let schema = first.as_ref().and_then(schema_of)?;
    if others.iter().any(|other| other.as_ref().and_then(schema_of) != Some(schema)) {
        return None;
    }
    // The root is said in place: what reads a tool looks for its type there.
    let schema = root.follow(schema).ok()?;
    let translated = translate(root, dialect, Side::Response, |translator| translator.schema(schema)).ok()?;
    (translated.schema.get("type") == Some(&json!("object"))).then_some(translated)
}

/// JSON first; whatever else the document has; then anything.
fn accept(answers: &[Option<&Map<String, Value>>]) -> String {
    let mut types: Vec<&str> = Vec::new();
    for media in answers.iter().flatten().flat_map(|content| content.keys()) {
        let is_fit = media.len() <= 100
            && media.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+.-_*".contains(&byte));
        if is_fit && types.len() < 5 && !types.contains(&media.as_str()) {
            types.push(media);
        }
    }
    types.sort_by_key(|media| !is_json(media));
    if types.is_empty() {
        types.push("application/json");
    }
    format!("{}, */*;q=0.1", types.join(", "))
}

fn title(operation: &Value) -> Option<String> {
    let summary = operation.get("summary").and_then(Value::as_str).unwrap_or_default().trim();
    (!summary.is_empty()).then(|| shortened(summary, TITLE))
}

fn description(found: Found<'_>, is_cut: bool) -> String {
    let said = |name: &str| found.operation.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let words = [said("description"), said("summary")].into_iter().find(|words| !words.is_empty());
    let mut description = match words {
        Some(words) => shortened(words, WORDS),
        None => format!("{} {}", found.method, found.path),
    };
    if found.operation.get("deprecated") == Some(&Value::Bool(true)) {
        description.insert_str(0, "Deprecated. ");
    }
    if is_cut {
        description.push_str(
            "\n\nIts schema is larger than can be shown: parts of it are left out, and the server checks them.",
        );
    }
    description
}

fn shortened(words: &str, most: usize) -> String {
    if words.chars().count() <= most {
        return words.to_owned();
    }
    let mut short: String = words.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
