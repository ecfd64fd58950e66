"""Who is signed in. A session is a row here and nothing anywhere else: the browser has a random value, and no token.

Every way in which a session ends goes through `_ended`, so that none is forgotten at the hub.
"""

import dataclasses
import hashlib
import secrets
import sqlite3
import time

import deputy
import settings

TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
  key TEXT PRIMARY KEY, subject TEXT, name TEXT, id_token TEXT, expires_at INTEGER, used_at INTEGER, deputy_end TEXT);
CREATE TABLE IF NOT EXISTS expenses (id INTEGER PRIMARY KEY, subject TEXT, title TEXT, cents INTEGER);
"""


@dataclasses.dataclass
class Session:
    # The digest of the cookie's value. So whoever reads the table has no cookie.
    key: str
    subject: str
    name: str
    # What the identity provider said, as it came: the hub verifies it by itself.
    id_token: str
    expires_at: int
    used_at: int
    # DEPUTY: what came with the newest ticket, and ends what was opened with any of this session.
    deputy_end: str | None


def database():
    return sqlite3.connect(settings.DATABASE, timeout=10)


def set_up():
    with database() as tables:
        tables.executescript(TABLES)


def begin(subject, name, id_token, expires_at):
    """Begins a session and returns the value of its cookie."""
    value = secrets.token_urlsafe(32)
    row = (_digest(value), subject, name, id_token, expires_at, _now(), None)
    with database() as tables:
        tables.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return value


def current(cookie, used=True):
    """The session of a cookie, if it still lives. `used` is whether somebody is there, or only a page asks by itself."""
    if not cookie:
        return None
    with database() as tables:
        row = tables.execute(f"SELECT * FROM sessions WHERE key = ? AND {_LIVES}", (_digest(cookie), *_limits())).fetchone()
        if row and used:
            tables.execute("UPDATE sessions SET used_at = ? WHERE key = ?", (_now(), row[0]))
    return Session(*row) if row else None


def keep_end(session, end):
    """DEPUTY: keeps what ends the tabs of this session. False if the session ended while the ticket was bought."""
    with database() as tables:
        return tables.execute("UPDATE sessions SET deputy_end = ? WHERE key = ?", (end, session.key)).rowcount == 1


def end(cookie):
    """Sign-out, or a sign-in over an older session. Returns what has ended."""
    ended = _ended("key = ?", (_digest(cookie),)) if cookie else []
    return ended[0] if ended else None


def end_all_of(subject):
    """What an administrator does, in whatever process: `flask --app app end-sessions SUBJECT`."""
    return len(_ended("subject = ?", (subject,)))


def sweep():
    """Ends what is too old or was not used for too long. To be called every few seconds."""
    return len(_ended(f"NOT ({_LIVES})", _limits()))


_LIVES = "expires_at > ? AND used_at > ?"


def _limits():
    return _now(), _now() - settings.IDLE_SECONDS


def _ended(which, values):
    with database() as tables:
        rows = tables.execute(f"DELETE FROM sessions WHERE {which} RETURNING *", values).fetchall()
    # The rows are gone: from here on nobody is signed in, whether the hub hears it or not.
    sessions = [Session(*row) for row in rows]
    for session in sessions:
        deputy.session_ended(session.deputy_end)
    return sessions


def _digest(value):
    return hashlib.sha256(value.encode()).hexdigest()


def _now():
    return int(time.time())
