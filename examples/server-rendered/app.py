"""A server-rendered application: Flask, sign-in with OpenID Connect, forms with CSRF tokens, sessions on the server.

What Deputy needs of it is marked DEPUTY; the rest is what such an application has anyway.
"""

import threading
import time

import click
import deputy
import sessions
import settings
from authlib.integrations.flask_client import OAuth
from flask import Flask, g, jsonify, redirect, render_template, request
from flask import session as own_cookie
from flask_wtf.csrf import CSRFProtect

COOKIE = "expenses_session"

app = Flask(__name__)
app.config |= {
    "SECRET_KEY": settings.SECRET_KEY,
    "SESSION_COOKIE_NAME": "expenses_forms",
    "SESSION_COOKIE_SAMESITE": "Lax",
    "SESSION_COOKIE_SECURE": settings.ORIGIN.startswith("https:"),
    "MAX_CONTENT_LENGTH": 64 * 1024,
}
# Each POST: a form brings the token in a field, a script in the header `X-CSRFToken`.
csrf = CSRFProtect(app)
provider = OAuth(app).register(
    "provider",
    server_metadata_url=f"{settings.ISSUER}/.well-known/openid-configuration",
    client_id=settings.CLIENT_ID,
    client_secret=settings.CLIENT_SECRET,
    client_kwargs={"scope": "openid profile", "code_challenge_method": "S256", "trust_env": False},
)
sessions.set_up()

# What pages and their timers ask by themselves keeps no session alive.
UNATTENDED = {"/me", "/deputy-ticket"}


@app.before_request
def who_is_it():
    g.session = sessions.current(request.cookies.get(COOKIE), used=request.path not in UNATTENDED)
    # DEPUTY: an agent's request says for whom it is. One without an assertion is the user's own.
    assertion = request.headers.get("Deputy-Assertion")
    if assertion and g.session:
        try:
            deputy.check_assertion(assertion, g.session)
        except deputy.Refused as error:
            return jsonify(error=str(error)), 403


@app.after_request
def headers(response):
    socket = settings.HUB.replace("http", "ws", 1)
    response.headers["Content-Security-Policy"] = (
        # DEPUTY: the SDK comes from the hub, and its socket goes there.
        f"default-src 'none'; script-src 'self' {settings.HUB}; connect-src 'self' {socket}; style-src 'self'; "
        f"form-action 'self' {settings.ISSUER}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


@app.get("/")
def home():
    return render_template("home.html", hub=settings.HUB, session=g.session, expenses=_expenses() if g.session else [])


@app.get("/sign-in")
def sign_in():
    # `?again` lets somebody else sign in where somebody is signed in already.
    again = {"prompt": "login"} if "again" in request.args else {}
    return provider.authorize_redirect(f"{settings.ORIGIN}/callback", **again)


@app.get("/callback")
def signed_in():
    token = provider.authorize_access_token()
    claims = token["userinfo"]
    # Whoever was signed in in this browser no longer is.
    sessions.end(request.cookies.get(COOKIE))
    own_cookie.clear()
    value = sessions.begin(claims["sub"], claims.get("name", claims["sub"]), token["id_token"], claims["exp"])
    answer = redirect("/")
    answer.set_cookie(COOKIE, value, httponly=True, samesite="Lax", secure=settings.ORIGIN.startswith("https:"))
    return answer


@app.post("/sign-out")
def sign_out():
    ended = sessions.end(request.cookies.get(COOKIE))
    answer = provider.logout_redirect(f"{settings.ORIGIN}/", id_token_hint=ended.id_token) if ended else redirect("/")
    answer.delete_cookie(COOKIE)
    return answer


@app.get("/me")
def me():
    """DEPUTY: who is signed in now, asked before each call."""
    return jsonify({"subject": g.session.subject} if g.session else None)


@app.post("/deputy-ticket")
@csrf.exempt
def ticket():
    """DEPUTY: a ticket for one tab. A page that waited for a sign-in has an older token: here the origin has to be right."""
    if request.headers.get("Origin") != settings.ORIGIN:
        return jsonify(error="foreign_origin"), 403
    if not g.session:
        return jsonify(ticket=None)
    bought, end = deputy.buy_ticket(g.session)
    if not sessions.keep_end(g.session, end):
        deputy.session_ended(end)
        return jsonify(ticket=None)
    return jsonify(ticket=bought)


@app.get("/expenses")
def list_expenses():
    if not g.session:
        return jsonify(error="session_ended"), 401
    return jsonify(expenses=_expenses())


@app.post("/expenses")
def add_expense():
    """The form's, and the tool's: the same checks for both."""
    if not g.session:
        return jsonify(error="session_ended"), 401
    title, cents = request.form.get("title", "").strip(), _cents(request.form.get("amount", ""))
    if not 0 < len(title) <= 80 or cents is None:
        return jsonify(error="a title of up to 80 letters and an amount such as 12.50 are needed"), 400
    with sessions.database() as tables:
        tables.execute("INSERT INTO expenses (subject, title, cents) VALUES (?, ?, ?)", (g.session.subject, title, cents))
    return redirect("/", 303)


def _expenses():
    with sessions.database() as tables:
        rows = tables.execute("SELECT id, title, cents FROM expenses WHERE subject = ? ORDER BY id", (g.session.subject,))
        return [{"id": id, "title": title, "amount": f"{cents / 100:.2f}"} for id, title, cents in rows]


def _cents(text):
    try:
        cents = round(float(text) * 100)
    except (ValueError, OverflowError):
        return None
    return cents if 0 < cents < 100_000_00 else None


@app.cli.command("end-sessions")
@click.argument("subject")
def end_sessions(subject):
    """Ends all sessions of a user, as an administrator."""
    print(f"{sessions.end_all_of(subject)} ended")


def _sweep_for_ever():
    while True:
        time.sleep(1)
        try:
            sessions.sweep()
        except Exception:
            app.logger.exception("sessions were not swept")


@app.cli.command("sweep-sessions")
def sweep_sessions():
    """Ends sessions that are over, each second, until it is stopped. One such process is enough for all workers."""
    _sweep_for_ever()


def main():
    """One process that does both, for trying it out."""
    threading.Thread(target=_sweep_for_ever, daemon=True).start()
    app.run(port=int(settings.ORIGIN.rsplit(":", 1)[1]), threaded=True)


if __name__ == "__main__":
    main()
