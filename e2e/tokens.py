"""Access tokens of the small world's identity provider, for people who need no browser: its forms are answered by hand."""

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

CALLBACK = "http://127.0.0.1:9/callback"


def access_token(world, name, path="/mcp"):
    """What an agent of `name` gets for this door of the hub: dynamic registration, then a code with PKCE."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    resource = f"{world.hub_url}{path}"
    with httpx2.Client(trust_env=False, timeout=30) as http:
        client = _register(http, world.issuer)
        query = {
            "client_id": client["client_id"],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "resource": resource,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        back = _through_the_forms(http, http.get(f"{world.issuer}/auth", params=query), name)
        if back.get("state") != state or "code" not in back:
            raise RuntimeError(f"the identity provider refused `{name}` for {resource}: {back}")
        fields = {
            "grant_type": "authorization_code",
            "client_id": client["client_id"],
            "code": back["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
            "resource": resource,
        }
        answer = http.post(f"{world.issuer}/token", data=fields).json()
        if "access_token" not in answer:
            raise RuntimeError(f"no token for `{name}` and {resource}: {answer}")
        return answer["access_token"]


def _register(http, issuer):
    wanted = {
        "client_name": "Agent without a browser",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "application_type": "native",
    }
    answer = http.post(f"{issuer}/reg", json=wanted)
    answer.raise_for_status()
    return answer.json()


def _through_the_forms(http, page, name):
    """Signs in and consents, until the provider sends the browser back; what it says there."""
    for _ in range(20):
        if page.is_redirect:
            place = urljoin(str(page.url), page.headers["location"])
            if place.startswith(CALLBACK):
                return {key: values[0] for key, values in parse_qs(urlsplit(place).query).items()}
            page = http.get(place)
            continue
        prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        if not prompt or not action:
            raise RuntimeError(f"the identity provider shows no form (status {page.status_code}): {page.text[:500]}")
        fields = {"prompt": prompt[1], "login": name, "password": "any password will do"}
        page = http.post(urljoin(str(page.url), action[1]), data=fields)
    raise RuntimeError("the identity provider asks on and on")
