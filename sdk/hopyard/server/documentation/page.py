"""A page for people about what is served: every URL, what it takes, and how to ask it with curl.

It has no script and nothing from elsewhere, so that it works wherever the server is reached.
"""

import html
import json
import re
from collections.abc import Iterator
from shlex import quote
from typing import Any

from hopyard.server.dataplane import DataPlane
from hopyard.server.documentation.openapi import openapi

HEADERS = b"content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
_LOCAL = "localhost:8080"
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}").fullmatch
_LINKS = {
    "/openapi.json": "OpenAPI document",
    "/v2/health/ready": "Readiness",
    "/v2/models": "Models",
    "/metrics": "Metrics",
}
_CODE = re.compile(r"`([^`]+)`").sub
_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,CanvasText 16%,Canvas);
--soft:color-mix(in srgb,CanvasText 5%,Canvas);--dim:color-mix(in srgb,CanvasText 68%,Canvas);
--accent:light-dark(#1d5c3a,#7fd3a5)}
*{box-sizing:border-box}
body{font:1rem/1.55 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.5rem 0 .75rem;overflow-wrap:anywhere}
p{margin:.5rem 0}
.dim{color:var(--dim)}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:1rem}
a{color:var(--accent)}
code,pre{font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
pre{margin:.5rem 0 1rem;padding:.75rem .9rem;background:var(--soft);border-radius:.4rem;
white-space:pre-wrap;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}
summary{display:flex;flex-wrap:wrap;align-items:baseline;gap:.15rem .75rem;padding:.6rem 2.25rem .6rem .9rem;
cursor:pointer;list-style:none;border-radius:.5rem;position:relative}
summary::-webkit-details-marker{display:none}
summary:hover{background:var(--soft)}
summary code{font-weight:600;overflow-wrap:anywhere}
summary::after{content:"+";position:absolute;right:.9rem;top:.6rem;color:var(--dim)}
details[open] summary::after{content:"\\2212"}
.method{font:600 .75rem/1.5 ui-monospace,monospace;color:var(--accent);min-width:2.5rem}
.about{flex-basis:100%;color:var(--dim)}
.inside{padding:.25rem .9rem .5rem;border-top:1px solid var(--line)}
h3{font-size:.875rem;margin:.75rem 0 0;color:var(--dim);font-weight:600}
dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem 1rem;margin:.5rem 0 1rem}
dt{font:.875rem/1.7 ui-monospace,monospace}dd{margin:0}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media(min-width:46rem){.about{flex-basis:auto}}
"""


def page(dataplane: DataPlane, version: str, *, host: bytes = b"") -> bytes:
    """Return the document as a page to read. `host` is the header of that name, to write examples for."""
    document = openapi(dataplane, version)
    address = host.decode("latin-1")
    url = f"http://{address if _HOST(address) else _LOCAL}"
    names = ", ".join(dataplane.names) or dataplane.name
    title = html.escape(f"{names} \N{MIDDLE DOT} Hopyard")
    head = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head>"
    )
    body = "".join(
        ("<body>", _header(names, version), "<main>", *_sections(document, url), "</main></body></html>")
    )
    return f"{head}{body}".encode()


def _header(names: str, version: str) -> str:
    links = "".join(f"<a href='{path}'>{text}</a>" for path, text in _LINKS.items())
    return (
        f"<header><h1>{html.escape(names)}</h1>"
        f"<p class=dim>Served by Hopyard {html.escape(version)}. Open a line to see how to ask it.</p>"
        f"<nav aria-label='About this server'>{links}</nav></header>"
    )


def _sections(document: dict[str, Any], url: str) -> Iterator[str]:
    heading = None
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if told["tags"][0] != heading:
                heading = told["tags"][0]
                yield f"<h2>{html.escape(heading)}</h2>"
            yield _entry(f"{url}{path}", path, method.upper(), told)


def _entry(url: str, path: str, method: str, told: dict[str, Any]) -> str:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    parts = [_curl(url, method, body)]
    answer = told["responses"]["200"].get("content", {}).get("application/json", {}).get("example")
    if answer is not None:
        parts.append(f"<h3>Answer</h3><pre>{html.escape(json.dumps(answer))}</pre>")
    statuses = "".join(
        f"<dt>{status}</dt><dd>{_prose(each['description'])}</dd>"
        for status, each in told["responses"].items()
    )
    return (
        f"<details><summary><span class=method>{method}</span><code>{html.escape(path)}</code>"
        f"<span class=about>{html.escape(told['summary'])}</span></summary>"
        f"<div class=inside>{''.join(parts)}<h3>Statuses</h3><dl>{statuses}</dl></div></details>"
    )


def _prose(text: str) -> str:
    return _CODE(r"<code>\1</code>", html.escape(text))


def _curl(url: str, method: str, body: Any) -> str:
    command = f"curl {quote(url)}" if method == "GET" else f"curl -X {method} {quote(url)}"
    if body is not None:
        data = quote(json.dumps(body))
        command = f"curl {quote(url)} \\\n  -H 'Content-Type: application/json' \\\n  -d {data}"
    return f"<h3>Ask</h3><pre>{html.escape(command)}</pre>"


__all__ = ["HEADERS", "openapi", "page"]
