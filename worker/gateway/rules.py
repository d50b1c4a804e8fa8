"""The rules that every prediction passes in HAProxy: which serving, whose key, how much, and in which form on.

They run for each request and each costs about a hundredth of a thread's throughput: `bench/gateway.py` measures it.
Most requests take a short way: a key that came before, may predict here and has no limit. The HMAC of a key, which
costs more than all else, is made once; then the SHA-256 of the header it came in is remembered in the table `verified`.
Whether the key is still good is looked up each time. A worker that is `stopping` after a reload counts no servers as
usable, though it uses them still.
"""

from worker.gateway import maps
from worker.gateway.answers import MISSING, UNKNOWN, returned
from worker.gateway.description import Installation

KNOWN_METHODS = "{ method POST GET HEAD PUT DELETE PATCH }"
BY_PATH = "{ path_beg /inference/ }"
IS_PREDICTION = "{ var(txn.project) -m found }"
IS_GRPC = "{ fc_http_major eq 2 } { req.hdr(content-type) -m beg application/grpc }"
IS_GOOD = "{ date,sub(txn.expires) lt 0 }"
HAS_SCHEME = '{ req.fhdr(authorization) -m beg -i "apikey " "bearer " }'
BEARER, BARE = "req.fhdr(authorization)", "req.fhdr(x-api-key)"  # where a key comes from
FOR_THE_PLATFORM = ("authorization", "x-api-key", "cookie")  # together quicker than one regular expression


def of_front(installation: Installation, *, has_canaries: bool) -> list[str]:
    """On the platform's own address: by path, and by host if there is a domain. The rest is for the web."""
    is_late = "{ stopping } { var(txn.to) -m found }"
    is_ready = f"{{ var(txn.to),nbsrv gt 0 }} {KNOWN_METHODS} || {is_late} {KNOWN_METHODS}"
    stripped = f"http-request set-path /%[path,field(5,/,0)] if {BY_PATH}"
    return [
        *_identity(),
        f"http-request set-var(txn.to) path,field(3,/,2),map_str({maps.SERVINGS}) if {BY_PATH}",
        *_by_host(installation),
        f"http-request allow unless {is_ready}",
        f"{stripped} !{{ var(txn.host) -m found }}" if installation.domain else stripped,
        *_checks(installation, has_canaries=has_canaries),
    ]


def of_ports(installation: Installation, *, has_canaries: bool) -> list[str]:
    """On the servings' own ports: the listener's name is the serving. Without a replica the web says why."""
    serving = "%[so_name,field(1,.)]/%[so_name,field(2,.)]"
    is_ready = f"{{ so_name,nbsrv gt 0 }} {KNOWN_METHODS} || {{ stopping }} {KNOWN_METHODS}"
    is_one = "{ var(txn.to) -m found }"
    return [
        *_identity(),
        f"http-request set-var(txn.to) so_name if {is_ready}",
        f"http-request set-path /inference/{serving}%[path] unless {is_one}",
        f"http-request set-header host {installation.own_hosts[0]} unless {is_one}",
        f"http-request allow unless {is_one}",
        *_checks(installation, has_canaries=has_canaries),
    ]


def destinations() -> list[str]:
    return [f"use_backend %[var(txn.to)] if {IS_PREDICTION}", "default_backend web"]


