//! Words: how texts and names are divided, and what counts as the same word.

/// The longest word that is kept; longer ones are no words.
const LONGEST: usize = 40;

/// The words of a text or a name, in a light stem: `crm__updateContacts_v2` is `crm update contact v2`.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_alphanumeric() {
            end(&mut word, &mut tokens);
            before = None;
            continue;
        }
        let rises = before.is_some_and(char::is_lowercase) && letter.is_uppercase();
        // The last capital of `HTTPServer` begins the next word.
        let ends_capitals = before.is_some_and(char::is_uppercase)
            && letter.is_uppercase()
            && letters.peek().is_some_and(|next| next.is_lowercase());
        if rises || ends_capitals {
            end(&mut word, &mut tokens);
        }
        word.extend(letter.to_lowercase());
        before = Some(letter);
    }
    end(&mut word, &mut tokens);
    tokens
}

fn end(word: &mut String, tokens: &mut Vec<String>) {
    if !word.is_empty() && word.chars().count() <= LONGEST {
        tokens.push(stem(word));
    }
    word.clear();
}

/// English plurals, `-ing` and `-ed`, and no more: a stem that joins different words does more harm than one that misses
/// some.
fn stem(word: &str) -> String {
    let is_word = |stem: &str| stem.len() >= 3 && stem.bytes().any(|byte| b"aeiouy".contains(&byte));
    let without = |ending: &str| word.strip_suffix(ending).filter(|stem| is_word(stem));
    if !word.is_ascii() || word.len() <= 3 || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    if let Some(stem) = without("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes"] {
        if word.ends_with(ending) {
            return closed(word.strip_suffix("es").unwrap_or(word));
        }
    }
    if let Some(stem) = without("ing").or_else(|| without("ed")) {
        return closed(undoubled(stem));
    }
    let is_plural = word.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending));
    closed(if is_plural { word.strip_suffix('s').unwrap_or(word) } else { word })
}

/// `create`, `created` and `creating` meet without the last `e`.
fn closed(stem: &str) -> String {
    stem.strip_suffix('e').filter(|shorter| shorter.len() >= 4).unwrap_or(stem).to_owned()
}

/// `stopp` is `stop`.
fn undoubled(stem: &str) -> &str {
    let mut letters = stem.bytes().rev();
    match (letters.next(), letters.next()) {
        (Some(last), Some(before)) if last == before && !b"lsz".contains(&last) => {
            stem.get(..stem.len() - 1).unwrap_or(stem)
        }
        _ => stem,
    }
}

/// Words that say nothing of a tool, in their stems.
pub(super) fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "a" | "an"
            | "and"
            | "any"
            | "are"
            | "as"
            | "at"
            | "be"
            | "by"
            | "can"
            | "do"
            | "for"
            | "from"
            | "how"
            | "i"
            | "in"
            | "into"
            | "is"
            | "it"
            | "me"
            | "my"
            | "need"
            | "of"
            | "on"
            | "or"
            | "our"
            | "pleas"
            | "please"
            | "that"
            | "the"
            | "their"
            | "this"
            | "to"
            | "tool"
            | "tools"
            | "us"
            | "use"
            | "want"
            | "we"
            | "what"
            | "which"
            | "with"
            | "you"
            | "your"
    )
}

/// What people and tools call the same thing, in stems.
const ALIKE: &[&[&str]] = &[
    &["delet", "remov", "destroy", "eras"],
    &["creat", "add", "new", "insert", "register"],
    &["updat", "edit", "chang", "modify", "patch", "set"],
    &["get", "read", "show", "fetch", "retriev", "view", "look"],
    &["list", "show", "all", "enumerat"],
    &["find", "search", "lookup", "query", "look"],
    &["send", "post", "deliver"],
    &["cancel", "abort", "stop"],
    &["customer", "client", "contact"],
    &["invoic", "bill"],
    &["ticket", "issu"],
    &["employe", "staff"],
    &["message", "messag", "mail", "email"],
    &["file", "document"],
    &["meet", "appointment", "event"],
];

/// Words that mean about the same.
pub(super) fn synonyms(word: &str) -> impl Iterator<Item = &'static &'static str> {
    let word = word.to_owned();
    let groups = ALIKE.iter().filter({
        let word = word.clone();
        move |group| group.contains(&word.as_str())
    });
    groups.flat_map(|group| group.iter()).filter(move |other| **other != word)
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn names_and_texts_are_divided_where_words_end() {
        for (text, words) in [
            ("crm__update_contact", "crm updat contact"),
            ("listPullRequests", "list pull request"),
            ("get-HTTPServer-v2", "get http server v2"),
            ("", ""),
            ("…—", ""),
            ("Straße ÉTÉ", "straße été"),
        ] {
            assert_eq!(tokens(text).join(" "), words, "{text}");
        }
    }

    #[test]
    fn forms_of_a_word_are_one_word_and_different_words_stay_different() {
        for forms in [
            &["create", "creates", "created", "creating"][..],
            &["invoice", "invoices", "invoiced"],
            &["company", "companies"],
            &["stop", "stopped", "stopping", "stops"],
            &["address", "addresses"],
            &["branch", "branches"],
            &["file", "files"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| tokens(form)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        assert_ne!(tokens("status"), tokens("statu"));
        assert_ne!(tokens("string"), tokens("str"));
        assert_ne!(tokens("bus"), tokens("bu"));
    }
}
