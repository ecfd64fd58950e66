"""What the application is told by its environment. Nothing has a default that opens anything."""

import os


def _needed(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"`{name}` is not set: see README.md")
    return value


# The application's own origin, as browsers see it. Never taken from a request.
ORIGIN = _needed("ORIGIN")
# Signs Flask's own cookie, which holds a sign-in under way and the secret of the forms, and nobody's session.
SECRET_KEY = _needed("SECRET_KEY")

ISSUER = _needed("ISSUER")
CLIENT_ID = _needed("CLIENT_ID")
CLIENT_SECRET = _needed("CLIENT_SECRET")

HUB = _needed("HUB")
# The application's name in the hub's configuration.
APP = os.environ.get("APP", "expenses")

DATABASE = os.environ.get("DATABASE", "expenses.sqlite3")
# Seconds without a request after which a session ends. Also what the page asks by itself counts for nothing.
IDLE_SECONDS = int(os.environ.get("IDLE_SECONDS", "1800"))