def of_backend(installation: Installation, token: str, *, is_grpc: bool) -> list[str]:
    """What a replica does not get, and what makes it believe who the caller is. A request that fits into the buffer is
    waited for, so that it can be sent to another replica; a stream of gRPC cannot be.
    """
    most = installation.most_bytes
    large = returned(413, "TooLarge", f"A request may have at most {most // 1024**2} MB.")
    return [
        f"http-request {large} if {{ req.body_size gt {most} }}",
        *([] if is_grpc else [f"http-request wait-for-body time {installation.inference_seconds}s"]),
        *(f"http-request del-header {name}" for name in FOR_THE_PLATFORM),
        "http-request del-header x-hopyard- -m beg",
        "http-request add-header x-hopyard-caller %[var(txn.caller)]",
        f"http-request add-header x-hopyard-internal {token}",
        "http-response del-header set-cookie -m beg",
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
    is_below, is_set = f"{{ var(txn.host) -m end .{domain} }}", "{ var(txn.host) -m found }"
    own = " ".join(installation.own_hosts)
    missing = returned(404, "NotFound", "There is no serving at the host %[var(txn.host),json(utf8s)].")
    return [
        "http-request set-var(txn.host) req.hdr(host),field(1,:),lower",
        f"http-request unset-var(txn.host) if !{is_below} || {{ var(txn.host) -m str {own} }}",
        f"http-request unset-var(txn.to) if {is_set}",
        f"http-request set-var(txn.to) var(txn.host),map_str({maps.HOSTS}) if {is_set}",
        f"http-request {missing} if {is_set} !{{ var(txn.to) -m found }}",
    ]


def _checks(installation: Installation, *, has_canaries: bool) -> list[str]:
    """The short way for most, then all that the Django view checks, in its order."""
    return [
        "http-request set-var(txn.project) var(txn.to),field(1,.)",
        f"http-request set-var(txn.caller) {BEARER},field(2,_)",
        f"http-request set-var(txn.expires) {_free('txn.caller')}",
        *(_canary() if has_canaries else []),
        f"http-request set-var(txn.to) var(txn.to),concat(.grpc) if {IS_GRPC}",
        f"http-request allow if {IS_GOOD} {_is_verified(BEARER)}",
        *_long_way(installation),
    ]


def _free(caller: str) -> str:
    """When a key expires that may predict here without a limit."""
    return f"var({caller}),concat(.,txn.project),map_str_int({maps.FREE_KEYS})"


def _is_verified(header: str) -> str:
    return f"{{ {header},sha2(256),in_table(verified) }}"


def _long_way(installation: Installation) -> list[str]:
    """A key that was not seen before, comes in the other header, is no good, or has a limit."""
    unknown = returned(401, "NotAuthenticated", UNKNOWN, WWW_Authenticate="ApiKey")
    missing = returned(401, "NotAuthenticated", MISSING, WWW_Authenticate="ApiKey")
    stranger = returned(404, "NotFound", "This API key does not belong to a project %[var(txn.project)].")
    lacking = returned(403, "Forbidden", "This API key lacks the scope “predict”; make one that has it.")
    is_right = "{ var(txn.key),field(1,|),strcmp(txn.digest) eq 0 }"
    is_known = f"{HAS_SCHEME} {_is_verified(BEARER)} || !{HAS_SCHEME} {_is_verified(BARE)}"
    return [
        # A look-up that fails leaves a variable as it was: nothing of the other header may remain in them.
        f"http-request unset-var(txn.caller) unless {HAS_SCHEME}",
        f"http-request unset-var(txn.expires) unless {HAS_SCHEME}",
        f"http-request set-var(txn.caller) {BARE},field(2,_) unless {HAS_SCHEME}",
        f"http-request set-var(txn.expires) {_free('txn.caller')} unless {HAS_SCHEME}",
        f"http-request allow if !{HAS_SCHEME} {IS_GOOD} {_is_verified(BARE)}",
        f"http-request set-var(txn.text) {BEARER},word(2,\\ ,0) if {HAS_SCHEME}",
        f"http-request set-var(txn.text) {BARE} unless {HAS_SCHEME}",
        f"http-request {missing} unless {{ var(txn.text) -m found }}",
        "http-request unset-var(txn.caller)",
        "http-request unset-var(txn.expires)",
        "http-request set-var(txn.caller) var(txn.text),field(2,_)",
        f"http-request set-var(txn.key) var(txn.caller),map_str({maps.KEYS})",
        "http-request set-var(txn.expires) var(txn.key),field(3,|)",
        f"http-request {unknown} unless {{ var(txn.key) -m found }} {IS_GOOD}",
        f"http-request set-var(txn.digest) var(txn.text),hmac(sha256,{installation.pepper}),hex"
        f" unless {is_known}",
        f"http-request {unknown} unless {is_right} || {is_known}",
        f"http-request track-sc2 {BEARER},sha2(256) table verified if {HAS_SCHEME}",
        f"http-request track-sc2 {BARE},sha2(256) table verified unless {HAS_SCHEME}",
        f"http-request {stranger} unless {{ var(txn.key),field(2,|),strcmp(txn.project) eq 0 }}",
        f"http-request {lacking} if {{ var(txn.key),field(4,|) -m str {maps.FORBIDDEN} }}",
        *_limit(),
    ]


def _limit() -> list[str]:
    """Only keys that have a limit are counted, and of those only what was let through."""
    is_limited = f"{{ var(txn.key),field(4,|) -m str {maps.LIMITED} }}"
    sentence = (
        "This API key may send %[var(txn.key),field(5,|)] requests per second and sent more; try again soon."
    )
    refusal = returned(429, "TooManyRequests", sentence, Retry_After="1")
    return [
        f"http-request set-var(txn.limit) var(txn.key),field(5,|) if {is_limited}",
        f"http-request track-sc0 var(txn.caller) table limits if {is_limited}",
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
        "http-request set-var(txn.to) var(txn.to),concat(.canary) if { var(txn.turn) -m int lt 0 }",
    ]
