"""Steps that call other services, which are not hosted here."""

from ..unsupported import unsupported

_ADVICE = "call the other service from predict, or serve its model here"
RemoteStep = unsupported("RemoteStep", _ADVICE)
BatchHttpRequests = unsupported("BatchHttpRequests", _ADVICE)
