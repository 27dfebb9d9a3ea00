"""The shop that the refunds are about: it stands for systems that are not ours.

Orders come from `orders.json`. What is paid back and what is mailed is appended to a file of its
own, one line each, so that everybody can count what really happened.
"""

import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def _folder() -> Path:
    folder = Path(os.environ.get("SHOP", HERE / ".shop"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def order(order_id: str) -> dict[str, Any] | None:
    """Return an order, or None."""
    orders = json.loads((HERE / "orders.json").read_text(encoding="utf-8"))
    found: dict[str, Any] | None = orders.get(order_id)
    return found


def lines(name: str) -> list[dict[str, Any]]:
    """Return what happened so far: `payments` or `mails`."""
    path = _folder() / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pay(key: str, order_id: str, cents: int) -> str:
    """Pay money back; the payment service knows no idempotency keys, it pays when it is asked."""
    _append("payments", {"key": key, "order": order_id, "cents": cents})
    return f"refund-{len(lines('payments'))}"


def payment(key: str, order_id: str, cents: int) -> str | None:
    """Return the payment that was made under a key, or None."""
    made, wanted = lines("payments"), {"key": key, "order": order_id, "cents": cents}
    return f"refund-{made.index(wanted) + 1}" if wanted in made else None


def mail(key: str, address: str, text: str) -> None:
    """Send a mail; the mail service sends one mail for a key, however often it is asked."""
    if key not in {line["key"] for line in lines("mails")}:
        _append("mails", {"key": key, "address": address, "text": text})


def _append(name: str, line: dict[str, Any]) -> None:
    with (_folder() / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
