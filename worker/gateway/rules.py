"""The rules that every prediction passes in HAProxy: which serving, whose key, how much, and in which form on.

They run for each request, so each costs throughput: `bench/gateway.py` says how much. No rule uses a regular
expression on a request that does not ask for it. A worker that is `stopping` after a reload counts no servers as
usable, though it uses them still.
"""

from worker.gateway import maps
from worker.gateway.answers import MISSING, UNKNOWN, returned
from worker.gateway.description import Installation

KNOWN_METHODS = "GET HEAD POST PUT DELETE PATCH"
BY_PATH = "{ path_beg /inference/ }"
FOUND = "{ var(txn.to) -m found }"
IS_GRPC = "{ req.hdr(content-type) -m beg application/grpc }"
LOOKED_UP = f"map_str({maps.KEYS})"


def of_front(installation: Installation) -> list[str]:
    """On the platform's own address: by path, and by host if there is a domain. The rest is for the web."""
    return [
        *_identity(),
        f"http-request set-var(txn.to) path,field(3,/,2),map_str({maps.SERVINGS}) if {BY_PATH}",
        *_by_host(installation),
        f"http-request unset-var(txn.to) unless {{ method {KNOWN_METHODS} }}",
        "http-request unset-var(txn.to) unless { var(txn.to),nbsrv gt 0 } || { stopping }",
        f"http-request allow unless {FOUND}",
        *_checks(installation),
        f"http-request set-path /%[path,field(5,/,0)] if {BY_PATH}",
        *_passing(),
    ]


def of_ports(installation: Installation) -> list[str]:
    """On the servings' own ports: the listener's name is the serving. Without a replica the web says why."""
    serving = "%[so_name,field(1,.)]/%[so_name,field(2,.)]"
    return [
        *_identity(),
        "http-request set-var(txn.to) so_name if { so_name,nbsrv gt 0 } || { stopping }",
        f"http-request unset-var(txn.to) unless {{ method {KNOWN_METHODS} }}",
        f"http-request set-path /inference/{serving}%[path] unless {FOUND}",
        f"http-request set-header host {installation.own_hosts[0]} unless {FOUND}",
        f"http-request allow unless {FOUND}",
        *_checks(installation),
        *_passing(),
    ]


def destinations() -> list[str]:
    is_canary = "{ var(txn.turn) -m int lt 0 }"
    return [
        f"use_backend %[var(txn.to)].canary.grpc if {FOUND} {is_canary} {IS_GRPC}",
        f"use_backend %[var(txn.to)].canary if {FOUND} {is_canary}",
        f"use_backend %[var(txn.to)].grpc if {FOUND} {IS_GRPC}",
        f"use_backend %[var(txn.to)] if {FOUND}",
        "default_backend web",
    ]


def _identity() -> list[str]:
    """The caller's id where it is sane, as config/request_ids.py has it, else one of our own."""
    return [
        "http-request set-header x-request-id %[uuid]"
        " unless { req.hdr(x-request-id) -m reg ^[A-Za-z0-9_.:-]{1,64}$ }",
        "http-request set-var(txn.id) req.hdr(x-request-id)",
    ]


def _by_host(installation: Installation) -> list[str]:
    domain = installation.domain
    if not domain:
        return []
    host = "req.hdr(host),field(1,:),lower"
    below = f"{{ var(txn.host) -m end .{domain} }}"
    own = " ".join(installation.own_hosts)
    missing = returned(404, "NotFound", "There is no serving at the host %[var(txn.host),json(utf8s)].")
    return [
        f"http-request set-var(txn.host) {host} unless {FOUND}",
        f"http-request set-var(txn.to) var(txn.host),map_str({maps.HOSTS}) if {below}",
        f"http-request {missing} if {below} !{FOUND} !{{ var(txn.host) -m str {own} }}",
    ]


def _checks(installation: Installation) -> list[str]:
    """The key, in the order in which the Django view checks it, and the size."""
    has_scheme = '{ req.fhdr(authorization) -m beg -i "apikey " "bearer " }'
    digest = f"hmac(sha256,{installation.pepper}),hex,{LOOKED_UP}"
    has_text = f"{has_scheme} || {{ req.fhdr(x-api-key) -m found }}"
    unknown = returned(401, "NotAuthenticated", UNKNOWN, WWW_Authenticate="ApiKey")
    missing = returned(401, "NotAuthenticated", MISSING, WWW_Authenticate="ApiKey")
    stranger = "This API key does not belong to a project %[var(txn.to),field(1,.)]."
    lacking = "This API key lacks the scope “predict”; make one that has it."
    most = installation.most_bytes
    large = returned(413, "TooLarge", f"A request may have at most {most // 1024**2} MB.")
    return [
        f"http-request set-var(txn.key) req.fhdr(authorization),word(2,\\ ,0),{digest} if {has_scheme}",
        f"http-request set-var(txn.key) req.fhdr(x-api-key),{digest} unless {has_scheme}",
        "http-request set-var(txn.expires) var(txn.key),field(3,|)",
        f"http-request {missing} unless {has_text}",
        f"http-request {unknown} unless {{ var(txn.key) -m found }} {{ date,sub(txn.expires) lt 0 }}",
        "http-request set-var(txn.project) var(txn.key),field(2,|)",
        f"http-request {returned(404, 'NotFound', stranger)}"
        " unless { var(txn.to),field(1,.),strcmp(txn.project) eq 0 }",
        "http-request set-var(txn.may) var(txn.key),field(4,|)",
        f"http-request {returned(403, 'Forbidden', lacking)} if {{ var(txn.may) -m str {maps.FORBIDDEN} }}",
        *_limit(),
        f"http-request {large} if {{ req.body_size gt {most} }}",
        f"http-request wait-for-body time {installation.inference_seconds}s unless {IS_GRPC}",
        *_canary(),
    ]


def _limit() -> list[str]:
    """Only keys that have a limit are counted, and of those only what was let through."""
    is_limited = f"{{ var(txn.may) -m str {maps.LIMITED} }}"
    sentence = (
        "This API key may send %[var(txn.key),field(5,|)] requests per second and sent more; try again soon."
    )
    refusal = returned(429, "TooManyRequests", sentence, Retry_After="1")
    return [
        f"http-request set-var(txn.limit) var(txn.key),field(5,|) if {is_limited}",
        f"http-request track-sc0 var(txn.key),field(1,|) table limits if {is_limited}",
        f"http-request {refusal} if {is_limited} {{ sc0_gpc0_rate(limits),sub(txn.limit) ge 0 }}",
        f"http-request sc-inc-gpc0(0) if {is_limited}",
    ]


def _canary() -> list[str]:
    """The rule of traffic.chooses_canary, on a number that grows by one with each request of the serving."""
    has_one = "{ var(txn.percent) -m found }"
    turn = "sc1_inc_gpc0(turns),mul(txn.percent),mod(100),sub(txn.percent)"
    return [
        f"http-request set-var(txn.percent) var(txn.to),map_str_int({maps.CANARIES})",
        f"http-request track-sc1 var(txn.to) table turns if {has_one}",
        f"http-request set-var(txn.turn) {turn} if {has_one}",
    ]


def _passing() -> list[str]:
    """What a replica does not get, and who the caller is. The backend adds the token that makes it believe that."""
    return [
        *(f"http-request del-header {name}" for name in ("authorization", "x-api-key", "cookie")),
        "http-request del-header x-hopyard- -m beg",
        "http-request set-header x-hopyard-caller %[var(txn.key),field(1,|)]",
    ]
