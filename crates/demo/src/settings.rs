//! What the CRM is told on its command line.

/// Why the command line cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// An option nobody knows.
    #[error(
        "`{0}` is not an option; known are --port, --public-url, --issuer, --hub, --client-id, --client-secret"
    )]
    Unknown(String),
    /// An option without its value.
    #[error("`--{0}` is missing or has no value")]
    Missing(&'static str),
    /// A port that is no number.
    #[error("`{0}` is not a port")]
    Port(String),
}

/// Where the CRM is, who signs its people in, and which hub it offers its tools to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Loopback port to listen on.
    pub(crate) port: u16,
    /// Its own origin as browsers see it.
    pub(crate) public_url: String,
    /// The identity provider.
    pub(crate) issuer: String,
    /// The hub's public address.
    pub(crate) hub: String,
    /// Its client id at the identity provider.
    pub(crate) client_id: String,
    /// And the secret that goes with it.
    pub(crate) client_secret: String,
}

impl Settings {
    /// Reads `--name value` pairs; all are required.
    ///
    /// # Errors
    /// Names the option that is unknown, missing or wrong.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, SettingsError> {
        let names = ["port", "public-url", "issuer", "hub", "client-id", "client-secret"];
        let mut given = std::collections::HashMap::new();
        while let Some(argument) = arguments.next() {
            let name = names.iter().find(|name| argument.strip_prefix("--") == Some(name));
            let name = *name.ok_or(SettingsError::Unknown(argument))?;
            given.insert(name, arguments.next().ok_or(SettingsError::Missing(name))?);
        }
        let mut take = |name: &'static str| given.remove(name).ok_or(SettingsError::Missing(name));
        let port = take("port")?;
        Ok(Self {
            port: port.parse().map_err(|_| SettingsError::Port(port))?,
            public_url: take("public-url")?,
            issuer: take("issuer")?,
            hub: take("hub")?,
            client_id: take("client-id")?,
            client_secret: take("client-secret")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings, SettingsError> {
        Settings::from_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn an_error_names_the_option() {
        let error = parse("--port 1 --prot 2").expect_err("unknown option");
        assert!(error.to_string().starts_with("`--prot` is not an option"), "{error}");
        assert_eq!(parse("--port").expect_err("no value").to_string(), "`--port` is missing or has no value");
        let error = parse("--port x").expect_err("no number");
        assert_eq!(error.to_string(), "`x` is not a port");
    }
}
