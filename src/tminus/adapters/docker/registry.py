"""A registry by the OCI distribution API: what stands under a tag or a digest. Must not change anything."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from tminus.adapters.docker.credentials import Credentials
from tminus.ports.fault import Refused, Unavailable

CALL_LIMIT_S = 10.0
_LARGEST_BYTES = 8 * 1024 * 1024  # of a manifest or a configuration; layers are not read here
_ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_LOCAL = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a tag or digest names: its own digest, and the body as it is stored."""

    digest: str
    content: bytes
    body: Mapping[str, Any]

    @property
    def config_digest(self) -> str:
        """Digest of the image's configuration, which is also its id; empty for an index of images."""
        config = self.body.get("config")
        return str(config.get("digest", "")) if isinstance(config, dict) else ""

    @property
    def layers(self) -> tuple[tuple[str, int], ...]:
        """Digest and size of each layer."""
        found = self.body.get("layers")
        return tuple((str(each["digest"]), int(each["size"])) for each in found or ())


class Registry:
    """One repository of a registry, such as `127.0.0.1:5000/payment-app`.

    A registry on this machine is spoken to in plain HTTP, every other one by TLS.
    """

    def __init__(self, repository: str, credentials: Credentials | None) -> None:
        """Makes no call."""
        self.host, _, self._name = repository.partition("/")
        scheme = "http" if _LOCAL.fullmatch(self.host) else "https"
        self._base = f"{scheme}://{self.host}/v2/{self._name}"
        self._credentials = credentials
        self._token = ""
        self._client = httpx.Client(timeout=CALL_LIMIT_S, follow_redirects=True)

    def manifest(self, reference: str) -> Manifest | None:
        """What the tag or digest names now, None where there is nothing.

        Raises:
            Refused: `registry-refused`.
            Unavailable: `registry-unreachable`.
        """
        answer = self._ask("GET", f"/manifests/{reference}", {"Accept": _ACCEPTED})
        if answer is None:
            return None
        content = answer.content[: _LARGEST_BYTES + 1]
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        body = answer.json()
        return Manifest(digest, content, body if isinstance(body, dict) else {})

    def blob(self, digest: str) -> bytes | None:
        """A small blob, None where there is none; see `manifest` for faults."""
        answer = self._ask("GET", f"/blobs/{digest}")
        return None if answer is None else answer.content[:_LARGEST_BYTES]

    def has_blob(self, digest: str) -> bool:
        """Whether that blob is there; see `manifest` for faults."""
        return self._ask("HEAD", f"/blobs/{digest}") is not None

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response | None:
        answer = self._send(method, path, headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._authorise(answer):
            answer = self._send(method, path, headers)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            who = f"as {self._credentials.user}" if self._credentials else "without credentials"
            why = f"{self.host} refuses to show {self._name} {who}: run `docker login {self.host}`, "
            raise Refused("registry-refused", f"{why}or name a secret as `build.docker.login`")
        if answer.is_error:
            why = f"{self.host} answers {answer.status_code} for {self._name}"
            raise Unavailable("registry-unreachable", why)
        return answer

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None) -> httpx.Response:
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = self._token
        try:
            return self._client.request(method, self._base + path, headers=sent)
        except httpx.HTTPError as error:
            why = f"the registry {self.host} does not answer ({type(error).__name__})"
            raise Unavailable("registry-unreachable", why) from error

    def _authorise(self, answer: httpx.Response) -> bool:
        """Takes what the registry asks for into the next request; False where that was done already."""
        asked = answer.headers.get("WWW-Authenticate", "")
        scheme, _, rest = asked.partition(" ")
        if self._token:
            return False
        auth = None
        if self._credentials is not None:
            auth = httpx.BasicAuth(self._credentials.user, self._credentials.password)
        if scheme.lower() == "basic" and auth is not None:
            request = next(auth.auth_flow(httpx.Request("GET", self._base)))
            self._token = request.headers["Authorization"]
        elif scheme.lower() == "bearer":
            wanted = dict(_PARAMETER.findall(rest))
            realm = wanted.pop("realm", "")
            if not realm:
                return False
            try:
                given = self._client.get(realm, params=wanted, auth=auth)
                body = given.json() if given.is_success else {}
            except (httpx.HTTPError, ValueError) as error:
                why = f"{realm}, which lends access to {self.host}, does not answer"
                raise Unavailable("registry-unreachable", why) from error
            token = body.get("token") or body.get("access_token")
            self._token = f"Bearer {token}" if token else ""
        return bool(self._token)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        self._client.close()
