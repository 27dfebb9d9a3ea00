"""A model provider on loopback: real HTTP, OpenAI's protocol, and every way to misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.vectors import unpack
from fairlead.testing import wire
from fairlead.testing.embedding import HashEmbedder
from fairlead.testing.wire import Finish, Protocol, Said

BODY_BYTES_MAX = 50_000_000
"""Largest request that is read."""

_PROTOCOLS: dict[str, Protocol] = {"/chat/completions": "chat", "/responses": "responses"}
_EMBEDDINGS = "/embeddings"
_SECRET = frozenset(("authorization", "api-key", "x-api-key", "cookie"))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as the server saw it.

    Attributes:
        number: Its place among all requests, from 1.
        method: Its HTTP method.
        path: Its path, such as `/v1/chat/completions`.
        headers: Its headers by lower-case name, without the one that holds the key.
        body: Its JSON body; None when it had none.
        at: When it came, in seconds since 1970.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: Json
    at: float

    @property
    def model(self) -> str:
        """Id of the model that is asked; empty when there is none."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    @property
    def text(self) -> str:
        """The whole body as text, to look for words in."""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does with one request.

    Attributes:
        text: The answer's text.
        tools: Tools that the answer calls, as name and arguments; arguments that are text go out
            as they are, so they may be no JSON, and a name may be that of no tool.
        finish: Why the answer ends: empty follows from the content, `none` leaves it out.
        model: Id of the model that answers; empty repeats the id that was asked.
        usage: Input and output tokens; None counts four characters as one token.
        status: HTTP status; from 400 on the body is an error of the provider's form.
        code: The provider's code of that error, such as `insufficient_quota`.
        retry_after_s: Seconds that the header `Retry-After` asks to wait; None for no header.
        retry_after_form: Whether the header holds seconds or a date.
        raw: Body that is sent in place of a right one, as JSON; None for a right one.
        cut: Share of the body (0.0 to 1.0) after which the connection closes; None for never.
        slice_bytes: Bytes that are sent at once; None for all.
        pause_s: Seconds before each slice.
        vectors: What `/embeddings` answers, with None for null; None for one vector per text, by
            its words.
    """

    text: str = ""
    tools: Sequence[tuple[str, Json]] = ()
    finish: Finish = ""
    model: str = ""
    usage: tuple[int, int] | None = None
    status: int = 200
    code: str = ""
    retry_after_s: float | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"
    raw: bytes | None = None
    cut: float | None = None
    slice_bytes: int | None = None
    pause_s: float = 0.0
    vectors: Sequence[Sequence[float | None]] | None = None


Script: TypeAlias = Sequence[Reply] | Callable[[Asked], Reply]


class ProviderServer:
    """A server that answers as a script says, in a thread of its own, until its block ends.

    It speaks chat completions and responses, whole and as a stream, and embeddings, below
    `base_url`. Workers in other processes reach it through the variables in `environment`.

    Attributes:
        asked: Every request, in order.
    """

    def __init__(self, script: Script = ()) -> None:
        """Take a script.

        Args:
            script: One reply per request, of which the last one repeats, or a function; empty
                refuses everything with 503 until `play` brings another one.
        """
        self.asked: list[Asked] = []
        self._script = script
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def play(self, script: Script) -> None:
        """Go on with another script, as if no request had come before."""
        with self._lock:
            self._script, self.asked = script, []

    @property
    def base_url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123/v1`."""
        if self._server is None:
            raise RuntimeError("the server is not started: use it in a `with` block")
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead the provider `openai` here."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "key-of-a-test"}

    def __enter__(self) -> ProviderServer:
        self._stopping.clear()
        self._server = _Server(self)
        # A short poll: a server that stops keeps nobody waiting.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="fairlead-provider", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._stopping.set()
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
        self._server = None

    def reply_to(self, method: str, path: str, headers: dict[str, str], body: Json) -> _Prepared:
        """Record a request and prepare its reply."""
        with self._lock:
            asked = Asked(
                number=len(self.asked) + 1,
                method=method,
                path=path,
                headers={name: text for name, text in headers.items() if name not in _SECRET},
                body=body,
                at=time.time(),
            )
            self.asked.append(asked)
            script = self._script
        if callable(script):
            return _prepare(asked, script(asked))
        replies = script or [Reply(status=503)]
        return _prepare(asked, replies[min(asked.number, len(replies)) - 1])

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether the server still serves."""
        return not self._stopping.wait(seconds)


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """A reply as bytes."""

    reply: Reply
    status: int
    kind: str
    body: bytes


def _prepare(asked: Asked, reply: Reply) -> _Prepared:
    protocol = next((p for end, p in _PROTOCOLS.items() if asked.path.endswith(end)), None)
    embeds = asked.path.endswith(_EMBEDDINGS)
    if protocol is None and not embeds:
        body = wire.refusal(404, "not_found")
        return _Prepared(reply=Reply(), status=404, kind="application/json", body=body)
    given = asked.body if isinstance(asked.body, dict) else {}
    streamed = bool(given.get("stream")) and reply.status < 400
    kind = "text/event-stream" if streamed else "application/json"
    if reply.raw is not None:
        return _Prepared(reply=reply, status=reply.status, kind=kind, body=reply.raw)
    if reply.status >= 400:
        body = wire.refusal(reply.status, reply.code)
        return _Prepared(reply=reply, status=reply.status, kind=kind, body=body)
    if protocol is None:
        return _Prepared(reply=reply, status=200, kind=kind, body=_embedded(asked, given, reply))
    said = Said(
        number=asked.number,
        model=reply.model or asked.model,
        text=reply.text,
        tools=reply.tools,
        finish=reply.finish,
        usage=reply.usage or _counted(asked, reply),
    )
    with_usage = bool((given.get("stream_options") or {}).get("include_usage"))
    body = (
        wire.stream(said, protocol, with_usage=with_usage)
        if streamed
        else wire.whole(said, protocol)
    )
    return _Prepared(reply=reply, status=reply.status, kind=kind, body=body)


def _embedded(asked: Asked, given: dict[str, Json], reply: Reply) -> bytes:
    texts = given.get("input") or []
    texts = [texts] if isinstance(texts, str) else texts
    vectors = reply.vectors
    if vectors is None:
        made = HashEmbedder().embed([str(text) for text in texts], purpose="document")
        vectors = [list(unpack(vector)) for vector in made]
    return wire.embeddings(
        vectors,
        model=reply.model or asked.model,
        tokens=(reply.usage or _counted(asked, reply))[0],
        in_base64=given.get("encoding_format") == "base64",
    )


def _counted(asked: Asked, reply: Reply) -> tuple[int, int]:
    answered = len(reply.text) + sum(len(str(given)) for _, given in reply.tools)
    return max(len(asked.text) // 4, 1), max(answered // 4, 1)


class _Server(ThreadingHTTPServer):
    """Keeps its connections, so that it can end without waiting for its clients."""

    daemon_threads = False

    def __init__(self, provider: ProviderServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider
        self.open: set[socket.socket] = set()

    def hang_up(self) -> None:
        for connection in list(self.open):
            _close(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that gives up is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), BODY_BYTES_MAX)
        self._serve(self.rfile.read(length))

    def _serve(self, body: bytes) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        try:
            given = json.loads(body) if body else None
        except ValueError:
            given = None
        made = self.server.provider.reply_to(self.command, self.path, headers, given)
        self.send_response(made.status)
        self.send_header("Content-Type", made.kind)
        self.send_header("Content-Length", str(len(made.body)))
        if made.reply.retry_after_s is not None:
            self.send_header("Retry-After", _retry_after(made.reply))
        self.end_headers()
        self._send(made)

    def _send(self, made: _Prepared) -> None:
        reply, body = made.reply, made.body
        if reply.cut is not None:
            body = body[: int(len(body) * reply.cut)]
        step = reply.slice_bytes or max(len(body), 1)
        for start in range(0, len(body), step):
            if reply.pause_s and not self.server.provider.pause(reply.pause_s):
                break
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
        if reply.cut is not None:
            self.close_connection = True
            _close(self.connection)


def _retry_after(reply: Reply) -> str:
    seconds = reply.retry_after_s or 0.0
    if reply.retry_after_form == "seconds":
        return f"{seconds:g}"
    # A date has whole seconds: the next one, so that nobody comes early.
    until = datetime.now(tz=UTC) + timedelta(seconds=seconds + 0.999)
    return format_datetime(until.replace(microsecond=0), usegmt=True)


def _close(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
