"""A registry by the OCI distribution API: what stands under a tag or a digest. Must not change anything."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from tminus.adapters.docker.credentials import Credentials
from tminus.ports.fault import Refused, Unavailable

CALL_LIMIT_S = 10.0
_FINE = range(200, 300)
_LARGEST_BYTES = 8 * 1024 * 1024  # of a manifest or a configuration; layers are not read here
_ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOCAL = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


@dataclass(frozen=True, slots=True)
class _Answer:
    """A complete answer; `content` is empty for HEAD."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def body(self, host: str) -> Mapping[str, Any]:
        """The JSON object in it.

        Raises:
            Unavailable: `registry-unreachable`: it is none.
        """
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unavailable("registry-unreachable", f"{host} does not answer as a registry does")
        return found


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

    @property
    def parts(self) -> tuple[tuple[str, bool], ...]:
        """What it stands on: digests of its blobs, and of manifests (True) where it is an index of images.

        What is no digest is left out: nothing can be asked for by it.
        """
        found: list[tuple[str, bool]] = [(self.config_digest, False)]
        for field, is_manifest in (("layers", False), ("manifests", True)):
            listed = self.body.get(field)
            found += [
                (str(each.get("digest", "")), is_manifest)
                for each in (listed if isinstance(listed, list) else [])
                if isinstance(each, dict)
            ]
        return tuple(dict.fromkeys(each for each in found if _DIGEST.fullmatch(each[0])))


class Registry:
    """One repository of a registry, such as `127.0.0.1:5000/payment-app`.

    A registry on this machine is spoken to in plain HTTP, every other one by TLS.
    """

    def __init__(
        self, repository: str, credentials: Credentials | None, *, limit_s: float = CALL_LIMIT_S
    ) -> None:
        """Makes no call. `limit_s` is for each that follows, from its first byte to its last."""
        self.host, _, self._name = repository.partition("/")
        scheme = "http" if _LOCAL.fullmatch(self.host) else "https"
        self._base = f"{scheme}://{self.host}/v2/{self._name}"
        self._credentials = credentials
        self._token = ""
        self._limit_s = limit_s
        self._client = httpx.Client(timeout=limit_s, follow_redirects=True)

    def manifest(self, reference: str) -> Manifest | None:
        """What the tag or digest names now, None where there is nothing.

        Raises:
            Refused: `registry-refused`.
            Unavailable: `registry-unreachable`.
        """
        answer = self._ask("GET", f"/manifests/{reference}", {"Accept": _ACCEPTED})
        if answer is None:
            return None
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        return Manifest(digest, answer.content, answer.body(self.host))

    def blob(self, digest: str) -> bytes | None:
        """A small blob, None where there is none; see `manifest` for faults."""
        answer = self._ask("GET", f"/blobs/{digest}")
        return None if answer is None else answer.content

    def has_blob(self, digest: str) -> bool:
        """Whether that blob is there; see `manifest` for faults."""
        return self._ask("HEAD", f"/blobs/{digest}") is not None

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> _Answer | None:
        answer = self._send(method, path, headers)
        if answer.status == httpx.codes.UNAUTHORIZED and self._authorise(answer):
            answer = self._send(method, path, headers)
        if answer.status == httpx.codes.NOT_FOUND:
            return None
        if answer.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            who = f"as {self._credentials.user}" if self._credentials else "without credentials"
            why = f"{self.host} refuses to show {self._name} {who}: run `docker login {self.host}`, "
            raise Refused("registry-refused", f"{why}or name a secret as `build.docker.login`")
        if answer.status not in _FINE:
            why = f"{self.host} answers {answer.status} for {self._name}"
            raise Unavailable("registry-unreachable", why)
        return answer

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None) -> _Answer:
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = self._token
        try:
            return self._read(method, self._base + path, headers=sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"the registry {self.host} does not answer ({type(error).__name__})"
            raise Unavailable("registry-unreachable", why) from error

    def _read(self, method: str, url: str, **more: Any) -> _Answer:  # noqa: ANN401 - as the library takes it
        """One whole answer, bounded in size and time.

        Raises:
            httpx.HTTPError: there is none.
        """
        ends_at = time.monotonic() + self._limit_s
        content = b""
        with self._client.stream(method, url, **more) as answer:
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _LARGEST_BYTES or time.monotonic() > ends_at:
                    raise httpx.ReadTimeout("its answer has no end")
        return _Answer(answer.status_code, answer.headers, content)

    def _authorise(self, answer: _Answer) -> bool:
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
                given = self._read("GET", realm, params=wanted, auth=auth)
                body = given.body(realm) if given.status in _FINE else {}
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
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
