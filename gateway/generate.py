"""Makes `nginx.conf` from the path table, so that the gateway and the embedded dispatcher route alike.

python -P gateway/generate.py            writes gateway/nginx.conf
python -P gateway/generate.py --check    exit code 1 if the committed file is not current
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from kgents_shared.contracts.path_table import API_PREFIX, PathTable, Route, load_path_table

TARGET = Path(__file__).resolve().parent / "nginx.conf"
SERVICE_PORT = 8000
# What browsers and programs may send on; everything else is dropped, and with it every header that only servers set.
PASSED_HEADERS = (
    "A2A-Extensions", "A2A-Version", "Accept", "Accept-Language", "Access-Control-Request-Headers",
    "Access-Control-Request-Method", "Authorization",
    "Content-Encoding", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID",
    "Mcp-Protocol-Version", "Mcp-Session-Id", "Origin", "Prefer", "Traceparent", "Tracestate", "User-Agent",
    "X-Correlation-Id",
)  # fmt: skip

_HEAD = """\
# Made by gateway/generate.py from shared/src/kgents_shared/contracts/path_table.toml; do not edit.
worker_processes auto;
worker_rlimit_nofile 16384;
error_log stderr warn;
pid /tmp/nginx.pid;

events {
    worker_connections 4096;
}

http {
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;

    # Slow and large requests end here.
    client_header_timeout 10s;
    client_body_timeout 10s;
    send_timeout 60s;
    client_max_body_size 1m;
    large_client_header_buffers 4 16k;
    keepalive_timeout 75s;
    merge_slashes off;

"""
_SERVER = """\
    server {
        listen 8080;
        server_name _;

        # Empty, unless a proxy stands before this one: set_real_ip_from and real_ip_header say whom to believe.
        include /etc/kgents/real-ip/*.conf;

        # Only these headers go on, so none that servers alone may set comes in from outside.
        proxy_pass_request_headers off;
"""
_PROXY = """\
        proxy_set_header Host $host;
        proxy_set_header Connection "";
        # Replaced, not appended to: what a caller writes there itself goes no further.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_http_version 1.1;

        # Answers stream as they come. A request is never sent a second time: the services decide what may be repeated.
        proxy_buffering off;
        proxy_request_buffering on;
        proxy_next_upstream off;
        proxy_connect_timeout 5s;
        proxy_read_timeout 3700s;

        location = /health {
            default_type application/json;
            return 200 '{"status":"ok","service":"gateway"}';
        }

"""
_TAIL = """\
        location / {
            default_type application/problem+json;
            return 404 '{"type":"urn:kgents:error:not_found","title":"Not found","status":404,"detail":"There is nothing at this path.","code":"not_found","correlation_id":"$request_id"}';
        }

        error_page 502 504 = @away;
        location @away {
            default_type application/problem+json;
            add_header Retry-After 1 always;
            return 503 '{"type":"urn:kgents:error:unavailable","title":"Unavailable","status":503,"detail":"A part of the platform is away for the moment.","code":"unavailable","correlation_id":"$request_id"}';
        }
    }
}
"""  # noqa: E501 -- nginx takes a body on one line


def render(table: PathTable) -> str:
    """The whole of nginx.conf."""
    lines = [_HEAD]
    lines += [
        f"    upstream {name} {{\n        server {name}:{SERVICE_PORT};\n        keepalive 32;\n    }}\n"
        for name in sorted(table.services)
    ]
    lines.append(f"\n{_SERVER}")
    lines += [f"        proxy_set_header {name} $http_{_variable(name)};\n" for name in PASSED_HEADERS]
    lines.append(_PROXY)
    lines.append("        # The three alias rules: every path that the documents name works as written.\n")
    lines += [f"        rewrite {pattern} {target};\n" for pattern, target in _aliases(table)]
    lines.append("\n        # Literal segments beat parameters, left to right; the first that matches answers.\n")
    for route in sorted(table.routes, key=_rank, reverse=True):
        larger = "" if route.max_body_bytes is None else f"client_max_body_size {route.max_body_bytes}; "
        lines.append(f"        location ~ {_pattern(route)} {{ {larger}proxy_pass http://{route.service}; }}\n")
    lines.append(f"\n{_TAIL}")
    return "".join(lines)


def _variable(header: str) -> str:
    return header.lower().replace("-", "_")


def _aliases(table: PathTable) -> list[tuple[str, str]]:
    prefixes = "|".join(table.short_prefixes)
    doubled = f"{API_PREFIX}/multi_agent"
    return [
        (f"^/api/(?!{API_PREFIX.rsplit('/', 1)[1]}/)(.*)$", f"{API_PREFIX}/$1"),
        (f"^/((?:{prefixes})(?:/.*)?)$", f"{API_PREFIX}/$1"),
        (f"^{doubled}/multi_agent(/.*)?$", f"{doubled}$1"),
    ]


def _rank(route: Route) -> tuple[tuple[bool, ...], int, str]:
    """The order of `PathTable.resolve`; the path makes it whole."""
    return (tuple(not part.startswith("{") for part in route.segments), len(route.segments), route.path)


def _pattern(route: Route) -> str:
    parts = "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in route.segments)
    return f'"^{API_PREFIX}/{parts}(?:/|$)"' if route.below_api else f'"^/{parts}/?$"'


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` say whether it is current."""
    text = render(load_path_table())
    if "--check" in arguments:
        current = TARGET.exists() and TARGET.read_text("utf-8") == text
        if not current:
            sys.stderr.write("gateway/nginx.conf is not current: run python -P gateway/generate.py\n")
        return 0 if current else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
