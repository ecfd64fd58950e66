//! The contacts of each organisation, with their notes and deals, in memory.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// One contact of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Contact {
    /// Stable id, unique in the organisation.
    pub(crate) id: String,
    /// Their name.
    pub(crate) name: String,
    /// Where they work.
    pub(crate) company: String,
    /// How to write to them.
    pub(crate) email: String,
    /// How to call them.
    pub(crate) phone: String,
    /// What is being sold to them.
    pub(crate) deals: Vec<Deal>,
    /// What colleagues wrote down, oldest first.
    pub(crate) notes: Vec<String>,
}

/// One deal with a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deal {
    /// What it is about.
    pub(crate) title: String,
    /// How far it is.
    pub(crate) stage: String,
    /// What it is worth.
    pub(crate) amount_eur: u32,
}

/// What may be changed on a contact; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactChange {
    name: Option<String>,
    company: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// All organisations' contacts. Every reach names the organisation first.
#[derive(Debug)]
pub(crate) struct Contacts(HashMap<&'static str, BTreeMap<String, Contact>>);

impl Contacts {
    /// The data everybody starts with.
    pub(crate) fn sample() -> Self {
        let mut all = HashMap::new();
        all.insert(
            "Acme",
            sample(&[
                (
                    "c1",
                    "Greta Lindqvist",
                    "Nordwind Energy",
                    "greta@nordwind.example",
                    "+46 8 555 01 17",
                    "Grid sensors",
                    "Proposal",
                    48_000,
                ),
                (
                    "c2",
                    "Mateo Fuentes",
                    "Puerto Logistics",
                    "mateo@puerto.example",
                    "+34 91 555 23 40",
                    "Fleet tracking",
                    "Negotiation",
                    112_500,
                ),
                (
                    "c3",
                    "Ines Moreau",
                    "Atelier Lumen",
                    "ines@lumen.example",
                    "+33 1 55 55 08 12",
                    "Showroom lighting",
                    "Won",
                    17_200,
                ),
                (
                    "c4",
                    "Tom Okafor",
                    "Harbour Clinics",
                    "tom@harbour.example",
                    "+44 20 5550 1188",
                    "Patient portal",
                    "Lead",
                    86_000,
                ),
                (
                    "c5",
                    "Yuki Tanabe",
                    "Sora Robotics",
                    "yuki@sora.example",
                    "+81 3 5555 0190",
                    "Gripper service",
                    "Proposal",
                    63_400,
                ),
            ]),
        );
        all.insert(
            "Globex",
            sample(&[
                (
                    "g1",
                    "Hana Novak",
                    "Vltava Brewing",
                    "hana@vltava.example",
                    "+420 2 5550 0134",
                    "Bottling line",
                    "Negotiation",
                    240_000,
                ),
                (
                    "g2",
                    "Pierre Duval",
                    "Canal Foods",
                    "pierre@canal.example",
                    "+33 4 55 55 77 02",
                    "Cold chain",
                    "Lead",
                    35_000,
                ),
            ]),
        );
        Self(all)
    }

    /// The contacts that `query` is part of, or all without one, by id.
    pub(crate) fn find(&self, organisation: &str, query: Option<&str>) -> Vec<&Contact> {
        let query = query.unwrap_or_default().to_lowercase();
        let matches = |contact: &&Contact| {
            [&contact.name, &contact.company, &contact.email]
                .iter()
                .any(|text| text.to_lowercase().contains(&query))
        };
        self.0.get(organisation).into_iter().flat_map(BTreeMap::values).filter(matches).collect()
    }

    /// One contact.
    pub(crate) fn one(&self, organisation: &str, id: &str) -> Option<&Contact> {
        self.0.get(organisation)?.get(id)
    }

    /// Changes a contact and returns it.
    pub(crate) fn change(&mut self, organisation: &str, id: &str, change: ContactChange) -> Option<&Contact> {
        let contact = self.0.get_mut(organisation)?.get_mut(id)?;
        let ContactChange { name, company, email, phone } = change;
        for (place, value) in [
            (&mut contact.name, name),
            (&mut contact.company, company),
            (&mut contact.email, email),
            (&mut contact.phone, phone),
        ] {
            if let Some(value) = value {
                *place = value;
            }
        }
        Some(contact)
    }

    /// Adds a note to a contact and returns it.
    pub(crate) fn note(&mut self, organisation: &str, id: &str, text: String) -> Option<&Contact> {
        let contact = self.0.get_mut(organisation)?.get_mut(id)?;
        contact.notes.push(text);
        Some(contact)
    }

    /// Removes a contact and returns what it was.
    pub(crate) fn remove(&mut self, organisation: &str, id: &str) -> Option<Contact> {
        self.0.get_mut(organisation)?.remove(id)
    }
}

type Row =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str, u32);

fn sample(rows: &[Row]) -> BTreeMap<String, Contact> {
    rows.iter()
        .map(|&(id, name, company, email, phone, title, stage, amount_eur)| {
            let deal = Deal { title: title.to_owned(), stage: stage.to_owned(), amount_eur };
            let contact = Contact {
                id: id.to_owned(),
                name: name.to_owned(),
                company: company.to_owned(),
                email: email.to_owned(),
                phone: phone.to_owned(),
                deals: vec![deal],
                notes: vec![format!("First met at the {title} round table.")],
            };
            (contact.id.clone(), contact)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_never_reaches_anothers_contact() {
        let mut contacts = Contacts::sample();
        assert!(contacts.one("Globex", "c1").is_none());
        assert!(contacts.remove("Globex", "c1").is_none());
        assert!(contacts.find("Nobody", None).is_empty());
        assert_eq!(contacts.find("Acme", None).len(), 5);
    }

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name() {
        let mut contacts = Contacts::sample();
        let change = ContactChange { phone: Some("1".to_owned()), ..ContactChange::default() };
        let after = contacts.change("Acme", "c1", change).expect("a contact").clone();
        assert_eq!((after.phone.as_str(), after.name.as_str()), ("1", "Greta Lindqvist"));
        assert_eq!(contacts.find("Acme", Some("NORDWIND")), [&after]);
    }
}
