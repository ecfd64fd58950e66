//! The pages: written by the server, with a little script and none of it inline.

use crate::contacts::Contact;
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::world::World;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write as _;
use std::sync::Arc;

/// `GET /`: the contacts of whoever is signed in, or the way to sign in.
pub(crate) async fn home(State(world): State<Arc<World>>, headers: HeaderMap) -> Html<String> {
    let Some(session) = world.sessions.current(&headers) else { return welcome() };
    let contacts = world.contacts();
    let found = contacts.find(session.person.organisation, None);
    let rows: String = found.iter().map(|contact| row(contact)).collect();
    let body = format!(
        "<h1>Contacts</h1><p class=quiet><span id=count>{}</span> in {}</p>\
         <table><thead><tr><th>Name<th>Company<th>E-mail<th>Phone<th>Deal</tr></thead><tbody>{rows}</tbody></table>",
        found.len(),
        session.person.organisation
    );
    page(&world, "Contacts", &session.person, &body)
}

/// `GET /contacts/{id}`.
pub(crate) async fn contact(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(session) = world.sessions.current(&headers) else { return welcome().into_response() };
    let contacts = world.contacts();
    let Some(contact) = contacts.one(session.person.organisation, &id) else {
        let text = escape(&Problem::NotFound(id).to_string());
        let body = format!("<h1>Not here</h1><p>{text}.</p><p><a href=\"/\">All contacts</a></p>");
        return (StatusCode::NOT_FOUND, page(&world, "Not here", &session.person, &body)).into_response();
    };
    page(&world, &contact.name, &session.person, &card(contact, session.person.role)).into_response()
}

/// `GET /plain`: who is signed in, on a page that knows nothing of the hub.
pub(crate) async fn plain(State(world): State<Arc<World>>, headers: HeaderMap) -> Html<String> {
    let (who, action) = match world.sessions.current(&headers) {
        Some(session) => (
            format!("Signed in as <strong id=who>{}</strong>", escape(&session.person.name)),
            "<form method=post action=\"/sign-out?return_to=/plain\"><button>Sign out</button></form>",
        ),
        None => ("Nobody is signed in".to_owned(), ""),
    };
    let body = format!(
        "<main class=door><h1>Who is it?</h1><p>{who}.</p>\
         <p><a class=button href=\"/sign-in?prompt=login&amp;return_to=/plain\">Sign in as somebody else</a></p>{action}</main>"
    );
    document("Who is it?", "", &body)
}

fn welcome() -> Html<String> {
    let body = "<main class=door><h1>Contacts, notes and deals</h1>\
                <p>The CRM of the small world. Sign in to see the contacts of your organisation.</p>\
                <p><a class=button href=\"/sign-in\">Sign in</a></p></main>";
    document("Sign in", "<script type=module src=\"/assets/deputy.js\"></script>", body)
}

fn page(world: &World, title: &str, person: &Person, body: &str) -> Html<String> {
    let head = format!(
        "<meta name=deputy-hub content=\"{}\"><meta name=deputy-subject content=\"{}\">\
         <script type=module src=\"/assets/crm.js\"></script><script type=module src=\"/assets/deputy.js\"></script>",
        escape(&world.settings.hub),
        escape(&person.subject)
    );
    let role = match person.role {
        Role::Editor => "may change",
        Role::Reader => "may only read",
    };
    let body = format!(
        "<header><a class=brand href=\"/\">{organisation} CRM</a><output id=deputy-status>agents: off</output>\
         <span class=person><strong id=who>{name}</strong> <span class=quiet>{role}</span></span>\
         <form class=sign-out method=post action=\"/sign-out\"><button class=quiet>Sign out</button></form></header>\
         <div class=columns><main>{body}</main>\
         <aside><h2>What agents did here</h2><ol id=activity><li class=quiet>Nothing yet.</li></ol></aside></div>",
        organisation = person.organisation,
        name = escape(&person.name),
    );
    document(title, &head, &body)
}

fn document(title: &str, head: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{} · CRM</title>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <link rel=icon href=\"/assets/crm.svg\"><link rel=stylesheet href=\"/assets/crm.css\">{head}</head><body>{body}</body></html>",
        escape(title)
    ))
}

fn row(contact: &Contact) -> String {
    let deals: String = contact.deals.iter().map(|deal| stage(&deal.stage)).collect();
    format!(
        "<tr data-contact=\"{id}\"><td><a href=\"/contacts/{id}\" data-field=name>{name}</a>\
         <td data-field=company>{company}<td data-field=email>{email}<td data-field=phone>{phone}<td>{deals}</tr>",
        id = escape(&contact.id),
        name = escape(&contact.name),
        company = escape(&contact.company),
        email = escape(&contact.email),
        phone = escape(&contact.phone),
    )
}

fn card(contact: &Contact, role: Role) -> String {
    let mut deals = String::new();
    for deal in &contact.deals {
        let (title, stage) = (escape(&deal.title), stage(&deal.stage));
        let _ = write!(deals, "<li>{title} {stage} <span class=quiet>{} €</span>", deal.amount_eur);
    }
    let notes: String = contact.notes.iter().map(|note| format!("<li>{}", escape(note))).collect();
    let locked = if role == Role::Reader { " disabled" } else { "" };
    format!(
        "<p><a href=\"/\">All contacts</a></p><section data-contact=\"{id}\"><h1 data-field=name>{name}</h1>\
         <p class=quiet data-field=company>{company}</p>\
         <dl><dt>E-mail<dd data-field=email>{email}<dt>Phone<dd data-field=phone>{phone}</dl>\
         <h2>Deals</h2><ul>{deals}</ul><h2>Notes</h2><ul data-notes>{notes}</ul>\
         <form id=change data-id=\"{id}\"><fieldset{locked}><label>Phone <input name=phone value=\"{phone}\"></label>\
         <label>New note <input name=text></label><button>Save</button> <output id=saved></output></fieldset></form></section>",
        id = escape(&contact.id),
        name = escape(&contact.name),
        company = escape(&contact.company),
        email = escape(&contact.email),
        phone = escape(&contact.phone),
    )
}

fn stage(name: &str) -> String {
    format!("<span class=\"stage {}\">{}</span>", name.to_lowercase(), escape(name))
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_typed_cannot_become_markup() {
        assert_eq!(escape("<b a='1' c=\"2\">&"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
    }
}
