"""Signing in by OpenID Connect, where `.streamlit/secrets.toml` has a section [auth]: Streamlit's own way, before any page is drawn."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from starlette.types import Receive, Scope, Send

from core.errors import SettingsError
from core.publishing.password import answer
from ui.server.password import cookies

USERS_VARIABLE = "GROUNDLINE_USERS"
"""Who may come in after signing in: e-mail addresses with commas between them, `*@example.org` for all of a place."""
_USER_COOKIE = "_streamlit_user"
_OPEN = ("/auth/login", "/auth/logout", "/oauth2callback")


def section() -> Mapping[str, Any] | None:
    """The section [auth] of the secrets; None where there is none."""
    from streamlit.auth_util import get_secrets_auth_section
    from streamlit.runtime.secrets import secrets_singleton

    return get_secrets_auth_section() or None if secrets_singleton.load_if_toml_exists() else None


class OpenId:
    """Lets in who has signed in and is named in GROUNDLINE_USERS; everybody else is sent to sign in.

    Raises SettingsError where nobody is named: with a public provider, anybody could sign in.
    """

    def __init__(self, told: Mapping[str, Any], *, base: str = "", users: str | None = None):
        named = (os.environ.get(USERS_VARIABLE, "") if users is None else users).split(",")
        self._users = tuple(name.strip().lower() for name in named if name.strip())
        if not self._users:
            raise SettingsError(
                "secrets.toml has a section [auth], and nobody is named who may come in",
                expected=f"e-mail addresses in {USERS_VARIABLE}, with commas between them",
                do=f"Set {USERS_VARIABLE}=ada@example.org, or *@example.org for all of a place",
            )
        providers = [name for name, value in told.items() if isinstance(value, Mapping)]
        self._provider = "default" if "client_id" in told or not providers else providers[0]
        self._base = base

    def lets_in(self, scope: Scope) -> bool:
        """Whether the request brings Streamlit's signed cookie of somebody who is named, or is part of signing in."""
        user = self._user(scope)
        return self._signs_in(scope) or (self._vouched(user) and self._may(self._email(user)))

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a browser to the provider; say no to who signed in and is not named, and to everything else."""
        from streamlit.user_info import generate_login_redirect_url

        user, out = self._user(scope), f"Sign out at {self._base}/auth/logout to come as somebody else."
        if user and self._vouched(user):
            await answer(send, 403, f"{self._email(user)} is not among those who may use this dashboard. {out}")
        elif user:  # sent to sign in again, they would come back the same, without end
            await answer(send, 403, f"Your provider does not vouch for your e-mail address. {out}")
        elif scope["method"] == "GET" and b"text/html" in dict(scope["headers"]).get(b"accept", b""):
            await answer(send, 302, "Sign in.", headers={"location": generate_login_redirect_url(self._provider)})
        else:
            await answer(send, 401, "This dashboard asks who you are. Open its first page in a browser.")

    def _signs_in(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in [self._base + path for path in _OPEN]

    def _may(self, email: str) -> bool:
        return bool(email) and any(fnmatchcase(email, pattern) for pattern in self._users)

    def _user(self, scope: Scope) -> Mapping[str, Any]:
        """What Streamlit's cookie says of who signed in; nothing where nobody did."""
        from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

        told = _get_signed_cookie_with_chunks(cookies(scope), _USER_COOKIE)
        try:
            user = json.loads(told) if told else {}
        except ValueError:
            return {}
        return user if isinstance(user, dict) and user.get("is_logged_in") else {}

    @staticmethod
    def _vouched(user: Mapping[str, Any]) -> bool:
        return bool(user.get("email")) and user.get("email_verified", True) is not False

    @staticmethod
    def _email(user: Mapping[str, Any]) -> str:
        return str(user.get("email") or "").lower()
