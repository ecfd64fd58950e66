//! The template of a path: segments of literal text and variables.

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Vec<Piece>>);

/// A part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Stands there as it is.
    Literal(String),
    /// A parameter's name.
    Variable(String),
}

impl Template {
    /// Takes a path apart.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let rest = path.strip_prefix('/').ok_or("its path does not begin with `/`")?;
        rest.split('/').map(segment).collect::<Result<_, _>>().map(Self)
    }

    /// The variables, in order.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }
}

fn segment(text: &str) -> Result<Vec<Piece>, String> {
    if is_dots(text) {
        return Err("its path has a segment of dots".to_owned());
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("its path has a `{` without `}`")?;
        if name.is_empty() || name.contains('{') {
            return Err("its path has a variable without a name".to_owned());
        }
        pieces.extend(literal(before)?);
        pieces.push(Piece::Variable(name.to_owned()));
        rest = behind;
    }
    pieces.extend(literal(rest)?);
    Ok(pieces)
}

fn literal(text: &str) -> Result<Option<Piece>, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
    if let Some(byte) = text.bytes().find(|byte| !allowed(*byte)) {
        return Err(format!("its path has `{}` in it", char::from(byte).escape_default()));
    }
    let escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !escapes.clone().all(is_escape) || text.to_ascii_lowercase().contains("%2f") {
        return Err("its path has a `%` that stands for nothing that is sent".to_owned());
    }
    Ok((!text.is_empty()).then(|| Piece::Literal(text.to_owned())))
}

/// Whether a segment is `.` or `..`, in whatever spelling: a URL's parser takes it and perhaps the one before away.
pub(super) fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}
