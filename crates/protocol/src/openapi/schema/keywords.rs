//! What the words of a schema hold.

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// A value that decides whether something fits.
    Data,
    /// A regular expression.
    Pattern,
    /// For people and models.
    Words,
    /// An example or a default.
    Example,
    /// What would change where references lead: a schema that uses it is not taken over.
    Foreign,
    /// No part of a schema, or of no use outside the document.
    Other,
}

/// What a keyword holds.
pub(super) fn kind(keyword: &str) -> Kind {
    match keyword {
        "items" | "contains" | "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems"
        | "propertyNames" | "not" | "if" | "then" | "else" => Kind::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Kind::Schemas,
        "properties" | "patternProperties" | "dependentSchemas" => Kind::Named,
        "type" | "enum" | "const" | "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum"
        | "exclusiveMinimum" | "maxLength" | "minLength" | "maxItems" | "minItems" | "uniqueItems"
        | "maxContains" | "minContains" | "maxProperties" | "minProperties" | "required"
        | "dependentRequired" | "format" | "readOnly" | "writeOnly" | "deprecated" | "contentEncoding"
        | "contentMediaType"
        // The operator's mark for the log (AUD).
        | "x-deputy-redact" => Kind::Data,
        "pattern" => Kind::Pattern,
        "title" | "description" => Kind::Words,
        "default" | "examples" => Kind::Example,
        "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$recursiveAnchor" => {
            Kind::Foreign
        }
        _ => Kind::Other,
    }
}
