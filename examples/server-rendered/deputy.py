"""All that the application's back end says to the hub, and hears of it: a ticket, an end, and whose call this is."""

import logging

import jwt
import requests
import settings

_log = logging.getLogger(__name__)
# The machine's own proxy settings are not for the way to the hub.
_hub = requests.Session()
_hub.trust_env = False
_keys = jwt.PyJWKClient(f"{settings.HUB}/.well-known/jwks.json")


class Refused(Exception):
    """An assertion that does not hold, or is about somebody else; the text is a code for the page."""


def buy_ticket(session):
    """Buys a ticket for one tab, with the user's own token. Returns the ticket, and what ends the session's tabs."""
    answer = _hub.post(
        f"{settings.HUB}/api/tickets",
        headers={"Authorization": f"Bearer {session.id_token}"},
        json={
            "app": settings.APP,
            "origin": settings.ORIGIN,
            # The digest tells this session from the user's others, and is no cookie.
            "session": session.key,
            "session_expires_at": session.expires_at,
        },
        timeout=10,
    )
    answer.raise_for_status()
    bought = answer.json()
    return bought["ticket"], bought["end"]


def session_ended(end):
    """Tells the hub that a session is over here. Without an `end` it never had a tab."""
    if end is None:
        return
    try:
        answer = _hub.post(f"{settings.HUB}/api/tickets/end", json={"end": end}, timeout=3)
        if answer.status_code not in (204, 404):
            answer.raise_for_status()
    except requests.RequestException as error:
        # It is over here all the same: the next call asks `/me`, and hears that nobody is signed in.
        _log.warning("the hub did not hear that a session ended: %s", type(error).__name__)


def check_assertion(assertion, session):
    """A request with an assertion is an agent's, and has to be meant for the user of this session."""
    try:
        head = jwt.get_unverified_header(assertion)
        claims = jwt.decode(
            assertion,
            _keys.get_signing_key_from_jwt(assertion),
            algorithms=["ES256"],
            issuer=settings.HUB,
            audience=settings.ORIGIN,
            options={"require": ["iss", "aud", "sub", "exp"]},
        )
    except jwt.PyJWTError as error:
        raise Refused("assertion_invalid") from error
    if head.get("typ") != "deputy-call+jwt":
        raise Refused("assertion_invalid")
    if (claims["sub"], claims.get("idp")) != (session.subject, settings.ISSUER):
        raise Refused("session_changed")
